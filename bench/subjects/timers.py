"""Timers: n of them at once.

``timers``: n tasks wait for an event, each under a timeout of its own that does not pass: a timer
is set and taken back, among n. ``sleep``: n tasks sleep for a millisecond. Starting and joining
the tasks is measured too, as nothing else could be under eager tasks.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Kit, kit_of

SUBJECTS: Final = (
    Subject("timers", "a task waits under a timeout, as n do", args=("timers",)),
    Subject("sleep", "a task sleeps for a millisecond, as n do", args=("sleep",)),
)

MINUTE: Final = 60.0


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    import rescind
    from rescind.sync import Event

    if kind == "sleep":
        return await _sleep(watch, n, kit_of("rescind"))
    event = Event()

    async def task(seconds: float) -> None:
        await rescind.timeout(event.wait(), seconds)

    with watch:
        tasks = [rescind.spawn(task(MINUTE + i * 1e-3)) for i in range(n)]
        await rescind.yield_now()
        event.set()
        for each in tasks:
            await each
    return n


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    import asyncio

    if kind == "sleep":
        return await _sleep(watch, n, kit_of("asyncio"))
    event = asyncio.Event()

    async def task(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await event.wait()

    with watch:
        tasks = [asyncio.create_task(task(MINUTE + i * 1e-3)) for i in range(n)]
        await asyncio.sleep(0)
        event.set()
        for each in tasks:
            await each
    return n


async def on_trio(watch: Watch, n: int, kind: str) -> int:
    import trio

    if kind == "sleep":
        return await _sleep(watch, n, kit_of("trio"))
    event = trio.Event()

    async def task(seconds: float) -> None:
        with trio.fail_after(seconds):
            await event.wait()

    with watch:
        async with trio.open_nursery() as nursery:
            for i in range(n):
                nursery.start_soon(task, MINUTE + i * 1e-3)
            await trio.lowlevel.checkpoint()
            event.set()
    return n


async def on_anyio(watch: Watch, n: int, kind: str) -> int:
    import anyio
    from anyio.lowlevel import checkpoint

    if kind == "sleep":
        return await _sleep(watch, n, kit_of("anyio"))
    event = anyio.Event()

    async def task(seconds: float) -> None:
        with anyio.fail_after(seconds):
            await event.wait()

    with watch:
        async with anyio.create_task_group() as group:
            for i in range(n):
                group.start_soon(task, MINUTE + i * 1e-3)
            await checkpoint()
            event.set()
    return n


async def _sleep(watch: Watch, n: int, kit: Kit) -> int:
    sleep = kit.sleep

    async def task() -> None:
        await sleep(0.001)

    with watch:
        async with kit.group() as start:
            for _ in range(n):
                start(task)
    return n
