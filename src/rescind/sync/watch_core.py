"""`WatchCore`: the latest value of a watch channel, and its version.

*Invariants.*
 W1  A receiver that has not seen the latest value gets it, also after the last sender has gone; it
     may miss those in between.
 W2  A change that fails has not happened: what a function raises leaves value and version as they
     were. Changes are made one after the other.
 W3  No function of the user's runs with the section entered; those that change the value run one
     after the other, and whoever looks at it does not wait for them.

*Threads.* `put` and `statistics` from any; everything else with the section entered.

*Source.* tokio's ``watch``.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import Generic, TypeVar

from rescind._core.errors import Closed
from rescind._core.waitlist import WaitList
from rescind.sync.section import Section

__all__ = ["WatchCore", "WatchStatistics"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WatchStatistics:
    """A snapshot of a watch channel.

    Attributes:
        version: how often the value has changed.
        senders: open senders.
        receivers: open receivers.
        waiting: how many wait for a change.
    """

    version: int
    senders: int
    receivers: int
    waiting: int


class WatchCore(Generic[T]):
    """The state of one channel."""

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = (
        "getters",
        "name",
        "receivers",
        "section",
        "senders",
        "value",
        "version",
        "watchers",
        "writing",
    )

    def __init__(self, initial: T, name: str | None) -> None:
        self.section = Section()
        # Held by who changes the value, while a function of theirs makes the new one (W2, W3).
        self.writing = RLock()
        self.name = name
        self.value = initial
        self.version = 0
        self.senders = 1
        self.receivers = 1
        self.getters = WaitList()
        self.watchers = WaitList()

    @property
    def closed(self) -> bool:
        """Has it no receiver?"""
        return not self.receivers

    def put(self, value: T) -> T:
        """Change the value, tell everybody who waits, and return the old one."""
        with self.section, self.section.lock:  #: compiled: with self.section:
            old, self.value = self.value, value
            self.version += 1
            self.section.wake_all(self.getters)
        return old

    def sender_gone(self) -> None:
        """Tell the end, if it was the last one."""
        self.senders -= 1
        if not self.senders:
            self.section.wake_all(self.getters)

    def receiver_gone(self) -> None:
        """Tell the senders, if it was the last one."""
        self.receivers -= 1
        if not self.receivers:
            self.section.wake_all(self.watchers)

    def check_senders(self) -> None:
        """Raise `Closed` if the value cannot change any more."""
        if not self.senders:
            raise Closed(f"{self} will not change any more: it has no senders")

    def statistics(self) -> WatchStatistics:
        """Return a snapshot."""
        with self.section, self.section.lock:  #: compiled: with self.section:
            return WatchStatistics(self.version, self.senders, self.receivers, len(self.getters))

    def __str__(self) -> str:
        name = "watch" if self.name is None else f"watch {self.name!r}"
        return f"{name} (version {self.version}{'' if self.senders else ', no senders'})"
