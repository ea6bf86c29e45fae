# cython: binding=False
"""`Steps`: records when cells are woken, polled and parked: most of what there is to record.

*What it is.* The part of a `Recorder` that is called with every step of every task, an observer of
its own. It is compiled with the core, so that recording costs a compiled program no more, in
proportion, than an interpreted one.

*What it is not.* A recorder: it has no beginning and no end, and numbers nothing.

*Threads.* An executor's, or any that wakes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.frames import shortened, site
from rescind._core.hooks import Observer, hooks
from rescind._core.waiting import parts_of
from rescind._host.ticks import Tick
from rescind.time import Checkpoint

if TYPE_CHECKING:
    from rescind.trace.ring import Ring

__all__ = ["Steps", "near", "short"]

#: So short a wait that what is waited for goes without saying.
_YIELDS: Final = frozenset({Tick, Checkpoint})
_WIDTH: Final = 120


class Steps(Observer):
    """Appends an event for each.

    Args:
        ids: the numbers of cells, of those that have one.
        number: returns the number of any cell.
        ring: what it appends to.
    """

    _steady = True
    __slots__ = ("_ids", "_number", "_ring")

    def __init__(self, ids: dict[Any, int], number: Callable[[Cell[Any]], int], ring: Ring) -> None:
        self._ids = ids
        self._number = number
        self._ring = ring

    def woken(self, cell: Cell[Any]) -> None:
        try:
            number = self._ids.get(cell) or self._number(cell)
            by = _maker(cell)
            maker = 0 if by is None else self._ids.get(by) or self._number(by)
            self._ring.woken(number, maker)
        except Exception:
            hooks.take_off(self, "woken")

    def polled(self, cell: Cell[Any]) -> None:
        try:
            self._ring.polled(self._ids.get(cell) or self._number(cell))
        except Exception:
            hooks.take_off(self, "polled")

    def parked(self, cell: Cell[Any]) -> None:
        try:
            number = self._ids.get(cell) or self._number(cell)
            if _yields(cell):
                self._ring.yielded(number)
            else:
                self._ring.parked(number, _wait(cell.future))
        except Exception:
            hooks.take_off(self, "parked")


def _maker(cell: Cell[Any]) -> Cell[Any] | None:
    """Return who wakes a cell: `actor()`, with less to look for on the cell's own thread."""
    region = local.region  #: compiled: region = get_region()
    while region is not None:
        if region.cx is not None and region.cx.cell is not None:
            return region.cx.cell
        region = region.outer
    executor = cell.cx.executor
    return None if executor is None else executor.current


def _yields(cell: Cell[Any]) -> bool:
    """Does the cell only let others go first?"""
    if not isinstance(cell.future, CoroutineFuture):
        return False
    driver = cast("CoroutineFuture[object]", cell.future)  #: compiled: driver = cell.future
    return type(driver.leaf) in _YIELDS  #: compiled: return type(driver._leaf) in _YIELDS


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
