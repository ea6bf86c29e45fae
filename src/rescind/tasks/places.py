"""`Places`: at most so many children of a group run at once; the others wait in line, unbegun.

*Invariants.*
 U1  A place belongs to one child from its first poll to its end, cleanup included.
 U2  Places go to those who wait in the order in which they came.
 U3  A child that is canceled while it waits leaves the line, and its body never runs; a place that
     it was given already goes to the next.

*Threads.* The executor's thread only.

*Source.* anyio's ``CapacityLimiter``.
"""

from __future__ import annotations

from typing import TypeVar

from rescind._core.outcome import Outcome
from rescind._core.poll import PENDING, Context, Future, Pending
from rescind._core.reason import CancelRequest
from rescind._core.waitlist import Waiter, WaitList
from rescind._core.watched import watched

__all__ = ["Held", "Places", "checked_limit"]

T = TypeVar("T")


def checked_limit(limit: int | None) -> int | None:
    """Return ``limit`` if it is a number of children, or None for any number."""
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit must be an int or None, not {limit!r}")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, or None for no limit: {limit!r}")
    return limit


class Places:
    """A number of places, and those who wait for one."""

    __slots__ = ("free", "waiting")

    def __init__(self, limit: int) -> None:
        self.free = limit
        self.waiting = WaitList()

    def release(self) -> None:
        """Give a place back: to the first in line, if there is one (U2)."""
        if not self.waiting.wake_one():
            self.free += 1


class Held(Future[T]):
    """Runs a future once it has a place.

    Cancellation: before it has a place, that of a future which was never polled; then its own.
    """

    __slots__ = ("_place", "_places", "_taken", "_waiter", "inner")
    _native = True

    def __init__(self, inner: Future[T], places: Places) -> None:
        self._taken = True
        self.inner = watched(inner)
        self._places = places
        self._waiter: Waiter | None = None
        # Does it have a place?
        self._place = False

    @property
    def waits(self) -> bool:
        """Has it asked for a place, and has none?"""
        return self._waiter is not None

    def poll(self, cx: Context) -> T | Pending:
        if not self._place and not self._find_place(cx):
            return PENDING
        return self.inner.poll(cx)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        self._give_up()
        return self.inner.poll_cancel(cx, request)

    def drop(self) -> None:
        self._give_up()
        self.inner.drop()

    def end(self) -> None:
        """Give the place back: the task has ended (U1)."""
        self._give_up()
        if self._place:
            self._place = False
            self._places.release()

    def _find_place(self, cx: Context) -> bool:
        places, waiter = self._places, self._waiter
        if waiter is None:
            if places.free == 0:
                self._waiter = places.waiting.join(cx.waker)
                return False
            places.free -= 1
        elif not waiter.woken:
            waiter.waker = cx.waker
            return False
        self._waiter = None
        self._place = True
        return True

    def _give_up(self) -> None:
        """Leave the line; pass on a place that was given but not taken up (U3)."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and self._places.waiting.leave(waiter):
            self._places.release()

    def __repr__(self) -> str:
        return f"a place for {self.inner!r}" if self.waits else repr(self.inner)
