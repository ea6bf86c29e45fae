"""Spawn and join: n tasks are started that return at once, then each is joined.

asyncio's eager tasks return before their spawn does, and never see the loop: that is their purpose.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.nurseries import Nurseries

SUBJECTS: Final = (
    Subject("spawn_join", "a task starts, returns, and is joined", long=(1_000_000,), native=True),
)


async def task() -> None:
    """Return at once."""


async def on_rescind(watch: Watch, n: int) -> int:
    import rescind

    with watch:
        tasks = [rescind.spawn(task()) for _ in range(n)]
        for each in tasks:
            await each
    return n


async def on_asyncio(watch: Watch, n: int) -> int:
    import asyncio

    with watch:
        tasks = [asyncio.create_task(task()) for _ in range(n)]
        for each in tasks:
            await each
    return n


async def on_nursery(watch: Watch, n: int, lib: Nurseries) -> int:
    with watch:
        async with lib.group() as nursery:
            for _ in range(n):
                nursery.start_soon(task)
    return n


async def on_curio(watch: Watch, n: int) -> int:
    spawn = curio().spawn
    with watch:
        tasks = [await spawn(task) for _ in range(n)]
        for each in tasks:
            await each.join()
    return n
