"""`oneshot`: one value, from one who may be on any thread to one who waits for it.

*Invariants.*
 1S1 The value is in the channel until somebody has received it: whoever waited and is canceled or
     dropped has not taken it.
 1S2 A value that cannot be received any more is its sender's again, in `NotSent`; or, if it had
     been sent, it goes to ``on_undelivered``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rescind._core.errors import Closed, UsageError, WouldBlock
from rescind._core.intofuture import IntoFuture
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.channel_core import check_undelivered, hand_back
from rescind.sync.ends import End, NotSent
from rescind.sync.operation import Looking, Unwanted
from rescind.sync.section import Section

__all__ = ["OneshotReceiver", "OneshotSender", "OneshotStatistics", "oneshot"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class OneshotStatistics:
    """A snapshot of a oneshot channel.

    Attributes:
        sent: was a value sent?
        received: was it received?
        sender: is the sender open?
        closed: does nobody want the value any more?
        waiting: how many wait for it.
    """

    sent: bool
    received: bool
    sender: bool
    closed: bool
    waiting: int


class _Core(Generic[T]):
    """The state of one channel."""

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = (
        "closed",
        "getters",
        "letter",
        "name",
        "on_undelivered",
        "received",
        "section",
        "sender",
        "sent",
        "watchers",
    )

    def __init__(self, on_undelivered: Callable[[T], object] | None, name: str | None) -> None:
        check_undelivered(on_undelivered)
        self.section = Section()
        self.name = name
        self.on_undelivered = on_undelivered
        # The value, from the moment in which it is sent until it is received.
        self.letter: tuple[T] | None = None
        self.sent = False
        self.received = False
        # Is the sender open?
        self.sender = True
        # Set when the receiver refuses the value, or goes.
        self.closed = False
        self.getters = WaitList()
        self.watchers = WaitList()

    def take(self) -> T | Pending:
        """Return the value; `PENDING` if it may come yet; raise `Closed` if not."""
        letter, self.letter = self.letter, None
        if letter is not None:
            self.received = True
            return letter[0]
        if self.received:
            raise Closed(f"the value of {self} was received already")
        if self.closed or not self.sender:
            raise Closed(f"{self} is closed, and no value was sent")
        return PENDING

    def close(self) -> None:
        """Refuse a value that was not sent yet."""
        if not self.closed:
            self.closed = True
            self.section.wake_all(self.watchers)
            if self.letter is None:
                self.section.wake_all(self.getters)

    def __str__(self) -> str:
        name = "oneshot" if self.name is None else f"oneshot {self.name!r}"
        if self.sent:
            return f"{name} ({'received' if self.received else 'sent'})"
        return f"{name} ({'closed' if self.closed else 'open' if self.sender else 'no sender'})"


class OneshotSender(End, Generic[T_contra]):
    """Sends one value; made by `oneshot`.

    If it is closed, left by its ``with``, or forgotten, without having sent anything, the receiver
    gets `Closed`.

    Threads: any.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core",)

    def __init__(self, core: _Core[Any]) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core

    def send(self, value: T_contra) -> None:
        """Send the value; never waits, from any thread.

        Raises:
            NotSent: nobody wants it any more, or this sender is closed; it has the value.
            UsageError: a value was sent already.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            if core.sent:
                raise UsageError(f"{core} takes one value, and was sent one already; use channel()")
            if core.closed or not self._open:
                who = "nobody waits for it any more" if core.closed else "this sender was closed"
                raise NotSent(f"{core}: {who}; the value is in .value of this exception", value)
            core.letter = (value,)
            core.sent = True
            core.section.wake_all(core.getters)

    def close(self) -> None:
        """Send nothing. Idempotent; a value that was sent stays."""
        self._shut()

    def closed(self) -> Future[None]:
        """Return a future that ends when nobody wants the value: "am I still wanted?".

        Cancellation: safe.

        Source: tokio's ``oneshot::Sender::closed``.
        """
        return Unwanted(self._core)

    @property
    def is_closed(self) -> bool:
        """Is it of no use any more: closed, or without a receiver, or used?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or self._core.closed or self._core.sent

    def statistics(self) -> OneshotStatistics:
        """Return a snapshot."""
        return _statistics(self._core)

    def _leave(self) -> None:
        core = self._core
        core.sender = False
        if not core.sent:
            core.section.wake_all(core.getters)

    def __repr__(self) -> str:
        return f"<OneshotSender of {self._core}>"


class OneshotReceiver(End, IntoFuture[T_co], Generic[T_co]):
    """Waits for one value: ``await receiver``; made by `oneshot`.

    Leaving its ``with`` drops it, and so does the collector: a value that was sent and not received
    goes to ``on_undelivered``, and the sender's ``closed`` ends.

    Cancellation: safe. The value stays in the channel, and can be awaited again.

    Threads: any.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core",)

    def __init__(self, core: _Core[Any]) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core

    def recv(self) -> Future[T_co]:
        """Return a future of the value; ``await receiver`` is short for it.

        Raises:
            Closed: the sender was closed without sending, or the value was received already, or
                this receiver was closed before it came.

        Cancellation: safe; it has taken nothing, or the value is delivered (R7).
        """
        return _Recv(self)

    into_future = recv

    def __await__(self) -> Generator[Any, Any, T_co]:  # C's slots have it from no second base
        return self.recv().__await__()

    def recv_nowait(self) -> T_co:
        """Take the value now.

        Raises:
            WouldBlock: it was not sent yet.
            Closed: as `recv`.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            value: T_co | Pending = core.take()
            if isinstance(value, Pending):
                raise WouldBlock(f"{core} has no value yet; 'await receiver' waits")
            return value

    def close(self) -> None:
        """Refuse the value; if it was sent already, it can still be received. Idempotent."""
        self._section.post(self._core.close)

    def drop(self) -> None:
        """Have no interest in the value any more. Idempotent."""
        self._shut()

    @property
    def is_closed(self) -> bool:
        """Is there nothing to wait for: received, refused, or its sender gone?"""
        if self._section.posted:
            self._section.catch_up()
        core = self._core
        return core.letter is None and (core.received or core.closed or not core.sender)

    def statistics(self) -> OneshotStatistics:
        """Return a snapshot."""
        return _statistics(self._core)

    def _leave(self) -> None:
        core = self._core
        letter, core.letter = core.letter, None
        core.close()
        if letter is not None:
            hand_back(core.section, core.on_undelivered, [letter[0]], str(core))

    def __repr__(self) -> str:
        return f"<OneshotReceiver of {self._core}>"


class _Recv(Looking[T]):
    """The future that `OneshotReceiver.recv` returns."""

    __slots__ = ("_receiver",)

    def __init__(self, receiver: OneshotReceiver[T]) -> None:
        super().__init__(receiver._section)  #: compiled: self._section = receiver._section
        self._receiver = receiver

    def _attempt(self, cx: Context) -> T | Pending:
        taken: T | Pending = self._receiver._core.take()
        return taken

    def _queue(self, waker: Waker) -> Waiter:
        return self._receiver._core.getters.join(waker)

    def _withdraw(self, waiter: Waiter) -> None:
        self._receiver._core.getters.leave(waiter)

    def __repr__(self) -> str:
        return f"recv from {self._receiver._core}"


def _statistics(core: _Core[Any]) -> OneshotStatistics:
    with core.section, core.section.lock:  #: compiled: with core.section:
        return OneshotStatistics(
            core.sent, core.received, core.sender, core.closed, len(core.getters)
        )


class oneshot(tuple[OneshotSender[T], OneshotReceiver[T]]):  # noqa: N801 - called as a function is
    """Make a channel for one value: ``sender, receiver = oneshot[str]()``.

    Args:
        on_undelivered: called with the value if it was sent and nobody can receive it any more.
            What it raises is logged.
        name: for messages.

    Returns:
        The sender, and the receiver, which can be awaited.

    Example:
        >>> import rescind
        >>> from rescind.sync import oneshot
        >>> async def main():
        ...     sender, receiver = oneshot[str]()
        ...     sender.send("the reply")
        ...     return await receiver
        >>> rescind.run(main)
        'the reply'

    Source: tokio's ``oneshot``.
    """

    __slots__ = ()

    def __new__(
        cls, *, on_undelivered: Callable[[T], object] | None = None, name: str | None = None
    ) -> oneshot[T]:
        core = _Core(on_undelivered, name)
        #: compiled: return tuple.__new__(cls, (OneshotSender(core), OneshotReceiver(core)))
        return super().__new__(cls, (OneshotSender[T](core), OneshotReceiver[T](core)))
