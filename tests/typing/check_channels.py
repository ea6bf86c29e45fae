"""The ends of a channel keep the type of what goes through."""

from typing import assert_type

from rescind.lowlevel import Future
from rescind.sync import (
    BroadcastReceiver,
    BroadcastSender,
    ChannelStatistics,
    OneshotReceiver,
    OneshotSender,
    Permit,
    Receiver,
    Sender,
    WatchReceiver,
    WatchSender,
    broadcast,
    channel,
    oneshot,
    unbounded,
    watch,
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


async def oneshots() -> None:
    """The receiver gives the value when it is awaited."""
    sender, receiver = oneshot[str]()
    assert_type(sender, OneshotSender[str])
    assert_type(receiver, OneshotReceiver[str])
    assert_type(await receiver, str)
    assert_type(await receiver.recv(), str)
    assert_type(receiver.recv_nowait(), str)
    assert_type(await sender.closed(), None)


async def broadcasts() -> None:
    """Every receiver is of the same type."""
    sender, receiver = broadcast[str](4)
    assert_type(sender, BroadcastSender[str])
    assert_type(receiver, BroadcastReceiver[str])
    assert_type(sender.subscribe(), BroadcastReceiver[str])
    assert_type(sender.send(""), int)
    assert_type(await receiver.recv(), str)
    async for value in receiver.clone():
        assert_type(value, str)


async def watches() -> None:
    """The first value tells the type, or it is said."""
    sender, receiver = watch(1)
    assert_type(sender, WatchSender[int])
    assert_type(receiver, WatchReceiver[int])
    assert_type(await receiver.changed(), int)
    assert_type(await receiver.wait_for(lambda value: value > 1), int)
    assert_type(sender.modify(lambda value: value + 1), int)
    assert_type(sender.subscribe().get(), int)
    async for value in receiver:
        assert_type(value, int)
    perhaps = watch[int | None](None)
    assert_type(perhaps[1].get(), int | None)
