"""How a place is shown: the frame that concerns a reader, not the innermost one of the library.

*Threads.* Any.
"""

from __future__ import annotations

import os

from rescind._core.frames import from_library
from rescind.check.points import Point

__all__ = ["own_place", "shown_place"]

_STDLIB = os.path.join(os.path.dirname(os.__file__), "")


def shown_place(point: Point) -> str:
    """Return the innermost place of a point that is not in the standard library."""
    for place in reversed(point.stack):
        if not _is_standard(place):
            return place
    return point.place


def own_place(point: Point) -> str | None:
    """Return the innermost place of a point that is in no installed package either: the user's."""
    for place in reversed(point.stack):
        if not from_library(_file(place)):
            return place
    return None


def _file(place: str) -> str:
    return place.rpartition(" in ")[0].rpartition(":")[0]


def _is_standard(place: str) -> bool:
    file = _file(place)
    return file.startswith("<") or (
        file.startswith(_STDLIB) and f"{os.sep}site-packages{os.sep}" not in file
    )
