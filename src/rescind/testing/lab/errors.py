"""What ends a run of the lab, besides the program itself.

*Threads.* Any.
"""

from __future__ import annotations

from rescind._core.errors import Deadlock, RescindError

__all__ = ["Hang", "Livelock", "OutOfTime"]


class Hang(Deadlock):
    """The `Deadlock` of a run.

    Attributes:
        where: the functions in which those wait who wait for no other task, or for one another.
    """

    def __init__(self, message: str, where: tuple[str, ...]) -> None:
        super().__init__(message)
        self.where = where


class Livelock(RescindError):
    """The run had its steps and was not over; the message shows the places that repeat.

    Attributes:
        where: the functions that repeat.
    """

    def __init__(self, message: str, where: tuple[str, ...]) -> None:
        super().__init__(message)
        self.where = where


class OutOfTime(RescindError):
    """The run took too long by the real clock: no outcome of the program."""
