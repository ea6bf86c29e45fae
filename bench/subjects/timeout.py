"""Timeout: work that ends in time is done under a timeout of a minute, n times in a row.

The work is a coroutine that returns at once, yields once, or parks until another task wakes it
(that task yields meanwhile, and is measured too). asyncio's is `asyncio.timeout`, the fastest that
it has.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.kit import Event
from bench.subjects.nurseries import Nurseries

Work: TypeAlias = Literal["ready", "yields", "parks"]

SUBJECTS: Final = (
    Subject("timeout", "a timeout around a yield", growth=(), args=("yields",), native=True),
    Subject("timeout_ready", "a timeout around work that is ready", growth=(), args=("ready",)),
    Subject("timeout_parked", "a timeout around work that parks", growth=(), args=("parks",)),
)

MINUTE: Final = 60.0


async def ready() -> None:
    """Return at once."""


async def on_rescind(watch: Watch, n: int, kind: Work) -> int:
    import rescind
    from rescind.sync import Event

    waiting: list[Event] = []
    going = True

    async def waker() -> None:
        while going:
            if waiting:
                waiting.pop().set()
            await rescind.yield_now()

    async def yields() -> None:
        await rescind.yield_now()

    async def parks() -> None:
        event = Event()
        waiting.append(event)
        await event.wait()

    work = {"ready": ready, "yields": yields, "parks": parks}[kind]
    other = rescind.spawn(waker()) if kind == "parks" else None
    with watch:
        for _ in range(n):
            await rescind.timeout(work(), MINUTE)
    going = False
    if other is not None:
        await other
    return n


async def on_asyncio(watch: Watch, n: int, kind: Work) -> int:
    import asyncio

    waiting: list[asyncio.Event] = []
    going = True

    async def waker() -> None:
        while going:
            if waiting:
                waiting.pop().set()
            await asyncio.sleep(0)

    async def yields() -> None:
        await asyncio.sleep(0)

    async def parks() -> None:
        event = asyncio.Event()
        waiting.append(event)
        await event.wait()

    work = {"ready": ready, "yields": yields, "parks": parks}[kind]
    other = asyncio.create_task(waker()) if kind == "parks" else None
    with watch:
        for _ in range(n):
            async with asyncio.timeout(MINUTE):
                await work()
    going = False
    if other is not None:
        await other
    return n


async def on_nursery(watch: Watch, n: int, kind: Work, lib: Nurseries) -> int:
    checkpoint, fail_after = lib.checkpoint, lib.fail_after
    waiting: list[Event] = []
    going = True

    async def waker() -> None:
        while going:
            if waiting:
                waiting.pop().set()
            await checkpoint()

    async def yields() -> None:
        await checkpoint()

    async def parks() -> None:
        event = lib.event()
        waiting.append(event)
        await event.wait()

    work = {"ready": ready, "yields": yields, "parks": parks}[kind]
    async with lib.group() as nursery:
        if kind == "parks":
            nursery.start_soon(waker)
        with watch:
            for _ in range(n):
                with fail_after(MINUTE):
                    await work()
        going = False
    return n


async def on_curio(watch: Watch, n: int, kind: Work) -> int:
    the_curio = curio()
    waiting: list[Any] = []
    going = True

    async def waker() -> None:
        while going:
            if waiting:
                await waiting.pop().set()
            await the_curio.sleep(0)

    async def yields() -> None:
        await the_curio.sleep(0)

    async def parks() -> None:
        event = the_curio.Event()
        waiting.append(event)
        await event.wait()

    work = {"ready": ready, "yields": yields, "parks": parks}[kind]
    other = await the_curio.spawn(waker) if kind == "parks" else None
    with watch:
        for _ in range(n):
            async with the_curio.timeout_after(MINUTE):
                await work()
    going = False
    if other is not None:
        await other.join()
    return n
