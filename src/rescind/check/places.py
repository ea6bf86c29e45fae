"""How a place is shown: the frame that concerns a reader, not the innermost one of the library.

*Threads.* Any.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

from rescind._core.frames import from_library
from rescind.check.points import ROOT, Instant, Point

__all__ = [
    "brief",
    "in_source",
    "in_turn",
    "is_standard",
    "label",
    "moment",
    "outside",
    "own_place",
    "parts_of",
    "shown_place",
]

_STDLIB = os.path.join(os.path.dirname(os.__file__), "")
_START = "the start of "
# A whole path up to the last directory into which packages are installed.
_INSTALLED = re.compile(r"[^\s'\",;()]*[/\\](?:site|dist)-packages[/\\]")


def shown_place(point: Point) -> str:
    """Return the innermost place of a point that is not in the standard library."""
    return outside(point.stack) or point.place


def outside(stack: Sequence[str]) -> str:
    """Return the innermost place of a stack that is not in the standard library; else the last."""
    theirs = (place for place in reversed(stack) if not is_standard(place))
    return next(theirs, stack[-1] if stack else "")


def label(point: Point, instant: Instant) -> str:
    """Return the place to which a reader assigns a run: the same for all runs that belong there."""
    if instant is Instant.CALLBACK:
        return "between the loop's callbacks"
    if not point.stack:
        return f"{_START}{'the scenario' if point.task == ROOT else point.task}"
    return shown_place(point)


def in_source(place: str) -> tuple[int, bool, str, int, tuple[int, ...], str]:
    """Return a key that sorts the labels of places as one reads: starts, then files by line.

    The user's own files come before those of others, and what is at no line comes last.

    Example:
        >>> from rescind.check.places import in_source
        >>> places = ["b.py:9 in g", "a.py:20 in f", "a.py:3 in f", "the start of the scenario"]
        >>> sorted(places, key=in_source)
        ['the start of the scenario', 'a.py:3 in f', 'a.py:20 in f', 'b.py:9 in g']
    """
    file, line, _ = parts_of(place)
    if file:
        return 1, from_library(file), file, line, (), place
    path = place.removeprefix(_START)
    return (0 if path != place else 2), False, "", 0, _numbers(path), place


def in_turn(point: Point) -> tuple[tuple[int, ...], str, int]:
    """Return a key that sorts the points of a place: by task, as these were made, then by visit."""
    return _numbers(point.task), point.task, point.visit


def _numbers(path: str) -> tuple[int, ...]:
    return tuple(int(part) for part in path.split("/") if part.isdecimal())


def moment(point: Point, instant: Instant) -> str:
    """Return when a run cancels: the instant, the visit, and the task if it is another one."""
    words = [f"before callback {point.visit}" if instant is Instant.CALLBACK else instant.value]
    if instant is not Instant.CALLBACK and point.visit > 1:
        words.append(f"visit {point.visit}")
    if point.task != ROOT:
        words.append(f"in task {point.task}")
    return ", ".join(words)


def own_place(point: Point) -> str | None:
    """Return the innermost place of a point that is in no installed package either: the user's."""
    for place in reversed(point.stack):
        if not from_library(_file(place)):
            return place
    return None


@lru_cache(maxsize=8192)
def parts_of(place: str) -> tuple[str, int, str]:
    """Return the file, the line and the function of ``file:line in function``; line 0: of none."""
    where, _, function = place.rpartition(" in ")
    file, _, line = where.rpartition(":")
    return (file, int(line), function) if line.isdecimal() else ("", 0, place)


def brief(text: str) -> str:
    """Return a text with the directories of installed packages and of Python itself left out.

    Example:
        >>> from rescind.check.places import brief
        >>> brief("/usr/lib/python3.11/site-packages/redis/client.py:7 in get")
        'redis/client.py:7 in get'
    """
    here = os.path.join(os.getcwd(), "")
    return _INSTALLED.sub("", text).replace(_STDLIB, "").replace(here, "")


def _file(place: str) -> str:
    return parts_of(place)[0]


def is_standard(place: str) -> bool:
    """Is it in the standard library?"""
    file = _file(place)
    return file.startswith("<") or (
        file.startswith(_STDLIB) and f"{os.sep}site-packages{os.sep}" not in file
    )
