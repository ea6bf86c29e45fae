"""`Steps`: records when cells are woken, polled and parked: most of what there is to record.

*What it is.* The part of a `Recorder` that is called with every step of every task, an observer of
its own. It is compiled with the core, so that recording costs a compiled program no more, in
proportion, than an interpreted one.

*What it is not.* A recorder: it has no beginning and no end, and numbers nothing.

*Threads.* An executor's, or any that wakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.frames import shortened, site
from rescind._core.hooks import Observer, actor
from rescind._core.waiting import parts_of
from rescind._host.ticks import Tick
from rescind.time import Checkpoint

if TYPE_CHECKING:
    from rescind._core.cell import Cell

__all__ = ["Steps", "near", "short"]

#: So short a wait that what is waited for goes without saying.
_YIELDS: Final = frozenset({Tick, Checkpoint})
_WIDTH: Final = 120


class Steps(Observer):
    """Appends an event for each.

    Args:
        clock: returns the time in nanoseconds.
        ids: the numbers of cells, of those that have one.
        number: returns the number of any cell.
        events: what it appends to.
        mark: when there are more than so many of them, it calls
        full: without arguments.
    """

    __slots__ = ("_append", "_clock", "_events", "_full", "_ids", "_mark", "_number")

    def __init__(
        self,
        clock: Callable[[], int],
        ids: dict[Any, int],
        number: Callable[[Cell[Any]], int],
        *,
        events: deque[tuple[Any, ...]],
        mark: int,
        full: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._number = number
        self._events = events
        self._append = events.append
        self._mark = mark
        self._full = full

    # What is woken and polled parks or ends next: it is only there that it is looked how many
    # events there are.

    def woken(self, cell: Cell[Any]) -> None:
        number = self._ids.get(cell) or self._number(cell)
        by = actor()
        made_by = None if by is None else self._ids.get(by) or self._number(by)
        self._append((self._clock(), "woken", number, made_by))

    def polled(self, cell: Cell[Any]) -> None:
        number = self._ids.get(cell) or self._number(cell)
        self._append((self._clock(), "polled", number))

    def parked(self, cell: Cell[Any]) -> None:
        number = self._ids.get(cell) or self._number(cell)
        future = cell.future
        if isinstance(future, CoroutineFuture) and type(future.leaf) in _YIELDS:
            self._append((self._clock(), "parked", number, "", None))
        else:
            what, place = _wait(future)
            self._append((self._clock(), "parked", number, what, place))
        if len(self._events) > self._mark:
            self._full()


def _wait(future: Any) -> tuple[str, str | None]:
    """Return what a parked future waits for, and where, as cheaply as it can be told."""
    parts = parts_of(future)
    leaf: Any = parts[-1] if parts else None
    place = None
    for part in reversed(parts):
        if isinstance(part, CoroutineFuture):
            place = site(cast("CoroutineFuture[object]", part).coroutine)
            if place is not None:  # else it is one that another task runs, or nobody yet
                break
    what = "" if type(leaf) in _YIELDS else short(repr(leaf))
    return what, None if place is None else f"{near(str(place))} in {place.function}"


@lru_cache(maxsize=4096)
def near(where: str) -> str:
    """Return `shortened`, which asks the system for the current directory, once for each place."""
    return shortened(where)


def short(text: str) -> str:
    """Return a text on one line, and cut off if it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
