"""A heap of deadlines, each with a waker: lazy deletion, amortised prune.

*Invariants.*
 T1  `Timer.cancel` is O(1) and lets go of the waker at once; the heap entry stays until it comes
     up, or until canceled entries are more than half of the heap, which is then rebuilt.
 T2  `fire` wakes timers in order of time, and those of equal time in order of their making.
 T3  Each timer is counted off once, by whoever takes it off its heap's count, to fire or to cancel
     it; not when its entry goes. And what was looked at may be gone when it is popped: a finalizer,
     which the collector runs in the middle of anything, may cancel other timers and prune.

In the compiled form the heap is of timers alone, which C compares and moves (`timers.pxd`): an
entry is not an object of its own, and nothing can run in the middle of a push or a pop.

*Threads.* The executor's thread only.

*Source.* asyncio's scheduled heap, with the same lazy deletion.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .poll import Waker

__all__ = ["Timer", "Timers"]

_PRUNE_MIN = 64


class Timer:
    """One deadline.

    Attributes:
        at: the host time at which it fires, in seconds.
        fired: has it fired?
        waker: whom it wakes; None once it has fired or was canceled. May be replaced.
    """

    __slots__ = ("_heap", "_made", "at", "fired", "waker")

    def __init__(self, heap: Timers, at: float, waker: Waker, made: int = 0) -> None:
        self._heap: Timers | None = heap
        self._made = made  # orders those of equal time (T2)
        self.at = at
        self.fired = False
        self.waker: Waker | None = waker

    def cancel(self) -> None:
        """Never fire; a no-op if it has fired or was canceled (T1)."""
        heap, self._heap = self._heap, None
        if heap is not None:
            # Counted first, let go of last: what the waker holds may have finalizers (T3).
            waker, self.waker = self.waker, None
            heap.forget()
            del waker


class Timers:
    """The timers of one executor."""

    __slots__ = ("_alive", "_heap", "_made")
    __reduce__ = refuse_copy

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []  # in the compiled form, of timers
        # How many may still fire (T3).
        self._alive = 0
        self._made = 0

    def __len__(self) -> int:
        """The number of timers that may still fire."""
        return self._alive

    @property
    def entries(self) -> int:
        """The number of heap entries, canceled ones included (for tests of T1)."""
        return len(self._heap)

    def add(self, at: float, waker: Waker) -> Timer:
        """Wake ``waker`` at host time ``at``, in seconds."""
        self._made += 1
        #: compiled: timer = Timer.__new__(Timer)
        #: compiled: timer._heap = self; timer._made = self._made; timer.at = at
        timer = Timer(self, at, waker, self._made)  #: compiled: timer.waker = waker
        self._alive += 1
        heapq.heappush(self._heap, (at, self._made, timer))  #: compiled: push(self._heap, timer)
        return timer

    def next_at(self) -> float | None:
        """Return the earliest time at which a timer fires, or None if there is none."""
        if not self._alive:
            return None  # as in most turns
        heap = self._heap
        while heap:
            timer = heap[0][2]  #: compiled: timer = first(heap)
            if timer._heap is not None:
                return timer.at
            entry = heapq.heappop(heap)  #: compiled: pop(heap)
            if entry[2]._heap is not None:  #: compiled: if timer._heap is not None:
                # Another one has come up meanwhile (T3).
                heapq.heappush(heap, entry)  #: compiled: push(heap, timer)
        return None

    def fire(self, now: float) -> int:
        """Wake every timer that is due at ``now``; return how many (T2)."""
        fired = 0
        while (timer := self.pop(now)) is not None:
            alive, timer._heap = timer._heap, None
            if alive is None:
                continue
            self._alive -= 1
            waker, timer.waker = timer.waker, None
            timer.fired = True
            fired += 1
            if waker is not None:
                waker.wake()
        return fired

    def pop(self, now: float) -> Timer | None:
        """Take out the first whose time has come, canceled or not; None if there is none."""
        heap = self._heap
        #: compiled: return pop(heap) if heap and first(heap).at <= now else None
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if entry[0] <= now:
                return entry[2]
            heapq.heappush(heap, entry)  # another one has come up meanwhile (T3)
        return None

    def in_order(self) -> list[Timer]:
        """Return those that have an entry, by their time, then by their making."""
        timers = [entry[2] for entry in self._heap]  #: compiled: timers = list(self._heap)
        return sorted(timers, key=lambda timer: (timer.at, timer._made))

    def forget(self) -> None:
        """Count one canceled timer, and prune if they are more than half (T1)."""
        self._alive -= 1
        canceled = len(self._heap) - self._alive
        if canceled > _PRUNE_MIN and canceled * 2 > len(self._heap):
            # In place: a waker that `fire` is calling may be what cancels.
            made = self._made
            kept = _alive(self._heap)  #: compiled: kept = alive(self._heap)
            if made == self._made:  # otherwise one was added meanwhile (T3): prune another time
                self._heap[:] = kept
                heapq.heapify(self._heap)  #: compiled: heapify(self._heap)


def _alive(heap: list[tuple[float, int, Timer]]) -> list[tuple[float, int, Timer]]:
    """Return the entries of those that may still fire."""
    return [entry for entry in heap if entry[2]._heap is not None]
