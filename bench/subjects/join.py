"""Join: one future waits for many, of which one is woken at a time; n wakes in all.

Each child waits for an event of its own; the measuring task sets one, yields, and sets the next.
What it costs to wake one child must not depend on how many sleep beside it. Under trio and anyio
the many are the tasks of a nursery; asyncio has `asyncio.gather`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Event, Kit, kit_of

SUBJECTS: Final = (
    Subject("join2", "a child of a join of 2 is woken and ends", growth=(), args=(2,)),
    Subject("join100", "a child of a join of 100 is woken and ends", growth=(), args=(100,)),
    Subject(
        "join10000",
        "a child of a join of 10,000 is woken and ends",
        size=10_000,
        growth=(),
        args=(10_000,),
    ),
)


async def on_rescind(watch: Watch, n: int, width: int) -> int:
    import rescind

    def start(children: list[Callable[[], Any]]) -> Awaitable[object]:
        return rescind.spawn(rescind.join(*[child() for child in children]))

    return await _measure(watch, n, width, kit_of("rescind"), start)


async def on_asyncio(watch: Watch, n: int, width: int) -> int:
    import asyncio

    def start(children: list[Callable[[], Any]]) -> Awaitable[object]:
        async def joined() -> None:
            await asyncio.gather(*[child() for child in children])

        return asyncio.create_task(joined())

    return await _measure(watch, n, width, kit_of("asyncio"), start)


async def on_trio(watch: Watch, n: int, width: int) -> int:
    import trio

    async with trio.open_nursery() as around:

        def start(children: list[Callable[[], Any]]) -> Awaitable[object]:
            ended = trio.Event()

            async def joined() -> None:
                async with trio.open_nursery() as nursery:
                    for child in children:
                        nursery.start_soon(child)
                ended.set()

            around.start_soon(joined)
            return ended.wait()

        ops = await _measure(watch, n, width, kit_of("trio"), start)
    return ops


async def on_anyio(watch: Watch, n: int, width: int) -> int:
    import anyio

    around = anyio.create_task_group()

    def start(children: list[Callable[[], Any]]) -> Awaitable[object]:
        ended = anyio.Event()

        async def joined() -> None:
            async with anyio.create_task_group() as group:
                for child in children:
                    group.start_soon(child)
            ended.set()

        around.start_soon(joined)
        return ended.wait()

    ops = 0
    async with around:
        ops = await _measure(watch, n, width, kit_of("anyio"), start)
    return ops


async def _measure(
    watch: Watch,
    n: int,
    width: int,
    kit: Kit,
    start: Callable[[list[Callable[[], Any]]], Awaitable[object]],
) -> int:
    width = min(width, n)
    times = max(1, n // width)
    for _ in range(times):
        events = [kit.event() for _ in range(width)]
        joined = start([_child(event) for event in events])
        for _ in range(3):  # until the joining task, then its children, have parked
            await kit.pause()
        with watch:
            for event in events:
                event.set()
                await kit.pause()
            await joined
    return times * width


def _child(event: Event) -> Callable[[], Any]:
    async def child() -> None:
        await event.wait()

    return child
