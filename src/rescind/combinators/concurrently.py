"""`concurrently`: a function over many items, so many at a time, with the results as they come.

*What it is.* The face of `Work`: a block, an async iterator, and what is done with work that went
out of scope.

*Threads.* The thread of its runtime.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Generic, Literal, TypeVar, overload

from rescind._core.grace import UNSET, Grace
from rescind._core.outcome import Outcome
from rescind._core.poll import PENDING, Context, Pending
from rescind._core.reason import CancelRequest
from rescind._core.uncopied import refuse_copy
from rescind.combinators.fetching import Fetch
from rescind.combinators.future_set import checked_limit
from rescind.combinators.work import Progress, Work

__all__ = ["Concurrently", "Progress", "concurrently"]

A = TypeVar("A")
R = TypeVar("R")
Self = TypeVar("Self", bound="Concurrently[Any]")

_log: Final = logging.getLogger("rescind")


class Take(Fetch[Any]):
    """Waits for the next result.

    Cancellation: in a block, takes nothing. Without one it is the only place where the calls can be
    canceled and drained, and so it does that.
    """

    __slots__ = ("_work",)

    def __init__(self, work: Work) -> None:
        super().__init__(work.members, "iterating")
        self._work = work

    def _attempt(self) -> Any:
        if self._work.finished:
            raise StopAsyncIteration
        return self._work.attempt()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[Any] | Pending:
        if self._work.in_block or self._children.cx is None:
            return super().poll_cancel(cx, request)
        self.waker = cx.waker
        self._children.fetcher = self
        outcome = self._work.give_up(request)
        if outcome is not PENDING:
            self._given = True
        return outcome


async def _over() -> Any:
    raise StopAsyncIteration


class Concurrently(Generic[R]):
    """The results that `concurrently` returns: a block, and an async iterator."""

    __slots__ = ("__weakref__", "_work")
    __reduce__ = refuse_copy

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __aenter__(self: Self) -> Self:
        await self._work.__aenter__()
        self._work.in_block = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._work.__aexit__(exc_type, exc, traceback)

    def __aiter__(self: Self) -> Self:
        return self

    def __anext__(self) -> Awaitable[R]:
        work = self._work
        if work.finished and not work.in_block:
            return _over()
        work.begin()
        return Take(work)

    def __del__(self) -> None:
        try:
            self._work.abandon()
        except BaseException:
            _log.exception("concurrently() failed while it was dropped unfinished")

    def __repr__(self) -> str:
        return repr(self._work)


@overload
def concurrently(
    fn: Callable[[A], Awaitable[R]],
    items: Iterable[A] | AsyncIterable[A],
    *,
    limit: int,
    ordered: bool = ...,
    on_error: Literal["raise"] = ...,
    on_progress: Callable[[Progress], object] | None = ...,
    grace: Grace = ...,
    on_undelivered: Callable[[R], object] | None = ...,
) -> Concurrently[R]: ...
@overload
def concurrently(
    fn: Callable[[A], Awaitable[R]],
    items: Iterable[A] | AsyncIterable[A],
    *,
    limit: int,
    ordered: bool = ...,
    on_error: Literal["outcomes"],
    on_progress: Callable[[Progress], object] | None = ...,
    grace: Grace = ...,
    on_undelivered: Callable[[R], object] | None = ...,
) -> Concurrently[Outcome[R]]: ...
def concurrently(
    fn: Callable[[Any], Awaitable[Any]],
    items: Iterable[Any] | AsyncIterable[Any],
    *,
    limit: int,
    ordered: bool = False,
    on_error: Literal["raise", "outcomes"] = "raise",
    on_progress: Callable[[Progress], object] | None = None,
    grace: Grace = UNSET,
    on_undelivered: Callable[[Any], object] | None = None,
) -> Concurrently[Any]:
    """Return the results of ``fn(item)`` for each item, at most ``limit`` calls at a time.

    ``async with concurrently(fetch, urls, limit=10) as results: async for r in results: ...``
    Leaving the block cancels and drains the calls under way, and closes an async source. An item is
    pulled only when there is room: results that were not fetched yet count, so a slow body
    holds the calls back.

    A plain ``async for r in concurrently(...)`` works too, and a cancellation at its await drains
    everything. But Python tells nobody of a ``break``, or of an exception in the body: the calls
    are then dropped where they are, without awaiting their cleanup.

    Args:
        fn: an async function of one item.
        items: an iterable, or an async iterable, which is closed at the end if it has ``aclose``.
        limit: calls under way, and results that wait to be fetched, together; at least 1.
        ordered: give the results in the order of the items, instead of that of their ends.
        on_error: ``"raise"``: the first failure cancels the other calls; it is raised when they
            have ended, after the results that came before it. ``"outcomes"``: a failure is a result
            like any other, and all results are `Outcome`.
        on_progress: called with a `Progress` at the end of each call. If it raises, that counts as
            a failure.
        grace: for the cleanup of canceled calls, in seconds; by default the task's.
        on_undelivered: called on leaving with each value that was not fetched.

    Raises:
        TypeError: ``fn`` is not callable, or what it returned cannot be awaited; ``items`` cannot
            be iterated.
        ValueError: ``limit`` is less than 1, or ``on_error`` is not known.
        TaskCanceled: a call was canceled, by somebody else.
        BaseException: what a call, or the source, raised first; other failures are in its notes.

    Cancellation: safe in a block: a canceled ``anext`` takes nothing. Without a block it cancels
        and drains everything, and loses results that had not been fetched.

    Example:
        >>> import rescind
        >>> async def double(n):
        ...     await rescind.sleep(0)
        ...     return 2 * n
        >>> async def main():
        ...     async with rescind.concurrently(double, [3, 1, 2], limit=2, ordered=True) as out:
        ...         return [n async for n in out]
        >>> rescind.run(main)
        [6, 2, 4]

    Source: futures-rs's ``buffered`` and ``buffer_unordered``, which do not drain, and leave the
    calls unpolled while the body awaits.
    """
    if not callable(fn):
        if inspect.iscoroutine(fn):
            fn.close()
        raise TypeError(f"concurrently() needs an async function of one item, not {fn!r}")
    if not isinstance(items, (Iterable, AsyncIterable)):
        raise TypeError(f"concurrently() needs an iterable, sync or async, not {items!r}")
    if on_error not in ("raise", "outcomes"):
        raise ValueError(f"on_error must be 'raise' or 'outcomes': {on_error!r}")
    told: object = on_progress
    if told is not None and (not callable(told) or inspect.iscoroutinefunction(told)):
        raise TypeError(f"on_progress must be a plain function, not {on_progress!r}")
    work = Work(
        fn,
        items,
        limit=checked_limit(limit, "concurrently"),
        ordered=ordered,
        raising=on_error == "raise",
        on_progress=on_progress,
        grace=grace,
        on_undelivered=on_undelivered,
    )
    return Concurrently(work)
