"""`channel` and `unbounded`: many senders, many receivers, each value to one of them, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rescind.sync.channel_core import ChannelCore
from rescind.sync.ends import check_capacity
from rescind.sync.receiver import Receiver
from rescind.sync.sender import Sender

__all__ = ["channel", "unbounded"]

T = TypeVar("T")


class channel(tuple[Sender[T], Receiver[T]]):  # noqa: N801 - it is called as a function is
    """Make a channel: ``sender, receiver = channel[str](10)``.

    It holds up to ``capacity`` values; then senders wait. Each value is delivered to one receiver,
    in order; or it comes back to its sender, in `NotSent`; or, if the channel had it and the last
    receiver is gone, it goes to ``on_undelivered``.

    Args:
        capacity: how many values it holds, 0 or more. With 0 a sender waits for a receiver.
        on_undelivered: called with each value that the channel had and nobody can receive any more.
            What it raises is logged. It may be called on any thread.
        name: for messages.

    Returns:
        The sender and the receiver, each of which can be cloned.

    Example:
        >>> import rescind
        >>> from rescind.sync import channel
        >>> async def main():
        ...     sender, receiver = channel[int](2)
        ...
        ...     async def produce():
        ...         with sender:
        ...             for number in range(4):
        ...                 await sender.send(number)
        ...
        ...     rescind.spawn(produce())
        ...     return [number async for number in receiver]
        >>> rescind.run(main)
        [0, 1, 2, 3]

    Source: tokio's ``mpsc::channel``, with several receivers as in trio.
    """

    __slots__ = ()

    def __new__(
        cls,
        capacity: int,
        *,
        on_undelivered: Callable[[T], object] | None = None,
        name: str | None = None,
    ) -> channel[T]:
        limit = check_capacity("channel", capacity, 0)
        core = ChannelCore(limit, on_undelivered, name)
        return super().__new__(cls, (Sender[T](core), Receiver[T](core)))


class unbounded(tuple[Sender[T], Receiver[T]]):  # noqa: N801 - it is called as a function is
    """Make a channel without a limit: ``sender, receiver = unbounded[str]()``.

    Its ``send`` never waits, so nothing holds back a sender that is faster than the receivers:
    prefer `channel` unless what is sent is limited by something else.

    Args:
        on_undelivered: as for `channel`.
        name: for messages.

    Returns:
        The sender and the receiver, each of which can be cloned.

    Example:
        >>> from rescind.sync import unbounded
        >>> sender, receiver = unbounded[int]()
        >>> sender.send_nowait(1)
        >>> receiver.recv_nowait()
        1

    Source: tokio's ``mpsc::unbounded_channel``.
    """

    __slots__ = ()

    def __new__(
        cls,
        *,
        on_undelivered: Callable[[T], object] | None = None,
        name: str | None = None,
    ) -> unbounded[T]:
        core = ChannelCore(None, on_undelivered, name)
        return super().__new__(cls, (Sender[T](core), Receiver[T](core)))
