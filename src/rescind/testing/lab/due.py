"""What is due: timers that are handed out instead of fired, so that their order can be chosen.

*Threads.* The lab's.
"""

from __future__ import annotations

from typing import Final

from rescind._core.poll import Waker
from rescind._core.timers import Timer, Timers

__all__ = ["TURN", "Due", "LabTimers", "Turn"]


class Due:
    """A timer that is due, as an option."""

    __slots__ = ("timer",)
    path = "timer"

    def __init__(self, timer: Timer) -> None:
        self.timer = timer


class Turn:
    """To begin the next turn though a timer is due in this one, as an option."""

    __slots__ = ()
    path = "turn"


class LabTimers(Timers):
    """Timers that are handed out when they are due, instead of fired."""

    __slots__ = ()

    def due(self, now: float) -> list[Due]:
        """Take out what is due, in order of time, then of making."""
        found: list[Due] = []
        while (timer := self.pop(now)) is not None:
            if timer.waker is not None:
                found.append(Due(timer))
        return found

    def of(self, waker: Waker) -> list[Timer]:
        """Return those that would wake ``waker``, in order of time."""
        return [timer for timer in self.in_order() if timer.waker is waker]


TURN: Final = Turn()
