# cython: binding=False, always_allow_keywords=False
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
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.frames import opened, ours, shortened
from rescind._core.hooks import Observer, hooks
from rescind._host.ticks import LoopTick, Tick
from rescind.time import Checkpoint

if TYPE_CHECKING:
    from rescind.trace.ring import Ring

__all__ = ["Steps", "near", "place_of", "short"]

_WIDTH: Final = 120
#: Of so many places the words are kept.
_PLACES: Final = 4096
#: By the id of the code, which is kept so that it stays its own, and the instruction.
_places: dict[tuple[int, int], tuple[CodeType, str | None]] = {}


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
        #: compiled: self._ring.forget_all()

    def woken(self, cell: Cell[Any]) -> None:
        try:
            number = self._number_of(cell)
            by = _maker(cell)
            maker = 0 if by is None else self._number_of(by)
            self._ring.woken(number, maker)  #: compiled: self._ring.woken_in(cell, number, maker)
        except Exception:
            hooks.take_off(self, "woken")

    def polled(self, cell: Cell[Any]) -> None:
        try:
            number = self._number_of(cell)
            self._ring.polled(number)  #: compiled: self._ring.polled_in(cell, number)
        except Exception:
            hooks.take_off(self, "polled")

    def parked(self, cell: Cell[Any]) -> None:
        try:
            number = self._number_of(cell)
            words = None if _yields(cell) else _wait(cell.future)
            self._ring.parked(number, words)  #: compiled: self._ring.parked_in(cell, number, words)
        except Exception:
            hooks.take_off(self, "parked")

    def _number_of(self, cell: Cell[Any]) -> int:
        #: compiled: known = self._ring.known(cell)
        #: compiled: if known: return known
        number = self._ids.get(cell)
        if number is None:
            return self._number(cell)
        #: compiled: self._ring.know(cell, number)
        return number

    def forget(self, cell: Cell[Any]) -> None:
        """Let go of a cell that has ended."""
        self._ids.pop(cell, None)
        #: compiled: self._ring.forget(cell)


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
    """Does it only let others go first, so that what it waits for goes without saying?"""
    future: Any = cell.future
    if not isinstance(future, CoroutineFuture):
        return False
    driver = cast("CoroutineFuture[object]", future)  #: compiled: driver = future
    kind = type(driver.leaf)  #: compiled: kind = type(driver._leaf)
    return kind is Tick or kind is LoopTick or kind is Checkpoint


def _wait(future: Any) -> tuple[str, str | None]:
    """Return what a parked future waits for, and where, as cheaply as it can be told."""
    parts = _parts(future)
    leaf: Any = parts[-1] if parts else None
    place = None
    for part in reversed(parts):
        if isinstance(part, CoroutineFuture):
            place = place_of(cast("CoroutineFuture[object]", part).coroutine)
            if place is not None:  # else it is one that another task runs, or nobody yet
                break
    what = "" if type(leaf) in (Tick, LoopTick, Checkpoint) else short(repr(leaf))
    return what, place


def _parts(future: Any) -> list[Any]:
    """`parts_of`, which is not compiled, for every wait that is recorded."""
    parts: list[Any] = []
    current: Any = future
    while current is not None:
        for part in parts:
            if part is current:  # what is shared may wait for itself
                return parts
        parts.append(current)
        if isinstance(current, CoroutineFuture):
            current = cast("CoroutineFuture[object]", current).leaf
        else:
            current = getattr(current, "inner", None)
    return parts


def place_of(awaitable: object) -> str | None:
    """Return the innermost place of a suspended coroutine that is not rescind's own, in words."""
    place: str | None = None
    inside = opened(awaitable)
    while inside is not None:
        frame, awaitable = inside
        if frame is not None:
            place = _told(frame) or place
        inside = opened(awaitable)
    return place


def _told(frame: FrameType) -> str | None:
    """Return the place of a frame in words, None if it is rescind's own; once for each place."""
    code = frame.f_code
    key = id(code), frame.f_lasti
    known = _places.get(key)
    if known is None:
        if len(_places) >= _PLACES:
            _places.clear()
        text: str | None = None
        if not ours(frame):
            text = f"{near(f'{code.co_filename}:{frame.f_lineno or 0}')} in {code.co_qualname}"
        known = _places[key] = code, text
    return known[1]


@lru_cache(maxsize=_PLACES)
def near(where: str) -> str:
    """Return `shortened`, which asks the system for the current directory, once for each place."""
    return shortened(where)


def short(text: str) -> str:
    """Return a text on one line, and cut off if it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
