"""`timeout` and `deadline`: cancel what takes too long, and say so at one's own boundary (R21)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Final, Literal, TypeVar

from rescind._core.deadline import Deadline
from rescind._core.dropping import drop_overdue
from rescind._core.errors import TimedOut
from rescind._core.grace import UNSET, Grace, Unset, checked_grace, checked_seconds
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelKind, CancelRequest
from rescind._core.timers import Timer
from rescind._core.watched import Watched
from rescind.combinators.children import enclosing_grace, parent_reason

__all__ = ["OnOverrun", "Timeout", "deadline", "timeout"]

T = TypeVar("T")

_log = logging.getLogger("rescind")

_NEVER: Final = float("inf")

OnOverrun = Literal["wait", "drop", "detach"]


class Timeout(Future[T]):
    """The future that `timeout` returns."""

    __slots__ = (
        "_at",
        "_cx",
        "_given",
        "_grace",
        "_on_overrun",
        "_request",
        "_seconds",
        "_taken",
        "_timer",
        "inner",
    )
    _native = True

    def __init__(
        self, inner: Future[T], seconds: float, grace: Grace, on_overrun: OnOverrun
    ) -> None:
        self._taken = False
        self._given = False
        self.inner = inner if inner._native else Watched(inner)
        self._seconds = seconds
        self._grace = grace
        self._on_overrun: OnOverrun = on_overrun
        # The timer of the deadline, then of the grace; None while neither runs.
        self._timer: Timer | None = None
        self._at = 0.0
        # What the inner future is polled with: it carries the deadline.
        self._cx: Context | None = None
        # The cancellation of the inner future, once the deadline has passed.
        self._request: CancelRequest | None = None

    def poll(self, cx: Context) -> T | Pending:
        if self._given:
            polled_after_end(self)
        if self._request is not None:
            return self._drain(cx)
        inner_cx = self._enter(cx)
        self._given = True
        try:
            result = self.inner.poll(inner_cx)  # the value before the timer
        except BaseException:
            self._stop_timer()
            inner_cx.release()
            raise
        if result is not PENDING:
            inner_cx.release()
            self._stop_timer()
            return result
        self._given = False
        timer = self._timer
        if timer is None or not timer.fired:
            return PENDING
        self._expire(cx)
        return self._drain(cx)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        if self._cx is None:
            self.drop()
            return Canceled(request.reason)
        if self._request is not None:
            # Its own cancellation goes on; the parent's only shortens it (R9, R10).
            if self._request.shorten(request.grace_at):
                self._arm_grace(cx)
            drained = self._drained(cx)
            if isinstance(drained, Canceled):
                return Canceled(request.reason, drained.also, drained.dropped, drained.abandoned)
            return drained
        self._stop_timer()
        outcome = self.inner.poll_cancel(self._enter(cx), request)
        if outcome is not PENDING:
            self._end()
        try:
            return outcome
        finally:
            del outcome  # the frames of an error in it may refer back to this one (``f_back``)

    def drop(self) -> None:
        self._end()
        self.inner.drop()

    def _enter(self, cx: Context) -> Context:
        inner_cx = self._cx
        if inner_cx is None:
            executor = cx.executor or cx.runtime("timeout()")
            self._at = at = executor.now() + self._seconds
            if at != _NEVER:
                self._timer = executor.add_timer(at, cx.waker)
            #: compiled: inner_cx = Context.__new__(Context)
            inner_cx = Context(cx.waker)  #: compiled: inner_cx.waker = cx.waker
            inner_cx.executor, inner_cx.cell = executor, cx.cell
            outer_at = cx.deadline_at
            inner_cx.deadline_at = at if outer_at is None or at < outer_at else outer_at
            self._cx = inner_cx
            return inner_cx
        if inner_cx.waker is not cx.waker:
            inner_cx.waker = cx.waker
            inner_cx.executor, inner_cx.cell = cx.executor, cx.cell
            if self._timer is not None:
                self._timer.waker = cx.waker
        return inner_cx

    def _expire(self, cx: Context) -> None:
        """Begin the cancellation; its grace runs from now."""
        executor = cx.runtime("timeout()")
        reason = parent_reason(
            CancelKind.DEADLINE, f"the timeout of {self._seconds:g} s has passed", cx
        )
        grace = self._grace
        if isinstance(grace, Unset):
            grace = executor.grace if cx.cell is None else cx.cell.effective_grace()
        self._request = CancelRequest(
            reason, grace_at=None if grace is None else executor.now() + grace
        )
        self._request.shorten(enclosing_grace(cx.cell))
        self._arm_grace(cx)

    def _arm_grace(self, cx: Context) -> None:
        self._stop_timer()
        request = self._request
        assert request is not None
        if request.grace_at is not None and self._on_overrun != "wait":
            self._timer = cx.runtime("timeout()").add_timer(request.grace_at, cx.waker)

    def _drain(self, cx: Context) -> T | Pending:
        """Drive the cleanup; raise `TimedOut` at its end, or deliver what the future had (R7)."""
        outcome = self._drained(cx)
        if isinstance(outcome, Pending):
            return PENDING
        if isinstance(outcome, Completed):
            return outcome.value
        if isinstance(outcome, Error):
            raise outcome.exception
        error = TimedOut(f"timed out after {self._seconds:g} s")
        error.also = outcome.also
        for other in outcome.also:
            error.add_note(f"while cleaning up: {other!r}")
        raise error

    def _drained(self, cx: Context) -> Outcome[T] | Pending:
        """Drive the cleanup, or cut it short when its grace is over."""
        request = self._request
        assert request is not None
        at = request.grace_at
        if at is None or at > cx.runtime("timeout()").now() or self._on_overrun == "wait":
            outcome = self.inner.poll_cancel(self._enter(cx), request)
        else:
            outcome = self._overrun(cx, request)
        if outcome is not PENDING:
            self._end()
        try:
            return outcome
        finally:
            del outcome

    def _overrun(self, cx: Context, request: CancelRequest) -> Outcome[T]:
        if self._on_overrun == "detach":
            executor = cx.runtime("timeout()")
            rest = Cleanup(self.inner, request)
            executor.spawn(rest, name=f"cleanup of {self.inner!r}", cleanup=True)
            return Canceled(request.reason)
        also, abandoned = drop_overdue(
            self.inner,
            cx.executor,
            repr(self.inner),
            request.reason,
            overran=request.grace_at != request.reason.at,
        )
        for error in also:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise error
        return Canceled(request.reason, also, True, abandoned)

    def _end(self) -> None:
        self._given = True
        self._stop_timer()
        if self._cx is not None:
            self._cx.release()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def __repr__(self) -> str:
        return f"timeout({self.inner!r}, {self._seconds:g})"


class Cleanup(Future[None]):
    """Drives the rest of a cleanup that nobody waits for any more."""

    __slots__ = ("_request", "_taken", "inner")
    _native = True

    def __init__(self, inner: Future[object], request: CancelRequest) -> None:
        self._taken = True
        self.inner = inner
        self._request = request

    def poll(self, cx: Context) -> Pending | None:
        outcome = self.inner.poll_cancel(cx, self._request)
        if outcome is PENDING:
            return PENDING
        if isinstance(outcome, Error):
            raise outcome.exception
        if isinstance(outcome, Canceled) and outcome.also:
            raise outcome.also[0]
        return None

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        outcome = self.inner.poll_cancel(cx, self._request)
        return outcome if not isinstance(outcome, Completed) else Completed(None)

    def drop(self) -> None:
        self.inner.drop()

    def __repr__(self) -> str:
        return f"cleanup of {self.inner!r}"


def timeout(
    fut: Awaitable[T],
    seconds: float,
    *,
    grace: Grace = UNSET,
    on_overrun: OnOverrun = "drop",
) -> Future[T]:
    """Return a future of ``fut``'s value, or of `TimedOut` if that takes longer than ``seconds``.

    The value is polled before the timer: one that is ready wins. At the deadline ``fut`` is
    canceled (kind ``DEADLINE``), its cleanup is waited for, then `TimedOut` is raised. If it
    ends with a value or another exception after all, that is delivered.

    Args:
        fut: a coroutine, a future, or anything that can be awaited; polled at least once.
        seconds: not negative; counted from the first poll; infinity never expires.
        grace: for the cleanup, in seconds; by default the task's.
        on_overrun: when the cleanup is not done within its grace: ``"drop"`` cuts it short,
            ``"wait"`` waits on, ``"detach"`` lets it go on as a task of the runtime.

    Raises:
        TimedOut: time is over; errors of the cleanup are in its notes, and in its ``also``.
        ValueError: ``seconds`` or ``grace`` is negative or NaN; ``on_overrun`` is not known.

    Cancellation: that of ``fut``.

    Example:
        >>> import rescind
        >>> async def main():
        ...     try:
        ...         await rescind.timeout(rescind.never(), 0.01)
        ...     except rescind.TimedOut as exc:
        ...         return str(exc)
        >>> rescind.run(main)
        'timed out after 0.01 s'

    Source: tokio's ``timeout``; the overrun policies answer cats-effect's ``timeoutAndForget``.
    """
    future = as_future(fut)
    try:
        seconds = checked_seconds(seconds, "timeout")
        if grace is not UNSET:
            checked_grace(grace)
        if on_overrun not in ("wait", "drop", "detach"):
            raise ValueError(f"on_overrun must be 'wait', 'drop' or 'detach': {on_overrun!r}")
    except (TypeError, ValueError):
        future.drop()
        raise
    return Timeout(future, seconds, grace, on_overrun)


def deadline(seconds: float) -> Deadline:
    """Return an async context manager that cancels its block after ``seconds``.

    ``async with deadline(5) as d:`` raises `TimedOut` at the end of the block if its time was over
    while it was parked. ``d.reschedule(seconds)`` counts anew, ``d.expired`` tells.

    Args:
        seconds: not negative; counted from entering the block; infinity never expires.

    Raises:
        TimedOut: time is over. A value that was ready at the deadline is delivered first.
        UsageError: on entering, if no coroutine of rescind's runs; or when it is entered twice.
        ValueError: negative or NaN.

    Cancellation: safe. What is cleaned up inside is bounded by the task's grace, not by one of
        its own; use `timeout` for that.

    Source: ``asyncio.timeout``, trio's ``fail_after``.
    """
    return Deadline(seconds)  #: compiled: return new_deadline(seconds)
