"""`broadcast`: every receiver sees every value, unless it is too slow: then it is told.

*Source.* tokio's ``broadcast``.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from rescind._core.errors import Closed, WouldBlock
from rescind._core.poll import Context, Future, Pending, Waker
from rescind._core.waitlist import Waiter
from rescind.sync.broadcast_core import BroadcastCore, BroadcastStatistics, Place
from rescind.sync.ends import End, NotSent, check_capacity
from rescind.sync.operation import Looking, Unwanted

__all__ = ["BroadcastReceiver", "BroadcastSender", "broadcast"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class BroadcastSender(End, Generic[T]):
    """Sends values to all receivers; made by `broadcast`.

    Leaving its ``with`` closes it, and so does the collector when nobody refers to it. When the
    last sender is closed, each receiver gets what it has not seen, and then the end.

    Threads: any.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core",)

    def __init__(self, core: BroadcastCore[T]) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core

    def send(self, value: T) -> int:
        """Send to everybody who receives now; never waits.

        Returns:
            How many receivers will see it, unless they lag.

        Raises:
            NotSent: there is no receiver now, or this sender is closed; it has the value.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            if not self._open or not core.receivers:
                who = (
                    f"{core} has no receiver" if self._open else f"this sender of {core} was closed"
                )
                raise NotSent(f"{who}; the value is in .value of this exception", value)
            core.send(value)
            return core.receivers

    def subscribe(self) -> BroadcastReceiver[T]:
        """Return a new receiver, which sees what is sent from now on.

        Raises:
            Closed: this sender is closed.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            self._check_own()
            core.receivers += 1
            return BroadcastReceiver(core, core.end)

    def clone(self) -> BroadcastSender[T]:
        """Return another sender of the channel.

        Raises:
            Closed: this one is closed.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            self._core.senders += 1
            return BroadcastSender(self._core)

    def close(self) -> None:
        """Send nothing any more by this sender. Idempotent."""
        self._shut()

    def closed(self) -> Future[None]:
        """Return a future that ends when there is no receiver.

        Cancellation: safe.
        """
        return Unwanted(self._core)

    @property
    def is_closed(self) -> bool:
        """Is it of no use now: closed, or without a receiver?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or self._core.closed

    def statistics(self) -> BroadcastStatistics:
        """Return a snapshot of the channel."""
        return self._core.statistics()

    def _leave(self) -> None:
        self._core.sender_gone()

    def _check_own(self) -> None:
        if not self._open:
            raise Closed(f"this sender of {self._core} was closed")

    def __repr__(self) -> str:
        return f"<BroadcastSender of {self._core}{'' if self._open else ', left'}>"


class BroadcastReceiver(End, Generic[T_co]):
    """Sees every value that is sent from its beginning on; made by `broadcast`, or subscribed.

    ``async for`` ends when the channel has ended, and raises `Lagged` where values were missed; the
    receiver goes on after it. Leaving its ``with`` drops it, and so does the collector.

    Threads: any; each value goes to one of those who wait for the same receiver.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core", "_place")

    def __init__(self, core: BroadcastCore[Any], at: int) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core
        self._place = Place(at)

    def recv(self) -> Future[T_co]:
        """Return a future of the next value.

        Raises:
            Lagged: so many values were missed; the next receive goes on with the oldest kept.
            Closed: there will be no more, or this receiver was dropped.

        Cancellation: safe. It has taken nothing, or the value is delivered (R7).
        """
        return _Recv(self)

    def recv_nowait(self) -> T_co:
        """Take the next value now.

        Raises:
            WouldBlock: there is none now.
            Lagged, Closed: as `recv`.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            value: T_co | Pending = self._take()
            if isinstance(value, Pending):
                raise WouldBlock(f"{self._core} has nothing new; 'await receiver.recv()' waits")
            return value

    def clone(self) -> BroadcastReceiver[T_co]:
        """Return another receiver, which sees what this one has not seen yet.

        Raises:
            Closed: this one was dropped.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            self._check_own()
            core.keep_for(self._place)
            return BroadcastReceiver(core, self._place.next)

    def drop(self) -> None:
        """See nothing any more. Idempotent."""
        self._shut()

    @property
    def is_closed(self) -> bool:
        """Is it dropped, or will nothing be sent any more?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or not self._core.senders

    def statistics(self) -> BroadcastStatistics:
        """Return a snapshot of the channel."""
        return self._core.statistics()

    def __len__(self) -> int:
        """Return how many values it has not seen, those included that it has missed."""
        if self._section.posted:
            self._section.catch_up()
        return self._core.end - self._place.next

    def __bool__(self) -> bool:
        return True  # one that has seen everything is one, too

    def __aiter__(self) -> BroadcastReceiver[T_co]:
        return self

    def __anext__(self) -> Future[T_co]:
        return _Next(self)

    def _take(self) -> T_co | Pending:
        if not self._open:
            self._check_own()
        taken: T_co | Pending = self._core.take(self._place)
        return taken

    def _leave(self) -> None:
        self._core.receiver_gone(self._place)

    def _check_own(self) -> None:
        if not self._open:
            raise Closed(f"this receiver of {self._core} was dropped")

    def __repr__(self) -> str:
        return f"<BroadcastReceiver of {self._core}{'' if self._open else ', left'}>"


class _Recv(Looking[T]):
    """The future that `BroadcastReceiver.recv` returns."""

    __slots__ = ("_receiver",)

    def __init__(self, receiver: BroadcastReceiver[T]) -> None:
        super().__init__(receiver._section)  #: compiled: self._section = receiver._section
        self._receiver = receiver

    def _attempt(self, cx: Context) -> T | Pending:
        return self._receiver._take()

    def _queue(self, waker: Waker) -> Waiter:
        return self._receiver._core.getters.join(waker)

    def _withdraw(self, waiter: Waiter) -> None:
        self._receiver._core.getters.leave(waiter)

    def __repr__(self) -> str:
        return f"recv from {self._receiver._core}"


class _Next(_Recv[T]):
    """The next value of an ``async for``."""

    __slots__ = ()

    def _attempt(self, cx: Context) -> T | Pending:
        try:
            return super()._attempt(cx)  #: compiled: return _Recv._attempt(self, cx)
        except Closed:
            raise StopAsyncIteration from None


class broadcast(tuple[BroadcastSender[T], BroadcastReceiver[T]]):  # noqa: N801 - as a function is
    """Make a channel whose values go to every receiver: ``sender, receiver = broadcast[str](16)``.

    Args:
        capacity: how many values are kept for a receiver that is slow, 1 or more.
        name: for messages.

    Returns:
        A sender, whose ``subscribe`` makes more receivers, and a first receiver.

    Example:
        >>> from rescind.sync import Lagged, broadcast
        >>> sender, receiver = broadcast[int](2)
        >>> for number in range(5):
        ...     _ = sender.send(number)
        >>> try:
        ...     receiver.recv_nowait()
        ... except Lagged as lagged:
        ...     print("missed", lagged.missed)
        missed 3
        >>> receiver.recv_nowait()
        3

    Source: tokio's ``broadcast``.
    """

    __slots__ = ()

    def __new__(cls, capacity: int, *, name: str | None = None) -> broadcast[T]:
        core = BroadcastCore[T](check_capacity("broadcast", capacity, 1), name)
        return super().__new__(cls, (BroadcastSender[T](core), BroadcastReceiver[T](core, 0)))
