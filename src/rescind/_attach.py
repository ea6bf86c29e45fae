"""A runtime on an asyncio loop that somebody else runs: how it is attached, and taken off.

*What it is.* The driver of the shutdown for a runtime that must not block: between two rungs of the
ladder it awaits, as asyncio code does.

*Threads.* The loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING

from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._host.asyncio import AsyncioHost
from rescind._shutdown import Shutdown

if TYPE_CHECKING:
    from rescind.runtime import Runtime

__all__ = ["Attachment"]


class Attachment:
    """The block in which a runtime is attached; see `Runtime.attach`.

    Args:
        make: makes the runtime, given its host.
    """

    def __init__(self, make: Callable[[AsyncioHost], Runtime]) -> None:
        self._make = make
        # None before the block, and after it.
        self._runtime: Runtime | None = None

    async def __aenter__(self) -> Runtime:
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
        self._runtime = runtime = self._make(AsyncioHost(loop, owned=False))
        runtime._life.running.acquire()  # no other thread may run it
        runtime.executor.thread = get_ident()
        local.executor = runtime.executor
        return runtime

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        shutdown = Shutdown(runtime.executor, "the attached runtime's block was left")
        canceled: asyncio.CancelledError | None = None
        try:
            canceled = await _descend(shutdown, asyncio.get_running_loop())
        except BaseException:
            shutdown.at_once()
            raise
        finally:
            if local.executor is runtime.executor:
                local.executor = None
            runtime._life.end(shutdown)
            shutdown.tell()
        if canceled is not None:
            raise canceled


async def _descend(
    shutdown: Shutdown, loop: asyncio.AbstractEventLoop
) -> asyncio.CancelledError | None:
    """Climb down; return the cancellation that came meanwhile.

    The tasks' cleanup ends first: it is bounded by their grace.
    """
    canceled: asyncio.CancelledError | None = None
    done: asyncio.Future[None] | None = None

    def look() -> None:
        if done is not None and not done.done():
            done.set_result(None)

    shutdown.look = look
    for reached in shutdown.rungs():
        while not reached():
            done = loop.create_future()
            try:
                await done
            except asyncio.CancelledError as exc:
                canceled = exc
    return canceled
