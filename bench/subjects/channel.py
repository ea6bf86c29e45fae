"""Channels.

ping_pong: two tasks send each other a value through two channels of one slot, n times to and fro.
channel: n values pass through a channel of a hundred slots. broadcast: a task sends to 100 others,
n values received in all; only rescind and tokio have a channel for that, elsewhere each receiver
has its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Kit, Receive

SUBJECTS: Final = (
    Subject("ping_pong", "a value goes to another task, and back", growth=(), args=("ping_pong",)),
    Subject("channel", "a value passes a channel of 100 slots", growth=(), args=("channel",)),
    Subject(
        "broadcast",
        "one of 100 receivers gets a value",
        size=10_000,
        growth=(),
        args=("broadcast",),
    ),
)

RECEIVERS: Final = 100
SLOTS: Final = 16


async def on_any(watch: Watch, n: int, kind: str, kit: Kit) -> int:
    if kind == "ping_pong":
        return await _ping_pong(watch, n, kit)
    if kind == "channel":
        return await _channel(watch, n, kit)
    return await _broadcast(watch, n, kit, _channels)


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    from bench.subjects.kit import kit_of

    if kind != "broadcast":
        return await on_any(watch, n, kind, kit_of("rescind"))
    return await _broadcast(watch, n, kit_of("rescind"), _one_broadcast)


async def _ping_pong(watch: Watch, n: int, kit: Kit) -> int:
    there, at_the_other = kit.channel(1)
    back, here = kit.channel(1)

    async def other() -> None:
        for _ in range(n):
            await back(await at_the_other())

    async with kit.group() as start:
        start(other)
        await kit.pause()
        with watch:
            for i in range(n):
                await there(i)
                await here()
    return n


async def _channel(watch: Watch, n: int, kit: Kit) -> int:
    send, receive = kit.channel(100)

    async def other() -> None:
        for i in range(n):
            await send(i)

    async with kit.group() as start:
        start(other)
        with watch:
            for _ in range(n):
                await receive()
    return n


Spread = Callable[[int], Awaitable[object]]


async def _broadcast(
    watch: Watch, n: int, kit: Kit, make: Callable[[Kit], tuple[Spread, list[Receive]]]
) -> int:
    values = max(1, n // RECEIVERS)
    spread, receives = make(kit)
    done = kit.event()
    left = RECEIVERS

    async def receiver(receive: Receive) -> None:
        nonlocal left
        for _ in range(values):
            await receive()
        left -= 1
        if not left:
            done.set()

    async with kit.group() as start:
        for receive in receives:
            start(receiver, receive)
        await kit.pause()
        with watch:
            for i in range(values):
                await spread(i)
                await kit.pause()
            await done.wait()
    return values * RECEIVERS


def _channels(kit: Kit) -> tuple[Spread, list[Receive]]:
    pairs = [kit.channel(SLOTS) for _ in range(RECEIVERS)]

    async def spread(value: int) -> None:
        for send, _ in pairs:
            await send(value)

    return spread, [receive for _, receive in pairs]


def _one_broadcast(_kit: Kit) -> tuple[Spread, list[Receive]]:
    from rescind import sync

    sender, receiver = sync.broadcast[Any](SLOTS)
    receivers = [receiver, *[receiver.clone() for _ in range(RECEIVERS - 1)]]

    async def spread(value: int) -> None:
        sender.send(value)

    return spread, [each.recv for each in receivers]
