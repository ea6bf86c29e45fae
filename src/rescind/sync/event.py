"""`Event`: something that has happened, or has not.

*Invariants.*
 V1  Who waited when it was set goes on, although it is cleared before they have run.
"""

from __future__ import annotations

from dataclasses import dataclass

from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.operation import Operation
from rescind.sync.section import Section

__all__ = ["Event", "EventStatistics"]


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """A snapshot of an event.

    Attributes:
        set: has it happened?
        waiting: how many wait for it.
    """

    set: bool
    waiting: int


class Event:
    """Something that happens, and that any number of tasks wait for: ``await event.wait()``.

    Args:
        name: for messages.

    Threads: it may be waited for by tasks of several runtimes, and of plain asyncio; `set` and
        `clear` may be called from any thread.

    Example:
        >>> import rescind
        >>> from rescind.sync import Event
        >>> async def main():
        ...     started = Event()
        ...
        ...     async def work():
        ...         started.set()
        ...
        ...     task = rescind.spawn(work())
        ...     await started.wait()
        ...     return started.is_set()
        >>> rescind.run(main)
        True

    Source: ``asyncio.Event``, ``trio.Event``.
    """

    __slots__ = ("__weakref__", "_section", "_set", "_waiting", "name")
    __reduce__ = refuse_copy

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self._section = Section()
        self._set = False
        self._waiting = WaitList()

    def wait(self) -> Future[None]:
        """Return a future that ends when the event is set, or at once if it is.

        Cancellation: safe.
        """
        return _Wait(self)  #: compiled: return waiting_for(self)

    def set(self) -> None:
        """Let it have happened: all who wait go on, also if `clear` follows at once."""
        section = self._section
        lock = section.lock
        free = not section.posted and not section.inside()  #: compiled: pass
        own = False  #: compiled: own = not section.posted and lock.begin()
        try:
            own = free and lock.acquire(False)  #: compiled: pass
            if own:
                self._set = True
                if self._waiting.first is not None:
                    section.wake_all(self._waiting)
        finally:
            if own or (free and section.inside()):  #: compiled: if own:
                lock.release()
                if section.due:
                    section.leave()
        if not own:
            section.post(self._happen)

    def _happen(self) -> None:
        self._set = True
        if self._waiting.first is not None:
            self._section.wake_all(self._waiting)

    def clear(self) -> None:
        """Let it not have happened: who waits from now on waits for the next `set`."""
        section = self._section
        lock = section.lock
        free = not section.posted and not section.inside()  #: compiled: pass
        own = False  #: compiled: own = not section.posted and lock.begin()
        try:
            own = free and lock.acquire(False)  #: compiled: pass
            if own:
                self._set = False
        finally:
            if own or (free and section.inside()):  #: compiled: if own:
                lock.release()
                if section.due:
                    section.leave()
        if not own:
            section.post(self._unset)

    def _unset(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        if self._section.posted:
            self._section.catch_up()
        return self._set

    def statistics(self) -> EventStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            return EventStatistics(self._set, len(self._waiting))

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        return f"<Event{name}, {'set' if self._set else 'not set'}>"


class _Wait(Operation[None]):
    """The future that `Event.wait` returns."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        super().__init__(event._section)  #: compiled: self._section = event._section
        self._event = event

    def _attempt(self, cx: Context) -> Pending | None:
        return None if self._event._set else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._event._waiting.join(waker)

    def _look_again(self, waiter: Waiter) -> None:
        if self._event._set:
            self._section.wake(self._event._waiting, waiter)

    def _received(self, waiter: Waiter) -> None:
        """Return: the event was set while this waited (V1)."""

    def _withdraw(self, waiter: Waiter) -> None:
        self._event._waiting.leave(waiter)

    def __repr__(self) -> str:
        return f"wait of {self._event!r}"
