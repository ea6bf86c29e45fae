"""`BroadcastCore`: the values that somebody has not seen yet, and who has seen how much.

*Invariants.*
 B1  A sender never waits. The channel keeps the last ``capacity`` values for those who have not
     seen them, and a value that everybody has seen for nobody.
 B2  A receiver sees the values in order. Where some are missing it gets `Lagged` once, in their
     place, with their number; then the oldest that was kept.
 B3  A receive moves its receiver on when it gives the value out, not before: canceled or dropped,
     it has missed nothing.

*Threads.* Every method is called with the section entered.

*Source.* tokio's ``broadcast``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from rescind._core.errors import Closed, RescindError
from rescind._core.poll import PENDING, Pending
from rescind._core.waitlist import WaitList
from rescind.sync.section import Section

__all__ = ["BroadcastCore", "BroadcastStatistics", "Lagged", "Place"]

T = TypeVar("T")


class Lagged(RescindError):
    """This receiver was too slow: values that it had not seen had to make room for newer ones.

    The next receive goes on with the oldest value that was kept.

    Attributes:
        missed: how many values it will never see.
    """

    missed: int

    def __init__(self, message: str, missed: int) -> None:
        super().__init__(message)
        self.missed = missed


@dataclass(frozen=True, slots=True)
class BroadcastStatistics:
    """A snapshot of a broadcast channel.

    Attributes:
        capacity: how many values it keeps at most.
        kept: values that somebody has not seen yet.
        senders: open senders.
        receivers: open receivers.
        receiving: how many wait for the next value.
        sent: how many values were ever sent.
    """

    capacity: int
    kept: int
    senders: int
    receivers: int
    receiving: int
    sent: int


class Place:
    """How far one receiver has come.

    Attributes:
        next: the number of the value that it sees next.
    """

    __slots__ = ("next",)

    def __init__(self, at: int) -> None:
        self.next = at


class _Slot(Generic[T]):
    """A value, and how many receivers have not seen it."""

    __slots__ = ("unseen", "value")

    def __init__(self, value: T, unseen: int) -> None:
        self.value = value
        self.unseen = unseen


class BroadcastCore(Generic[T]):
    """The state of one channel."""

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = (
        "capacity",
        "first",
        "getters",
        "name",
        "receivers",
        "section",
        "senders",
        "slots",
        "watchers",
    )

    def __init__(self, capacity: int, name: str | None) -> None:
        self.section = Section()
        self.name = name
        self.capacity = capacity
        self.slots: deque[_Slot[T]] = deque()
        # The number of the value in the first slot, counted from 0.
        self.first = 0
        self.senders = 1
        self.receivers = 1
        self.getters = WaitList()
        self.watchers = WaitList()

    @property
    def end(self) -> int:
        """The number of the next value."""
        return self.first + len(self.slots)

    @property
    def closed(self) -> bool:
        """Has it no receiver?"""
        return not self.receivers

    def send(self, value: T) -> None:
        """Keep the value for everybody (B1)."""
        if len(self.slots) == self.capacity:
            self._forget()
        self.slots.append(_Slot(value, self.receivers))
        self.section.wake_all(self.getters)

    def take(self, place: Place) -> T | Pending:
        """Return the next value for this receiver; `PENDING` if there is none yet; or raise."""
        missed = self.first - place.next
        if missed > 0:
            place.next = self.first
            values = "1 value" if missed == 1 else f"{missed} values"
            raise Lagged(f"a receiver of {self} was too slow and missed {values}", missed)
        if place.next == self.first + len(self.slots):
            if not self.senders:
                raise Closed(f"{self} is closed, and everything was received")
            return PENDING
        slot = self.slots[-missed]
        place.next += 1
        self._seen(slot)
        return slot.value

    def keep_for(self, place: Place) -> None:
        """Count one receiver more, which has come as far as this."""
        self.receivers += 1
        for number in range(max(place.next, self.first), self.end):
            self.slots[number - self.first].unseen += 1

    def receiver_gone(self, place: Place) -> None:
        """Keep nothing for it any more."""
        self.receivers -= 1
        for number in range(max(place.next, self.first), self.end):
            self.slots[number - self.first].unseen -= 1
        while self.slots and not self.slots[0].unseen:
            self._forget()
        if not self.receivers:
            self.section.wake_all(self.watchers)
            self.section.wake_all(self.getters)

    def sender_gone(self) -> None:
        """Tell the end, if it was the last one."""
        self.senders -= 1
        if not self.senders:
            self.section.wake_all(self.getters)

    def _seen(self, slot: _Slot[T]) -> None:
        slot.unseen -= 1
        while self.slots and not self.slots[0].unseen:
            self._forget()

    def _forget(self) -> None:
        """Let the oldest value go, after the step: its finalizer is not ours."""
        self.section.afterwards(id, self.slots.popleft())
        self.first += 1

    def statistics(self) -> BroadcastStatistics:
        """Return a snapshot."""
        with self.section, self.section.lock:  #: compiled: with self.section:
            return BroadcastStatistics(
                capacity=self.capacity,
                kept=len(self.slots),
                senders=self.senders,
                receivers=self.receivers,
                receiving=len(self.getters),
                sent=self.end,
            )

    def __str__(self) -> str:
        name = "broadcast" if self.name is None else f"broadcast {self.name!r}"
        state = "" if self.senders else ", no senders"
        return f"{name} ({len(self.slots)}/{self.capacity}{state})"
