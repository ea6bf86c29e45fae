"""Cancel: n tasks are parked; they are canceled, and their cleanups end.

``cancel_latency`` takes them one by one: from the request until whoever joins the task knows that
its cleanup, a ``finally``, has ended. ``cancel_parked`` asks all of them, then waits for all:
cancels per second. Making the tasks is not measured.
"""

from __future__ import annotations

from typing import Final

from bench.subject import GROWTH, Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.kit import Event
from bench.subjects.nurseries import CancelScope, Nurseries

SUBJECTS: Final = (
    Subject("cancel_latency", "from a request until its cleanup has ended", args=(True,)),
    Subject(
        "cancel_parked",
        "one of n parked tasks is canceled with all others",
        size=100_000,
        growth=GROWTH,
        long=(1_000_000,),
        args=(False,),
    ),
)


async def on_rescind(watch: Watch, n: int, one_by_one: bool) -> int:
    import rescind

    cleaned = 0

    async def task() -> None:
        nonlocal cleaned
        try:
            await rescind.never()
        finally:
            cleaned += 1

    tasks = [rescind.spawn(task()) for _ in range(n)]
    await rescind.yield_now()
    with watch:
        if one_by_one:
            for each in tasks:
                each.cancel()
                await each.join()
        else:
            for each in tasks:
                each.cancel()
            for each in tasks:
                await each.join()
    return cleaned


async def on_asyncio(watch: Watch, n: int, one_by_one: bool) -> int:
    import asyncio

    new_future = asyncio.get_running_loop().create_future
    cleaned = 0

    async def task() -> None:
        nonlocal cleaned
        try:
            await new_future()
        finally:
            cleaned += 1

    tasks = [asyncio.create_task(task()) for _ in range(n)]
    await asyncio.sleep(0)
    with watch:
        if not one_by_one:
            for each in tasks:
                each.cancel()
        for each in tasks:
            if one_by_one:
                each.cancel()
            try:
                await each
            except asyncio.CancelledError:
                pass
    return cleaned


async def on_nursery(watch: Watch, n: int, one_by_one: bool, lib: Nurseries) -> int:
    checkpoint, park = lib.checkpoint, lib.park
    cleaned = 0

    async def task(scope: CancelScope, done: Event) -> None:
        nonlocal cleaned
        try:
            with scope:
                try:
                    await park()
                finally:
                    cleaned += 1
        finally:
            done.set()

    async with lib.group() as nursery:
        pairs = [(lib.scope(), lib.event()) for _ in range(n)]
        for pair in pairs:
            nursery.start_soon(task, *pair)
        await checkpoint()
        with watch:
            if one_by_one:
                for scope, done in pairs:
                    scope.cancel()
                    await done.wait()
            else:
                for scope, _ in pairs:
                    scope.cancel()
                for _, done in pairs:
                    await done.wait()
    return cleaned


async def on_curio(watch: Watch, n: int, one_by_one: bool) -> int:
    the_curio = curio()
    cleaned = 0

    async def task() -> None:
        nonlocal cleaned
        try:
            await the_curio.Event().wait()
        finally:
            cleaned += 1

    tasks = [await the_curio.spawn(task) for _ in range(n)]
    await the_curio.sleep(0)
    with watch:
        if not one_by_one:
            for each in tasks:
                await each.cancel(blocking=False)
        for each in tasks:
            await each.cancel()
    return cleaned
