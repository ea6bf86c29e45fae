"""The futures of a token: to wait for its cancellation, and to run another future until then."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from rescind._core.grace import UNSET, Grace
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.phase import Phase
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelReason, CancelRequest
from rescind._core.waitlist import Waiter
from rescind.combinators.parallel import Parallel
from rescind.tasks.tree import Node

__all__ = ["Guard", "RunUntilCanceled", "WaitCanceled"]

T = TypeVar("T")
R = TypeVar("R")

_QUEUED = frozenset({Phase.NEW, Phase.READY})


class WaitCanceled(Future[CancelReason]):
    """The future that `CancellationToken.wait` returns."""

    __slots__ = ("_given", "_taken", "_token", "_waiter")
    _native = True

    def __init__(self, token: Node) -> None:
        self._taken = False
        self._given = False
        self._token = token
        # Its place among those who wait; None while it is not there.
        self._waiter: Waiter | None = None

    def poll(self, cx: Context) -> CancelReason | Pending:
        if self._given:
            polled_after_end(self)
        self._waiter = self._token.watch(self._waiter, cx.waker)
        if self._waiter is not None:
            return PENDING
        self._given = True
        reason = self._token.reason
        assert reason is not None
        return reason

    def drop(self) -> None:
        self._given = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._token.unwatch(waiter)

    def __repr__(self) -> str:
        return f"wait for {self._token!r}"


class Guarded(Parallel[R]):
    """Runs one future until its token is canceled; subclasses say what the result is.

    The future is stepped before the token is looked at, so that what it has already wins (R7, R16);
    but on the first poll the token comes first: what is canceled is not begun.
    """

    __slots__ = ("_asked", "_token", "_waiter")
    _what = "guard"

    def __init__(self, token: Node, inner: Future[object], *, grace: Grace = UNSET) -> None:
        super().__init__((inner,), grace=grace)
        self._token = token
        # Its place among those who wait for the token; None while it is not there.
        self._waiter: Waiter | None = None
        # Why the future was asked to cancel; None as long as it was not asked by the token.
        self._asked: CancelReason | None = None

    def _outcome_of(self, outcome: Outcome[object]) -> R:
        """Return the output for how the future ended, or raise."""
        raise NotImplementedError

    def poll(self, cx: Context) -> R | Pending:
        futures = self._futures
        if futures is not None:
            reason = self._token.reason
            if reason is not None:
                self.drop()
                return self._outcome_of(Canceled(reason))
            self._futures = None
            self._children.start(futures, cx)
        elif self._given:
            polled_after_end(self)
        children = self._children
        # Without budget nothing is stepped, and what the future has would not be seen.
        unseen = cx.executor is not None and cx.executor.budget <= 0
        self._step(cx)
        if children.alive and self._asked is None:
            (child,) = children.cells
            self._waiter = self._token.watch(self._waiter, cx.waker)
            if self._waiter is None and not (unseen and child.phase in _QUEUED):
                reason = self._asked = self._token.reason
                assert reason is not None
                following = CancelRequest(reason).follow(message="its token was canceled")
                children.cancel(following.reason, cx, wanted=True)
                self._step(cx)
        if children.alive:
            return PENDING
        self._leave()
        self._given = True
        try:
            return self._result()
        finally:
            self._forget()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[R] | Pending:
        self._leave()  # my own cancellation comes first now
        return super().poll_cancel(cx, request)

    def drop(self) -> None:
        self._leave()
        super().drop()

    def _step(self, cx: Context) -> None:
        self._children.begin(cx)
        while self._children.advance(cx) is not None:
            pass  # its outcome is read at the end

    def _leave(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._token.unwatch(waiter)

    def _ended(self) -> Outcome[object]:
        """Return how the future ended, with the token's own reason if it ended for that."""
        outcome: Outcome[object] | None = self._children.cells[0].ended
        assert outcome is not None
        if isinstance(outcome, Canceled) and self._asked is not None:
            return replace(outcome, reason=self._asked)
        return outcome

    def _result(self) -> R:
        return self._outcome_of(self._ended())


class Guard(Guarded[T]):
    """The future that `CancellationToken.guard` returns."""

    __slots__ = ()

    def _outcome_of(self, outcome: Outcome[object]) -> T:
        if isinstance(outcome, Canceled):
            error = outcome.error("the guarded future")
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame
        value: T = outcome.unwrap()  # type: ignore[assignment]  # the one future's value
        return value

    def _despite(self) -> Outcome[T] | None:
        outcome: Outcome[T] | None = self._children.cells[0].ended
        return None if isinstance(outcome, Canceled) else outcome


class RunUntilCanceled(Guarded[Outcome[T]]):
    """The future that `CancellationToken.run_until_canceled` returns."""

    __slots__ = ()
    _what = "run_until_canceled"

    def _outcome_of(self, outcome: Outcome[object]) -> Outcome[T]:
        given: Outcome[T] = outcome  # type: ignore[assignment]  # the one future's outcome
        return given

    def _despite(self) -> Outcome[Outcome[T]] | None:
        outcome: Outcome[T] | None = self._children.cells[0].ended
        return None if outcome is None or isinstance(outcome, Canceled) else Completed(outcome)
