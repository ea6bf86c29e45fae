"""`Semaphore`: so many at a time, in order of arrival, whatever each asks for.

*Invariants.*
 S1  Permits are conserved: free ones, those that the waiters were given so far, and those that were
     acquired and not released, are together what was put in, but for those forgotten.
 S2  While somebody waits, no permit is free: the first in line is given whatever comes, piece by
     piece, so that a big request is not overtaken for ever by small ones.
 S3  Whoever leaves the line gives back what it was given so far.

*Source.* tokio's ``batch_semaphore``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from rescind._core.errors import Closed, UsageError, WouldBlock
from rescind._core.given import LEFT
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.arguments import checked_count
from rescind.sync.operation import Operation, spender
from rescind.sync.section import Section

__all__ = ["Permits", "Semaphore", "SemaphoreStatistics"]

_CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True)
class SemaphoreStatistics:
    """A snapshot of a semaphore.

    Attributes:
        available: permits that are free; 0 while somebody waits.
        maximum: how many may be free at most; None if there is no bound.
        gathered: permits that the first in line has been given so far.
        waiting: how many wait.
        closed: was it closed?
    """

    available: int
    maximum: int | None
    gathered: int
    waiting: int
    closed: bool


class Semaphore:
    """Lets so many in at a time: ``async with semaphore: ...``.

    Args:
        permits: how many there are to begin with, at least 0.
        max: how many there may be at most; a release beyond that is refused. By default there is
            no bound, and whoever releases need not have acquired.
        name: for messages.

    Threads: it may be waited for by tasks of several runtimes, and of plain asyncio; what does not
        wait may be called from any thread. It is not owned: one task may release what another
        acquired.

    Raises:
        TypeError: ``permits`` or ``max`` is no int.
        ValueError: ``permits`` is negative, or more than ``max``; ``max`` is less than 1.

    Example:
        >>> import rescind
        >>> from rescind.sync import Semaphore
        >>> async def main():
        ...     connections = Semaphore(10, max=10)
        ...     async with connections, connections.permits(3):
        ...         return connections.available
        >>> rescind.run(main)
        6

    Source: tokio's ``Semaphore``; the bound is that of ``asyncio.BoundedSemaphore``.
    """

    __slots__ = ("__weakref__", "_closed", "_free", "_section", "_max", "_waiting", "name")
    __reduce__ = refuse_copy

    def __init__(self, permits: int, *, max: int | None = None, name: str | None = None) -> None:  # noqa: A002
        checked_count(permits, "the permits of a semaphore", least=0)
        if max is not None and permits > checked_count(max, "the max of a semaphore"):
            raise ValueError(f"a semaphore with at most {max} permits cannot begin with {permits}")
        self.name = name
        self._section = Section()
        self._free = permits
        self._max = max
        # A waiter's ``wants`` is how many it asked for, its ``given`` how many it has so far, or
        # that the semaphore was closed.
        self._waiting = WaitList()
        self._closed = False

    # -- taking and giving ------------------------------------------------------------------------

    def acquire(self, n: int = 1) -> Future[None]:
        """Return a future that ends when ``n`` permits have been taken.

        Args:
            n: at least 1.

        Raises:
            TypeError: ``n`` is no int.
            ValueError: ``n`` is less than 1, or more than the ``max``: it would never end.
            Closed: when it is awaited: the semaphore is closed, or is being closed meanwhile.

        Cancellation: loses its place in the queue; permits that it was given so far go to the
            next in line. If it had all of them, they are delivered, and the cancellation arrives
            at the next park (R7).
        """
        self._checked(n)
        return _Acquire(self, n)  #: compiled: return _acquiring(self, n)

    def acquire_nowait(self, n: int = 1) -> None:
        """Take ``n`` permits now.

        Raises:
            WouldBlock: so many are not free.
            Closed: the semaphore is closed.
            TypeError: as `acquire`; and `ValueError` too.
        """
        self._checked(n)
        section = self._section
        if section.posted:
            section.catch_up()
        #: compiled: section.lock.acquire()
        try:
            with section.lock:  #: compiled: try:
                taken = self._take(n)
            #: compiled: finally: section.lock.release()
        finally:
            if section.due:
                section.leave()
        if not taken:
            raise WouldBlock(
                f"{n} of {self!r} cannot be had at once; 'await semaphore.acquire({n})' waits"
            )

    def permits(self, n: int = 1) -> Permits:
        """Return an async context manager that holds ``n`` permits inside its block.

        Args:
            n: at least 1.

        Raises:
            ValueError: as `acquire`; and `TypeError` too.

        Cancellation: as `acquire`. Leaving the block never waits.
        """
        return Permits(self, self._checked(n))

    def release(self, n: int = 1) -> None:
        """Give ``n`` permits back, or put new ones in: to those in line, in order.

        Args:
            n: at least 1.

        Raises:
            UsageError: there would be more than ``max``: more were released than acquired.
            TypeError: ``n`` is no int.
            ValueError: ``n`` is less than 1.
        """
        if type(n) is not int or n < 1:
            checked_count(n, "the permits to release")
        section = self._section
        lock = section.lock
        free = not section.posted and not section.inside()  #: compiled: pass
        own = False  #: compiled: own = not section.posted and lock.begin()
        try:
            own = free and lock.acquire(False)  #: compiled: pass
            if own:
                self._put_in(n)
        finally:
            if own or (free and section.inside()):  #: compiled: if own:
                lock.release()
                if section.due:
                    section.leave()
        if not own:
            self._check_max(n)
            section.post(self._put_in, n)

    def _put_in(self, n: int) -> None:
        self._check_max(n)
        self._free += n
        if self._waiting.first is not None:
            self._serve()

    def _check_max(self, n: int) -> None:
        if self._max is not None and self._free + self._gathered() + n > self._max:
            raise UsageError(
                f"{n} more cannot be released to {self!r}: more than {self._max} would be "
                "free. Release what was acquired, once"
            )

    def forget_permits(self, n: int) -> int:
        """Take up to ``n`` permits that are free out for good; return how many that were.

        Those that are in use, or on their way to one who waits, are not touched. The ``max``
        goes down by as many.

        Args:
            n: at least 0.

        Raises:
            TypeError: ``n`` is no int.
            ValueError: ``n`` is negative.
        """
        checked_count(n, "the permits to forget", least=0)
        with self._section, self._section.lock:  #: compiled: with self._section:
            forgotten = min(n, self._free)
            self._free -= forgotten
            if self._max is not None:
                self._max -= forgotten
            return forgotten

    def close(self) -> None:
        """Refuse permits from now on: all who wait, and all who come, get `Closed`.

        Permits that are held may be released as before. A second call does nothing.
        """
        self._section.post(self._close)

    def _close(self) -> None:
        self._closed = True
        while (waiter := self._waiting.first) is not None:
            gathered, waiter.given = waiter.given, 0
            self._free += gathered
            self._section.wake(self._waiting, waiter, _CLOSED)

    def _checked(self, n: int) -> int:
        if type(n) is not int or n < 1:
            checked_count(n, "the permits to acquire")
        if self._max is not None and n > self._max:
            raise ValueError(
                f"{n} permits of {self!r} would be waited for for ever: there are never more "
                f"than {self._max}"
            )
        return n

    def _take(self, n: int) -> bool:
        if self._closed:
            raise Closed(f"{self!r} gives no more permits")
        if n > self._free:  # also if somebody waits: then none is free (S2)
            return False
        self._free -= n
        return True

    def _serve(self) -> None:
        """Give those in line what is free (S2)."""
        while True:
            waiter = self._waiting.first
            if waiter is None or self._free == 0 or self._closed:
                return
            missing = waiter.wants - waiter.given
            if missing > self._free:
                waiter.given += self._free
                self._free = 0
                return
            self._free -= missing
            waiter.given = waiter.wants
            # If it has left just now (W4), it gave back what it had, this included (S3).
            self._section.wake(self._waiting, waiter)

    def _gathered(self) -> int:
        first = self._waiting.first
        return 0 if first is None else first.given

    def __aenter__(self) -> Awaitable[None]:
        return self._enter(1)

    def _enter(self, n: int) -> Awaitable[None]:
        """Take so many if they are free (O6); else return what waits for them."""
        section = self._section
        engine = None if self._closed or n > self._free else spender()
        if engine is None or section.posted:
            return _Acquire(self, n)  #: compiled: return _acquiring(self, n)
        lock = section.lock
        #: compiled: lock.acquire()
        try:
            with lock:  #: compiled: try:
                if self._closed or n > self._free:
                    return _Acquire(self, n)  #: compiled: return _acquiring(self, n)
                self._free -= n
            #: compiled: finally: lock.release()
        finally:
            if section.due:
                section.leave()
        engine.budget -= 1
        return LEFT

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        self.release()
        return LEFT

    # -- what it is -------------------------------------------------------------------------------

    @property
    def available(self) -> int:
        """How many permits are free; 0 while somebody waits."""
        if self._section.posted:
            self._section.catch_up()
        return self._free

    @property
    def closed(self) -> bool:
        """Was it closed?"""
        if self._section.posted:
            self._section.catch_up()
        return self._closed

    def statistics(self) -> SemaphoreStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            return SemaphoreStatistics(
                self._free, self._max, self._gathered(), len(self._waiting), self._closed
            )

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        bound = "" if self._max is None else f" of {self._max}"
        closed = ", closed" if self._closed else ""
        return f"<Semaphore{name}, {self._free}{bound} free{closed}>"


class Permits:
    """What `Semaphore.permits` returns: that many permits, for a block. Can be used again."""

    __slots__ = ("_n", "_semaphore")
    __reduce__ = refuse_copy

    def __init__(self, semaphore: Semaphore, n: int) -> None:
        self._semaphore = semaphore
        self._n = n

    def __aenter__(self) -> Awaitable[None]:
        return self._semaphore._enter(self._n)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        self._semaphore.release(self._n)
        return LEFT

    def __repr__(self) -> str:
        return f"{self._n} of {self._semaphore!r}"


class _Acquire(Operation[None]):
    """The future that `Semaphore.acquire` returns."""

    __slots__ = ("_n", "_semaphore")

    def __init__(self, semaphore: Semaphore, n: int) -> None:
        super().__init__(semaphore._section)  #: compiled: self._section = semaphore._section
        self._semaphore = semaphore
        self._n = n

    def _attempt(self, cx: Context) -> Pending | None:
        return None if self._semaphore._take(self._n) else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._semaphore._waiting.join(waker, self._n, 0)

    def _look_again(self, waiter: Waiter) -> None:
        self._semaphore._serve()
        if self._semaphore._closed:
            self._semaphore._close()

    def _received(self, waiter: Waiter) -> None:
        if waiter.given is _CLOSED:
            raise Closed(f"{self._semaphore!r} was closed while {self._n} were waited for")

    def _withdraw(self, waiter: Waiter) -> None:
        semaphore = self._semaphore
        semaphore._waiting.leave(waiter)
        if waiter.given is not _CLOSED:
            gathered, waiter.given = waiter.given, 0
            semaphore._free += gathered
            semaphore._serve()

    def __repr__(self) -> str:
        n = "" if self._n == 1 else f" of {self._n}"
        return f"acquire{n} of {self._semaphore!r}"
