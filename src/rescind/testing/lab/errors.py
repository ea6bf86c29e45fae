"""What ends a run of the lab, besides the program itself.

*Threads.* Any.
"""

from __future__ import annotations

from rescind._core.errors import RescindError

__all__ = ["Livelock"]


class Livelock(RescindError):
    """The run had its steps and was not over; the message shows the places that repeat."""
