"""A set of n futures, whose results are taken as they come; one is woken at a time.

rescind has `FutureSet`, asyncio `asyncio.as_completed`; under trio and anyio the tasks of a nursery
send what they have through a channel, as their documentation advises.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Event, Kit, kit_of

SUBJECTS: Final = (Subject("future_set", "one of n futures ends, and is taken", size=10_000),)


async def on_rescind(watch: Watch, n: int) -> int:
    import rescind

    kit = kit_of("rescind")
    events = [kit.event() for _ in range(n)]
    async with rescind.FutureSet[int, None]() as futures:
        for event in events:
            futures.add(_wait(event)())
        await kit.pause()
        with watch:
            for event in events:
                event.set()
                await futures.next()
    return n


async def on_asyncio(watch: Watch, n: int) -> int:
    import asyncio

    kit = kit_of("asyncio")
    events = [kit.event() for _ in range(n)]
    futures = asyncio.as_completed([asyncio.create_task(_wait(event)()) for event in events])
    await kit.pause()
    with watch:
        for event, future in zip(events, futures, strict=True):
            event.set()
            await future
    return n


async def on_any(watch: Watch, n: int, kit: Kit) -> int:
    events = [kit.event() for _ in range(n)]
    send, receive = kit.channel(n)

    async def task(event: Event) -> None:
        await event.wait()
        await send(None)

    async with kit.group() as start:
        for event in events:
            start(task, event)
        await kit.pause()
        with watch:
            for event in events:
                event.set()
                await receive()
    return n


def _wait(event: Event) -> Callable[[], Coroutine[Any, Any, None]]:
    async def wait() -> None:
        await event.wait()

    return wait
