"""`select`: several futures, each outcome handled as it comes, none left unpolled meanwhile (R22).

*What it is.* A `FutureSet` that begins with its futures in it, under the names of its arguments.

*Threads.* The thread of its runtime.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar, overload

from rescind._core.errors import UsageError
from rescind._core.outcome import Outcome
from rescind._core.poll import Future
from rescind.combinators.children import futures_of
from rescind.combinators.future_set import FutureSet, Next

__all__ = ["Select", "select"]

K = TypeVar("K")
T = TypeVar("T")


class Select(FutureSet[K, T]):
    """The set that `select` returns; see there, and `FutureSet` for its other methods."""

    __slots__ = ("_futures",)
    _what = "select"

    def __init__(self, futures: dict[Any, Future[T]]) -> None:
        super().__init__()
        # What it was given; empty once the block was entered.
        self._futures = futures

    def _enter(self) -> None:
        futures, self._futures = self._futures, {}
        try:
            super()._enter()
        except UsageError:
            for future in futures.values():
                future.drop()
            raise
        for key, future in futures.items():
            self._members.add(key, future)

    def first(self) -> Future[tuple[K, Outcome[T]]]:
        """Return a future of the first ``(name, outcome)`` that was not fetched yet.

        Raises:
            UsageError: every outcome was fetched.

        Cancellation: safe. What was not returned stays in the set.
        """
        return Next(self._members, "first()", _nothing_left)

    def __repr__(self) -> str:
        if self._futures:
            return f"<select of {len(self._futures)}, not entered>"
        return super().__repr__()


def _nothing_left() -> UsageError:
    return UsageError("first() of a select was awaited when every outcome had been fetched")


@overload
def select(fut: Awaitable[T], /, *futs: Awaitable[T]) -> Select[int, T]: ...
@overload
def select(**named: Awaitable[T]) -> Select[str, T]: ...
@overload
def select(*futs: Awaitable[T], **named: Awaitable[T]) -> Select[Any, T]: ...
def select(*futs: Awaitable[Any], **named: Awaitable[Any]) -> Select[Any, Any]:
    """Return a block in which the futures run, and their outcomes are handled as they come.

    ``async with select(a=f(), b=g()) as s: async for name, outcome in s:`` gives each outcome in
    the order of ends. The futures that have not ended are driven while the loop's body handles one
    that has; leaving the block cancels and drains them. A branch is begun anew with
    ``s.add(f(), key="a")``.

    Args:
        futs: coroutines, futures, tasks, or other awaitables; named 0, 1, … in their order.
        named: the same, under names of their own.

    Raises:
        UsageError: there is nothing to select from.
        TypeError: an argument cannot be awaited; the others are dropped.

    Cancellation: safe. An outcome that was not fetched stays in the set; leaving is shielded.

    Example:
        >>> import rescind
        >>> async def main():
        ...     async with rescind.select(slow=rescind.sleep(60), fast=rescind.ready(1)) as s:
        ...         return await s.first()
        >>> rescind.run(main)
        ('fast', Completed(value=1))

    Source: tokio's ``select!``; no branch can be kept unpolled while a handler runs.
    """
    if not futs and not named:
        raise UsageError("select() needs at least one future; use FutureSet to add them later")
    names: list[int | str] = [*range(len(futs)), *named]
    try:
        futures = futures_of((*futs, *named.values()), "select")
    except (TypeError, UsageError) as exc:
        if named:
            exc.add_note(f"the arguments of select() are, in order: {', '.join(map(str, names))}")
        raise
    return Select(dict(zip(names, futures, strict=True)))
