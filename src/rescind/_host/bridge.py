"""Between rescind and other drivers: futures awaited in plain asyncio code, and foreign awaitables.

*What it is.* `drive` lets any future be awaited in a coroutine that a foreign task drives (R31): an
``asyncio.Task`` (`driving`), or one of trio's (`trio_drive`, imported when trio runs).

*What it is not.* A runtime: nothing is spawned. Timers need an executor; each loop gets one when it
is first needed, and its runtime's if it has one.

*Threads.* The loop's thread; a ``concurrent.futures.Future`` may complete on any.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import sys
from collections.abc import Generator
from typing import Any, TypeVar, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import foreign, local
from rescind._core.executor import Executor
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelRequest
from rescind._host.asyncio import AsyncioFuture
from rescind._host.driving import Drive, executor_of_loop

__all__ = ["ThreadFuture", "drive", "executor_here", "stock_task_here"]

T = TypeVar("T")


def executor_here() -> Executor | None:
    """Return the executor of this thread: the runtime's, or the implicit one of its loop."""
    if local.executor is not None:
        return local.executor
    if "trio" in sys.modules and _trio_task() is not None:
        from rescind._host.trio import executor_of_run

        return executor_of_run()
    return executor_of_loop()


def stock_task_here() -> Any:
    """Return the task of asyncio's or trio's that runs now; None outside of both."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return _trio_task() if task is None else task


def _trio_task() -> Any:
    """Return trio's current task, if it is trio that runs the code here.

    Both may run on a thread: trio as a guest of asyncio's loop, which has no current task then; or
    asyncio's loop inside a task of trio's, as trio-asyncio has it.
    """
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is None or not lowlevel.in_trio_task():
        return None
    try:
        if asyncio.current_task() is not None:
            return None
    except RuntimeError:
        pass
    return lowlevel.current_task()


def drive(future: Future[T]) -> Generator[Any, Any, T]:
    """Return what an await of ``future`` is in code that a foreign task runs (R31)."""
    if local.executor is None and "trio" in sys.modules and _trio_task() is not None:
        return _driven_in_trio(future)
    return cast("Generator[Any, Any, T]", Drive(future))


def _driven_in_trio(future: Future[T]) -> Generator[Any, Any, T]:
    from rescind._host.trio_drive import drive as drive_in_trio

    driven = drive_in_trio(future)
    del future  # a traceback keeps this frame
    return (yield from driven.__await__())


class ThreadFuture(Future[T]):
    """Waits for a ``concurrent.futures.Future``.

    Cancellation: loses the result of a function that has started: it goes on, and nobody waits for
    it. One that has not started never does. See `blocking.spawn_blocking` for more.
    """

    __slots__ = ("_future", "_taken", "_waker")
    _native = True

    def __init__(self, future: concurrent.futures.Future[T]) -> None:
        self._taken = False
        self._future = future
        self._waker: Waker | None = None

    def poll(self, cx: Context) -> T | Pending:
        future = self._future
        if not future.done():
            first = self._waker is None
            self._waker = cx.waker
            if first:
                future.add_done_callback(self._on_done)
            if not future.done():
                return PENDING
        return future.result()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        self.drop()
        future = self._future
        if future.cancelled() or not future.done():
            return Canceled(request.reason)
        # It has ended before it could be canceled, on its thread perhaps just now (R7).
        exc = future.exception()
        return Completed(future.result()) if exc is None else Error(exc)

    def drop(self) -> None:
        self._waker = None
        self._future.cancel()

    def _on_done(self, _future: concurrent.futures.Future[T]) -> None:
        waker = self._waker
        if waker is not None:
            waker.wake()

    def __repr__(self) -> str:
        return f"{self._future!r}"


class _Handed(CoroutineFuture[T]):
    """Waits for an ``asyncio.Future`` that was handed over.

    Cancellation: cancels it, even if it was never awaited: nobody else would, and an asyncio task
    would be left to itself.
    """

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[T]) -> None:
        super().__init__(_result_of(future))
        self._future = future

    def drop(self) -> None:
        fresh = inspect.getcoroutinestate(self.coroutine) == inspect.CORO_CREATED
        super().drop()
        if fresh and _runs_here(self._future.get_loop()):
            self._future.cancel()

    def __repr__(self) -> str:
        return repr(AsyncioFuture(self._future))


async def _result_of(future: asyncio.Future[T]) -> T:
    return await future


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _adapt(awaitable: object) -> Future[Any] | None:
    if isinstance(awaitable, concurrent.futures.Future):
        return ThreadFuture(cast("concurrent.futures.Future[object]", awaitable))
    if asyncio.isfuture(awaitable):
        return _Handed(cast("asyncio.Future[object]", awaitable))
    return None


def _install() -> None:
    """Let futures be awaited under asyncio, and those of asyncio and of threads be taken over."""
    foreign.drive = drive
    foreign.adapters = [_adapt]


_install()
