"""`Region`: a future that polls others inside, and may hold cancellation back from them.

*What it is.* One link of the chain that `current.local` refers to while something is polled on its
thread: who asks "am I being canceled?" looks outwards along it.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from typing import Any

from .poll import Context, Future
from .reason import CancelRequest

__all__ = ["Region"]


class Region(Future[Any]):
    """One link of the chain: something that polls inner futures and can hold cancellation back.

    Attributes:
        outer: the region that polls this one now; None outside a poll, and at the root.
        cx: the context of the poll under way; None outside a poll.
        request: the request that this region was given by `poll_cancel`, if any.
    """

    __slots__ = ("cx", "outer", "request")

    def __init__(self) -> None:
        self.outer: Region | None = None
        self.cx: Context | None = None
        self.request: CancelRequest | None = None

    def delivered(self) -> bool:
        """Has the request been raised inside, so that what runs now is cleanup?"""
        return False

    def intruded(self) -> bool:
        """Does a stock task run now, eagerly, inside the poll of this region?"""
        return False

    def holds(self) -> bool:
        """Would a request from outside be held back by a shield of this region?"""
        return False
