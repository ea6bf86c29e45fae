"""What a blocking function may ask and do while it runs in a thread of the pool.

*What it is.* The other end of `spawn_blocking`: has somebody asked me to end, wait until somebody
does, and run a future on the runtime that I work for.

*What it is not.* A parameter: a function that does not care takes none, and one that does can
be called, and tested, without a runtime: nobody ever asks it to end there.

*Threads.* The pool's; elsewhere as documented.

*Source.* trio's ``from_thread.check_cancelled`` and ``from_thread.run``; tokio's
``Handle::block_on`` inside ``spawn_blocking``.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

from rescind._core.current import local
from rescind._core.errors import Cancellation, UsageError
from rescind._core.grace import checked_seconds
from rescind._core.into import as_future
from rescind._core.outcome import Canceled
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.task import Task
from rescind.blocking.job import Job, working
from rescind.tasks.token import CancellationToken

__all__ = ["block_on", "cancel_reason", "canceled", "check_canceled", "token", "wait_canceled"]

T = TypeVar("T")


def canceled() -> bool:
    """Has this blocking function been asked to end? Cheap, so ask often.

    False where no `spawn_blocking` called it: nobody can ask it to end there.

    Raises:
        UsageError: called in async code, which asks with ``rescind.cancel_requested()``.
    """
    return cancel_reason("canceled()") is not None


def cancel_reason(what: str = "cancel_reason()") -> CancelReason | None:
    """Return why this blocking function has been asked to end, or None if it has not been.

    Args:
        what: how the message of an error calls the caller.

    Raises:
        UsageError: called in async code, which asks with ``rescind.cancel_requested()``.
    """
    job = working.job
    if job is None and local.executor is not None:
        raise UsageError(
            f"{what} is for functions that spawn_blocking() runs; "
            "async code asks rescind.cancel_requested()"
        )
    return None if job is None else job.reason


def check_canceled() -> None:
    """Raise `Cancellation` if this blocking function has been asked to end.

    Let it pass, or clean up and raise it again: the task is then `Canceled`.

    Raises:
        Cancellation: it was asked to end; ``reason`` says why.
        UsageError: called in async code, which has ``await rescind.checkpoint()``.

    Example:
        ``for row in rows: check_canceled(); store(row)``
    """
    reason = cancel_reason("check_canceled()")
    if reason is not None:
        raise Cancellation(reason)


def wait_canceled(timeout: float | None = None) -> bool:
    """Block until this function is asked to end: a ``time.sleep`` that ends early.

    Args:
        timeout: seconds, not negative; None, or infinity: as long as it takes.

    Returns:
        True if it was asked to end, False if the time is over.

    Raises:
        ValueError: ``timeout`` is negative or NaN.
        UsageError: called in async code; or without a timeout where no `spawn_blocking` called the
            function, so that nobody will ever ask it to end.
    """
    if timeout is not None and checked_seconds(timeout, "timeout") > threading.TIMEOUT_MAX:
        timeout = None  # an Event cannot wait for that long
    cancel_reason("wait_canceled()")
    job = working.job
    if job is not None:
        return job.wait(timeout)
    if timeout is None:
        raise UsageError(
            "wait_canceled() would block for ever: this function was not called by "
            "spawn_blocking(), so nobody will ask it to end; give it a timeout"
        )
    time.sleep(timeout)
    return False


def token() -> CancellationToken:
    """Return the token that is canceled when this blocking function is asked to end.

    It is for handing on: to a library, to other threads, or for a callback that closes what the
    function is stuck in: ``token().on_cancel(lambda reason: connection.close())``. Callbacks are
    called on the runtime's thread, so they must not block; what they raise is logged.

    Where no `spawn_blocking` called the function, it is a new token, which nobody cancels.

    Raises:
        UsageError: called in async code.
    """
    cancel_reason("token()")
    job = working.job
    return CancellationToken() if job is None else job.token()


def block_on(fut: Awaitable[T]) -> T:
    """Run a future on the runtime that this function works for, and block until it has ended.

    It runs as a task of its own, with a copy of this thread's context variables. If the function
    is asked to end meanwhile, the task is canceled, and its cleanup waited for.

    Args:
        fut: a coroutine, a future, or anything that can be awaited.

    Returns:
        Its value; also when it completed in spite of a cancellation, which `canceled` then tells.

    Raises:
        BaseException: what the future raised.
        Cancellation: this function was asked to end, and so the future was canceled, or not begun.
        TaskCanceled: the future alone was canceled, by somebody else.
        UsageError: not in a thread of `spawn_blocking`; use ``runtime.spawn(...)`` in others.

    Source: trio's ``from_thread.run``.
    """
    job = working.job
    if job is None:
        if inspect.iscoroutine(fut):
            fut.close()
        raise UsageError(
            "block_on() is for functions that spawn_blocking() runs; await the future in async "
            "code, and use runtime.spawn(...) in other threads"
        )
    future = as_future(fut)
    if job.reason is not None:
        future.drop()
        raise Cancellation(job.reason)
    task = job.executor.spawn(future, name=f"{job.name}'s {future!r}")
    try:
        _wait(job, task)
        outcome = task.outcome()
        if job.reason is not None and (outcome is None or isinstance(outcome, Canceled)):
            raise Cancellation(job.reason, () if outcome is None else outcome.also)
        if outcome is None:
            raise Cancellation(CancelReason(CancelKind.SHUTDOWN, "the runtime has gone"))
        return task.unwrap()
    finally:
        job.leave()
        del task, future  # a traceback keeps this frame


def _wait(job: Job[Any], task: Task[Any]) -> None:
    """Block until the task has ended, or its runtime has gone."""
    answered = job.enter(task)
    job.executor.post(partial(task.on_end, lambda _outcome: answered.set()))
    if not task.done():  # it may have been the last thing that the runtime did
        answered.wait()
