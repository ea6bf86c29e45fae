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
 O3  All that touches the primitive's state happens under its lock, which is re-entrant: the
     collector may run a finalizer that ends another operation in the middle of a locked step. State
     is therefore consistent before every call that a locked step makes, and
 O4  one who has joined the queue looks once more: what was released between the attempt and that
     would else be nobody's.
 O5  An operation that goes out of scope unfinished has left the queue (R3): nothing is given to a
     waiter that nobody polls.

*Threads.* Whatever does not wait may be called from any thread, and operations of several
runtimes may wait for the same primitive: wakers find their way home (R2). One operation is
polled by one owner, as any future.

*Source.* tokio's primitives (``batch_semaphore``), which are independent of a runtime too.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, TypeVar

from rescind._core.outcome import Canceled, Completed, Error, Outcome, also_of
from rescind._core.poll import PENDING, Context, Future, Pending, Waker, polled_after_end
from rescind._core.reason import CancelRequest
from rescind._core.waitlist import Waiter

__all__ = ["Operation"]

T = TypeVar("T")


class Operation(Future[T]):
    """A future that may have to wait in a primitive's queue.

    Args:
        lock: the primitive's.
    """

    __slots__ = ("_ended", "_lock", "_taken", "_waiter")
    _native = True

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._taken = False
        self._lock = lock
        # Its place in the queue; None before the first poll, and after the end.
        self._waiter: Waiter | None = None
        self._ended = False

    # -- for subclasses: each is called with the lock held ----------------------------------------

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
        with self._lock:
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
                waiter.waker = cx.waker
                return PENDING
            return self._take(waiter)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        with self._lock:
            waiter = self._waiter
            if waiter is not None and waiter.woken:
                try:
                    return Completed(self._take(waiter))  # O1: it has it already
                except Exception as exc:
                    return Error(exc, also_of(exc))
        self.drop()
        return Canceled(request.reason)

    def drop(self) -> None:
        with self._lock:
            waiter, self._waiter = self._waiter, None
            self._ended = True
            if waiter is not None:
                self._withdraw(waiter)

    def __del__(self) -> None:
        if self._waiter is not None:
            self.drop()  # O5

    def _take(self, waiter: Waiter) -> T:
        self._waiter = None
        self._ended = True
        return self._received(waiter)
