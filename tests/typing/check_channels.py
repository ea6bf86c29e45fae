"""The ends of a channel keep the type of what goes through."""

from typing import assert_type

from rescind.lowlevel import Future
from rescind.sync import (
    ChannelStatistics,
    Permit,
    Receiver,
    Sender,
    channel,
    unbounded,
)


async def channels() -> None:
    """The type is said once, where the channel is made."""
    sender, receiver = channel[int](10, name="numbers")
    assert_type(sender, Sender[int])
    assert_type(receiver, Receiver[int])
    assert_type(sender.send(1), Future[None])
    assert_type(await sender.reserve(), Permit[int])
    assert_type(sender.reserve_nowait(), Permit[int])
    assert_type(await receiver.recv(), int)
    assert_type(await receiver.recv_many(3), list[int])
    assert_type(receiver.recv_nowait(), int)
    assert_type(receiver.drain(), list[int])
    assert_type(sender.clone(), Sender[int])
    assert_type(sender.downgrade().upgrade(), Sender[int] | None)
    assert_type(receiver.clone(), Receiver[int])
    assert_type(sender.statistics(), ChannelStatistics)
    async for value in receiver:
        assert_type(value, int)
    async with sender as inside, receiver as other:
        assert_type(inside, Sender[int])
        assert_type(other, Receiver[int])
    numbers = unbounded[int]()
    assert_type(numbers[0], Sender[int])


def inferred(undelivered: list[str]) -> None:
    """It may also be known from what takes the undelivered."""
    sender, receiver = channel(1, on_undelivered=undelivered.append)
    assert_type(sender, Sender[str])
    assert_type(receiver, Receiver[str])


def variance(sender: Sender[object], receiver: Receiver[bool]) -> tuple[Sender[int], Receiver[int]]:
    """What takes anything takes numbers; what gives truth values gives numbers."""
    return sender, receiver
