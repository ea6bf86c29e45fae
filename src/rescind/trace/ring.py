"""`Ring`: where a recorder puts events, in as little time as can be; its form as plain Python.

*What it is.* A bounded queue of events in the order in which they came. Either it keeps the latest,
for whoever looks later; or it is emptied line by line, for a file. In the compiled form its place
is taken by `_ring.Ring`, with the same methods, which keeps flat numbers instead of tuples.

*What it is not.* A judge of events: it knows the words for them, and their lines in a file, but not
what they mean.

*Invariants.*
 G1  What does not fit is counted, never silently gone: in a ring that keeps the latest the oldest,
     in one that is emptied the latest.

*Threads.* Any.

*Source.* The ring buffers of Chrome's tracing and of the JVM's flight recorder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, cast

from rescind._core.form import compiled
from rescind.trace.events import Event, encoded_line, line_of_event

__all__ = ["Ring", "ring_of"]

#: So many events are written at once.
_BATCH: Final = 4096
#: What is told of a wait that goes without saying.
_YIELDS: Final = ("", None)


class Ring:
    """Keeps events, each with the time at which it comes.

    Args:
        limit: how many.
        clock: returns the time in nanoseconds.
        full: is called when it is more than half full, once until it is emptied, and means that
            somebody empties it; None: it keeps the latest events.

    Attributes:
        limit: how many events it keeps.
        dropped: how many events did not fit.
    """

    __slots__ = ("_called", "_clock", "_events", "_full", "_mark", "_told", "dropped", "limit")

    def __init__(
        self, limit: int, clock: Callable[[], int], full: Callable[[], object] | None = None
    ) -> None:
        self.limit = limit
        self.dropped = 0
        self._told = 0  # of those that were dropped
        self._clock = clock
        self._full = full
        self._mark = limit if full is None else limit // 2
        self._called = False  # Has it said that it is more than half full?
        self._events: deque[Event] = deque()

    def __len__(self) -> int:
        return len(self._events)

    # What is woken and polled parks or ends next: it is only there that it is looked how many
    # events there are.

    def woken(self, cell: int, by: int) -> None:
        """A cell was woken, by another one or by none, 0."""
        self._events.append((self._clock(), "woken", cell, by or None))

    def polled(self, cell: int) -> None:
        """A step of a cell begins."""
        self._events.append((self._clock(), "polled", cell))

    def parked(self, cell: int, words: tuple[str, str | None] | None) -> None:
        """A cell waits: for what, and where; None: it lets others go first."""
        self._events.append((self._clock(), "parked", cell, *(words or _YIELDS)))
        if len(self._events) > self._mark:
            self._crowded()

    def append(self, event: tuple[Any, ...]) -> None:
        """Anything else happened: the word for it, and what belongs to it."""
        self._events.append((self._clock(), *event))
        if len(self._events) > self._mark:
            self._crowded()

    def events(self) -> tuple[Event, ...]:
        """Return the events that it has, the oldest first."""
        while True:
            try:
                self._crowded()
                return tuple(self._events)
            except RuntimeError:  # one more came meanwhile, on another thread
                continue

    def lines(self) -> bytes:
        """Take the oldest events out; return their lines, and after the last one how many are lost.

        Returns:
            The lines of some thousand events at most; nothing if there are none.
        """
        events = self._events
        if not events:
            return b""
        self._called = False
        batch: list[Event] = []
        with suppress(IndexError):  # what was too much has been taken out meanwhile
            for _ in range(min(_BATCH, len(events))):
                batch.append(events.popleft())
        text = "".join(map(line_of_event, batch)).encode("ascii")
        lost = self.dropped - self._told
        if lost and not events:
            self._told += lost
            text += encoded_line((self._clock(), "dropped", lost))
        return text

    def _crowded(self) -> None:
        """Let what is too much go (G1)."""
        events = self._events
        if self._full is None:
            while len(events) > self.limit:
                events.popleft()
                self.dropped += 1
            return
        if not self._called:
            self._called = True
            self._full()
        while len(events) > self.limit:
            with suppress(IndexError):  # all of it is being written at this moment
                events.pop()
                self.dropped += 1


def ring_of(limit: int, clock: Callable[[], int], full: Callable[[], object] | None = None) -> Ring:
    """Return a ring of the form that runs."""
    if not compiled:
        return Ring(limit, clock, full)
    module: Any = import_module("rescind.trace._ring")
    return cast("Ring", module.Ring(limit, clock, full))
