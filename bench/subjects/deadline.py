"""Deadlines: a block with a deadline of a minute is entered, yields once, and is left; n in a row.

Ten of them within each other are a request that has passed through ten layers. ``timeout_fires``
is a timeout of nothing around work that parks: the work is canceled, and the timeout says so.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.nurseries import Nurseries

SUBJECTS: Final = (
    Subject("deadline", "a block with a deadline around a yield", growth=(), args=(1,)),
    Subject(
        "deadline_nested", "ten such blocks within each other", size=200, growth=(), args=(10,)
    ),
    Subject("timeout_fires", "a timeout passes, and its work is canceled", growth=(), args=(0,)),
)

MINUTE: Final = 60.0


async def on_rescind(watch: Watch, n: int, depth: int) -> int:
    import rescind

    async def nested(depth: int) -> None:
        async with rescind.deadline(MINUTE):
            if depth > 1:
                await nested(depth - 1)
            else:
                await rescind.yield_now()

    async def fires() -> None:
        try:
            await rescind.timeout(rescind.never(), 0)
        except TimeoutError:
            pass

    with watch:
        for _ in range(n):
            await (nested(depth) if depth else fires())
    return n


async def on_asyncio(watch: Watch, n: int, depth: int) -> int:
    import asyncio

    new_future = asyncio.get_running_loop().create_future

    async def nested(depth: int) -> None:
        async with asyncio.timeout(MINUTE):
            if depth > 1:
                await nested(depth - 1)
            else:
                await asyncio.sleep(0)

    async def fires() -> None:
        try:
            async with asyncio.timeout(0):
                await new_future()
        except TimeoutError:
            pass

    with watch:
        for _ in range(n):
            await (nested(depth) if depth else fires())
    return n


async def on_nursery(watch: Watch, n: int, depth: int, lib: Nurseries) -> int:
    checkpoint, park, fail_after = lib.checkpoint, lib.park, lib.fail_after

    async def nested(depth: int) -> None:
        with fail_after(MINUTE):
            if depth > 1:
                await nested(depth - 1)
            else:
                await checkpoint()

    async def fires() -> None:
        try:
            with fail_after(0):
                await park()
        except lib.timed_out:
            pass

    with watch:
        for _ in range(n):
            await (nested(depth) if depth else fires())
    return n


async def on_curio(watch: Watch, n: int, depth: int) -> int:
    the_curio = curio()

    async def nested(depth: int) -> None:
        async with the_curio.timeout_after(MINUTE):
            if depth > 1:
                await nested(depth - 1)
            else:
                await the_curio.sleep(0)

    async def fires() -> None:
        try:
            async with the_curio.timeout_after(0):
                await the_curio.Event().wait()
        except the_curio.TaskTimeout:
            pass

    with watch:
        for _ in range(n):
            await (nested(depth) if depth else fires())
    return n
