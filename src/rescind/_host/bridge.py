"""Between rescind and other drivers: futures awaited in plain asyncio code, and foreign awaitables.

*What it is.* `drive` lets any future be awaited in a coroutine that a stock ``asyncio.Task``
drives (R31): the future is polled there, and parks on an ``asyncio.Future``. A cancellation by
asyncio becomes ``poll_cancel`` with a reason of kind ``FOREIGN``; it is drained, and propagates.
What a task of trio's awaits is handed on to `trio_drive`, imported when trio runs.

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
from threading import get_ident
from typing import Any, TypeVar, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import foreign, local
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.outcome import Canceled, Completed, Error, Outcome, attach
from rescind._core.phase import Phase
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.region import Region
from rescind._host.asyncio import AsyncioFuture, AsyncioHost
from rescind._host.driven import ForeignCell, grace_at

__all__ = ["ThreadFuture", "drive", "executor_here", "stock_task_here"]

T = TypeVar("T")

_implicit: dict[asyncio.AbstractEventLoop, Executor] = {}
"""The executors of loops that run no runtime; those of closed loops go when one is added."""


def executor_here() -> Executor | None:
    """Return the executor of this thread: the runtime's, or the implicit one of its loop."""
    if local.executor is not None:
        return local.executor
    if "trio" in sys.modules and _trio_task() is not None:
        from rescind._host.trio import executor_of_run

        return executor_of_run()
    return _executor_of_loop()


def _executor_of_loop() -> Executor | None:
    """Return the implicit executor of the asyncio loop that runs on this thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    executor = _implicit.get(loop)
    if executor is None:
        for closed in [known for known in list(_implicit) if known.is_closed()]:
            _implicit.pop(closed, None)
        executor = Executor(AsyncioHost(loop, owned=False), name="asyncio")
        _implicit[loop] = executor
    executor.thread = get_ident()  # a loop need not be run by the same thread each time
    return executor


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


class _AsyncioCell(ForeignCell[T]):
    """A future that a stock asyncio task polls; its ready queue is an asyncio future."""

    __slots__ = ("waiter",)

    def __init__(self, future: Future[T], executor: Executor, task: asyncio.Task[Any]) -> None:
        super().__init__(future, executor, task)
        self.waiter: asyncio.Future[None] | None = None

    def _enqueue(self) -> None:
        self.queued = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


def drive(future: Future[T]) -> Generator[Any, Any, T]:
    """Poll ``future`` in the asyncio task that is running now, until its end (R31)."""
    task = None
    try:
        task = asyncio.current_task()
    except RuntimeError:
        pass
    executor = local.executor
    if executor is None:
        if task is None and _trio_task() is not None:
            from rescind._host.trio_drive import drive as drive_in_trio

            driven = drive_in_trio(future)
            del future  # a traceback keeps this frame
            return (yield from driven.__await__())
        executor = _executor_of_loop()
    if task is None or executor is None or not isinstance(executor.host, AsyncioHost):
        raise UsageError(f"{future!r} was awaited where no runtime runs; use rescind.run(...)")
    cell = _AsyncioCell(future, executor, task)
    canceled: asyncio.CancelledError | None = None
    loop = executor.host.loop
    try:
        while True:
            if cell.queued:
                cell.begin()
                cell.step()
                cell.end()
            if cell.ended is not None:
                break
            try:
                if cell.queued:
                    yield  # it woke itself: the host looks for I/O first (E2)
                else:
                    cell.waiter = loop.create_future()
                    yield from cell.waiter
            except asyncio.CancelledError as exc:
                # One request, however often the host repeats it (anyio does, each tick).
                if canceled is None:
                    canceled = exc
                    reason = CancelReason(
                        CancelKind.FOREIGN, str(exc) or None, task.get_name(), None, executor.now()
                    )
                    request = CancelRequest(reason, grace_at=grace_at(executor))
                    if cell.phase is Phase.READY:
                        with cell.foreseeing(request):
                            cell.begin()
                            cell.step()
                            cell.end()
                    cell.ask(request)
        return _settle(cell.ended, canceled, task)
    finally:
        canceled = None
        if cell.ended is None:
            cell.waiter = None  # nobody waits any more, and its loop may be closed
            cell.drop_now(CancelRequest(CancelReason(CancelKind.FOREIGN, "closed by its driver")))
        # A traceback keeps this frame: what it refers to would be a cycle.
        del cell, future


def _settle(
    outcome: Outcome[T], canceled: asyncio.CancelledError | None, task: asyncio.Task[Any]
) -> T:
    try:
        if isinstance(outcome, Completed):
            if canceled is not None:
                # The value is delivered (R7); asyncio's request is put back, its count unchanged.
                _put_back(task, canceled)
            return outcome.value
        if isinstance(outcome, Error):
            raise outcome.exception
        if canceled is None:
            canceled = asyncio.CancelledError(outcome.reason.line())
        for error in outcome.also:
            attach(canceled, error, "while cleaning up")
        raise canceled
    finally:
        del outcome, canceled  # a traceback keeps this frame, too


def _put_back(task: asyncio.Task[Any], canceled: asyncio.CancelledError) -> None:
    """Ask ``task`` once more for what it was asked already, when it has parked next.

    Not at once: it would stay pending when its boundary (a timeout's, say) takes it back, before
    Python 3.13; and if the task ended without parking, its value would be lost to it.
    """
    count = task.cancelling()

    def again() -> None:
        if not task.done() and task.cancelling() >= count:
            task.cancel(*canceled.args)
            task.uncancel()

    task.get_loop().call_soon(again)


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


def _drives(region: Region) -> bool:
    """Does a stock task run inside the poll of ``region``? Eager ones do (Python 3.12)."""
    identity = region.identity if isinstance(region, CoroutineFuture) else None
    return identity is not None and asyncio.current_task(identity.get_loop()) is not identity


def _adapt(awaitable: object) -> Future[Any] | None:
    if isinstance(awaitable, concurrent.futures.Future):
        return ThreadFuture(cast("concurrent.futures.Future[object]", awaitable))
    if asyncio.isfuture(awaitable):
        return _Handed(cast("asyncio.Future[object]", awaitable))
    return None


def _install() -> None:
    """Let futures be awaited under asyncio, and those of asyncio and of threads be taken over."""
    foreign.drive = drive
    foreign.drives = _drives
    if _adapt not in foreign.adapters:
        foreign.adapters.append(_adapt)


_install()
