"""A runtime on an asyncio loop that somebody else runs: how it is attached, and taken off.

*What it is.* The ladder of the shutdown for a runtime that must not block: it awaits, as
asyncio code does, until the last task has ended.

*Threads.* The loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from threading import get_ident
from typing import TYPE_CHECKING

from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.grace import UNSET
from rescind._host.asyncio import AsyncioHost

if TYPE_CHECKING:
    from rescind.runtime import Runtime

__all__ = ["attached"]


@asynccontextmanager
async def attached(
    cls: type[Runtime], grace: float | None, budget: int, name: str | None
) -> AsyncGenerator[Runtime]:
    """Make a runtime on the running loop, and shut it down on leaving; see `Runtime.attach`."""
    if local.executor is not None:
        raise UsageError(
            f"this thread already runs the runtime {local.executor.name!r}; use that one"
        )
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError(
            "Runtime.attach() needs an asyncio loop that runs on this thread; without one, "
            "use 'with Runtime()' or rescind.run(...)"
        ) from None
    host = AsyncioHost(loop, owned=False)
    runtime = cls(host=host, grace=grace, budget=budget, name=name)
    runtime._running.acquire()  # no other thread may run it
    executor = runtime.executor
    executor.thread = get_ident()
    local.executor = executor
    try:
        yield runtime
    finally:
        await _detach(runtime, loop)


async def _detach(runtime: Runtime, loop: asyncio.AbstractEventLoop) -> None:
    """Shut an attached runtime down without blocking its loop."""
    executor = runtime.executor
    reason = runtime._begin_shutdown("the attached runtime's block was left")
    done = loop.create_future()

    def look(_outcome: object) -> None:
        if not executor.tasks and not done.done():
            done.set_result(None)

    runtime._cancel_all(reason, UNSET)
    for task in list(executor.tasks.values()):
        task.on_end(look)
    look(None)
    canceled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError as exc:
            canceled = exc  # the tasks' cleanup ends first; it is bounded by their grace
    local.executor = None
    runtime._finish_shutdown()
    if canceled is not None:
        raise canceled
