"""`to_asyncio_future`: a task of ours as an ``asyncio.Future``, for code that takes nothing else.

*What it is.* The way out, as `as_future` is the way in: a future of asyncio's that ends as the
task does, and whose ``cancel`` asks the task.

*What it is not.* Needed to await a task: ``await task`` works in asyncio code as it is. That waits
and no more, while this one owns what it stands for, as an ``asyncio.Task`` would.

*Invariants.*
 A1  It ends when the task has ended, its cleanup included, and never before: ``cancel`` asks.
 A2  An error of the task is reported once: by asyncio, if nobody retrieves it from the future.

*Threads.* The loop's; the task's end comes to it there.

*Source.* ``asyncio.Task``, whose ``cancel`` is a request, too; ``asyncio.wrap_future``, whose
``cancel`` takes effect at once and leaves the work behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar

from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.reason import CancelKind, CancelReason, make_reason
from rescind._core.task import Task
from rescind._host.asyncio import AsyncioHost
from rescind._host.bridge import executor_here

__all__ = ["TaskFuture", "to_asyncio_future"]

T = TypeVar("T")


class TaskFuture(asyncio.Future[T]):
    """Stands for a task of ours in asyncio's world; made by `to_asyncio_future`."""

    def __init__(self, task: Task[T], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._task = task
        # The first request is passed on; anyio repeats its own each tick.
        self._asked = False
        task.on_end(self._end)

    @property
    def task(self) -> Task[T]:
        """The task that it stands for."""
        return self._task

    def cancel(self, msg: Any = None) -> bool:
        """Ask the task to cancel; return False if it has ended (A1)."""
        if self.done():
            return False
        if not self._asked:
            self._asked = True
            self._task.cancel(_reason(msg, self._task.executor))
        return True

    def set_result(self, result: T, /) -> NoReturn:
        """Refuse: the task sets it."""
        raise RuntimeError(f"{self!r} does not support set_result: it ends as its task does")

    def set_exception(self, exception: object, /) -> NoReturn:
        """Refuse: the task sets it."""
        raise RuntimeError(f"{self!r} does not support set_exception: it ends as its task does")

    def _end(self, outcome: Outcome[T]) -> None:
        try:
            if isinstance(outcome, Completed):
                super().set_result(outcome.value)
            elif isinstance(outcome, Canceled):
                super().cancel(outcome.reason.line())
            else:
                super().set_exception(_settable(outcome.exception))
        except RuntimeError:
            # Nobody can be called back on a closed loop. The result is set all the same.
            if not self.get_loop().is_closed():
                raise


def _reason(msg: object, executor: Executor) -> CancelReason:
    """Return the reason for a request of asyncio's: its words, its task, the line that asked."""
    reason = make_reason(None if msg is None else str(msg), executor, CancelKind.FOREIGN)
    if reason.by is not None:
        return reason
    try:
        asking = asyncio.current_task()
    except RuntimeError:
        return reason  # a callback, or no loop
    by = None if asking is None else asking.get_name()
    return CancelReason(reason.kind, reason.message, by, reason.where, reason.at)


def _settable(exc: BaseException) -> BaseException:
    """Return ``exc``, or what asyncio puts in its place: a future cannot raise StopIteration."""
    if not isinstance(exc, StopIteration):
        return exc
    replaced = RuntimeError("the task raised StopIteration, which a future cannot raise")
    replaced.__cause__ = exc
    return replaced


def to_asyncio_future(fut: Awaitable[T]) -> asyncio.Future[T]:
    """Return an ``asyncio.Future`` for a task: for ``asyncio.wait``, ``as_completed`` and the like.

    It ends when the task has ended: with its value, with its exception, or canceled, with the words
    of the reason. Its ``cancel`` asks the task to cancel, for a reason of kind ``FOREIGN``, and
    returns; as with an ``asyncio.Task``, it ends when the cleanup has, and ends with a value if the
    task has one in spite of it. Further calls of ``cancel`` ask for nothing more.

    To wait for a task and leave it alone when the wait is canceled, await the task itself.

    Args:
        fut: a task, of the runtime on this loop. Anything else that can be awaited is spawned.

    Returns:
        The future. Whoever drops it detaches the task; an exception that is never retrieved from
        it is reported by asyncio then.

    Raises:
        TypeError: ``fut`` cannot be awaited.
        UsageError: the task's runtime has no asyncio loop, or not the one that runs on this
            thread. From other threads, use ``task.cancellation_handle()``.

    Cancellation: does not wait. To cancel what it returns cancels the task.

    Example:
        >>> import asyncio, rescind
        >>> async def main():
        ...     task = rescind.spawn(rescind.never())
        ...     future = rescind.to_asyncio_future(task)
        ...     await asyncio.wait([future], timeout=0.01)
        ...     future.cancel("it takes too long")
        ...     await asyncio.wait([future])  # until it has cleaned up
        ...     return future.cancelled(), task.outcome().reason.message
        >>> asyncio.run(main())
        (True, 'it takes too long')

    Source: ``asyncio.ensure_future``, ``asyncio.Task.cancel``.
    """
    if isinstance(fut, Task):
        return TaskFuture(fut, _loop_of(fut.executor, repr(fut)))
    future = as_future(fut)
    try:
        executor = executor_here()
        if executor is None:
            raise UsageError(
                f"to_asyncio_future({future!r}) spawns a task, for which no loop runs on this "
                "thread; call it in a coroutine"
            )
        loop = _loop_of(executor, repr(future))
    except UsageError:
        future.drop()
        raise
    return TaskFuture(executor.spawn(future), loop)


def _loop_of(executor: Executor, what: str) -> asyncio.AbstractEventLoop:
    """Return the loop of ``executor``; refuse if it is not to be touched from here."""
    host = executor.host
    if not isinstance(host, AsyncioHost):
        raise UsageError(
            f"{what} runs on the host {host.name!r}, which is no asyncio loop: there is nothing "
            "that an asyncio future could belong to"
        )
    loop = host.loop
    try:
        here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is not loop and (here is not None or loop.is_running()):
        raise UsageError(
            f"{what} belongs to a runtime whose loop does not run on this thread, and an asyncio "
            "future is not for other threads; use task.cancellation_handle(), whose wait() and "
            "cancel() are"
        )
    return loop
