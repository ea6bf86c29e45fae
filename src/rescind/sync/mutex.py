"""`Mutex`: one at a time, in order of arrival.

*Invariants.*
 M1  It has at most one owner. Released while somebody waits, it belongs to the first in line at
     once: nobody can barge in between.
 M2  One who was given it and is dropped before it could see that passes it on.
 M3  A block that is left releases what it holds. When its frame is closed, that may happen in the
     middle of another task, or outside all: by the collector, by a loop that ends. Then the frame
     itself tells whose block it is.

*Source.* ``trio.Lock``; tokio's ``Mutex``.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from reprlib import recursive_repr
from types import TracebackType

from rescind._core import scope
from rescind._core.ending import ended_by
from rescind._core.errors import RescindError, UsageError, WouldBlock
from rescind._core.given import LEFT
from rescind._core.outcome import Canceled
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.task import Task
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.holder import Holder, closing, held_here, holder_here
from rescind.sync.operation import Operation, spender
from rescind.sync.section import Section

__all__ = ["Mutex", "MutexStatistics", "Poisoned"]


class Poisoned(RescindError):
    """The last holder of the mutex was canceled inside: what it protects may be half-changed.

    Attributes:
        reason: why that holder was canceled.
    """

    reason: CancelReason

    def __init__(self, message: str, reason: CancelReason) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MutexStatistics:
    """A snapshot of a mutex.

    Attributes:
        locked: is it held?
        owner: who holds it, such as ``task 3 'main'``; None if nobody does.
        waiting: how many wait for it.
    """

    locked: bool
    owner: str | None
    waiting: int


class Mutex:
    """Lets one in at a time, in order of arrival: ``async with mutex: ...``.

    Args:
        name: for messages.
        poison: if a holder is canceled inside its ``async with``, refuse the mutex to others with
            `Poisoned`, until `clear_poison` is called.

    Threads: it may be waited for by tasks of several runtimes, and of plain asyncio.

    Example:
        >>> import rescind
        >>> from rescind.sync import Mutex
        >>> async def main():
        ...     mutex = Mutex()
        ...     async with mutex:
        ...         return mutex.locked()
        >>> rescind.run(main)
        True

    Source: ``trio.Lock`` (FIFO, owned by a task); Rust's poisoning, of cancellation alone.
    """

    __slots__ = (
        "__weakref__",
        "_away",
        "_forfeits",
        "_section",
        "_owner",
        "_poison",
        "_poisoned",
        "_waiting",
        "name",
    )
    __reduce__ = refuse_copy

    def __init__(self, *, name: str | None = None, poison: bool = False) -> None:
        self.name = name
        self._section = Section()
        # Who holds it; None: it is free.
        self._owner: Holder | None = None
        # Everyone's ``wants`` is the holder that it will be.
        self._waiting = WaitList()
        # Those inside a `Condition.wait`: they will hold it again, if they are not dropped there.
        self._away: dict[Holder, None] = {}
        # Those who were, while another held it: they will release what they do not hold.
        self._forfeits: dict[Holder, None] = {}
        self._poison = poison
        self._poisoned: CancelReason | None = None

    # -- taking and giving ------------------------------------------------------------------------

    def acquire(self) -> Future[None]:
        """Return a future that ends when the mutex is held by the task that awaits it.

        Raises:
            UsageError: the awaiting code holds it already, so it would wait for itself.
            Poisoned: the last holder was canceled inside, and ``poison`` was asked for.

        Cancellation: loses its place in the queue. A mutex that was just handed to it is
            delivered, and the cancellation arrives at the next park (R7).
        """
        return MutexAcquire(self)  #: compiled: return acquiring(self, 0)

    def acquire_nowait(self) -> None:
        """Take the mutex now.

        Raises:
            WouldBlock: somebody holds it.
            UsageError: the caller holds it.
            Poisoned: as `acquire`.
        """
        here = holder_here()
        with self._section, self._section.lock:  #: compiled: with self._section:
            if not self._take(here):
                raise WouldBlock(f"{self!r} cannot be had at once; 'await mutex.acquire()' waits")

    def release(self) -> None:
        """Give the mutex to the first in line, or set it free.

        Raises:
            UsageError: it is not held, or by another task.
        """
        section = self._section
        lock = section.lock
        free = not section.posted and not section.inside()  #: compiled: pass
        own = False  #: compiled: own = not section.posted and lock.begin()
        try:
            own = free and lock.acquire(False)  #: compiled: pass
            if own:
                owner = self._owner
                if owner is not None and not self._forfeits and held_here(owner):
                    self._pass_on()
                else:
                    self._release(holder_here())
        finally:
            if own or (free and section.inside()):  #: compiled: if own:
                lock.release()
                if section.due:
                    section.leave()
        if not own:
            here = holder_here()
            if not section.posted and not self._forfeits:
                self._owned_by(here)
            section.post(self._release, here)

    def _release(self, here: Holder) -> None:
        if self._forfeits:
            owner = self._owner
            own = owner is not None and owner.owned_by(here)
            if self._forfeited(here, own=own):
                return
        self._owned_by(here)
        self._pass_on()

    def _owned_by(self, here: Holder) -> None:
        """Refuse a release by one who does not hold it."""
        owner = self._owner
        if owner is None:
            raise UsageError(f"{self!r} cannot be released: nobody holds it")
        if not owner.owned_by(here):
            raise UsageError(
                f"{self!r} cannot be released by {here}: only the task that holds it may do so"
            )

    def _leave(self, exc: BaseException | None, frame: int) -> None:
        """Leave the block of ``frame`` (M3)."""
        if self._poison and exc is not None:
            self._poisoned = self._poisoned or _canceled_inside(exc)
        if not isinstance(exc, GeneratorExit):
            self.release()
            return
        here = holder_here()
        self._section.post(self._close_block, frame, here if closing(here) else None)

    def _close_block(self, frame: int, closed: Holder | None) -> None:
        for holder in list(self._away):
            if holder.frame == frame:
                self._forget(holder)
                return
        owner = self._owner
        if owner is not None and (
            owner.frame == frame or (closed is not None and owner.owned_by(closed))
        ):
            self._pass_on()

    def _take(self, who: Holder) -> bool:
        """Take it if it is free; refuse what could never end."""
        owner = self._owner
        if owner is not None:
            if owner.same_branch(who):
                raise UsageError(f"{who} holds {self!r} already: it would wait for itself for ever")
            return False
        self._check_poison()
        self._owner = who
        return True

    def _pass_on(self) -> None:
        """Give it to the first in line (M1)."""
        self._owner = None
        if self._waiting.first is not None:
            self._serve()

    def _serve(self) -> None:
        """Give it to the first in line, if nobody has it."""
        while self._owner is None:
            waiter = self._waiting.first
            if waiter is None:
                return
            self._owner = waiter.wants
            if not self._section.wake(self._waiting, waiter):
                self._owner = None  # it left just now (W4)

    def _forfeited(self, here: Holder, *, own: bool) -> bool:
        """Is what ``here`` would release lost already, by a drop? If so, forget about that."""
        for holder in list(self._forfeits):
            if not holder.coroutine:
                same = not own and holder.task is not None and holder.task is here.task
            else:
                same = holder.coroutine == here.coroutine  # another branch may own it by now
            if same:
                self._forget(holder)
                return True
        return False

    def _forget(self, holder: Holder) -> None:
        """Expect no release of one who has come back, or will not."""
        self._away.pop(holder, None)
        self._forfeits.pop(holder, None)

    def __aenter__(self) -> Awaitable[None]:
        frame = id(sys._getframe(1))  #: compiled: frame = running_frame()
        return self._enter(frame)

    def _enter(self, frame: int) -> Awaitable[None]:
        """Take it for the block of ``frame`` if it is free (O6); else return what waits for it."""
        section = self._section
        engine = None if self._owner is not None or self._poisoned is not None else spender()
        if engine is None or section.posted:
            return MutexAcquire(self, frame)  #: compiled: return acquiring(self, frame)
        lock = section.lock
        #: compiled: lock.acquire()
        try:
            with lock:  #: compiled: try:
                holder = holder_here()
                if self._owner is not None:
                    return MutexAcquire(self, frame)  #: compiled: return acquiring(self, frame)
                holder.frame = frame
                self._owner = holder
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
        frame = id(sys._getframe(1))  #: compiled: frame = running_frame()
        self._leave(exc, frame)
        return LEFT

    # -- what it is -------------------------------------------------------------------------------

    def locked(self) -> bool:
        """Tell whether somebody holds it."""
        if self._section.posted:
            self._section.catch_up()
        return self._owner is not None

    @property
    def poisoned(self) -> CancelReason | None:
        """Why the last holder was canceled inside; None if it was not, or nobody asked to know."""
        return self._poisoned

    def clear_poison(self) -> None:
        """Declare what the mutex protects to be whole again."""
        self._poisoned = None

    def statistics(self) -> MutexStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            owner = self._owner
            named = None if owner is None else str(owner)
            return MutexStatistics(owner is not None, named, len(self._waiting))

    def _check_poison(self) -> None:
        if self._poisoned is not None:
            raise Poisoned(
                f"{self!r} is poisoned: its last holder was canceled inside "
                f"({self._poisoned.line()}). Repair what it protects, and call clear_poison()",
                self._poisoned,
            )

    def __repr__(self) -> str:
        return self._told()

    @recursive_repr("<Mutex …>")  # the holder may be told by what it awaits
    def _told(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        owner = self._owner
        poisoned = "" if self._poisoned is None else ", poisoned"
        return f"<Mutex{name}, {'free' if owner is None else f'held by {owner}'}{poisoned}>"


class MutexAcquire(Operation[None]):
    """The future that `Mutex.acquire` returns."""

    __slots__ = ("_frame", "_holder", "_mutex")

    def __init__(self, mutex: Mutex, frame: int = 0) -> None:
        super().__init__(mutex._section)  #: compiled: self._section = mutex._section
        self._mutex = mutex
        # Stands for the frame whose block it enters; 0: it enters none.
        self._frame = frame
        self._holder: Holder | None = None

    def _attempt(self, cx: Context) -> Pending | None:
        self._holder = holder = holder_here()
        holder.frame = self._frame
        return None if self._mutex._take(holder) else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._mutex._waiting.join(waker, self._holder)

    def _look_again(self, waiter: Waiter) -> None:
        self._mutex._serve()

    def _received(self, waiter: Waiter) -> None:
        try:
            self._mutex._check_poison()
        except Poisoned:
            self._mutex._pass_on()
            raise

    def _withdraw(self, waiter: Waiter) -> None:
        if self._mutex._waiting.leave(waiter):
            self._mutex._pass_on()  # M2

    def blocked_by(self) -> tuple[object, ...]:
        owner = self._mutex._owner
        return () if owner is None else (owner.who,)

    def __repr__(self) -> str:
        return f"acquire of {self._mutex!r}"


def _canceled_inside(exc: BaseException) -> CancelReason | None:
    """Return why the holder was canceled, if ``exc`` left its block because of that."""
    if not isinstance(exc, GeneratorExit):
        ended = ended_by(exc, None)
        return ended.reason if isinstance(ended, Canceled) else None
    request = scope.cancel_requested()
    if request is None:
        task = holder_here().task
        request = task.request if isinstance(task, Task) else None
    return CancelReason(CancelKind.PARENT, "dropped") if request is None else request.reason
