"""Spawn, cancel and join: n tasks are started and park, then each is canceled, then each is joined.

All of it is measured. Under trio and anyio each task has a cancel scope of its own, since there a
task cannot be canceled by itself.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.nurseries import CancelScope, Nurseries

SUBJECTS: Final = (
    Subject(
        "spawn_cancel_join",
        "a task starts, parks, is canceled, and is joined",
        long=(1_000_000,),
        native=True,
    ),
)


async def on_rescind(watch: Watch, n: int) -> int:
    import rescind

    async def task() -> None:
        await rescind.never()

    with watch:
        tasks = [rescind.spawn(task()) for _ in range(n)]
        await rescind.yield_now()
        for each in tasks:
            each.cancel()
        for each in tasks:
            await each.join()
    return n


async def on_asyncio(watch: Watch, n: int) -> int:
    import asyncio

    new_future = asyncio.get_running_loop().create_future

    async def task() -> None:
        await new_future()

    with watch:
        tasks = [asyncio.create_task(task()) for _ in range(n)]
        await asyncio.sleep(0)
        for each in tasks:
            each.cancel()
        for each in tasks:
            try:
                await each
            except asyncio.CancelledError:
                pass
    return n


async def on_nursery(watch: Watch, n: int, lib: Nurseries) -> int:
    checkpoint, park = lib.checkpoint, lib.park

    async def task(scope: CancelScope) -> None:
        with scope:
            await park()

    with watch:
        async with lib.group() as nursery:
            scopes: list[CancelScope] = []
            for _ in range(n):
                scope = lib.scope()
                scopes.append(scope)
                nursery.start_soon(task, scope)
            await checkpoint()
            for scope in scopes:
                scope.cancel()
    return n


async def on_curio(watch: Watch, n: int) -> int:
    the_curio = curio()

    async def task() -> None:
        await the_curio.Event().wait()

    with watch:
        tasks = [await the_curio.spawn(task) for _ in range(n)]
        await the_curio.sleep(0)
        for each in tasks:
            await each.cancel(blocking=False)
        for each in tasks:
            await each.wait()
    return n
