"""`Decision` and `Passed`: what a run notes on its way.

*Threads.* Data; any.
"""

from __future__ import annotations

from typing import NamedTuple

from rescind.testing.lab.injection import Instant
from rescind.testing.lab.places import Place

__all__ = ["Decision", "Passed"]


class Decision(NamedTuple):
    """One choice that was made.

    Attributes:
        event: its number in the sequence of choices and points (X3).
        offered: how many options there were.
        taken: the index that was chosen.
    """

    event: int
    offered: int
    taken: int


class Passed(NamedTuple):
    """One point that the run came by.

    Attributes:
        event: its number in the sequence of choices and points (X3).
        task: the path.
        place: where; None before the first poll.
        visit: for which time.
        instant: when.
    """

    event: int
    task: str
    place: Place | None
    visit: int
    instant: Instant
