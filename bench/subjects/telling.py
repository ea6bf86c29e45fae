"""Telling: others are told that something has happened, or what.

notify: n tasks wait for one notifier, which tells one after the other. oneshot: each of n tasks
waits for a value of its own, which comes once. watch: a value changes, and 100 tasks see the latest
one, n times in all. Where a library has none of these, its own means take their place: a condition,
and for a single value asyncio's future or a channel of one slot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Kit, kit_of

SUBJECTS: Final = (
    Subject("notify", "one of n that wait for a notifier is told, and runs", args=("notify",)),
    Subject("oneshot", "a task that waits for a single value gets it", args=("oneshot",)),
    Subject(
        "watch",
        "one of 100 that watch a value sees the next",
        size=10_000,
        growth=(),
        args=("watch",),
    ),
)

RECEIVERS: Final = 100

#: Tells, and waits to be told.
_Pair = tuple[Callable[[], Awaitable[object] | None], Callable[[], Awaitable[object]]]
#: Tells everybody a value, and waits for one that is later than that.
_Latest = tuple[Callable[[int], Awaitable[object] | None], Callable[[int], Awaitable[int]]]


async def on_any(watch: Watch, n: int, kind: str, kit: Kit) -> int:
    if kind == "watch":
        return await _latest(watch, n, kit, [_shown(kit)] * RECEIVERS)
    if kind == "oneshot":
        return await _told(watch, n, kit, [_slot(kit) for _ in range(n)])
    condition = kit.condition()
    waiting = 0

    async def tell() -> None:
        async with condition:
            condition.notify(1)

    async def wait() -> None:
        nonlocal waiting
        async with condition:
            waiting += 1
            await condition.wait()

    return await _told(watch, n, kit, [(tell, wait)] * n, lambda: waiting == n)


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    import asyncio

    kit = kit_of("asyncio")
    if kind != "oneshot":
        return await on_any(watch, n, kind, kit)
    loop = asyncio.get_running_loop()

    def single() -> _Pair:
        future: asyncio.Future[int] = loop.create_future()

        async def wait() -> int:
            return await future

        return lambda: future.set_result(1), wait

    return await _told(watch, n, kit, [single() for _ in range(n)])


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    from rescind import sync

    kit = kit_of("rescind")
    if kind == "watch":
        sender, receiver = sync.watch(0)
        receivers = [receiver, *[receiver.clone() for _ in range(RECEIVERS - 1)]]

        def seen(each: sync.WatchReceiver[int]) -> _Latest:
            async def later(_than: int) -> int:
                return await each.changed()

            return sender.send, later

        return await _latest(watch, n, kit, [seen(each) for each in receivers])
    if kind == "oneshot":

        def single() -> _Pair:
            sender, receiver = sync.oneshot[int]()
            return lambda: sender.send(1), receiver.recv

        return await _told(watch, n, kit, [single() for _ in range(n)])
    notify = sync.Notify()
    return await _told(watch, n, kit, [(notify.notify_one, notify.notified)] * n)


async def _told(
    watch: Watch,
    n: int,
    kit: Kit,
    pairs: Sequence[_Pair],
    parked: Callable[[], bool] = lambda: True,
) -> int:
    done = kit.event()
    left = n

    async def task(wait: Callable[[], Awaitable[object]]) -> None:
        nonlocal left
        await wait()
        left -= 1
        if not left:
            done.set()

    async with kit.group() as start:
        for _, wait in pairs:
            start(task, wait)
        await kit.pause()
        while not parked():
            await kit.pause()
        with watch:
            for tell, _ in pairs:
                telling = tell()
                if telling is not None:
                    await telling
            await done.wait()
    return n


async def _latest(watch: Watch, n: int, kit: Kit, pairs: Sequence[_Latest]) -> int:
    values = max(1, n // RECEIVERS)
    done = kit.event()
    left = RECEIVERS
    seen = 0

    async def receiver(later: Callable[[int], Awaitable[int]]) -> None:
        nonlocal left, seen
        value = 0
        while value < values:
            value = await later(value)
            seen += 1
        left -= 1
        if not left:
            done.set()

    tell = pairs[0][0]
    async with kit.group() as start:
        for _, later in pairs:
            start(receiver, later)
        await kit.pause()
        with watch:
            for value in range(1, values + 1):
                telling = tell(value)
                if telling is not None:
                    await telling
                await kit.pause()
            await done.wait()
    return seen  # who is late misses some


def _slot(kit: Kit) -> _Pair:
    send, receive = kit.channel(1)
    return lambda: send(1), receive


def _shown(kit: Kit) -> _Latest:
    condition = kit.condition()
    shown = 0

    async def tell(value: int) -> None:
        nonlocal shown
        async with condition:
            shown = value
            condition.notify_all()

    async def later(than: int) -> int:
        async with condition:
            while shown <= than:
                await condition.wait()
            return shown

    return tell, later
