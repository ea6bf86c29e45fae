"""`spawn_blocking`: run a blocking function in a thread of the runtime's own pool (R27).

*What it is not.* A way to stop a thread: Python has none. A cancellation asks the function to end,
and the caller chooses whether to wait for it.

*Threads.* The runtime's; the function runs in one of the pool's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

from rescind._core.ending import ended_by
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.site import Site
from rescind._core.task import Task
from rescind.blocking.job import Job
from rescind.blocking.loop_end import obtain
from rescind.blocking.pool import ThreadPool
from rescind.tasks.current import here

__all__ = ["Blocking", "checked_function", "name_of", "spawn_blocking", "thread_pool"]

T = TypeVar("T")

OnOverrun = Literal["wait", "detach"]


def spawn_blocking(
    fn: Callable[..., T],
    *args: Any,
    on_overrun: OnOverrun = "wait",
    name: str | None = None,
    grace: Grace = UNSET,
    pool: ThreadPool | None = None,
    on_undelivered: Callable[[T], object] | None = None,
    **kwargs: Any,
) -> Task[T]:
    """Run ``fn(*args, **kwargs)`` in a thread of the runtime's pool, as a task.

    The function sees a copy of the caller's context variables. It reads its cancellation with
    `canceled`, `check_canceled` or `wait_canceled`, and calls back with `block_on`. What canceling
    the task means:

    - The function has not begun, because every thread is busy: it never runs; `Canceled`.
    - It has begun: it is asked to end. With ``on_overrun="wait"`` the task ends when the function
      does: `Completed` if it returned, after all, a value; `Canceled` if it raised because it was
      asked to end; `Error` if it raised something else. When the grace is over first, the task is
      ``Canceled(dropped=True)``, and the overrun is reported.
    - With ``on_overrun="detach"`` the task is ``Canceled(dropped=True)`` as soon as it has asked.

    In the last two cases the thread goes on: nothing can stop it but its function. It counts as
    detached, and keeps its place in the pool. What it returns goes to ``on_undelivered``; what it
    raises is logged. A shutdown waits for it until its grace is over, and then reports it.

    Args:
        fn: a plain function. Its own keyword arguments cannot be called ``on_overrun``, ``name``,
            ``grace``, ``pool`` or ``on_undelivered``: use ``functools.partial`` for those.
        args: for the function.
        on_overrun: ``"wait"`` (the default) or ``"detach"``, see above.
        name: of the task; by default the function's.
        grace: how long a canceled task waits for the function, in seconds; by default the
            runtime's.
        pool: by default the runtime's own, `thread_pool`.
        on_undelivered: called with a value for which nobody waits any more, in the thread that made
            it; if it had ended by then, in the runtime's.
        kwargs: for the function.

    Returns:
        The task. To take the call along when you are canceled, await ``join_or_cancel(task)``.

    Raises:
        TypeError: ``fn`` is not callable, or an async function.
        UsageError: no runtime or asyncio loop runs on this thread; the pool belongs to another one.

    Cancellation: spawning does not wait; see above for the task's.

    Example:
        >>> import rescind
        >>> from rescind.blocking import spawn_blocking
        >>> async def main():
        ...     return await spawn_blocking(sum, range(10))
        >>> rescind.run(main)
        45

    Source: tokio's ``spawn_blocking``, trio's ``to_thread.run_sync`` with ``abandon_on_cancel``.
    ``asyncio.to_thread`` releases the waiter at once, always, and loses what the function gives.
    """
    checked_function(fn, "spawn_blocking", "spawn it with rescind.spawn(...)")
    if on_overrun not in ("wait", "detach"):
        raise ValueError(f"on_overrun must be 'wait' or 'detach': {on_overrun!r}")
    executor = here("spawn_blocking()")
    if pool is None:
        pool = obtain(executor, _OwnPool, partial(_OwnPool.of, executor))
    pool.belong(executor)
    call = partial(fn, *args, **kwargs)
    what = name or name_of(fn)
    job = Job(call, what, executor, on_undelivered)
    return executor.spawn(
        Blocking(job, pool, detach=on_overrun == "detach"), name=what, grace=grace
    )


def thread_pool() -> ThreadPool:
    """Return the pool of this thread's runtime, to read its statistics or to set its limit.

    Raises:
        UsageError: no runtime or asyncio loop runs on this thread, or it has been shut down.
    """
    executor = here("thread_pool()")
    pool = obtain(executor, _OwnPool, partial(_OwnPool.of, executor))
    pool.belong(executor)
    return pool


class _OwnPool(ThreadPool):
    """The pool that a runtime has by itself; a class of its own tells it from others."""

    @classmethod
    def of(cls, executor: Executor) -> _OwnPool:
        """Make the pool of ``executor``, for `obtain` to add."""
        pool = cls(name=f"{executor.name}-blocking")
        pool._executor = executor
        return pool


def checked_function(fn: object, what: str, instead: str) -> None:
    """Refuse what is no plain function."""
    if inspect.iscoroutinefunction(fn):
        raise TypeError(f"{what}() needs a plain function, but {fn!r} is an async one; {instead}")
    if inspect.iscoroutine(fn):
        fn.close()
        raise TypeError(f"{what}() needs a plain function, not a coroutine; {instead}")
    if not callable(fn):
        raise TypeError(
            f"{what}() needs a function and its arguments, {what}(fn, 1, 2), not {fn!r}"
        )


def name_of(fn: Callable[..., Any]) -> str:
    """Return how messages call a function."""
    while isinstance(fn, partial):
        fn = fn.func
    name: str = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    return name


class Blocking(Future[T]):
    """The future of a task that `spawn_blocking` makes."""

    __slots__ = ("_asked", "_cx", "_detach", "_given", "_job", "_pool", "_submitted", "_taken")
    _native = True

    def __init__(
        self,
        job: Job[T],
        pool: ThreadPool,
        *,
        detach: bool,
    ) -> None:
        self._taken = False
        self._job = job
        self._pool = pool
        self._detach = detach
        self._submitted = False
        # What it was last polled with; None before.
        self._cx: Context | None = None
        # Was the function asked to end?
        self._asked = False
        # Was its output given out, or is it of no use any more?
        self._given = False

    def poll(self, cx: Context) -> T | Pending:
        if self._given:
            polled_after_end(self)
        job = self._job
        job.waker = cx.waker
        self._cx = cx
        if not self._submitted:
            if cx.executor is not job.executor:
                raise UsageError(f"{self!r} belongs to the runtime {job.executor.name!r}")
            self._pool.submit(job)
            self._submitted = True
            job.submitted()
        if not job.ended:
            return PENDING
        self._given = True
        return job.take()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        job = self._job
        job.waker = cx.waker
        if not self._asked:
            self._asked = True
            if not self._submitted or job.revoke():
                self._given = True
                return Canceled(request.reason)
            if not job.ended:
                job.ask(request.reason)
                if self._detach and job.detach():
                    self._given = True
                    return Canceled(request.reason, dropped=True)
        if not job.ended:
            return PENDING
        self._given = True
        try:
            return Completed(job.take())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            return ended_by(exc, request)

    def drop(self) -> None:
        if self._given:
            return
        self._given = True
        job = self._job
        if not self._submitted or job.revoke():
            return
        job.ask(self._reason())
        if not job.detach():
            job.discard()

    def _reason(self) -> CancelReason:
        """Return why it is dropped."""
        cell = None if self._cx is None else self._cx.cell
        if cell is not None and cell.request is not None:
            return cell.request.reason
        return CancelReason(CancelKind.HANDLE_DROPPED, "nobody waits for it any more")

    def _sites(self) -> list[Site]:
        """Return where the function is, for messages about a thread that does not end."""
        return self._job.stack()

    def __repr__(self) -> str:
        return f"{self._job.name} in a thread ({self._job.state.value})"
