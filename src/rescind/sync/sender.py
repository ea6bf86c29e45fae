"""`Sender`, `WeakSender` and `Permit`: the ends of a channel into which values go."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, TypeAlias, TypeVar

from rescind._core.errors import Closed, UsageError, WouldBlock
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter
from rescind.sync.channel_core import ChannelCore, ChannelStatistics
from rescind.sync.ends import End, Full, NotSent
from rescind.sync.operation import Operation, Unwanted

__all__ = ["Permit", "Sender", "WeakSender"]

T_contra = TypeVar("T_contra", contravariant=True)

Ask: TypeAlias = Callable[[], bool]

_exiting: Final = sys.is_finalizing


class Sender(End, Generic[T_contra]):
    """Puts values into a channel; made by `channel` or `unbounded`.

    Leaving its ``with`` closes it, and so does the collector when nobody refers to it. When the
    last sender is closed, receivers get what is left, and then the end.

    Threads: it may be used from any thread, and awaited by tasks of several runtimes.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core",)

    def __init__(self, core: ChannelCore[Any]) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core

    def send(self, value: T_contra) -> Future[None]:
        """Return a future that ends when the channel has ``value``.

        Values are accepted in the order in which their senders came.

        Raises:
            NotSent: nobody receives any more, or this sender is closed; it has the value.

        Cancellation: safe. A send that is canceled has not sent: the value is still yours. If the
            channel has it already, that is delivered, and the cancellation arrives at the next
            park (R7). Where a send may be *dropped* (``grace=0``) at that moment and you have to
            know, `reserve` first.
        """
        return _Send(self, value)  #: compiled: return _sending(self, value)

    def send_nowait(self, value: T_contra) -> None:
        """Send now.

        Raises:
            Full: there is no room, or others wait for it; it has the value.
            NotSent: as `send`.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            self._check(value)
            if not core.has_room(1):
                raise Full(f"{core} has no room now; 'await sender.send(...)' waits", value)
            core.accept(value)

    def reserve(self) -> Future[Permit[T_contra]]:
        """Return a future of a permit: one slot of the channel, to be used later.

        What is sent by a permit needs not wait and cannot fail. So nothing is made that could not
        be sent: first the permit, then the value.

        Raises:
            Closed: nobody receives any more, or this sender is closed.

        Cancellation: loses its place in the queue. A permit that was just given to it is
            delivered, and the cancellation arrives at the next park (R7).

        Example:
            >>> import rescind
            >>> from rescind.sync import channel
            >>> async def main():
            ...     sender, receiver = channel[str](1)
            ...     with await sender.reserve() as permit:
            ...         permit.send("made when there was room for it")
            ...     return await receiver.recv()
            >>> rescind.run(main)
            'made when there was room for it'

        Source: tokio's ``mpsc::Sender::reserve``.
        """
        return _Reserve(self, 1)

    def reserve_many(self, slots: int) -> Future[Permit[T_contra]]:
        """Return a future of a permit for so many values, had all at once.

        Args:
            slots: 0 up to the capacity.

        Raises:
            Closed: as `reserve`.

        Cancellation: as `reserve`.
        """
        self._check_slots(slots)
        return _Reserve(self, slots)

    def reserve_nowait(self, slots: int = 1) -> Permit[T_contra]:
        """Take slots now.

        Raises:
            WouldBlock: there are not so many, or others wait for them.
            Closed: as `reserve`.
        """
        self._check_slots(slots)
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            self._check_open()
            if not core.has_room(slots):
                raise WouldBlock(f"{core} has no {slots} slots now; 'await reserve()' waits")
            core.reserved += slots
            return Permit(core, slots)

    def clone(self) -> Sender[T_contra]:
        """Return another sender of the channel.

        Raises:
            Closed: this one is closed.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            self._core.senders += 1
            return Sender(self._core)

    def downgrade(self) -> WeakSender[T_contra]:
        """Return a sender that does not keep the channel open."""
        return WeakSender(self._core)

    def close(self) -> None:
        """Send nothing any more by this sender; what waits in it goes on. Idempotent."""
        self._shut()

    def closed(self) -> Future[None]:
        """Return a future that ends when nobody receives any more: "am I still wanted?".

        Cancellation: safe.
        """
        return Unwanted(self._core)

    @property
    def is_closed(self) -> bool:
        """Is it of no use any more: closed itself, or without anybody who receives?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or self._core.closed

    def statistics(self) -> ChannelStatistics:
        """Return a snapshot of the channel."""
        return self._core.statistics()

    def _leave(self) -> None:
        self._core.sender_gone()

    def _check_own(self) -> None:
        if not self._open:
            raise Closed(f"this sender of {self._core} was closed")

    def _check_open(self) -> None:
        self._check_own()
        if self._core.closed:
            raise Closed(f"{self._core} takes nothing any more")

    def _check(self, value: T_contra) -> None:
        try:
            self._check_open()
        except Closed as exc:
            raise NotSent(f"{exc}; the value is in .value of this exception", value) from None

    def _check_slots(self, slots: object) -> None:
        if not isinstance(slots, int) or isinstance(slots, bool):
            raise TypeError(f"the number of slots must be an int, not {slots!r}")
        capacity = self._core.capacity
        if slots < 0 or (capacity is not None and slots > max(capacity, 1)):
            raise ValueError(f"{self._core} never has {slots} slots at once")

    def __repr__(self) -> str:
        return f"<Sender of {self._core}{'' if self._open else ', left'}>"


class WeakSender(Generic[T_contra]):
    """A sender that does not keep the channel open; made by `Sender.downgrade`.

    Source: tokio's ``WeakSender``.
    """

    __slots__ = ("__weakref__", "_core")
    __reduce__ = refuse_copy

    def __init__(self, core: ChannelCore[Any]) -> None:
        self._core = core

    def upgrade(self) -> Sender[T_contra] | None:
        """Return a sender; None if the last one is gone, so that the channel has ended."""
        with self._core.section, self._core.section.lock:  #: compiled: with self._core.section:
            if not self._core.senders:
                return None
            self._core.senders += 1
            return Sender(self._core)

    def __repr__(self) -> str:
        return f"<WeakSender of {self._core}>"


class Permit(Generic[T_contra]):
    """Slots of a channel that are yours: what you send by them neither waits nor fails.

    Slots that are not used are given to the next in line: by `release`, on leaving its ``with``,
    or when nobody refers to it any more. As long as it has slots, the channel has not ended.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("__weakref__", "_core", "_left")
    __reduce__ = refuse_copy

    def __init__(self, core: ChannelCore[Any], slots: int) -> None:
        self._core = core
        self._left = slots

    @property
    def left(self) -> int:
        """How many values can be sent by it yet."""
        return self._left

    def send(self, value: T_contra) -> None:
        """Send; also after a receiver has closed the channel, for that waits for permits.

        If the last receiver has gone meanwhile, the value goes to ``on_undelivered``.

        Raises:
            UsageError: it has no slot left.
        """
        core = self._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            if not self._left:
                raise UsageError(f"this permit of {core} has no slot left; reserve another one")
            self._left -= 1
            core.reserved -= 1
            core.accept(value)
            core.settle()

    def release(self) -> None:
        """Give back the slots that are left. Idempotent."""
        self._core.section.post(self._release_inside)

    def _release_inside(self) -> None:
        slots, self._left = self._left, 0
        if slots:
            self._core.release(slots)

    def __enter__(self) -> Permit[T_contra]:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self, exiting: Ask = _exiting) -> None:  #: compiled: def __del__(self):
        #: compiled: left = self._left and not _exiting()
        left = getattr(self, "_left", 0) and not exiting()  #: compiled: pass
        if left:
            self.release()

    def __repr__(self) -> str:
        return f"<Permit of {self._core}, {self._left} left>"


class _Send(Operation[None]):
    """The future that `Sender.send` returns."""

    __slots__ = ("_sender", "_value")

    def __init__(self, sender: Sender[Any], value: Any) -> None:
        super().__init__(sender._section)  #: compiled: self._section = sender._section
        self._sender = sender
        # None from the end on: whoever has the value then, it is not this future.
        self._value = value

    def _attempt(self, cx: Context) -> Pending | None:
        sender = self._sender
        core = sender._core
        if not sender._open or core.closed:
            sender._check(self._value)
        if not core.has_room(1):
            return PENDING
        value, self._value = self._value, None
        core.accept(value)
        return None

    def _queue(self, waker: Waker) -> Waiter:
        return self._sender._core.putters.join(waker, (self._value,))

    def _look_again(self, waiter: Waiter) -> None:
        self._sender._core.settle()

    def _received(self, waiter: Waiter) -> None:
        value, self._value = self._value, None
        if not waiter.given:
            core = self._sender._core
            raise NotSent(
                f"{core} takes nothing any more; the value is in .value of this exception", value
            )

    def _withdraw(self, waiter: Waiter) -> None:
        if not self._sender._core.putters.leave(waiter):
            self._sender._core.settle()  # O2

    def __repr__(self) -> str:
        return f"send to {self._sender._core}"


class _Reserve(Operation[Permit[Any]]):
    """The future that `Sender.reserve` returns."""

    __slots__ = ("_sender", "_slots")

    def __init__(self, sender: Sender[Any], slots: int) -> None:
        super().__init__(sender._section)  #: compiled: self._section = sender._section
        self._sender = sender
        self._slots = slots

    def _attempt(self, cx: Context) -> Permit[Any] | Pending:
        self._sender._check_open()
        core = self._sender._core
        if not core.has_room(self._slots):
            return PENDING
        core.reserved += self._slots
        return Permit(core, self._slots)

    def _queue(self, waker: Waker) -> Waiter:
        return self._sender._core.putters.join(waker, self._slots)

    def _look_again(self, waiter: Waiter) -> None:
        self._sender._core.settle()

    def _received(self, waiter: Waiter) -> Permit[Any]:
        core = self._sender._core
        if not waiter.given:
            raise Closed(f"{core} takes nothing any more")
        return Permit(core, self._slots)

    def _withdraw(self, waiter: Waiter) -> None:
        core = self._sender._core
        if not core.putters.leave(waiter):
            core.settle()  # O2
        elif waiter.given:
            core.release(self._slots)  # O1

    def __repr__(self) -> str:
        return f"reserve of {self._sender._core}"
