"""`watch`: the latest value, for any number of those who want to know when it changes.

*Source.* tokio's ``watch``. There `send` fails without a receiver; here the value is what the next
one to subscribe will see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rescind._core.errors import Closed
from rescind._core.outcome import Canceled, Completed, Error, Outcome, also_of
from rescind._core.poll import PENDING, Context, Future, Pending, Waker, polled_after_end
from rescind._core.reason import CancelRequest
from rescind._core.waitlist import Waiter
from rescind.sync.ends import End, NotSent
from rescind.sync.operation import Looking, Operation, Unwanted
from rescind.sync.watch_core import WatchCore, WatchStatistics

__all__ = ["WatchReceiver", "WatchSender", "watch"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class WatchSender(End, Generic[T]):
    """Changes the value; made by `watch`.

    Leaving its ``with`` closes it, and so does the collector when nobody refers to it. When the
    last sender is closed, receivers get the value if they have not seen it, and then the end.

    Threads: any.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core",)

    def __init__(self, core: WatchCore[T]) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core

    def send(self, value: T) -> None:
        """Make ``value`` the latest; never waits, and needs no receiver.

        Raises:
            NotSent: this sender is closed; it has the value.
        """
        with self._core.writing:
            if not self._open:
                raise NotSent(
                    f"this sender of {self._core} was closed; the value is in .value of this "
                    "exception",
                    value,
                )
            self._core.put(value)

    def modify(self, change: Callable[[T], T]) -> T:
        """Replace the value by ``change(value)``, in one step; return the new one.

        If ``change`` raises, that passes, and nothing has changed. Others that send meanwhile
        wait for it.

        Raises:
            Closed: this sender is closed.
        """
        with self._core.writing:
            self._check_own()
            value = change(self._core.value)
            self._core.put(value)
            return value

    def send_if_modified(self, change: Callable[[T], bool]) -> bool:
        """Let ``change(value)`` change the value in place, and tell receivers if it returns True.

        Raises:
            Closed: this sender is closed.

        Source: tokio's ``send_if_modified``.
        """
        with self._core.writing:
            self._check_own()
            modified = bool(change(self._core.value))
            if modified:
                self._core.put(self._core.value)
            return modified

    def get(self) -> T:
        """Return the latest value."""
        return self._core.value

    def subscribe(self) -> WatchReceiver[T]:
        """Return a new receiver, which has seen the present value.

        Raises:
            Closed: this sender is closed.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            self._core.receivers += 1
            return WatchReceiver(self._core, self._core.version)

    def clone(self) -> WatchSender[T]:
        """Return another sender.

        Raises:
            Closed: this one is closed.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            self._core.senders += 1
            return WatchSender(self._core)

    def close(self) -> None:
        """Change the value no more by this sender. Idempotent."""
        self._shut()

    def closed(self) -> Future[None]:
        """Return a future that ends when there is no receiver.

        Cancellation: safe.
        """
        return Unwanted(self._core)

    @property
    def is_closed(self) -> bool:
        """Is it closed, or without a receiver?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or self._core.closed

    def statistics(self) -> WatchStatistics:
        """Return a snapshot of the channel."""
        return self._core.statistics()

    def _leave(self) -> None:
        self._core.sender_gone()

    def _check_own(self) -> None:
        if not self._open:
            raise Closed(f"this sender of {self._core} was closed")

    def __repr__(self) -> str:
        return f"<WatchSender of {self._core}{'' if self._open else ', left'}>"


class WatchReceiver(End, Generic[T_co]):
    """Knows the latest value, and waits for it to change; made by `watch`, or subscribed.

    ``async for value in receiver`` gives the latest value each time it has changed, until the last
    sender is gone.

    Threads: any; each change is told to one of those who wait for the same receiver.
    """

    #: compiled: __class_getitem__ = classmethod(__import__("types").GenericAlias)
    __slots__ = ("_core", "_seen")

    def __init__(self, core: WatchCore[Any], seen: int) -> None:
        super().__init__(core.section)  #: compiled: End.__init__(self, core.section)
        self._core = core
        # The version that it has seen.
        self._seen = seen

    def get(self, *, mark: bool = False) -> T_co:
        """Return the latest value, also after the end.

        Args:
            mark: note that this receiver has seen it.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            if mark:
                self._seen = self._core.version
            value: T_co = self._core.value
            return value

    def changed(self) -> Future[T_co]:
        """Return a future of the latest value, once there is one that was not seen; it is then.

        Raises:
            Closed: it was seen, and will not change any more; or this receiver was dropped.

        Cancellation: safe. The value has not been marked as seen, or it is delivered (R7).
        """
        return _Changed(self)

    def wait_for(self, predicate: Callable[[T_co], object]) -> Future[T_co]:
        """Return a future of the first latest value for which ``predicate`` is true; it is seen.

        The present value is looked at first, seen or not.

        Args:
            predicate: called without any lock, with each latest value that is looked at. What it
                raises ends the future.

        Raises:
            Closed: the last value is not such a one; or this receiver was dropped.

        Cancellation: safe. Values that were looked at count as seen.
        """
        if not callable(predicate):
            raise TypeError(f"wait_for needs a function of the value, not {predicate!r}")
        return _WaitFor(self, predicate)

    @property
    def has_changed(self) -> bool:
        """Is the latest value one that this receiver has not seen?"""
        return self._core.version != self._seen

    def mark_changed(self) -> None:
        """Let the present value count as not seen."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._seen = self._core.version - 1

    def clone(self) -> WatchReceiver[T_co]:
        """Return another receiver, which has seen what this one has.

        Raises:
            Closed: this one was dropped.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            self._check_own()
            self._core.receivers += 1
            return WatchReceiver(self._core, self._seen)

    def drop(self) -> None:
        """Watch no more. Idempotent."""
        self._shut()

    @property
    def is_closed(self) -> bool:
        """Is it dropped, or will the value not change any more?"""
        if self._section.posted:
            self._section.catch_up()
        return not self._open or not self._core.senders

    def statistics(self) -> WatchStatistics:
        """Return a snapshot of the channel."""
        return self._core.statistics()

    def __aiter__(self) -> WatchReceiver[T_co]:
        return self

    def __anext__(self) -> Future[T_co]:
        return _Next(self)

    def _leave(self) -> None:
        self._core.receiver_gone()

    def _check_own(self) -> None:
        if not self._open:
            raise Closed(f"this receiver of {self._core} was dropped")

    def __repr__(self) -> str:
        return f"<WatchReceiver of {self._core}{'' if self._open else ', left'}>"


class _Changed(Looking[T]):
    """The future that `WatchReceiver.changed` returns."""

    __slots__ = ("_receiver",)

    def __init__(self, receiver: WatchReceiver[T]) -> None:
        super().__init__(receiver._section)  #: compiled: self._section = receiver._section
        self._receiver = receiver

    def _attempt(self, cx: Context) -> T | Pending:
        receiver = self._receiver
        receiver._check_own()
        core: WatchCore[T] = receiver._core
        if receiver._seen != core.version:
            receiver._seen = core.version
            return core.value
        core.check_senders()
        return PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._receiver._core.getters.join(waker)

    def _withdraw(self, waiter: Waiter) -> None:
        self._receiver._core.getters.leave(waiter)

    def __repr__(self) -> str:
        return f"change of {self._receiver._core}"


class _Next(_Changed[T]):
    """The next value of an ``async for``."""

    __slots__ = ()

    def _attempt(self, cx: Context) -> T | Pending:
        try:
            return super()._attempt(cx)  #: compiled: return _Changed._attempt(self, cx)
        except Closed:
            raise StopAsyncIteration from None


class _WaitFor(Operation[T]):
    """The future that `WatchReceiver.wait_for` returns."""

    __slots__ = ("_predicate", "_receiver")

    def __init__(self, receiver: WatchReceiver[T], predicate: Callable[[T], object]) -> None:
        super().__init__(receiver._section)  #: compiled: self._section = receiver._section
        self._receiver = receiver
        self._predicate = predicate

    def poll(self, cx: Context) -> T | Pending:
        receiver = self._receiver
        core: WatchCore[T] = receiver._core
        with core.section, core.section.lock:  #: compiled: with core.section:
            waiter = self._waiter
            if waiter is not None and not waiter.woken:
                return PENDING if waiter.waker is cx.waker else self._stay(waiter, cx.waker)
            if self._ended:
                polled_after_end(self)
            self._waiter = None
            self._ended = True  # unless it has to wait
            receiver._check_own()
        while True:
            with core.section, core.section.lock:  #: compiled: with core.section:
                version, value = core.version, core.value
                receiver._seen = version
            if self._predicate(value):  # W3
                return value
            with core.section, core.section.lock:  #: compiled: with core.section:
                if version == core.version:
                    core.check_senders()
                    self._ended = False
                    self._waiter = core.getters.join(cx.waker)
                    return PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        if self._waiter is not None and self._waiter.woken:
            try:
                output = self.poll(cx)
            except Exception as exc:
                return Error(exc, also_of(exc))
            if not isinstance(output, Pending):
                return Completed(output)  # R7
        self.drop()
        return Canceled(request.reason)

    def _withdraw(self, waiter: Waiter) -> None:
        self._receiver._core.getters.leave(waiter)

    def __repr__(self) -> str:
        return f"wait_for on {self._receiver._core}"


class watch(tuple[WatchSender[T], WatchReceiver[T]]):  # noqa: N801 - it is called as a function is
    """Make a channel that has one value, the latest: ``sender, receiver = watch(config)``.

    Where the first value does not tell the type: ``watch[Config | None](None)``.

    Args:
        initial: the first value, which the first receiver has seen.
        name: for messages.

    Returns:
        A sender, whose ``subscribe`` makes more receivers, and a first receiver.

    Example:
        >>> import rescind
        >>> from rescind.sync import watch
        >>> async def main():
        ...     sender, receiver = watch("starting")
        ...     sender.send("nearly there")
        ...     sender.send("ready")
        ...     return await receiver.changed()
        >>> rescind.run(main)
        'ready'

    Source: tokio's ``watch``.
    """

    __slots__ = ()

    def __new__(cls, initial: T, *, name: str | None = None) -> watch[T]:
        core = WatchCore(initial, name)
        #: compiled: return tuple.__new__(cls, (WatchSender(core), WatchReceiver(core, 0)))
        return super().__new__(cls, (WatchSender(core), WatchReceiver[T](core, 0)))
