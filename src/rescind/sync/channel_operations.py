"""What the operations of all channels have in common: they give up without waiting for a lock.

*Threads.* As `Operation`.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from rescind._core.outcome import Canceled, Completed, Error, Outcome, also_of
from rescind._core.poll import PENDING, Context, Pending, Waker, polled_after_end
from rescind._core.reason import CancelRequest
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.operation import Operation
from rescind.sync.section import Section

__all__ = ["ChannelOperation", "Looking", "Unwanted", "tell"]

T = TypeVar("T")


class ChannelOperation(Operation[T]):
    """An operation on a channel."""

    __slots__ = ("_section",)

    def __init__(self, section: Section) -> None:
        super().__init__(section)
        self._section = section

    def drop(self) -> None:
        self._section.post(super().drop)


class Looking(ChannelOperation[T]):
    """An operation that is woken to look again: what it looks for is there for several.

    So a wake-up brings nothing that would have to be given back (O1).
    """

    __slots__ = ()

    def poll(self, cx: Context) -> T | Pending:
        with self._section:
            waiter = self._waiter
            if waiter is not None and not waiter.woken:
                waiter.waker = cx.waker
                return PENDING
            if self._ended:
                polled_after_end(self)
            self._waiter = None
            self._ended = True  # unless it has to wait
            output = self._attempt(cx)
            if output is PENDING:
                self._ended = False
                self._waiter = self._queue(cx.waker)
            return output

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        with self._section:
            if self._waiter is not None and self._waiter.woken:
                try:
                    output = self.poll(cx)
                except Exception as exc:
                    return Error(exc, also_of(exc))
                if not isinstance(output, Pending):
                    return Completed(output)  # R7
        self.drop()
        return Canceled(request.reason)


class Watchable(Protocol):
    """The state of a channel whose senders can wait until nobody receives from it.

    Attributes:
        closed: does nobody receive any more?
        section: its lock.
        watchers: those who wait for that.
    """

    section: Section
    watchers: WaitList

    @property
    def closed(self) -> bool: ...


class Unwanted(ChannelOperation[None]):
    """The future that the senders' ``closed`` returns."""

    __slots__ = ("_core",)

    def __init__(self, core: Watchable) -> None:
        super().__init__(core.section)
        self._core = core

    def _attempt(self, cx: Context) -> Pending | None:
        return None if self._core.closed else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._core.watchers.join(waker)

    def _received(self, waiter: Waiter) -> None:
        return None

    def _withdraw(self, waiter: Waiter) -> None:
        self._core.watchers.leave(waiter)

    def __repr__(self) -> str:
        return f"end of those who receive from {self._core}"


def tell(section: Section, waiting: WaitList, given: object = None) -> None:
    """Wake everybody who waits, after the step; called inside one."""
    while (waiter := waiting.first) is not None:
        waker = waiting.pick(waiter, given)
        if waker is not None:
            section.wake(waker)
