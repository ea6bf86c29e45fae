"""What ends with an asyncio loop on which no runtime runs: the threads and processes used there.

*What it is.* A runtime closes its resources when it is shut down. The implicit executor of a plain
asyncio program is never shut down; but whoever ends its loop orderly, as ``asyncio.run`` does,
closes the asynchronous generators that were begun on it. So one is begun, and does it.

*Threads.* The loop's.

*Source.* anyio ends its worker threads when the loop's root task ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from rescind._core.executor import Executor
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.resources import Resource
from rescind._host.asyncio import AsyncioHost

__all__ = ["obtain"]

R = TypeVar("R", bound=Resource)


def obtain(executor: Executor, kind: type[R], make: Callable[[], R]) -> R:
    """Return the executor's resource of this class, made if there is none; it will be closed."""
    if executor.owner is None and isinstance(executor.host, AsyncioHost):
        executor.resources.obtain(_LoopEnd, lambda: _LoopEnd(executor))
    return executor.resources.obtain(kind, make)


class _LoopEnd(Resource):
    """Keeps the generator, which the loop refers to weakly."""

    name = "the end of the loop"

    def __init__(self, executor: Executor) -> None:
        self._waiting = _close_at_end(executor)
        try:
            self._waiting.__anext__().send(None)  # begun: the loop knows it from now on
        except StopIteration:
            pass


async def _close_at_end(executor: Executor) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        reason = CancelReason(CancelKind.SHUTDOWN, "the event loop ended")
        for resource in reversed(executor.resources.all()):
            resource.begin(reason)
            resource.close_now()
