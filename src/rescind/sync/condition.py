"""`Condition`: wait, inside a mutex, for what others do inside it.

*How.* A waiter stands in the condition's line; notified, it is moved to the end of the mutex's,
and is woken when it is given the mutex. So nobody is woken in order to wait again.

*Invariants.*
 C1  The mutex is held again on every way out of `Condition.wait`. A cancellation does not cut that
     short; a drop, which cannot wait, takes the mutex if it is free, and otherwise forfeits it:
     the release that follows in the dropped frame finds nothing to release.
 C2  One who was notified and is canceled has been notified: that is delivered (R7). One who was
     notified and is dropped passes the notification on.
 C3  One who waits in either line is given the mutex as the holder that it was before.

*Source.* ``trio.Condition``, pthreads' "wait morphing"; asyncio lost notifications (cpython #90155,
#112202).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from rescind._core.coroutine import CoroutineFuture
from rescind._core.errors import UsageError
from rescind._core.given import LEFT
from rescind._core.outcome import Canceled, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelRequest
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.arguments import checked_count
from rescind.sync.holder import Holder, holder_here
from rescind.sync.mutex import Mutex, MutexStatistics
from rescind.sync.operation import Operation

__all__ = ["Condition", "ConditionStatistics"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConditionStatistics:
    """A snapshot of a condition.

    Attributes:
        waiting: how many wait for a notification.
        mutex: the mutex's own; those who were notified wait there.
    """

    waiting: int
    mutex: MutexStatistics


class Condition:
    """Lets the holder of a mutex wait for a change, inside ``async with condition:``.

    Args:
        mutex: the one to use; by default a new one. Several conditions may share one.
        name: for messages, also for a mutex that is made here.

    Threads: it may be waited for by tasks of several runtimes, and of plain asyncio; notifications
        may come from any thread.

    Raises:
        TypeError: ``mutex`` is no `Mutex`.

    Example:
        >>> import rescind
        >>> from rescind.sync import Condition
        >>> async def main():
        ...     items, changed = [], Condition()
        ...
        ...     async def produce():
        ...         async with changed:
        ...             items.append("item")
        ...             changed.notify()
        ...
        ...     task = rescind.spawn(produce())
        ...     async with changed:
        ...         await changed.wait_for(lambda: items)
        ...         return items.pop()
        >>> rescind.run(main)
        'item'

    Source: ``trio.Condition``. Unlike there, one may notify without holding the mutex.
    """

    __slots__ = ("__weakref__", "_mutex", "_waiting", "name")
    __reduce__ = refuse_copy

    def __init__(self, mutex: Mutex | None = None, *, name: str | None = None) -> None:
        if mutex is not None and not isinstance(mutex, Mutex):
            raise TypeError(f"a condition needs a rescind.sync.Mutex, not {mutex!r}")
        self.name = name
        self._mutex = Mutex(name=name) if mutex is None else mutex
        # Everyone's ``wants`` is the holder that it was, and will be again (C3).
        self._waiting = WaitList()

    @property
    def mutex(self) -> Mutex:
        """The mutex."""
        return self._mutex

    # -- the mutex --------------------------------------------------------------------------------

    def acquire(self) -> Future[None]:
        """Return a future that ends when the mutex is held: `Mutex.acquire`.

        Cancellation: as `Mutex.acquire`.
        """
        return self._mutex.acquire()

    def acquire_nowait(self) -> None:
        """Take the mutex now: `Mutex.acquire_nowait`."""
        self._mutex.acquire_nowait()

    def release(self) -> None:
        """Release the mutex: `Mutex.release`."""
        self._mutex.release()

    def locked(self) -> bool:
        """Tell whether somebody holds the mutex."""
        return self._mutex.locked()

    def __aenter__(self) -> Awaitable[None]:
        frame = id(sys._getframe(1))  #: compiled: frame = running_frame()
        return self._mutex._enter(frame)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        frame = id(sys._getframe(1))  #: compiled: frame = running_frame()
        self._mutex._leave(exc, frame)
        return LEFT

    # -- waiting and notifying --------------------------------------------------------------------

    def wait(self) -> Future[None]:
        """Return a future that releases the mutex, waits for a notification, and takes it again.

        It may have been others' turn between the notification and its end: what was waited for has
        to be looked at again; `wait_for` does.

        Raises:
            UsageError: the task that awaits it does not hold the mutex.
            Poisoned: the mutex was poisoned meanwhile; it is held nevertheless.

        Cancellation: loses its place in the queue, and waits for the mutex before it ends. A
            notification that had come already is delivered, and the cancellation arrives at the
            next park (R7). If its grace is over it is dropped: then the mutex is held only if it
            was free.
        """
        return _Wait(self)

    def wait_for(self, predicate: Callable[[], T]) -> Future[T]:
        """Return a future that waits until ``predicate()`` is true.

        Args:
            predicate: a function without arguments; called with the mutex held, at first before
                any wait, and after each notification.

        Returns:
            What the predicate returned: something true.

        Raises:
            TypeError: ``predicate`` is no function, or an async one.
            UsageError: as `wait`.

        Cancellation: as `wait`.
        """
        if not callable(predicate):
            raise TypeError(f"wait_for() needs a function without arguments, not {predicate!r}")
        return CoroutineFuture(_wait_for(self, predicate))

    def notify(self, n: int = 1) -> None:
        """Let the first ``n`` in line go on, one after the other, when they get the mutex.

        It is not necessary to hold the mutex, so other threads may notify; but what the waiters
        look at must not change unseen: change it inside the mutex.

        Args:
            n: at least 1; if fewer wait, all go on.

        Raises:
            TypeError: ``n`` is no int.
            ValueError: ``n`` is less than 1.
        """
        checked_count(n, "the waiters to notify")
        self._mutex._section.post(self._notify, n)

    def notify_all(self) -> None:
        """Let all go on who wait now, one after the other, when they get the mutex."""
        self._mutex._section.post(self._notify_all)

    def _notify_all(self) -> None:
        self._notify(len(self._waiting))

    def _notify(self, n: int) -> None:
        mutex = self._mutex
        while n > 0:
            waiter = self._waiting.first
            if waiter is None:
                break
            if self._waiting.move(waiter, mutex._waiting):
                waiter.given = True
                n -= 1
        mutex._serve()

    # -- what it is -------------------------------------------------------------------------------

    def statistics(self) -> ConditionStatistics:
        """Return a snapshot."""
        section = self._mutex._section
        with section, section.lock:  #: compiled: with section:
            return ConditionStatistics(len(self._waiting), self._mutex.statistics())

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        return f"<Condition{name} of {self._mutex!r}, {len(self._waiting)} waiting>"


class _Wait(Operation[None]):
    """The future that `Condition.wait` returns."""

    __slots__ = ("_condition", "_holder", "_request")

    def __init__(self, condition: Condition) -> None:
        section = condition._mutex._section
        super().__init__(section)  #: compiled: self._section = section
        self._condition = condition
        # Who held the mutex, and will again; None before the first poll.
        self._holder: Holder | None = None
        # The request under which it was canceled before a notification came.
        self._request: CancelRequest | None = None

    def _attempt(self, cx: Context) -> Pending:
        mutex = self._condition._mutex
        owner = mutex._owner
        here = holder_here()
        if owner is None or not owner.owned_by(here):
            raise UsageError(
                f"{self._condition!r} cannot be waited for by {here}: it must hold the mutex; "
                "wait inside 'async with condition:'"
            )
        self._holder = owner
        return PENDING

    def _queue(self, waker: Waker) -> Waiter:
        condition, holder = self._condition, self._holder
        assert holder is not None
        waiter = condition._waiting.join(waker, holder, False)
        condition._mutex._away[holder] = None
        condition._mutex._pass_on()
        return waiter

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        with self._section, self._section.lock:  #: compiled: with self._section:
            waiter = self._waiter
            if waiter is None:
                #: compiled: return Operation.poll_cancel(self, cx, request)
                return super().poll_cancel(cx, request)  #: compiled: pass
            mutex = self._condition._mutex
            if self._condition._waiting.move(waiter, mutex._waiting):
                self._request = request
                mutex._serve()
            if not waiter.woken:
                return self._stay(waiter, cx.waker)  # C1
            if self._request is None:  # C2
                #: compiled: return Operation.poll_cancel(self, cx, request)
                return super().poll_cancel(cx, request)  #: compiled: pass
            self._waiter = None
            self._ended = True
            mutex._forget(waiter.wants)
            return Canceled(self._request.reason)

    def _received(self, waiter: Waiter) -> None:
        mutex = self._condition._mutex
        mutex._forget(waiter.wants)
        mutex._check_poison()

    def _withdraw(self, waiter: Waiter) -> None:
        condition = self._condition
        mutex = condition._mutex
        if not condition._waiting.leave(waiter):
            mutex._waiting.leave(waiter)
        holder: Holder = waiter.wants
        if holder not in mutex._away:  # its block was left before this
            if waiter.woken:
                mutex._pass_on()
        elif waiter.woken or mutex._owner is None:
            mutex._forget(holder)
            mutex._owner = holder
        elif holder.task is None and not holder.coroutine:
            mutex._forget(holder)  # polled by hand: there is no block to be left
        else:
            mutex._forfeits[holder] = None
        if waiter.given:
            condition._notify(1)  # C2

    def __repr__(self) -> str:
        waiter = self._waiter
        if waiter is None or waiter._list is self._condition._waiting:
            return f"wait of {self._condition!r}"
        return f"wait, about to end, of {self._condition!r}"


async def _wait_for(condition: Condition, predicate: Callable[[], T]) -> T:
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(
                f"wait_for() needs a plain function, but {predicate!r} is async; it is called "
                "with the mutex held, and must not wait"
            )
        if value:
            return value
        await condition.wait()
