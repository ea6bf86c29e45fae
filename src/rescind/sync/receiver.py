"""`Receiver`: the end of a channel from which values come."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from rescind._core.errors import Closed, WouldBlock
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.waitlist import Waiter
from rescind.sync.channel_core import ChannelCore, ChannelStatistics
from rescind.sync.ends import End
from rescind.sync.operation import Operation

__all__ = ["Receiver"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Receiver(End, Generic[T_co]):
    """Takes values out of a channel; made by `channel` or `unbounded`.

    ``async for value in receiver`` ends when the channel has ended. Each value goes to one
    receiver, in the order in which they came. Leaving its ``with`` drops it, and so does the
    collector when nobody refers to it. When the last receiver is gone, what is queued goes to
    ``on_undelivered``, and senders get `NotSent`.

    Threads: it may be used from any thread, and awaited by tasks of several runtimes.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core",)

    def __init__(self, core: ChannelCore[Any]) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core

    def recv(self) -> Future[T_co]:
        """Return a future of the next value.

        Raises:
            Closed: there will be no more, or this receiver was dropped.

        Cancellation: safe. It has taken nothing; or the value is delivered, and the cancellation
            arrives at the next park (R7). If it is dropped at that moment, the value goes to the
            next receiver, or back to the front.
        """
        return _Recv(self)  #: compiled: return _receiving(self)

    def recv_many(self, limit: int) -> Future[list[T_co]]:
        """Return a future of the next values: as many as there are, but one at least.

        Args:
            limit: how many at most, 1 or more.

        Raises:
            Closed: as `recv`.

        Cancellation: as `recv`.
        """
        return _RecvMany(self, _check_limit(limit))

    def recv_nowait(self) -> T_co:
        """Take the next value now.

        Raises:
            WouldBlock: there is none now.
            Closed: as `recv`.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            taken: list[T_co] = self._core.take(1)
            if not taken:
                raise WouldBlock(f"{self._core} is empty now; 'await receiver.recv()' waits")
            return taken[0]

    def drain(self) -> list[T_co]:
        """Take everything that is queued now, without waiting; an empty list if nothing is.

        Raises:
            Closed: this receiver was dropped.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            queued = len(self._core.queue)
            return self._core.take(queued) if queued else []

    def clone(self) -> Receiver[T_co]:
        """Return another receiver of the channel: each value goes to one of them.

        Raises:
            Closed: this one was dropped.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            self._core.receivers += 1
            return Receiver(self._core)

    def close(self) -> None:
        """Let the channel accept nothing more; what it has can still be received. Idempotent.

        Senders get `NotSent`, those that wait included. Permits that were given out can still be
        used: receivers get the end when all are used or given back.
        """
        self._section.post(self._close)

    def _close(self) -> None:
        self._core.close()  # here, and not as a method that is given on: compiled, it is C's

    def drop(self) -> None:
        """Take nothing any more by this receiver; its other clones go on. Idempotent."""
        self._shut()

    @property
    def is_closed(self) -> bool:
        """Is this receiver dropped, or does the channel accept nothing any more?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or self._core.closed or not self._core.senders

    def statistics(self) -> ChannelStatistics:
        """Return a snapshot of the channel."""
        return self._core.statistics()

    def __len__(self) -> int:
        """Return how many values are queued."""
        if self._section.posted:
            self._section.catch_up()
        return len(self._core.queue)

    def __bool__(self) -> bool:
        return True  # an empty channel is one, too

    def __aiter__(self) -> Receiver[T_co]:
        return self

    def __anext__(self) -> Future[T_co]:
        return _Next(self)

    def _leave(self) -> None:
        self._core.receiver_gone()

    def _check_own(self) -> None:
        if not self._open:
            raise Closed(f"this receiver of {self._core} was dropped")

    def __repr__(self) -> str:
        return f"<Receiver of {self._core}{'' if self._open else ', left'}>"


class _Taking(Operation[T]):
    """What the operations that take something have in common."""

    __slots__ = ("_receiver",)

    def __init__(self, receiver: Receiver[Any]) -> None:
        super().__init__(receiver._section)  #: compiled: self._section = receiver._section
        self._receiver = receiver

    def _queue(self, waker: Waker) -> Waiter:
        return self._receiver._core.getters.join(waker)

    def _look_again(self, waiter: Waiter) -> None:
        self._receiver._core.look_again()  # where there is no capacity, it is a slot itself (C1)

    def _withdraw(self, waiter: Waiter) -> None:
        core = self._receiver._core
        if not core.getters.leave(waiter):
            core.settle()  # O2
        elif waiter.given is not None:
            core.give_back(waiter.given)  # O1

    def _take_now(self, limit: int) -> list[Any]:
        self._receiver._check_own()
        return self._receiver._core.take(limit)

    def _collect(self, waiter: Waiter, limit: int) -> list[Any]:
        core = self._receiver._core
        if waiter.given is None:
            raise Closed(f"{core} is closed and empty")
        gift, waiter.given = waiter.given, None
        return core.collect(gift, limit)

    def __repr__(self) -> str:
        return f"recv from {self._receiver._core}"


class _Recv(_Taking[T]):
    """The future that `Receiver.recv` returns."""

    __slots__ = ()

    def _attempt(self, cx: Context) -> T | Pending:
        receiver = self._receiver
        if not receiver._open:
            receiver._check_own()
        return receiver._core.take_one()

    def _received(self, waiter: Waiter) -> T:
        value: T = self._collect(waiter, 1)[0]
        return value


class _Next(_Recv[T]):
    """The next value of an ``async for``."""

    __slots__ = ()

    def _attempt(self, cx: Context) -> T | Pending:
        try:
            return super()._attempt(cx)  #: compiled: return _Recv._attempt(self, cx)
        except Closed:
            raise StopAsyncIteration from None

    def _received(self, waiter: Waiter) -> T:
        try:
            return super()._received(waiter)  #: compiled: return _Recv._received(self, waiter)
        except Closed:
            raise StopAsyncIteration from None


class _RecvMany(_Taking[list[T]]):
    """The future that `Receiver.recv_many` returns."""

    __slots__ = ("_limit",)

    def __init__(self, receiver: Receiver[T], limit: int) -> None:
        super().__init__(receiver)  #: compiled: _Taking.__init__(self, receiver)
        self._limit = limit

    def _attempt(self, cx: Context) -> list[T] | Pending:
        return self._take_now(self._limit) or PENDING

    def _received(self, waiter: Waiter) -> list[T]:
        return self._collect(waiter, self._limit)


def _check_limit(limit: object) -> int:
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"the limit of recv_many must be an int, not {limit!r}")
    if limit < 1:
        raise ValueError(f"the limit of recv_many must be at least 1, not {limit}")
    return limit
