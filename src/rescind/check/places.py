"""How a place is shown: the frame that concerns a reader, not the innermost one of the library.

*Threads.* Any.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

from rescind._core.frames import from_library
from rescind.check.points import ROOT, Instant, Point

__all__ = ["brief", "label", "moment", "own_place", "parts_of", "shown_place"]

_STDLIB = os.path.join(os.path.dirname(os.__file__), "")
# A whole path up to the last directory into which packages are installed.
_INSTALLED = re.compile(r"[^\s'\",;()]*[/\\](?:site|dist)-packages[/\\]")


def shown_place(point: Point) -> str:
    """Return the innermost place of a point that is not in the standard library."""
    for place in reversed(point.stack):
        if not _is_standard(place):
            return place
    return point.place


def label(point: Point, instant: Instant) -> str:
    """Return the place to which a reader assigns a run: the same for all runs that belong there."""
    if instant is Instant.CALLBACK:
        return "between the loop's callbacks"
    if not point.stack:
        return "the start of the scenario" if point.task == ROOT else f"the start of {point.task}"
    return shown_place(point)


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


def _is_standard(place: str) -> bool:
    file = _file(place)
    return file.startswith("<") or (
        file.startswith(_STDLIB) and f"{os.sep}site-packages{os.sep}" not in file
    )
