"""`Event`: something that has happened, or has not.

*Invariants.*
 V1  Who waited when it was set goes on, although it is cleared before they have run.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock

from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.operation import Operation

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

    __slots__ = ("__weakref__", "_lock", "_set", "_waiting", "name")

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self._lock = RLock()
        self._set = False
        self._waiting = WaitList()

    def wait(self) -> Future[None]:
        """Return a future that ends when the event is set, or at once if it is.

        Cancellation: safe.
        """
        return _Wait(self)

    def set(self) -> None:
        """Let it have happened: all who wait go on, also if `clear` follows at once."""
        with self._lock:
            self._set = True
            self._waiting.wake_all()

    def clear(self) -> None:
        """Let it not have happened: who waits from now on waits for the next `set`."""
        with self._lock:
            self._set = False

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        return self._set

    def statistics(self) -> EventStatistics:
        """Return a snapshot."""
        with self._lock:
            return EventStatistics(self._set, len(self._waiting))

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        return f"<Event{name}, {'set' if self._set else 'not set'}>"


class _Wait(Operation[None]):
    """The future that `Event.wait` returns."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        super().__init__(event._lock)
        self._event = event

    def _attempt(self, cx: Context) -> Pending | None:
        return None if self._event._set else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._event._waiting.join(waker)

    def _look_again(self, waiter: Waiter) -> None:
        if self._event._set:
            self._event._waiting.wake(waiter)

    def _received(self, waiter: Waiter) -> None:
        """Return: the event was set while this waited (V1)."""

    def _withdraw(self, waiter: Waiter) -> None:
        self._event._waiting.leave(waiter)

    def __repr__(self) -> str:
        return f"wait of {self._event!r}"
