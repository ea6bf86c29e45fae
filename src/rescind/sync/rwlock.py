"""`RwLock`: many that read, or one that writes, in order of arrival.

*Invariants.*
 K1  There is one writer and no reader, or no writer and any number of readers.
 K2  First come, first served: while somebody waits, whoever comes waits behind. So a writer in line
     holds back the readers that come after it, and is not starved.
 K3  Readers that are in line one behind the other are let in together.
 K4  Whoever leaves the line lets those behind go as far as they can.

*Source.* tokio's ``RwLock``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from reprlib import recursive_repr
from types import TracebackType
from typing import Any

from rescind._core.errors import UsageError, WouldBlock
from rescind._core.given import LEFT
from rescind._core.poll import PENDING, Context, Future, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.holder import Holder, holder_here
from rescind.sync.operation import Operation
from rescind.sync.section import Section

__all__ = ["ReadOrWrite", "RwLock", "RwLockStatistics"]


@dataclass(frozen=True, slots=True)
class RwLockStatistics:
    """A snapshot of a lock.

    Attributes:
        readers: how many read.
        writer: who writes, such as ``task 3 'main'``; None if nobody does.
        waiting_readers: how many wait to read.
        waiting_writers: how many wait to write.
    """

    readers: int
    writer: str | None
    waiting_readers: int
    waiting_writers: int


class RwLock:
    """Lets many read, or one write: ``async with lock.read(): ...``, ``async with lock.write():``.

    Args:
        name: for messages.

    Threads: it may be waited for by tasks of several runtimes, and of plain asyncio.

    Example:
        >>> import rescind
        >>> from rescind.sync import RwLock
        >>> async def main():
        ...     lock = RwLock()
        ...     async with lock.write() as held:
        ...         held.downgrade()
        ...         return lock.statistics().readers
        >>> rescind.run(main)
        1

    Source: tokio's ``RwLock``. Unlike there, code that reads already may read again, since it
        would else wait for itself as soon as a writer waits in between.
    """

    __slots__ = ("__weakref__", "_section", "_readers", "_waiting", "_writer", "name")
    __reduce__ = refuse_copy

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self._section = Section()
        # Who writes, and who read (K1): one entry each time they were let in.
        self._writer: Holder | None = None
        self._readers: dict[Holder, None] = {}
        # Everyone's ``wants`` is the holder that it will be, and whether it will write.
        self._waiting = WaitList()

    # -- taking and giving ------------------------------------------------------------------------

    def read(self) -> ReadOrWrite:
        """Return an async context manager inside which one may read, and nobody writes.

        Cancellation: as `acquire_read`. Leaving the block never waits.
        """
        return ReadOrWrite(self, write=False)

    def write(self) -> ReadOrWrite:
        """Return an async context manager inside which one may write, alone.

        ``async with lock.write() as held: ...; held.downgrade()`` goes on as a reader.

        Cancellation: as `acquire_write`. Leaving the block never waits.
        """
        return ReadOrWrite(self, write=True)

    def acquire_read(self) -> Future[None]:
        """Return a future that ends when the task that awaits it may read.

        Raises:
            UsageError: the awaiting code writes, so it would wait for itself.

        Cancellation: loses its place in the queue. If it was let in just then, that is
            delivered, and the cancellation arrives at the next park (R7).
        """
        return _Acquire(self, False)  #: compiled: return _acquiring(self, False, None)

    def acquire_write(self) -> Future[None]:
        """Return a future that ends when the task that awaits it may write.

        Raises:
            UsageError: the awaiting code reads or writes, so it would wait for itself.

        Cancellation: loses its place in the queue, and lets the readers behind it through. If it
            was let in just then, that is delivered, and the cancellation arrives at the next park
            (R7).
        """
        return _Acquire(self, True)  #: compiled: return _acquiring(self, True, None)

    def acquire_read_nowait(self) -> None:
        """Begin to read now.

        Raises:
            WouldBlock: somebody writes, or waits to.
            UsageError: as `acquire_read`.
        """
        self._now(write=False)

    def acquire_write_nowait(self) -> None:
        """Begin to write now.

        Raises:
            WouldBlock: somebody reads or writes, or waits to.
            UsageError: as `acquire_write`.
        """
        self._now(write=True)

    def release_read(self) -> None:
        """Stop reading.

        Raises:
            UsageError: the calling task does not read.
        """
        here = holder_here()
        reader = self._reader(here)  # without the lock: nobody else stops in its place
        if reader is None:
            raise UsageError(f"{here} cannot stop reading {self!r}: it does not read")
        self._section.post(self._let_go, reader)

    def release_write(self) -> None:
        """Stop writing.

        Raises:
            UsageError: the calling task does not write.
        """
        self._section.post(self._let_go, self._own_writer("stop writing"))

    def downgrade(self) -> None:
        """Go on as a reader, and let the readers at the head of the line in too.

        No writer comes in between.

        Raises:
            UsageError: the calling task does not write.
        """
        self._section.post(self._downgrade, self._own_writer("downgrade"))

    def _own_writer(self, what: str) -> Holder:
        here = holder_here()
        writer = self._writer
        if writer is None or not writer.owned_by(here):
            raise UsageError(f"{here} cannot {what} {self!r}: it does not write")
        return writer

    def _now(self, *, write: bool) -> None:
        here = holder_here()
        with self._section, self._section.lock:  #: compiled: with self._section:
            if not self._take(here, write):
                form = "write" if write else "read"
                raise WouldBlock(
                    f"{self!r} cannot be had at once; 'await lock.acquire_{form}()' waits"
                )

    def _take(self, who: Holder, write: bool) -> bool:
        """Let it in if that can be; refuse what could never end."""
        writer = self._writer
        if writer is not None:
            if writer.same_branch(who):
                raise UsageError(f"{who} writes in {self!r}: it would wait for itself for ever")
            return False
        again = (write or self._waiting.first is not None) and self._reads(who)
        if again and write:
            raise UsageError(
                f"{who} reads in {self!r}: to write there it would wait for itself for ever. "
                "Leave the block that reads first"
            )
        if (write and self._readers) or (self._waiting.first is not None and not again):
            return False
        self._enter(who, write)
        return True

    def _reads(self, who: Holder) -> bool:
        return any(reader.same_branch(who) for reader in list(self._readers))

    def _enter(self, who: Holder, write: bool) -> None:
        if write:
            self._writer = who
        else:
            self._readers[who] = None

    def _reader(self, here: Holder) -> Holder | None:
        """Return a reader that ``here`` may release: its branch's own, or else its task's."""
        found: Holder | None = None
        for holder in reversed(list(self._readers)):
            if holder.same_branch(here):
                return holder
            if found is None and holder.owned_by(here):
                found = holder
        return found

    def _let_go(self, who: Holder) -> None:
        if self._writer is who:
            self._writer = None
        elif who in self._readers:
            del self._readers[who]
        else:
            # Another branch of its task has stopped reading in its place: now in that one's.
            reader = self._reader(who)
            if reader is not None:
                del self._readers[reader]
        self._serve()

    def _downgrade(self, writer: Holder) -> None:
        self._readers[writer] = None
        self._writer = None
        self._serve()

    def _serve(self) -> None:
        """Let those in who are at the head of the line, as far as that goes (K2, K3)."""
        while self._writer is None:
            waiter = self._waiting.first
            if waiter is None:
                return
            who, write = waiter.wants
            if write and self._readers:
                return
            self._enter(who, write)
            if not self._section.wake(self._waiting, waiter):
                self._let_go(who)  # it left just now (W4)

    def _holds(self, who: Holder) -> bool:
        return self._writer is who or who in self._readers

    # -- what it is -------------------------------------------------------------------------------

    def locked(self) -> bool:
        """Tell whether somebody reads or writes."""
        if self._section.posted:
            self._section.catch_up()
        return self._writer is not None or bool(self._readers)

    def statistics(self) -> RwLockStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            writer = self._writer
            writers = len([waiter for waiter in self._waiting if waiter.wants[1]])
            return RwLockStatistics(
                len(self._readers),
                None if writer is None else str(writer),
                len(self._waiting) - writers,
                writers,
            )

    def __repr__(self) -> str:
        return self._told()

    @recursive_repr("<RwLock …>")  # the holder may be told by what it awaits
    def _told(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        writer = self._writer
        readers = len(self._readers)
        state = f"read by {readers}" if readers else "free"
        return f"<RwLock{name}, {state if writer is None else f'written by {writer}'}>"


class ReadOrWrite:
    """What `RwLock.read` and `RwLock.write` return: the lock for a block. It is not shared."""

    __slots__ = ("_holder", "_lock", "_write")
    __reduce__ = refuse_copy

    def __init__(self, lock: RwLock, *, write: bool) -> None:
        self._lock = lock
        self._write = write
        # Who it was let in as; None outside the block.
        self._holder: Holder | None = None

    def downgrade(self) -> None:
        """Go on as a reader, and let the readers at the head of the line in too.

        Raises:
            UsageError: this block does not write now.
        """
        with self._lock._section, self._lock._section.lock:  #: compiled: with self._lock._section:
            holder = self._holder
            if holder is None or self._lock._writer is not holder:
                raise UsageError(f"{self!r} cannot be downgraded: this block does not write now")
            self._lock._downgrade(holder)

    def __aenter__(self) -> Future[ReadOrWrite]:
        lock, write = self._lock, self._write
        return _Acquire(lock, write, self)  #: compiled: return _acquiring(lock, write, self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        lock = self._lock
        holder, self._holder = self._holder, None
        if holder is None or not lock._holds(holder):
            raise UsageError(f"{self!r} was released inside its block already")
        section = lock._section
        inner = section.lock
        free = not section.posted and not section.inside()  #: compiled: pass
        own = False  #: compiled: own = not section.posted and inner.begin()
        try:
            own = free and inner.acquire(False)  #: compiled: pass
            if own:
                lock._let_go(holder)
        finally:
            if own or (free and section.inside()):  #: compiled: if own:
                inner.release()
                if section.due:
                    section.leave()
        if not own:
            section.post(lock._let_go, holder)
        return LEFT

    def __repr__(self) -> str:
        return f"{'write' if self._write else 'read'} of {self._lock!r}"


class _Acquire(Operation[Any]):
    """The future that `RwLock.acquire_read` and its like return, and that enters their blocks."""

    __slots__ = ("_block", "_holder", "_rwlock", "_write")

    def __init__(self, lock: RwLock, write: bool, block: ReadOrWrite | None = None) -> None:
        super().__init__(lock._section)  #: compiled: self._section = lock._section
        self._rwlock = lock
        self._write = write
        self._block = block
        # Who it will be let in as; None before the first poll.
        self._holder: Holder | None = None

    def _attempt(self, cx: Context) -> Any:
        block = self._block
        if block is not None and block._holder is not None:
            raise UsageError(f"{block!r} is entered already; make another one for each block")
        self._holder = holder = holder_here()
        return self._enter() if self._rwlock._take(holder, self._write) else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._rwlock._waiting.join(waker, (self._holder, self._write))

    def _look_again(self, waiter: Waiter) -> None:
        self._rwlock._serve()

    def _received(self, waiter: Waiter) -> ReadOrWrite | None:
        return self._enter()

    def _withdraw(self, waiter: Waiter) -> None:
        lock = self._rwlock
        if lock._waiting.leave(waiter):
            lock._let_go(waiter.wants[0])
        else:
            lock._serve()  # K4

    def _enter(self) -> ReadOrWrite | None:
        block = self._block
        if block is not None:
            block._holder = self._holder
        return block

    def blocked_by(self) -> tuple[object, ...]:
        lock = self._rwlock
        holders = list(lock._readers) if lock._writer is None else [lock._writer]
        return tuple(holder.who for holder in holders)

    def __repr__(self) -> str:
        return f"acquire_{'write' if self._write else 'read'} of {self._rwlock!r}"
