"""`Operation`: a future that takes something from a primitive, and gives it back if it must.

*What it is.* What every waiting call of `rescind.sync` returns. A subclass says how the thing is
had at once, where one queues for it, what a wake-up brought, and how that is given back.

*The pattern.* A primitive never lets those who wait compete. Whoever releases something gives
it to the first in line, in the same locked step in which it is released: the waiter *has* it from
then on. So there is no moment at which it belongs to nobody, and nobody can barge in.

*Invariants.*
 O1  What a woken waiter was given is delivered as the output (R7), or given back: never neither,
     never both (P15).
 O2  A waiter that leaves unwoken changes nothing but the queue; its primitive looks whether others
     can go now.
 O3  All that touches the primitive's state happens in a step of its `Section`. The collector may
     run a finalizer in the middle of one, and that may try to take something, or poll: state is
     therefore consistent before every call that a step makes, and
 O4  one who has joined the queue looks once more: what was released between the attempt and that
     would else be nobody's.
 O5  An operation that goes out of scope unfinished has left the queue (R3): nothing is given to a
     waiter that nobody polls.

 O6  What is there is had at the await itself, as if the coroutine's driver had polled for it: with
     the context that it would have used, and at the cost of one from the budget (D7).

*Threads.* Whatever does not wait may be called from any thread, and operations of several
runtimes may wait for the same primitive: wakers find their way home (R2). One operation is
polled by one owner, as any future. A `drop` waits for no other thread (S2).

*Source.* tokio's primitives (``batch_semaphore``), which are independent of a runtime too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeAlias, TypeVar

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.engine import Engine
from rescind._core.given import given
from rescind._core.outcome import Completed, Error, Outcome, also_of, canceled
from rescind._core.poll import (
    PENDING,
    Context,
    Future,
    Pending,
    Waker,
    park,
    polled_after_end,
    take,
)
from rescind._core.reason import CancelRequest
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.section import Section

__all__ = ["Looking", "Operation", "Unwanted", "spender"]

T = TypeVar("T")

Ask: TypeAlias = Callable[[], bool]

_exiting: Final = sys.is_finalizing

#: Has ended, and so it has for whoever iterates: what ``__await__`` returns for None.
_NOTHING: Final[Any] = iter(())
next(_NOTHING, None)


class Operation(Future[T]):
    """A future that may have to wait in a primitive's queue.

    Args:
        section: the primitive's.
    """

    __slots__ = ("_ended", "_section", "_taken", "_waiter")
    _native = True
    _meant: ClassVar[bool] = True  # Is it a mistake to make one, and never to await it?

    def __init__(self, section: Section) -> None:
        self._taken = False
        self._section = section
        # Its place in the queue; None before the first poll, and after the end.
        self._waiter: Waiter | None = None
        self._ended = False

    # -- for subclasses: each is called inside a step ---------------------------------------------

    def _attempt(self, cx: Context) -> T | Pending:
        """Take it at once and return it; `PENDING` if it has to be waited for; or raise."""
        raise NotImplementedError

    def _queue(self, waker: Waker) -> Waiter:
        """Join the queue."""
        raise NotImplementedError

    def _look_again(self, waiter: Waiter) -> None:
        """Give those in line, of whom ``waiter`` is the last, what is there by now (O4)."""

    def _received(self, waiter: Waiter) -> T:
        """Return the output that a wake-up brought, or raise."""
        raise NotImplementedError

    def _withdraw(self, waiter: Waiter) -> None:
        """Leave the queue; give back what ``waiter`` was given, if it was woken (O1, O2)."""
        raise NotImplementedError

    # -- Future -----------------------------------------------------------------------------------

    def poll(self, cx: Context) -> T | Pending:
        section = self._section
        if section.posted:
            section.catch_up()
        lock = section.lock
        #: compiled: lock.acquire()
        try:
            with lock:  #: compiled: try:
                return self._step(cx)
            #: compiled: finally: lock.release()
        finally:
            if section.due:
                section.leave()

    def __await__(self) -> Generator[Any, Any, T]:
        cx = context_here()
        if cx is None:
            return super().__await__()  #: compiled: return Future.__await__(self)
        if self._taken:
            take(self, "awaited")
        self._taken = True
        try:
            output = self.poll(cx)
        except Exception as exc:
            return park(_Failed(exc))  #: compiled: return parked_on(_Failed(exc))
        if output is PENDING:
            return park(self)  #: compiled: return parked_on(self)
        executor = cx.executor
        assert executor is not None  # or it would be no context to be polled with here
        executor.budget -= 1
        return _NOTHING if output is None else given(output)

    def _step(self, cx: Context) -> T | Pending:
        waiter = self._waiter
        if waiter is None:
            if self._ended:
                polled_after_end(self)
            self._ended = True  # unless it has to wait: also if it raises
            output = self._attempt(cx)
            if output is not PENDING:
                return output
            self._ended = False
            self._waiter = waiter = self._queue(cx.waker)
            self._look_again(waiter)
        if not waiter.woken:
            return PENDING if waiter.waker is cx.waker else self._stay(waiter, cx.waker)
        self._waiter = None
        self._ended = True
        return self._received(waiter)

    def _stay(self, waiter: Waiter, waker: Waker) -> Pending:
        """Wait on, with the latest waker."""
        # The one of before may have a finalizer, which is not ours: it goes after the step.
        self._section.afterwards(id, waiter.waker)
        waiter.waker = waker
        return PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        with self._section, self._section.lock:  #: compiled: with self._section:
            waiter = self._waiter
            if waiter is not None and waiter.woken and not _goes_to_nobody(cx):
                try:
                    output = self._step(cx)
                except Exception as exc:
                    return Error(exc, also_of(exc))
                if not isinstance(output, Pending):
                    return Completed(output)  # O1: it has it already
            self._quit()
        return canceled(request.reason, ())

    def drop(self) -> None:
        if self._waiter is None:
            self._ended = True
        else:
            self._section.post(self._quit)

    def __del__(self, exiting: Ask = _exiting) -> None:  #: compiled: def __del__(self):
        if self._waiter is not None:
            # At the very exit modules have been emptied.
            if not exiting():  #: compiled: if not _exiting():
                self._section.post(self._quit)  # O5
        elif not self._ended and self._meant and local is not None:  # None: at the very exit
            executor = local.executor
            if executor is not None and executor.vigil is not None:
                executor.vigil.unawaited(self)

    def _quit(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._ended = True
        if waiter is not None:
            self._withdraw(waiter)


def context_here() -> Context | None:
    """Return the context with which what the running code awaits would be polled, if at once."""
    region = local.region  #: compiled: region = get_region()
    if not isinstance(region, CoroutineFuture):
        return None
    cx = region.cx
    executor = None if cx is None else cx.executor
    return None if executor is None or executor.budget <= 0 else cx


def spender() -> Engine | None:
    """Return whose budget the running code spends if it takes something at once, if it may (O6)."""
    cx = context_here()
    return None if cx is None else cx.executor


class _Failed(Future[Any]):
    """What was polled for, and has raised: the coroutine's driver is to raise that (D7)."""

    __slots__ = ("_error", "_taken")
    _native = True

    def __init__(self, error: BaseException) -> None:
        self._taken = True
        self._error: BaseException | None = error

    def poll(self, cx: Context) -> NoReturn:
        error, self._error = self._error, None
        assert error is not None  # it is polled once, by the driver that it was made for
        try:
            raise error
        finally:
            del error


def _goes_to_nobody(cx: Context) -> bool:
    """Would an output be discarded: is it that of a loser, and of no coroutine inside it?

    A coroutine has the output delivered, for it has the cleanup that gives it back.
    """
    cell, region = cx.cell, local.region
    within = None if region is None or region.cx is None else region.cx.cell
    while cell is not None and cell is not within:
        if cell.lost:
            return True
        cell = cell.parent
    return False


class Looking(Operation[T]):
    """An operation that is woken to look again: what it looks for is there for several.

    So a wake-up brings nothing that would have to be given back (O1).
    """

    __slots__ = ()

    def _step(self, cx: Context) -> T | Pending:
        waiter = self._waiter
        if waiter is not None and not waiter.woken:
            return PENDING if waiter.waker is cx.waker else self._stay(waiter, cx.waker)
        if self._ended:
            polled_after_end(self)
        self._waiter = None
        self._ended = True  # unless it has to wait
        output = self._attempt(cx)
        if output is PENDING:
            self._waiter = waiter = self._queue(cx.waker)
            try:
                output = self._attempt(cx)  # O4
            finally:
                if output is PENDING:
                    self._ended = False
                else:
                    self._quit()
        return output


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


class Unwanted(Operation[None]):
    """The future that the senders' ``closed`` returns."""

    __slots__ = ("_core",)

    def __init__(self, core: Watchable) -> None:
        super().__init__(core.section)  #: compiled: self._section = core.section
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
