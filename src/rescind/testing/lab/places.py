"""Places: where a task is parked, as a line of the program, found quickly and named stably.

*What it is.* The innermost frame of the program's own code on the way from a task to what it waits
for, through combinators to their first child that has not ended. A place knows its line within its
function too: that is what tokens name, so that edits elsewhere in the file change nothing.

*What it is not.* A stack. For that, see `rescind._core.waiting`.

*Threads.* The lab's.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.frames import from_library, shortened

__all__ = ["Place", "place_of_park", "way_of"]

_OURS = __name__.partition(".")[0]


class Place:
    """A line of the program, or, where there is none, what is waited for. Made once: `is` compares.

    Attributes:
        file: the file's name as the interpreter knows it; empty if there is no line.
        line: counted from 1 in the file; 0 if there is none.
        function: the qualified name of the function.
        offset: the line counted from that of the function's ``def``, which has 0.
        key: what it is called in tokens: stable under edits outside of the function.
        code: of the function, as it was loaded last; None if there is no line.
    """

    __slots__ = ("code", "file", "function", "key", "line", "offset")

    def __init__(
        self, file: str, line: int, function: str, offset: int, code: CodeType | None
    ) -> None:
        self.file = file
        self.line = line
        self.function = function
        self.offset = offset
        self.key = f"{function}+{offset}"
        self.code = code

    @property
    def where(self) -> str:
        """``file:line``, relative to the current directory; or what is waited for."""
        return shortened(f"{self.file}:{self.line}") if self.line else self.function

    def __str__(self) -> str:
        return f"{self.where} in {self.function}" if self.line else self.function

    def __repr__(self) -> str:
        return f"<Place {self}>"


# Both grow with the program's code, not with its runs.
_places: dict[tuple[str, int, str], Place] = {}
# By the id of a code object, which is kept: to hash one is to hash all that is in it.
_at: dict[int, tuple[CodeType, dict[int, Place | None]]] = {}
_KEPT: Final = 10_000
# How to go on from a future of this type: by its children, its inner future, or not at all.
_ways: dict[type[object], tuple[bool, bool]] = {}


#: Stands for a place that was not looked for.
_UNSEEN: Final = Place("", 0, "", 0, None)


def way_of(future: Any) -> Iterator[Any]:
    """Yield what lies between a task's future and what that waits for, outermost first."""
    current: Any = future
    while current is not None:
        yield current
        if isinstance(current, CoroutineFuture):
            current = cast("CoroutineFuture[object]", current).leaf
        else:
            current = _inside(current)


def place_of_park(future: Any) -> Place:
    """Return where ``future`` is parked."""
    found: Place | None = None
    current: Any = future
    last: Any = future
    while current is not None:
        last = current
        if isinstance(current, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", current)  #: compiled: driver = current
            coro: Any = driver.coroutine  #: compiled: coro = driver._coro
            found = _innermost(coro, found)
            current = driver.leaf  #: compiled: current = driver._leaf
        else:
            current = _inside(current)
    return found or _place("", 0, type(last).__name__.lower(), 0, None)


def _inside(future: Any) -> Any:
    """Return what a future that is no coroutine's goes on to; None: it is what is waited for."""
    kind = cast("type[object]", type(future))  #: compiled: kind = type(future)
    ways = _ways.get(kind)
    if ways is None:
        ways = (hasattr(kind, "_children"), hasattr(kind, "inner"))  # slots
        if hasattr(future, "__dict__"):
            ways = (ways[0], ways[1] or hasattr(future, "inner"))
        else:
            _ways[kind] = ways
    if ways[0]:
        children = getattr(future, "_children", None)
        return None if children is None else _first_alive(children.cells)
    return getattr(future, "inner", None) if ways[1] else None


def _first_alive(cells: Any) -> Any:
    for cell in cells:
        if cell.ended is None:
            return cell.future
    return None


def _innermost(coro: Any, outer: Place | None) -> Place | None:
    """Return the innermost place of the program's own code in a parked coroutine, or ``outer``."""
    found = outer
    current = coro
    while current is not None:
        kind = cast("type[object]", type(current))  #: compiled: kind = type(current)
        if kind is CoroutineType:
            frame, current = current.cr_frame, current.cr_await
        elif kind is GeneratorType:
            frame, current = current.gi_frame, current.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            frame, current = current.ag_frame, current.ag_await
        else:
            break
        if frame is None:
            continue
        code = frame.f_code  #: compiled: code = frame_code(frame)
        seen = _at.get(id(code))
        if seen is None:
            if len(_at) >= _KEPT:
                _at.clear()  # of programs that were made by programs
            seen = _at[id(code)] = (code, {})
        lasti = frame.f_lasti  #: compiled: lasti = frame_lasti(frame)
        place = seen[1].get(lasti, _UNSEEN)
        if place is _UNSEEN:
            place = seen[1][lasti] = _seen(frame)
        found = place or found
    return found


def _seen(frame: Any) -> Place | None:
    """Return the place of a frame that is seen for the first time; None if it is a library's."""
    code: CodeType = frame.f_code
    module: str = frame.f_globals.get("__name__", "")
    ours = module == _OURS or module.startswith(_OURS + ".")
    if ours or from_library(code.co_filename):
        return None
    line: int = frame.f_lineno or 0
    return _place(code.co_filename, line, code.co_qualname, line - code.co_firstlineno, code)


def _place(file: str, line: int, function: str, offset: int, code: CodeType | None) -> Place:
    key = (file, line, function)
    place = _places.get(key)
    if place is None:
        place = _places[key] = Place(file, line, function, offset, code)
    elif place.code is not code:
        place.code = code  # loaded anew: tokens are of what runs now
    return place
