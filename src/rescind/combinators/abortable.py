"""`abortable`: a future, and a handle that cancels it from elsewhere, from any thread."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

from rescind._core.executor import Executor
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import Context, Future, Pending, Waker
from rescind._core.reason import CancelReason, make_reason
from rescind._core.uncopied import refuse_copy
from rescind.combinators.children import cancel_children
from rescind.combinators.parallel import Parallel

__all__ = ["AbortHandle", "Abortable", "abortable"]

T = TypeVar("T")

_ABORTED: Final = "the abortable future"


class AbortHandle:
    """Cancels the future that it was made with; it keeps neither the future nor its value alive.

    *Threads.* `abort` from any.
    """

    __slots__ = ("_executor", "_reason", "_waker")
    __reduce__ = refuse_copy

    def __init__(self) -> None:
        self._reason: CancelReason | None = None
        # Set while the future waits.
        self._executor: Executor | None = None
        self._waker: Waker | None = None

    @property
    def aborted(self) -> bool:
        """Was `abort` called?"""
        return self._reason is not None

    @property
    def reason(self) -> CancelReason | None:
        """Why, if it was."""
        return self._reason

    def abort(self, reason: str | CancelReason | None = None) -> None:
        """Ask for the cancellation; the first reason stands; a no-op after the end.

        Args:
            reason: words, or a complete `CancelReason`.

        Raises:
            TypeError: ``reason`` is neither words nor a reason.
        """
        if self._reason is not None:
            return
        self._reason = make_reason(reason, self._executor)
        waker = self._waker
        if waker is not None:
            waker.wake()

    def attach(self, cx: Context) -> None:
        """Note whom to wake."""
        self._executor = cx.executor
        self._waker = cx.waker

    def release(self) -> None:
        """Note that the future has ended."""
        self._waker = None
        self._executor = None


class Abortable(Parallel[T]):
    """The future that `abortable` returns."""

    __slots__ = ("_handle",)
    _what = "abortable"

    def __init__(self, inner: Future[T], handle: AbortHandle) -> None:
        super().__init__((inner,))
        self._handle = handle

    def poll(self, cx: Context) -> T | Pending:
        handle = self._handle
        handle.attach(cx)  # before the look at the reason: an abort in between wakes
        reason = handle.reason
        if reason is not None:
            if self._futures is not None:
                self.drop()
                raise Canceled(reason).error(_ABORTED)
            # A child that is ready already keeps its value (R16): it finds that out itself.
            fresh = [child for child in self._children.cells if child.request is None]
            cancel_children(fresh, reason, self._children.grace, cx)
        return super().poll(cx)

    def drop(self) -> None:
        self._handle.release()
        super().drop()

    def _result(self) -> T:
        self._handle.release()
        outcome: Outcome[T] | None = self._children.cells[0].ended
        assert outcome is not None
        if isinstance(outcome, Canceled):
            raise outcome.error(_ABORTED)
        return outcome.unwrap()

    def _despite(self) -> Outcome[T] | None:
        self._handle.release()
        outcome = self._children.cells[0].ended
        return outcome if isinstance(outcome, Completed) or not _followed(outcome) else None


def _followed(outcome: Outcome[T] | None) -> bool:
    return isinstance(outcome, Canceled)


def abortable(fut: Awaitable[T]) -> tuple[Future[T], AbortHandle]:
    """Return ``fut`` as a future that can be canceled from elsewhere, and the handle to do so.

    Aborting cancels ``fut``, drains it, and makes the await raise `TaskCanceled` with the reason.
    A value that ``fut`` had first is delivered instead. Dropping the handle does nothing.

    Args:
        fut: a coroutine, a future, or anything that can be awaited.

    Raises:
        TaskCanceled: it was aborted; errors of the cleanup are in its notes, and in its ``also``.

    Cancellation: that of ``fut``.

    Source: futures-rs' ``abortable``, drained.
    """
    handle = AbortHandle()
    return Abortable(as_future(fut), handle), handle
