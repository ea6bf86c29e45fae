"""`LoopEnd`: the end of an asyncio loop that a runtime owns, as one of its resources.

*What it is.* What ``asyncio.run`` does last: cancel the tasks that asyncio code left behind, close
its async generators, wait for the threads of the default executor; but bounded by the grace, and
with a report of what had not ended.

*Threads.* The loop's thread.

*Source.* ``asyncio.Runner``, which waits for threads for five minutes, and for the rest for ever.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from rescind._core.frames import site_of
from rescind._core.resources import Resource

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from rescind._core.leftover import Leftover

__all__ = ["LoopEnd"]

_log = logging.getLogger("rescind")

#: How often tasks may leave new tasks behind, when they are canceled.
_ROUNDS = 100


class LoopEnd(Resource):
    """Ends what runs on a loop; it does not close the loop itself.

    Args:
        loop: the loop.
    """

    name = "asyncio"
    least = 0.1

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left: list[Leftover] = []
        # Was anything given time to end?
        self._begun = False
        # The default executor: asyncio makes it when it is needed, and uvloop tells of none.
        self._pool: ThreadPoolExecutor | None = None
        if not hasattr(loop, "_default_executor"):
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(thread_name_prefix="asyncio")
            loop.set_default_executor(self._pool)

    def close(self, until: float | None) -> Coroutine[Any, Any, None] | None:
        return None if self._loop.is_closed() else self._close()

    def close_now(self) -> None:
        if self._loop.is_closed():
            return
        for task in _stock_tasks(self._loop):
            left = self._leftover(task)
            # It is told of here; asyncio would tell of it once more when it is collected.
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own
            coro = task.get_coro()
            try:
                if coro is not None:
                    cast("Coroutine[Any, Any, object]", coro).close()
            except BaseException:
                _log.warning("%r failed while it was dropped unfinished", task, exc_info=True)
            else:
                if not self._begun:
                    continue  # it was given no time, and has ended all the same
            self._left.append(left)
        pool = self._default_executor()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def leftovers(self) -> Sequence[Leftover]:
        pool = self._default_executor()
        frames = sys._current_frames()
        for thread in _threads_of(pool):
            site = site_of(frames.get(thread.ident or 0))
            place = None if site is None else f"{site} in {site.function}"
            self._left.append(_leftover(f"thread {thread.name!r}", place))
        return self._left

    def _default_executor(self) -> ThreadPoolExecutor | None:
        found = getattr(self._loop, "_default_executor", None)
        return self._pool if found is None else cast("ThreadPoolExecutor", found)

    def _leftover(self, task: asyncio.Task[Any]) -> Leftover:
        name = f"task {task.get_name()!r}"
        if type(task.get_coro()).__name__ == "async_generator_athrow":
            name += ", which closes an async generator"
        stack = task.get_stack(limit=1)
        site = site_of(stack[-1]) if stack else None
        return _leftover(name, None if site is None else f"{site} in {site.function}")

    async def _close(self) -> None:
        self._begun = True
        failures = await self._end_tasks()
        await self._loop.shutdown_asyncgens()
        pool = self._default_executor()
        if _threads_of(pool):
            assert pool is not None
            await self._join(pool)
        elif self._pool is not None:
            await self._loop.shutdown_default_executor()  # the program may have set another
        if failures:
            raise BaseExceptionGroup("asyncio tasks failed while they were canceled", failures)

    async def _end_tasks(self) -> list[BaseException]:
        failures: list[BaseException] = []
        for _ in range(_ROUNDS):
            left = _stock_tasks(self._loop)
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.wait(left)
            for task in left:
                exc = None if task.cancelled() else task.exception()
                if exc is not None:
                    failures.append(exc)
                    message = "unhandled exception while the runtime was closed"
                    self._loop.call_exception_handler(
                        {"message": message, "exception": exc, "task": task}
                    )
        return failures

    async def _join(self, pool: ThreadPoolExecutor) -> None:
        """Wait for the threads in a thread: unlike asyncio's own, it may be left waiting."""
        loop = self._loop
        done = loop.create_future()

        def end() -> None:
            if not done.done():
                done.set_result(None)

        def wait() -> None:
            pool.shutdown(wait=True)
            try:
                loop.call_soon_threadsafe(end)
            except RuntimeError:
                pass  # nobody waits any more, and the loop is closed

        thread = threading.Thread(target=wait, name="asyncio's threads are joined", daemon=True)
        thread.start()
        await done
        thread.join()


def _leftover(name: str, place: str | None) -> Leftover:
    from rescind._core.leftover import Leftover  # most programs leave nothing over

    return Leftover(LoopEnd.name, name, place)


def _stock_tasks(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    """Return asyncio's own tasks that have not ended, without the identities of ours."""
    everything = cast("set[object]", asyncio.all_tasks(loop))
    return [
        cast("asyncio.Task[Any]", task) for task in everything if isinstance(task, asyncio.Future)
    ]


def _threads_of(pool: ThreadPoolExecutor | None) -> list[threading.Thread]:
    threads: set[threading.Thread] = getattr(pool, "_threads", None) or set()
    return [thread for thread in threads if thread.is_alive()]
