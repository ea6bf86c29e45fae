"""Switch: n tasks yield, and yield again.

The measuring task yields too; each time it is back, every other task has yielded once. What is
measured has no beginning and no end of a task in it.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.nurseries import Nurseries

SUBJECTS: Final = (
    Subject("switch", "a task yields and is run again", long=(1_000_000,), native=True),
)


def _rounds(n: int) -> int:
    return max(10, 20_000 // n)


async def on_rescind(watch: Watch, n: int) -> int:
    import rescind

    going = True

    async def task() -> None:
        while going:
            await rescind.yield_now()

    tasks = [rescind.spawn(task()) for _ in range(n)]
    await rescind.yield_now()
    rounds = _rounds(n)
    with watch:
        for _ in range(rounds):
            await rescind.yield_now()
    going = False
    for each in tasks:
        await each
    return rounds * (n + 1)


async def on_asyncio(watch: Watch, n: int) -> int:
    import asyncio

    going = True

    async def task() -> None:
        while going:
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(task()) for _ in range(n)]
    await asyncio.sleep(0)
    rounds = _rounds(n)
    with watch:
        for _ in range(rounds):
            await asyncio.sleep(0)
    going = False
    for each in tasks:
        await each
    return rounds * (n + 1)


async def on_nursery(watch: Watch, n: int, lib: Nurseries) -> int:
    checkpoint = lib.checkpoint
    going = True

    async def task() -> None:
        while going:
            await checkpoint()

    rounds = _rounds(n)
    async with lib.group() as nursery:
        for _ in range(n):
            nursery.start_soon(task)
        await checkpoint()
        with watch:
            for _ in range(rounds):
                await checkpoint()
        going = False
    return rounds * (n + 1)


async def on_curio(watch: Watch, n: int) -> int:
    sleep = curio().sleep
    going = True

    async def task() -> None:
        while going:
            await sleep(0)

    tasks = [await curio().spawn(task) for _ in range(n)]
    await sleep(0)
    rounds = _rounds(n)
    with watch:
        for _ in range(rounds):
            await sleep(0)
    going = False
    for each in tasks:
        await each.join()
    return rounds * (n + 1)
