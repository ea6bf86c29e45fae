"""Programs of other worlds, in which one task is canceled at the await of one's choice.

A `Program` is one task that is canceled, others beside it, and what must hold afterwards. A driver
runs it once, under asyncio, anyio or trio, and cancels the task when it parks for the nth time.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import anyio
import trio
from trio.testing import MockClock

__all__ = ["DRIVERS", "Program", "counted", "sweep"]

Step = Callable[[], object]


class Program:
    """What is run; made anew for each run. The methods are overridden.

    Attributes:
        awaits: how often the victim parks at least, if it is not canceled.
    """

    awaits = 1

    async def victim(self) -> None:
        """Run in the task that is canceled."""

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        """Return what runs in tasks of its own at the same time, and ends by itself."""
        return []

    async def after(self) -> None:
        """Run when the victim has ended, and before the others are waited for."""

    def check(self) -> None:
        """Assert that nothing was lost; called when all have ended."""


class Failure(Exception):
    """What a sibling fails with, to have the victim canceled."""


@types.coroutine
def counted(coro: Coroutine[Any, Any, None], at: int, strike: Step) -> Generator[Any, Any, None]:
    """Drive ``coro``, and call ``strike()`` when it parks for the time with this number, from 0."""
    step: Callable[[Any], Any] = coro.send
    value: Any = None
    parks = 0
    while True:
        try:
            yielded = step(value)
        except StopIteration:
            return
        if parks == at:
            strike()
        parks += 1
        try:
            value = yield yielded
            step = coro.send
        except GeneratorExit:
            coro.close()
            raise
        except BaseException as exc:
            step, value = coro.throw, exc


async def _each(awaitables: list[Any]) -> None:
    for awaitable in awaitables:
        await awaitable


def _asyncio_run(program: Program, at: int, again: int) -> bool:
    """Cancel the task, and once more in each of the ``again`` ticks that follow; -1: until done."""
    struck: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        beside = [loop.create_task(coro) for coro in program.beside()]

        def cancel(left: int) -> None:
            if not task.done():
                task.cancel("words")
                if left:
                    loop.call_soon(cancel, left - 1)

        def strike() -> None:
            struck.append(at)
            loop.call_soon(cancel, again)

        task = loop.create_task(_awaited(counted(program.victim(), at, strike)))
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        await program.after()
        await asyncio.wait_for(_each(beside), 60)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert left == set(), f"the program is over, but {left} are not"

    asyncio.run(main())
    return bool(struck)


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable


def _once(program: Program, at: int) -> bool:
    return _asyncio_run(program, at, 0)


def _twice(program: Program, at: int) -> bool:
    return _asyncio_run(program, at, 1)


def _each_tick(program: Program, at: int) -> bool:
    return _asyncio_run(program, at, -1)


def _asyncio_group(program: Program, at: int) -> bool:
    """A sibling in the task group fails."""
    struck = False

    async def main() -> None:
        nonlocal struck
        failing = asyncio.Event()
        beside = [asyncio.create_task(coro) for coro in program.beside()]

        async def sibling() -> None:
            nonlocal struck
            await failing.wait()
            struck = True
            raise Failure

        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(sibling())
                await counted(program.victim(), at, failing.set)
                watch.cancel()
        except* Failure:
            pass
        await program.after()
        await asyncio.wait_for(_each(beside), 60)

    asyncio.run(main())
    return struck


def _anyio_run(program: Program, at: int, backend: str) -> bool:
    """A scope of anyio's is canceled, which on asyncio it repeats in each tick."""
    struck: list[int] = []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for coro in program.beside():
                group.start_soon(_awaited, coro)
            with anyio.CancelScope() as scope:

                def strike() -> None:
                    struck.append(at)
                    scope.cancel()

                await counted(program.victim(), at, strike)
            await program.after()

    options = {"clock": MockClock(autojump_threshold=0)} if backend == "trio" else {}
    anyio.run(main, backend=backend, backend_options=options)
    return bool(struck)


def _anyio_asyncio(program: Program, at: int) -> bool:
    return _anyio_run(program, at, "asyncio")


def _anyio_trio(program: Program, at: int) -> bool:
    return _anyio_run(program, at, "trio")


def _trio_scope(program: Program, at: int) -> bool:
    """The scope is canceled while the task is parked, from another task's turn."""
    struck: list[int] = []

    async def main() -> None:
        token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            for coro in program.beside():
                nursery.start_soon(_awaited, coro)
            with trio.CancelScope() as scope:

                def strike() -> None:
                    struck.append(at)
                    token.run_sync_soon(scope.cancel)

                await counted(program.victim(), at, strike)
            await program.after()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return bool(struck)


def _trio_nursery(program: Program, at: int) -> bool:
    """A sibling in the nursery fails."""
    struck = False

    async def main() -> None:
        nonlocal struck
        failing = trio.Event()

        async def sibling() -> None:
            nonlocal struck
            await failing.wait()
            struck = True
            raise Failure

        async with trio.open_nursery() as outer:
            for coro in program.beside():
                outer.start_soon(_awaited, coro)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(sibling)
                    await counted(program.victim(), at, failing.set)
                    nursery.cancel_scope.cancel()
            except* Failure:
                pass
            await program.after()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return struck


#: How a program is run and canceled; each returns whether the victim parked that often.
DRIVERS: dict[str, Callable[[Program, int], bool]] = {
    "asyncio-once": _once,
    "asyncio-twice": _twice,
    "asyncio-each-tick": _each_tick,
    "asyncio-group": _asyncio_group,
    "anyio-asyncio": _anyio_asyncio,
    "anyio-trio": _anyio_trio,
    "trio-scope": _trio_scope,
    "trio-nursery": _trio_nursery,
}


def sweep(make: Callable[[], Program], drive: Callable[[Program, int], bool]) -> int:
    """Cancel at every await, and check after each run; return how many there were."""
    at = 0
    while True:
        program = make()
        struck = drive(program, at)
        program.check()
        if not struck:
            return at
        at += 1
