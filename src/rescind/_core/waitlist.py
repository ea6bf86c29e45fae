"""The one wait queue: FIFO, O(1) removal, hand-over of a wake-up that its waiter cannot use.

*What it is.* A doubly linked list whose nodes are the waiting futures' own `Waiter` records.
Every primitive that makes somebody wait uses it. A waiter says what it wants, and is told with
its wake-up what it got: a primitive gives to those who wait, it does not let them compete.

*Invariants.*
 W1  A waiter is in at most one list; `WaitList.leave` is O(1) and a no-op outside the list.
 W2  A woken waiter has left the list: it will not be woken twice.
 W3  A waiter that was woken and is then canceled passes its wake-up to the next in line:
     `leave` returns True for it, and its owner must `hand_over` (no lost wake-up).
 W4  The list is consistent whenever it calls something: a finalizer that the collector runs at
     that moment may leave the list, or wake others in it. Who meant to wake a waiter that has left
     just then is told so: what it was to be given is the giver's still.
 W5  A waker that raises is a fault of its author: it is logged, and harms neither who wakes nor the
     others that wait.

*Threads.* One at a time: its owner has a lock where several may come. The wakers it wakes may
belong to anyone.

*Source.* trio's parking lot, tokio's ``Notify``; asyncio lost such wake-ups (cpython #90155,
#112202).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .poll import Waker

__all__ = ["WaitList", "Waiter"]

_KEPT: Final[Any] = object()

_log = logging.getLogger("rescind")


class Waiter:
    """One who waits.

    Attributes:
        waker: the latest waker of the future that waits.
        wants: what it waits for, in its primitive's terms, such as a number of permits.
        given: what it got with its wake-up, or so far, in its primitive's terms.
        woken: was it woken by the list?
        ticket: the place in the order of arrival, counted from 1; 0 before it has joined.
    """

    __slots__ = ("_list", "_next", "_prev", "given", "ticket", "waker", "wants", "woken")
    __reduce__ = refuse_copy

    def __init__(self, waker: Waker, wants: Any = None, given: Any = None) -> None:
        self.waker = waker
        self.wants = wants
        self.given = given
        self.woken = False
        self.ticket = 0
        self._list: WaitList | None = None
        self._prev: Waiter | None = None
        self._next: Waiter | None = None


class WaitList:
    """Those who wait, in order of arrival.

    Attributes:
        first: the first in line; None if nobody waits.
        last: the last in line; None if nobody waits.
    """

    __slots__ = ("_length", "_tickets", "first", "last")
    __reduce__ = refuse_copy

    def __init__(self) -> None:
        self.first: Waiter | None = None
        self.last: Waiter | None = None
        self._length = 0
        # How many have ever joined.
        self._tickets = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Waiter]:
        """Iterate over a list that is not changed meanwhile, first in line first."""
        waiter = self.first
        while waiter is not None:
            yield waiter
            waiter = waiter._next

    @property
    def tickets(self) -> int:
        """How many have ever joined: the ticket of the latest arrival."""
        return self._tickets

    def join(self, waker: Waker, wants: Any = None, given: Any = None) -> Waiter:
        """Append a new waiter and return it."""
        waiter = Waiter(waker, wants, given)  #: compiled: waiter = new_waiter(waker, wants, given)
        self._link(waiter)
        return waiter

    def move(self, waiter: Waiter, to: WaitList) -> bool:
        """Let one that waits here wait there, last in line; return False if it has left (W4)."""
        if not self._unlink(waiter):
            return False
        to._link(waiter)
        return True

    def leave(self, waiter: Waiter) -> bool:
        """Take a waiter out; return True if it had been woken, and so owes a hand-over (W3)."""
        return not self._unlink(waiter) and waiter.woken

    def wake_one(self) -> bool:
        """Wake the first in line; return False if nobody waits."""
        while True:
            waiter = self.first
            if waiter is None:
                return False
            if self.wake(waiter):
                return True

    hand_over = wake_one

    def wake(self, waiter: Waiter, given: Any = _KEPT) -> bool:
        """Wake one that waits here, and tell it what it got (W2).

        Returns:
            Was it woken? If not, it has left (W4), and got nothing.
        """
        if not self._unlink(waiter):
            return False
        if given is not _KEPT:
            waiter.given = given
        waiter.woken = True
        try:
            waiter.waker.wake()  #: compiled: wake_up(waiter.waker)
        except Exception:
            _log.exception("%r failed to wake its future, which may hang (W5)", waiter.waker)
        return True

    def pick(self, waiter: Waiter, given: Any = None) -> Waker | None:
        """Take out one that waits here, as woken (W2), and return whom to wake.

        For an owner that wakes only when it has left its lock.

        Returns:
            The waker; None if the waiter has left (W4), or was woken by others, and got nothing.
        """
        if not self._unlink(waiter):
            return None
        waiter.given = given
        waiter.woken = True
        return waiter.waker

    def wake_all(self, given: Any = _KEPT) -> int:
        """Wake everybody who waits now, in order; return how many.

        Those who join meanwhile, because waking runs code, are not among them.
        """
        woken = 0
        latest = self._tickets
        while True:
            waiter = self.first
            if waiter is None or waiter.ticket > latest:
                return woken
            woken += self.wake(waiter, given)

    # Neither of these two calls anything: nothing can come between (W4).

    def _link(self, waiter: Waiter) -> None:
        self._tickets = waiter.ticket = self._tickets + 1
        last = self.last
        waiter._list = self
        waiter._prev = last
        if last is None:
            self.first = waiter
        else:
            last._next = waiter
        self.last = waiter
        self._length += 1

    def _unlink(self, waiter: Waiter) -> bool:
        """Take it out; return False if it is not in the list."""
        if waiter._list is not self:
            return False
        before, after = waiter._prev, waiter._next
        if before is None:
            self.first = after
        else:
            before._next = after
        if after is None:
            self.last = before
        else:
            after._prev = before
        waiter._list = waiter._prev = waiter._next = None
        self._length -= 1
        return True
