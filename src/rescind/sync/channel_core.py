"""`ChannelCore`: what the senders and receivers of one channel share; where its values are.

*What it is.* A queue of values, one line of those who want to put something in, one of those who
want something out, and the count of the ends. A value is always in one place: with its sender, in
the queue, granted to a receiver that was woken and has not taken it yet, or undelivered.

*Invariants.*
 C1  Values queued and granted, and slots reserved, are never more than the capacity. A capacity of
     0 has as many slots as receivers wait, each of which meets one sender.
 C2  Receivers wait only while nothing is queued, senders only while there is no slot for the first
     of them: nobody barges in.
 C3  A value that comes back from a receiver that was dropped goes to the next one, or in front of
     everything that was accepted after it.
 C4  The end is final: it is told when nothing is queued or granted and nobody is left who may
     send, neither sender nor permit nor a send under way.
 C5  With the last receiver gone, what the channel has goes to ``on_undelivered``. A value that was
     never accepted is its sender's: it is in `NotSent`, and nowhere else (P15).

*Threads.* Every method is called with the section entered.

*Source.* tokio's ``mpsc`` for permits and closing, trio's memory channel for many receivers and for
capacity 0; Kotlin's ``onUndeliveredElement``.
"""

from __future__ import annotations

import logging
import sys
from bisect import bisect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from rescind._core.errors import Closed
from rescind._core.poll import PENDING, Pending
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.section import Section

__all__ = ["ChannelCore", "ChannelStatistics", "Gift", "check_undelivered", "hand_back"]

T = TypeVar("T")

_log = logging.getLogger("rescind")

Gift: TypeAlias = tuple[int, T]
"""A value granted to a receiver, and the number of the grant, by which it is put back (C3)."""


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """A snapshot of a channel.

    Attributes:
        capacity: how many values it holds at most; None if there is no limit.
        queued: values that wait for a receiver.
        granted: values handed to a receiver that has not taken them yet.
        reserved: slots that permits hold.
        senders: open senders.
        receivers: open receivers.
        sending: how many wait in ``send``, ``reserve`` or ``reserve_many``.
        receiving: how many wait in ``recv`` or ``recv_many``.
        closed: will no more be accepted, except from permits?
        undelivered: how many values had no receiver left.
    """

    capacity: int | None
    queued: int
    granted: int
    reserved: int
    senders: int
    receivers: int
    sending: int
    receiving: int
    closed: bool
    undelivered: int


class ChannelCore(Generic[T]):
    """The state of one channel."""

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = (
        "_grants",
        "_on_undelivered",
        "_returned",
        "capacity",
        "closed",
        "getters",
        "granted",
        "name",
        "putters",
        "queue",
        "receivers",
        "reserved",
        "section",
        "senders",
        "undelivered",
        "watchers",
    )

    def __init__(
        self,
        capacity: int | None,
        on_undelivered: Callable[[T], object] | None,
        name: str | None,
    ) -> None:
        check_undelivered(on_undelivered)
        self.section = Section()
        self.name = name
        # How many values it holds; None: any number.
        self.capacity = capacity
        self.queue: deque[T] = deque()
        # Who wants something in: a send wants ``(value,)``, a reserve a number of slots. Each is
        # given True; False if the channel was closed before its turn came.
        self.putters = WaitList()
        # Who wants something out: each is given a `Gift`; None at the end.
        self.getters = WaitList()
        # Who wants to know that it is closed.
        self.watchers = WaitList()
        # Open ends.
        self.senders = 1
        self.receivers = 1
        # Slots that permits hold.
        self.reserved = 0
        # Values that were handed to a receiver which has not taken them yet.
        self.granted = 0
        # Set when a receiver closes it, and when the last one goes.
        self.closed = False
        self.undelivered = 0
        self._on_undelivered = on_undelivered
        self._grants = 0
        # The numbers of the grants that came back; these values are the head of the queue (C3).
        self._returned: list[int] = []

    # -- in ---------------------------------------------------------------------------------------

    def free(self) -> int:
        """Return how many slots there are for those who want something in (C1)."""
        capacity = self.capacity
        if capacity is None:
            return sys.maxsize
        if capacity == 0:
            return max(0, len(self.getters) - self.reserved)  # those promised may have left
        return capacity - len(self.queue) - self.granted - self.reserved

    def has_room(self, slots: int) -> bool:
        """Are there so many slots, and nobody who came earlier (C2)?"""
        return self.putters.first is None and self.free() >= slots

    def accept(self, value: T) -> None:
        """Have ``value`` from here on; its slot was found or reserved."""
        if not self.receivers:
            self._undeliver([value])
            return
        if self.getters.first is not None:
            self._grants += 1
            if self._grant((self._grants, value)):
                return
        self.queue.append(value)

    def settle(self) -> None:
        """Let in who can go now, and tell the end if this is it; whatever leaves calls this."""
        putters = self.putters
        if self.closed and putters.first is not None:
            self.section.wake_all(putters, False)
        while (putter := putters.first) is not None:
            wants = putter.wants
            if isinstance(wants, tuple):
                if self.free() < 1:
                    return
                if self.section.wake(putters, putter, True):
                    self.accept(_letter(putter))
            elif self.free() < wants:
                return
            elif self.section.wake(putters, putter, True):
                self.reserved += wants
        if self.getters.first is not None and self.ended():
            self.section.wake_all(self.getters, None)

    def look_again(self) -> None:
        """Serve one who has just joined, in the middle of somebody else's step maybe (O4)."""
        queue, getters = self.queue, self.getters
        while queue and getters.first is not None:
            if self._returned:
                number = self._returned.pop(0)
            else:
                self._grants = number = self._grants + 1
            gift = number, queue.popleft()
            self.granted += 1
            if not self._grant(gift):
                self.give_back(gift)
                return
            self.granted -= 1
        self.settle()

    def release(self, slots: int) -> None:
        """Take back slots that were reserved and not used."""
        self.reserved -= slots
        self.settle()

    # -- out --------------------------------------------------------------------------------------

    def take_one(self) -> T | Pending:
        """Return the oldest value; `PENDING` if it has to be waited for.

        Raises:
            Closed: there is none, nor will there be.
        """
        if self.queue:
            if self._returned:
                self._returned.pop(0)
            value = self.queue.popleft()
            self.settle()
            return value
        taken = self.take(1)
        return taken[0] if taken else PENDING

    def take(self, limit: int) -> list[T]:
        """Return up to ``limit`` values, the oldest first; none if it has to be waited for.

        Raises:
            Closed: there is none, nor will there be.
        """
        taken: list[T] = []
        queue, returned = self.queue, self._returned
        while queue and len(taken) < limit:
            if returned:
                returned.pop(0)
            taken.append(queue.popleft())
        if taken:
            self.settle()
            return taken
        if self.capacity == 0 and self.getters.first is None and not self.reserved:
            while len(taken) < limit and (putter := self.putters.first) is not None:
                if not isinstance(putter.wants, tuple):
                    break
                if self.section.wake(self.putters, putter, True):
                    taken.append(_letter(putter))
            if taken:
                self.settle()  # behind them may be one who wants no slot at all
        if not taken and self.ended():
            raise Closed(f"{self} is closed and empty")
        return taken

    def collect(self, gift: Gift[T], limit: int) -> list[T]:
        """Return what a receiver was granted, and up to ``limit - 1`` values more."""
        self.granted -= 1
        taken = [gift[1]]
        queue = self.queue
        while queue and len(taken) < limit:
            if self._returned:
                self._returned.pop(0)
            taken.append(queue.popleft())
        self.settle()
        return taken

    def give_back(self, gift: Gift[T]) -> None:
        """Have back what a receiver was granted and cannot take (C3)."""
        self.granted -= 1
        number, value = gift
        if not self.receivers:
            self._undeliver([value])
        elif not self._grant(gift):
            at = bisect(self._returned, number)
            self._returned.insert(at, number)
            self.queue.insert(at, value)
        self.settle()

    def _grant(self, gift: Gift[T]) -> bool:
        """Hand it to the first receiver in line; return False if nobody waits."""
        while (getter := self.getters.first) is not None:
            if self.section.wake(self.getters, getter, gift):
                self.granted += 1
                return True
        return False

    # -- the end ----------------------------------------------------------------------------------

    def ended(self) -> bool:
        """Is there nothing, and will there be nothing (C4)?"""
        if self.queue or self.granted or self.reserved or self.putters.first is not None:
            return False
        return self.closed or not self.senders

    def close(self) -> None:
        """Accept nothing any more, except from permits."""
        if not self.closed:
            self.closed = True
            self.section.wake_all(self.watchers)
            self.settle()

    def sender_gone(self) -> None:
        """Count one sender fewer."""
        self.senders -= 1
        self.settle()

    def receiver_gone(self) -> None:
        """Count one receiver fewer; after the last one nothing can be delivered (C5)."""
        self.receivers -= 1
        if self.receivers:
            return
        self.close()
        self.section.wake_all(self.getters, None)
        left, self.queue = self.queue, deque()
        self._returned.clear()
        if left:
            self._undeliver(left)

    def _undeliver(self, values: deque[T] | list[T]) -> None:
        self.undelivered += len(values)
        hand_back(self.section, self._on_undelivered, values, str(self))

    # -- what it is -------------------------------------------------------------------------------

    def statistics(self) -> ChannelStatistics:
        """Return a snapshot."""
        with self.section, self.section.lock:  #: compiled: with self.section:
            return ChannelStatistics(
                capacity=self.capacity,
                queued=len(self.queue),
                granted=self.granted,
                reserved=self.reserved,
                senders=self.senders,
                receivers=self.receivers,
                sending=len(self.putters),
                receiving=len(self.getters),
                closed=self.closed,
                undelivered=self.undelivered,
            )

    def __str__(self) -> str:
        name = "channel" if self.name is None else f"channel {self.name!r}"
        limit = "" if self.capacity is None else f"/{self.capacity}"
        state = ", closed" if self.closed else "" if self.senders else ", no senders"
        return f"{name} ({len(self.queue)}{limit}{state})"


def _letter(putter: Waiter) -> Any:
    """Return the value of a send whose turn has come."""
    letter: tuple[object] = putter.wants
    putter.wants = None
    return letter[0]


def check_undelivered(on_undelivered: object) -> None:
    """Refuse what cannot be called."""
    if on_undelivered is not None and not callable(on_undelivered):
        raise TypeError(f"on_undelivered must be a function of a value, not {on_undelivered!r}")


def hand_back(
    section: Section,
    on_undelivered: Callable[[T], object] | None,
    values: deque[T] | list[T],
    whose: str,
) -> None:
    """Call ``on_undelivered`` with each value, after the step; called inside one.

    Without a function the values go: after the step as well, for their finalizers are not ours.
    """
    if on_undelivered is None:
        section.afterwards(values.clear)
        return
    for value in values:
        section.afterwards(_hand_back, on_undelivered, value, whose)


def _hand_back(on_undelivered: Callable[[T], object], value: T, whose: str) -> None:
    try:
        on_undelivered(value)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # an asyncio library's CancelledError too: the others are served
        _log.exception("on_undelivered of %s failed for %r", whose, value)
