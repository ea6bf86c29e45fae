"""What concerns the code that runs now: its task, its runtime, its cancellation."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from rescind._core import scope
from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace
from rescind._core.into import as_future
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelReason, make_reason
from rescind._core.task import Task

if TYPE_CHECKING:
    from rescind.runtime import Runtime

__all__ = [
    "SelfCancel",
    "cancel_requested",
    "current_runtime",
    "current_task",
    "effective_deadline",
    "here",
    "self_cancel",
    "spawn",
]

T = TypeVar("T")


def here(what: str) -> Executor:
    """Return the executor of this thread; raise `UsageError` if ``what`` is used without one."""
    executor = local.executor  #: compiled: executor = get_executor()
    if executor is None:
        # In somebody else's task: what that takes is imported by those who do so.
        from rescind._host.bridge import executor_here

        executor = executor_here()
    if executor is None:
        raise UsageError(
            f"{what} needs a running runtime on this thread; use rescind.run(...), or "
            "runtime.spawn(...) from another thread"
        )
    return executor


def current_task() -> Task[Any]:
    """Return the task whose step is under way, also inside a child of a combinator.

    Raises:
        UsageError: no task of rescind's runs on this thread.
    """
    executor = local.executor
    if executor is None or executor.current is None:
        raise UsageError(
            "current_task() was called outside every task of rescind; start one with "
            "rescind.run(...) or rescind.spawn(...)"
        )
    return executor.current


def current_runtime() -> Runtime:
    """Return the runtime that this thread runs, or is attached to.

    Raises:
        UsageError: there is none.
    """
    executor = local.executor
    if executor is None or executor.owner is None:
        raise UsageError(
            "current_runtime() was called outside every runtime; start one with rescind.run(...), "
            "or hand the Runtime itself to other threads"
        )
    runtime: Runtime = executor.owner
    return runtime


def spawn(
    fut: Awaitable[T],
    *,
    name: str | None = None,
    grace: Grace = UNSET,
    owned: tuple[Any, ...] | list[Any] = (),
) -> Task[T]:
    """Start a task on this thread's runtime; it first runs when the caller parks.

    Args:
        fut: a coroutine, a future, or anything that can be awaited.
        name: for messages; ``task-ID`` by default.
        grace: for its cleanup after a cancellation, in seconds; by default the runtime's.
        owned: resources handed over, closed if the body never starts (R5).

    Returns:
        The task. The runtime holds it until its end: it may be dropped without harm.

    Raises:
        TypeError: ``fut`` cannot be awaited, or ``owned`` is no list of things that can be closed.
        ValueError: ``grace`` is negative or NaN.
        UsageError: no runtime runs on this thread.

    Cancellation: spawning does not wait.

    Source: tokio's ``spawn``. Unlike with ``asyncio.create_task``, no reference has to be kept.
    """
    future = as_future(fut)
    try:
        #: compiled: executor = here("spawn()")
        executor = local.executor or here("spawn()")  #: compiled: pass
    except UsageError:
        future.drop()
        raise
    try:
        if owned:
            from rescind.tasks.owned import Owned

            future = Owned(future, owned)
        return executor.spawn(future, name, grace)
    except (TypeError, ValueError):
        future.drop()
        raise


def cancel_requested() -> CancelReason | None:
    """Return why the running code has been asked to cancel, or None if it has not.

    It tells the truth inside a shield too, and during the cleanup.
    """
    request = scope.cancel_requested()
    return None if request is None else request.reason


def effective_deadline() -> float | None:
    """Return the host time at which the nearest deadline or timeout ends, or None.

    It is the earliest on the path from the running code outwards (R21).
    """
    return scope.effective_deadline()


def self_cancel(reason: str | CancelReason | None = None) -> Future[None]:
    """Return a future that cancels the current task when it is awaited.

    Nothing after the await runs, but for cleanup. Inside a shield the await returns, and the
    cancellation arrives at the first park after it.

    Args:
        reason: words, or a complete `CancelReason`.

    Cancellation: it is one.

    Source: cats-effect's ``canceled``.
    """
    return SelfCancel(reason)


class SelfCancel(Future[None]):
    """The future that `self_cancel` returns."""

    __slots__ = ("_asked", "_given", "_parked", "_reason", "_taken")
    _native = True

    def __init__(self, reason: str | CancelReason | None) -> None:
        self._taken = False
        self._asked = False
        self._given = False
        # Did it park? Then the request is on its way here, and it never has an output.
        self._parked = False
        self._reason = reason

    def poll(self, cx: Context) -> Pending | None:
        if self._given:
            polled_after_end(self)
        if not self._asked:
            self._asked = True
            task = current_task()
            task.cancel(make_reason(self._reason, task.executor))
        if not self._parked and scope.pending_request(self) is None:
            self._given = True
            return None  # shielded, or being cleaned up already
        self._parked = True
        cx.waker.wake()
        return PENDING

    def __repr__(self) -> str:
        return "self_cancel()"
