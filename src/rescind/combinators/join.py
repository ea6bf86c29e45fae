"""`join` and `outcomes`: all children, in one task; failing fast, or never."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar, cast, overload

from rescind._core.grace import UNSET
from rescind._core.outcome import Canceled, Completed, Error, Outcome, also_of, attach
from rescind._core.poll import Context, Future
from rescind._core.reason import CancelKind
from rescind.combinators.children import Child, futures_of, parent_reason
from rescind.combinators.parallel import Parallel

__all__ = ["JoinAll", "Outcomes", "join", "outcomes"]

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")


class JoinAll(Parallel[tuple[Any, ...]]):
    """The future that `join` returns."""

    __slots__ = ("_failed",)
    _what = "join"

    def __init__(self, futures: Iterable[Future[Any]], biased: bool) -> None:
        self._prepare(futures, biased, UNSET)
        # The first child that failed by itself.
        self._failed: Child | None = None

    def _child_ended(self, child: Child, cx: Context) -> None:
        outcome = child.ended
        if isinstance(outcome, Completed) or self._failed is not None:
            return
        if isinstance(outcome, Canceled) and child.request is not None:
            return  # it only follows the parent's cancellation
        self._failed = child
        if self._children.alive:
            what = repr(outcome.exception) if isinstance(outcome, Error) else "it was canceled"
            reason = parent_reason(
                CancelKind.SIBLING_FAILED, f"child {child.index} failed: {what}", cx
            )
            self._children.cancel(reason, cx, wanted=False)

    def _result(self) -> tuple[Any, ...]:
        error = self._error()
        if error is not None:
            raise error
        return self._values()

    def _despite(self) -> Outcome[tuple[Any, ...]] | None:
        error = self._error()
        if error is not None:
            return Error(error, also_of(error))
        for child in self._children.cells:
            if not isinstance(child.ended, Completed):
                return None
        return Completed(self._values())

    def _untold(self) -> tuple[BaseException, ...]:
        return self._failures()

    def _forget(self) -> None:
        self._failed = None
        super()._forget()  #: compiled: Parallel._forget(self)

    def _values(self) -> tuple[Any, ...]:
        #: compiled: return values_of(self._children.cells)
        cells = self._children.cells
        return tuple([cast("Completed[Any]", child.ended).value for child in cells])

    def _error(self) -> BaseException | None:
        """Return what to raise: the first failure; a real error outranks a canceled child."""
        failed = self._failed
        if failed is None:
            return None
        first: BaseException | None = None
        if isinstance(failed.ended, Error):
            first = failed.ended.exception
        for child in self._children.cells:
            if first is None and isinstance(child.ended, Error):
                first = child.ended.exception
        if first is None:
            assert isinstance(failed.ended, Canceled)
            first = failed.ended.error(f"child {failed.index} of a join")
        for other in self._failures():
            attach(first, other, "join: another child failed too")
        return first


class Outcomes(Parallel[tuple[Outcome[Any], ...]]):
    """The future that `outcomes` returns."""

    __slots__ = ()
    _what = "outcomes"

    def _result(self) -> tuple[Outcome[Any], ...]:
        return tuple([cast("Outcome[Any]", child.ended) for child in self._children.cells])

    def _despite(self) -> Outcome[tuple[Outcome[Any], ...]] | None:
        for child in self._children.cells:
            if isinstance(child.ended, Canceled) and child.request is not None:
                return None
        return Completed(self._result())


@overload
def join(fut1: Awaitable[T1], /, *, biased: bool = ...) -> Future[tuple[T1]]: ...
@overload
def join(
    fut1: Awaitable[T1], fut2: Awaitable[T2], /, *, biased: bool = ...
) -> Future[tuple[T1, T2]]: ...
@overload
def join(
    fut1: Awaitable[T1], fut2: Awaitable[T2], fut3: Awaitable[T3], /, *, biased: bool = ...
) -> Future[tuple[T1, T2, T3]]: ...
@overload
def join(
    fut1: Awaitable[T1],
    fut2: Awaitable[T2],
    fut3: Awaitable[T3],
    fut4: Awaitable[T4],
    /,
    *,
    biased: bool = ...,
) -> Future[tuple[T1, T2, T3, T4]]: ...
@overload
def join(
    fut1: Awaitable[T1],
    fut2: Awaitable[T2],
    fut3: Awaitable[T3],
    fut4: Awaitable[T4],
    fut5: Awaitable[T5],
    /,
    *,
    biased: bool = ...,
) -> Future[tuple[T1, T2, T3, T4, T5]]: ...
@overload
def join(*futs: Awaitable[T], biased: bool = ...) -> Future[tuple[T, ...]]: ...


def join(*futs: Awaitable[Any], biased: bool = False) -> Future[Any]:
    """Return a future of all values; if a child fails, the others are canceled and drained.

    Children run in the parent's task; the first polls are in argument order, later ones in
    the order of waking.

    Args:
        futs: coroutines, futures, tasks, or other awaitables; none at all gives ``()``.
        biased: poll woken children in argument order.

    Returns:
        A tuple of the values, in argument order.

    Raises:
        BaseException: the first child's exception; the others' are in its notes.
        TaskCanceled: no child raised, but one was canceled by somebody else.

    Cancellation: the children are canceled and drained; loses the values of those that had
        completed (use `outcomes`, or `spawn` them, to keep those).

    Example:
        >>> import rescind
        >>> async def main():
        ...     return await rescind.join(rescind.ready(1), rescind.ready("two"))
        >>> rescind.run(main)
        (1, 'two')

    Source: futures-concurrency's ``try_join``.
    """
    return JoinAll(futures_of(futs, "join"), biased)


@overload
def outcomes(fut1: Awaitable[T1], /) -> Future[tuple[Outcome[T1]]]: ...
@overload
def outcomes(
    fut1: Awaitable[T1], fut2: Awaitable[T2], /
) -> Future[tuple[Outcome[T1], Outcome[T2]]]: ...
@overload
def outcomes(
    fut1: Awaitable[T1], fut2: Awaitable[T2], fut3: Awaitable[T3], /
) -> Future[tuple[Outcome[T1], Outcome[T2], Outcome[T3]]]: ...
@overload
def outcomes(*futs: Awaitable[T]) -> Future[tuple[Outcome[T], ...]]: ...


def outcomes(*futs: Awaitable[Any]) -> Future[Any]:
    """Return a future of how each child ended; it waits for all, and never fails.

    Args:
        futs: coroutines, futures, tasks, or other awaitables; none at all gives ``()``.

    Returns:
        A tuple of `Outcome`, in argument order.

    Cancellation: the children are canceled and drained; loses the outcomes of those that had
        ended, unless all had.

    Source: ``Promise.allSettled``.
    """
    return Outcomes(futures_of(futs, "outcomes"))
