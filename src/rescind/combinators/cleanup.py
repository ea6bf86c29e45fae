"""`on_cancel`, `finalize`, `catch_cancel`, `bracket`: cleanup that is part of the future itself.

*Invariants.*
 Z1  A finalizer runs exactly once if the future was polled or canceled; never for one that was only
     created and dropped.
 Z2  It is shielded: a cancellation during it waits until it is done. The grace bounds it.
 Z3  What it raises is lost nowhere: it is in ``also`` of what ended the future, or, if that
     was a value, it is raised.

*Source.* cats-effect's ``onCancel``, ``guaranteeCase`` and ``bracket``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.ending import ended_by, raise_all
from rescind._core.errors import Cancellation
from rescind._core.frames import strip
from rescind._core.gate import Gate
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome, attach
from rescind._core.poll import PENDING, Context, Future, NoopWaker, Pending, polled_after_end
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.region import Region
from rescind._core.watched import watched

__all__ = ["CatchCancel", "Finalize", "bracket", "catch_cancel", "finalize", "on_cancel"]

T = TypeVar("T")
R = TypeVar("R")

Finalizer = Callable[[Outcome[T]], object]

_DROPPED: Final = CancelReason(CancelKind.PARENT, "the future was dropped")


class Finalize(Region, Generic[T]):
    """The future that `finalize` and `on_cancel` return."""

    __slots__ = (
        "_finalizer",
        "_given",
        "_only_canceled",
        "_outcome",
        "_running",
        "_started",
        "_taken",
        "inner",
    )
    _native = True

    def __init__(self, inner: Future[T], finalizer: Finalizer[T], *, only_canceled: bool) -> None:
        self._taken = False
        self._given = False
        self._started = False
        self.outer = None
        self.cx = None
        self.request = None
        self.inner = watched(inner)
        self._finalizer = finalizer
        self._only_canceled = only_canceled
        # How the inner future ended; None before.
        self._outcome: Outcome[T] | None = None
        # The finalizer under way, if it awaits.
        self._running: Future[Any] | None = None

    def begin(self) -> None:
        """Run the finalizer even if the future is dropped before its first poll."""
        self._started = True

    def poll(self, cx: Context) -> T | Pending:
        if self._given:
            polled_after_end(self)
        self._started = True
        if self._outcome is None:
            try:
                result = self.inner.poll(cx)
            except (KeyboardInterrupt, SystemExit):
                raise  # to be dropped by its owner, which runs the finalizer (Z1)
            except BaseException as exc:
                strip(exc)
                self._begin(ended_by(exc, None))
            else:
                if isinstance(result, Pending):
                    return PENDING
                self._begin(Completed(result))
        outcome = self._drive(cx)
        if outcome is PENDING:
            return PENDING
        self._given = True
        self._outcome = None
        if isinstance(outcome, Completed):
            return outcome.value
        if isinstance(outcome, Canceled):
            raise Cancellation(outcome.reason, outcome.also)
        raise outcome.exception

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        self._started = True
        if self._outcome is None:
            ended = self.inner.poll_cancel(cx, request)
            if ended is PENDING:
                return PENDING
            self._begin(ended)
            del ended  # the frames of the exception in it may refer back to this one
        try:
            return self._drive(cx)
        finally:
            if self._running is None:
                self._given = True
                self._outcome = None

    def drop(self) -> None:
        if self._given:
            return
        self._given = True
        errors: list[BaseException] = []
        if self._outcome is None:
            try:
                self.inner.drop()
            except BaseException as exc:
                errors.append(exc)
            if self._started:
                self._begin(Canceled(_DROPPED, tuple(errors), dropped=True))
        running, self._running = self._running, None
        if running is not None:
            try:
                # As far as it goes without waiting.
                self._poll_shielded(running, Context(NoopWaker(), local.executor))
                running.drop()
            except BaseException as exc:
                errors.append(exc)
        if isinstance(self._outcome, (Error, Canceled)):
            errors += [error for error in self._outcome.also if error not in errors]
        raise_all(errors)

    def _begin(self, outcome: Outcome[T]) -> None:
        """Call the finalizer (Z1)."""
        self._outcome = outcome
        if self._only_canceled and not isinstance(outcome, Canceled):
            return
        try:
            result = self._finalizer(outcome)
            if inspect.isawaitable(result):
                self._running = watched(as_future(result))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            strip(exc)
            self._fail(exc)

    def _drive(self, cx: Context) -> Outcome[T] | Pending:
        """Poll the finalizer, whether or not a cancellation is under way (Z2)."""
        running = self._running
        if running is not None:
            try:
                if self._poll_shielded(running, cx) is PENDING:
                    return PENDING
            except (KeyboardInterrupt, SystemExit) as exc:
                self._running = None
                try:
                    running.drop()
                except BaseException as other:
                    attach(exc, other, "while it was dropped")
                raise exc
            except BaseException as exc:
                strip(exc)
                self._fail(exc)
            self._running = None
        assert self._outcome is not None
        return self._outcome

    def _poll_shielded(self, running: Future[Any], cx: Context) -> object:
        """Poll the finalizer as the shield that it is: nothing is due in it from outside (Z2)."""
        outer = local.region
        self.outer, self.cx = outer, cx
        local.region = self
        try:
            return running.poll(cx)
        finally:
            local.region = outer
            self.outer = self.cx = None

    def holds(self) -> bool:
        return True

    def _fail(self, exc: BaseException) -> None:
        """Take up what the finalizer raised (Z3)."""
        outcome = self._outcome
        if isinstance(outcome, Canceled):
            self._outcome = Canceled(
                outcome.reason, (*outcome.also, exc), outcome.dropped, outcome.abandoned
            )
        elif isinstance(outcome, Error):
            # At once: whoever drives this may raise the exception without looking at the outcome.
            attach(outcome.exception, exc, "its finalizer failed")
            self._outcome = Error(outcome.exception, (*outcome.also, exc))
        else:
            self._outcome = ended_by(exc, None)

    def __repr__(self) -> str:
        if self._running is not None:
            return f"finalizer {self._running!r}"
        return f"{'on_cancel' if self._only_canceled else 'finalize'}({self.inner!r})"


_OF_OUTCOME = "a function of the outcome, sync or async"


def _checked(finalizer: Any, what: str, needs: str, future: Future[Any] | None = None) -> Any:
    if not callable(finalizer):
        if future is not None:
            future.drop()
        if inspect.iscoroutine(finalizer):
            finalizer.close()
        raise TypeError(
            f"{what} needs {needs}, not {finalizer!r}; pass the function itself, without calling it"
        )
    return finalizer


def on_cancel(fut: Awaitable[T], finalizer: Finalizer[T]) -> Future[T]:
    """Return a future that runs ``finalizer(outcome)`` if ``fut`` is canceled, and only then.

    Args:
        fut: a coroutine, a future, or anything that can be awaited.
        finalizer: a function of the `Canceled` outcome; what it returns is awaited if it can be.

    Cancellation: that of ``fut``, then the finalizer, which is shielded. It also runs if the
        cancellation comes before the first poll; then nothing of ``fut`` does.

    Source: cats-effect's ``onCancel``.
    """
    future = as_future(fut)
    return Finalize(
        future, _checked(finalizer, "on_cancel()", _OF_OUTCOME, future), only_canceled=True
    )


def finalize(fut: Awaitable[T], finalizer: Finalizer[T]) -> Future[T]:
    """Return a future that runs ``finalizer(outcome)`` however ``fut`` ends.

    Args:
        fut: a coroutine, a future, or anything that can be awaited.
        finalizer: a function of the outcome; what it returns is awaited if it can be.

    Returns:
        The value of ``fut``; its exception is raised.

    Raises:
        BaseException: what the finalizer raised, if ``fut`` had a value.

    Cancellation: that of ``fut``, then the finalizer, which is shielded.

    Source: cats-effect's ``guaranteeCase``.
    """
    future = as_future(fut)
    return Finalize(
        future, _checked(finalizer, "finalize()", _OF_OUTCOME, future), only_canceled=False
    )


class CatchCancel(Future[Outcome[T]]):
    """The future that `catch_cancel` returns."""

    __slots__ = ("_given", "_taken", "inner")
    _native = True

    def __init__(self, inner: Future[T]) -> None:
        self._taken = False
        self._given = False
        self.inner = watched(inner)

    def poll(self, cx: Context) -> Outcome[T] | Pending:
        if self._given:
            polled_after_end(self)
        try:
            result = self.inner.poll(cx)
        except (KeyboardInterrupt, SystemExit):
            self._given = True
            raise
        except BaseException as exc:
            strip(exc)
            self._given = True
            return ended_by(exc, None)
        if isinstance(result, Pending):
            return PENDING
        self._given = True
        return Completed(result)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[Outcome[T]] | Pending:
        outcome = self.inner.poll_cancel(cx, request)
        if outcome is PENDING:
            return PENDING
        self._given = True
        return Completed(outcome)

    def drop(self) -> None:
        self._given = True
        self.inner.drop()

    def __repr__(self) -> str:
        return f"catch_cancel({self.inner!r})"


def catch_cancel(fut: Awaitable[T]) -> Future[Outcome[T]]:
    """Return a future of how ``fut`` ended, its cancellation included.

    It absorbs nothing: if it is the parent that is canceled, the outcome is delivered to
    the await, and the parent's cancellation arrives at its next park.

    Args:
        fut: a coroutine, a future, or anything that can be awaited.

    Cancellation: that of ``fut``.
    """
    return CatchCancel(as_future(fut))


def bracket(
    acquire: Callable[[], Awaitable[R]],
    use: Callable[[R], Awaitable[T]],
    release: Callable[[R], object],
) -> Future[T]:
    """Return a future that acquires a resource, uses it, and releases it, whatever happens.

    Args:
        acquire: an async function; shielded, so that a resource it has made is never lost.
        use: an async function of the resource; canceled as usual.
        release: a function of the resource, sync or async; shielded; called exactly once if
            ``acquire`` returned.

    Returns:
        The value of ``use``.

    Cancellation: waits for ``acquire``, cancels ``use``, then waits for ``release``.

    Source: Haskell's ``bracket``, cats-effect's.
    """
    _checked(acquire, "bracket()'s acquire", "an async function without arguments")
    _checked(use, "bracket()'s use", "an async function of the resource")
    _checked(release, "bracket()'s release", "a function of the resource, sync or async")
    return CoroutineFuture(_bracket(acquire, use, release))


async def _bracket(
    acquire: Callable[[], Awaitable[R]],
    use: Callable[[R], Awaitable[T]],
    release: Callable[[R], object],
) -> T:
    with Gate() as gate:
        resource = await acquire()
        used: Finalize[T] = Finalize(
            as_future(_use(use, resource)), lambda _outcome: release(resource), only_canceled=False
        )
        used.begin()
        return await gate.open(used)


async def _use(use: Callable[[R], Awaitable[T]], resource: R) -> T:
    """Call ``use`` where a failure of the call itself is seen by the finalizer too."""
    return await use(resource)
