"""Nothing is left: no thread, no descriptor, no zombie, however often, however it ended."""

from __future__ import annotations

import gc
import os
import time
from typing import Any

import rescind
from rescind import Canceled, Runtime
from rescind.blocking import open_process, run_process, spawn_blocking, spawn_process, thread_pool
from rescind.testing import run_virtual
from tests.blocking.kit import nothing_left
from tests.models.kit import thorough

FULL = 1000


def test_thousand_calls_in_threads_leave_nothing() -> None:
    """Some complete, some fail, some are canceled in the queue or while they run."""

    def work(number: int) -> int:
        if number % 3 == 0:
            raise ValueError(number)
        return number

    async def main() -> None:
        thread_pool().limit = 4
        for start in range(0, FULL, 50):
            tasks = [spawn_blocking(work, number) for number in range(start, start + 50)]
            await rescind.yield_now()
            for task in tasks[::2]:
                task.cancel()
            for task in tasks:
                await task.join()

    with nothing_left(), Runtime() as runtime:
        runtime.block_on(main())
        gc.collect()
        assert runtime.statistics().alive == 0


async def _commands(count: int) -> None:
    for number in range(count):
        if number % 4 == 0:
            await run_process(["true"], input=b"x")
        elif number % 4 == 1:
            await run_process(["false"], check=False, stdout="discard")
        elif number % 4 == 2:
            task = rescind.spawn(run_process(["sleep", "100"]))
            await rescind.sleep(0)
            assert isinstance(await task.cancel(), Canceled)
        else:
            async with open_process(["cat"], stdin="pipe") as process:
                await process.stdin.write(b"x")


async def _functions(count: int) -> None:
    for number in range(count):
        task: rescind.Task[Any] = spawn_process(
            *((int,), (os._exit, 1), (time.sleep, 100))[number % 3]
        )
        if number % 3 == 2:
            await rescind.sleep(0)
            await task.cancel()
        await task.join()


def test_many_commands_leave_nothing() -> None:
    """In one runtime; each is reaped before the next starts."""
    with nothing_left(), Runtime() as runtime:
        runtime.block_on(_commands(FULL if thorough() else 200))


def test_many_functions_in_processes_leave_nothing() -> None:
    """Values, deaths and cancellations: with the thorough profile of hypothesis a thousand."""
    with nothing_left(), Runtime() as runtime:
        runtime.block_on(_functions(FULL if thorough() else 60))


def test_many_runtimes_leave_nothing() -> None:
    """Each with its threads and processes."""

    async def main() -> None:
        await spawn_blocking(int)
        await run_process(["true"])

    with nothing_left():
        for host in ("asyncio", "uvloop"):
            for _ in range(20):
                rescind.run(main, host=host)
        for _ in range(20):
            assert run_virtual(main) == rescind.Completed(None)
