"""`Notify`: wake one, or all, who wait for news; the state that the news is about is elsewhere.

*Invariants.*
 N1  A notification for one reaches one: whoever waits, or else whoever comes next. At most one is
     stored.
 N2  One who was notified and is dropped before it could see that passes the notification on: to the
     next in line, or, if it was for the last, to the one who is last now; or it is stored.
 N3  `Notify.notify_waiters` reaches all whose future exists, polled or not. It is not passed on:
     the others got it too.

*Source.* tokio's ``Notify``. Where a future there that took a stored permit by ``enable`` drops it
with itself, ours passes it on (N2).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from rescind._core.errors import UsageError, WouldBlock
from rescind._core.poll import PENDING, Context, NoopWaker, Pending, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.operation import Operation
from rescind.sync.section import Section

__all__ = ["Notified", "Notify", "NotifyStatistics"]


_NOBODY: Final = NoopWaker()


class _News(enum.Enum):
    """What a waiter was told by."""

    FIRST = "notify_one"
    LAST = "notify_last"
    ALL = "notify_waiters"


# Before Python 3.12 to look a member up in its class is a call of a method of the metaclass.
_FIRST: Final = _News.FIRST
_LAST: Final = _News.LAST
_ALL: Final = _News.ALL


@dataclass(frozen=True, slots=True)
class NotifyStatistics:
    """A snapshot of a `Notify`.

    Attributes:
        stored: is there a notification for whoever comes next?
        waiting: how many wait for one.
    """

    stored: bool
    waiting: int


class Notify:
    """Tells tasks that something has changed: ``await notify.notified()``.

    Args:
        name: for messages.

    Threads: it may be waited for by tasks of several runtimes, and of plain asyncio; notifications
        may come from any thread.

    Example:
        >>> import rescind
        >>> from rescind.sync import Notify
        >>> async def main():
        ...     changed = Notify()
        ...     changed.notify_one()
        ...     await changed.notified()
        ...     return "seen"
        >>> rescind.run(main)
        'seen'

    Source: tokio's ``Notify``.
    """

    __slots__ = ("__weakref__", "_calls", "_section", "_stored", "_waiting", "name")
    __reduce__ = refuse_copy

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self._section = Section()
        # Is there a notification for one that nobody has taken (N1)?
        self._stored = False
        # How often all were notified (N3).
        self._calls = 0
        self._waiting = WaitList()

    def notified(self) -> Notified:
        """Return a future that ends with a notification.

        It hears `notify_waiters` from now on, and stands in line for a notification for one
        from its first poll, or from `Notified.enable`.

        Cancellation: loses its place in the queue. A notification that it had got already is
            delivered, and the cancellation arrives at the next park (R7); if the future is
            dropped, another gets it (N2).
        """
        return Notified(self)

    def notified_nowait(self) -> None:
        """Take the stored notification now.

        Raises:
            WouldBlock: none is stored.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            if not self._take():
                raise WouldBlock(f"{self!r} has none stored; 'await notify.notified()' waits")

    def notify_one(self) -> None:
        """Notify the first in line; or, if nobody waits, whoever comes next.

        Two of them that nobody waits for are one.
        """
        self._section.post(self._notify, _FIRST)

    def notify_last(self) -> None:
        """Notify the last in line; or, if nobody waits, whoever comes next."""
        self._section.post(self._notify, _LAST)

    def notify_waiters(self) -> None:
        """Notify all whose `notified` future exists now; nothing is stored for others."""
        self._section.post(self._notify_all)

    def _notify_all(self) -> None:
        self._calls += 1
        self._section.wake_all(self._waiting, _ALL)

    def _notify(self, news: _News) -> None:
        while True:
            waiter = self._waiting.first if news is _FIRST else self._waiting.last
            if waiter is None:
                self._stored = True
                return
            if self._section.wake(self._waiting, waiter, news):
                return

    def _take(self) -> bool:
        if self._stored:
            self._stored = False
            return True
        return False

    def statistics(self) -> NotifyStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            return NotifyStatistics(self._stored, len(self._waiting))

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        stored = ", one stored" if self._stored else ""
        return f"<Notify{name}, {len(self._waiting)} waiting{stored}>"


class Notified(Operation[None]):
    """The future that `Notify.notified` returns."""

    __slots__ = ("_calls", "_notify")
    _meant = False  # it is made to be there in case

    def __init__(self, notify: Notify) -> None:
        section = notify._section
        super().__init__(section)  #: compiled: self._section = section
        self._notify = notify
        if section.posted:
            section.catch_up()
        # The count of `notify_waiters` at its making: if there are more now, it was told (N3).
        self._calls = notify._calls

    def enable(self) -> bool:
        """Stand in line from now on, without waiting.

        To look at some state between `enable` and the await, and miss no change of it.

        Returns:
            Is there a notification for it already? It is its own from now on.

        Raises:
            UsageError: the future has ended.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            waiter = self._waiter
            if waiter is None:
                if self._ended:
                    raise UsageError(f"{self!r} has ended; call notify.notified() for another")
                notify = self._notify
                self._waiter = waiter = notify._waiting.join(_NOBODY)
                self._look_again(waiter)
            return waiter.woken

    def _attempt(self, cx: Context) -> Pending | None:
        notify = self._notify
        told = notify._calls != self._calls
        return None if told or notify._take() else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._notify._waiting.join(waker)

    def _look_again(self, waiter: Waiter) -> None:
        notify = self._notify
        if notify._calls != self._calls:
            self._section.wake(notify._waiting, waiter, _ALL)
        elif notify._take():
            notify._notify(_FIRST)

    def _received(self, waiter: Waiter) -> None:
        """Return: it was notified."""

    def _withdraw(self, waiter: Waiter) -> None:
        notify = self._notify
        if notify._waiting.leave(waiter) and waiter.given is not _ALL:
            notify._notify(waiter.given)  # N2

    def __repr__(self) -> str:
        return f"notified of {self._notify!r}"
