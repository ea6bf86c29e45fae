"""What a request is made under: nothing, a timeout, or a race with a signal to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from bench.subjects.nurseries import Nurseries

__all__ = ["Guard", "Work", "asyncio_guard", "nursery_guard", "plain", "rescind_guard"]

Work: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
#: Makes one request, guarded as the subject says: ``plain``, ``timeout`` or ``race``.
Guard: TypeAlias = Callable[[Work], Awaitable[object]]

PATIENCE: Final = 5.0


async def plain(work: Work) -> None:
    """Make a request that nothing guards."""
    await work()


def rescind_guard(kind: str) -> Guard:
    """Return the guard of this kind for rescind."""
    import rescind
    from rescind.sync import Event

    stop = Event()

    async def timeout(work: Work) -> None:
        await rescind.timeout(work(), PATIENCE)

    async def race(work: Work) -> None:
        await rescind.race(work(), stop.wait())

    return {"plain": plain, "timeout": timeout, "race": race}[kind]


@asynccontextmanager
async def asyncio_guard(kind: str) -> AsyncGenerator[Guard, None]:
    """Give the guard of this kind for asyncio, whose signal to stop is a task."""
    stop = asyncio.create_task(asyncio.Event().wait())

    async def timeout(work: Work) -> None:
        async with asyncio.timeout(PATIENCE):
            await work()

    async def race(work: Work) -> None:
        task = asyncio.create_task(work())
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        task.result()

    try:
        yield {"plain": plain, "timeout": timeout, "race": race}[kind]
    finally:
        stop.cancel()


def nursery_guard(kind: str, lib: Nurseries) -> Guard:
    """Return the guard of this kind for trio and anyio."""
    stop = lib.event()

    async def timeout(work: Work) -> None:
        with lib.fail_after(PATIENCE):
            await work()

    async def race(work: Work) -> None:
        async with lib.group() as nursery:

            async def first(work: Callable[[], Awaitable[object]]) -> None:
                await work()
                nursery.cancel_scope.cancel()

            nursery.start_soon(first, stop.wait)
            nursery.start_soon(first, work)

    return {"plain": plain, "timeout": timeout, "race": race}[kind]
