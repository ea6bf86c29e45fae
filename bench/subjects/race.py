"""Race: the first of several to end wins, the others are canceled and waited for; n races in a row.

Each that runs is a coroutine: the winner yields once and returns, the others park for ever. asyncio
has no race: it is written with `asyncio.wait`, and with the losers awaited, since rescind awaits
them too.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.nurseries import Nurseries

SUBJECTS: Final = (
    Subject("race2", "a race of 2", growth=(), args=(2,), native=True),
    Subject("race10", "a race of 10", size=200, growth=(), args=(10,)),
)


async def on_rescind(watch: Watch, n: int, width: int) -> int:
    import rescind

    async def winner() -> int:
        await rescind.yield_now()
        return 1

    async def loser() -> int:
        return await rescind.never()

    losers = range(width - 1)
    with watch:
        for _ in range(n):
            await rescind.race(winner(), *[loser() for _ in losers])
    return n


async def on_asyncio(watch: Watch, n: int, width: int) -> int:
    import asyncio

    new_future = asyncio.get_running_loop().create_future

    async def winner() -> int:
        await asyncio.sleep(0)
        return 1

    async def loser() -> int:
        await new_future()
        return 0

    async def race() -> int:
        tasks = [asyncio.create_task(winner()), *[asyncio.create_task(loser()) for _ in losers]]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        await asyncio.wait(pending)
        return done.pop().result()

    losers = range(width - 1)
    with watch:
        for _ in range(n):
            await race()
    return n


async def on_nursery(watch: Watch, n: int, width: int, lib: Nurseries) -> int:
    checkpoint, park = lib.checkpoint, lib.park

    async def race() -> int:
        result = 0

        async def winner() -> None:
            nonlocal result
            await checkpoint()
            result = 1
            nursery.cancel_scope.cancel()

        async with lib.group() as nursery:
            nursery.start_soon(winner)
            for _ in losers:
                nursery.start_soon(park)
        return result

    losers = range(width - 1)
    with watch:
        for _ in range(n):
            await race()
    return n


async def on_curio(watch: Watch, n: int, width: int) -> int:
    the_curio = curio()

    async def winner() -> int:
        await the_curio.sleep(0)
        return 1

    async def loser() -> int:
        await the_curio.Event().wait()
        return 0

    async def race() -> object:
        async with the_curio.TaskGroup(wait=any) as group:
            await group.spawn(winner)
            for _ in losers:
                await group.spawn(loser)
        return group.result

    losers = range(width - 1)
    with watch:
        for _ in range(n):
            await race()
    return n
