"""`Task`: the runtime's container for one top-level future.

*What it is.* A cell with an identity, a place in its executor's ready queue, and those who wait for
its end. The executor holds it strongly from spawn to end: it is never lost to the collector.

*What it is not.* A future: it runs whether or not anybody awaits it, and to stop waiting for it
does not stop it (R17).

*Invariants.*
 K1  Exactly one outcome, the same for every joiner, before or after the end (R15).
 K2  A joiner that is canceled leaves no trace in the task.
 K3  An error that nobody ever saw is logged when the last handle is gone.

*Threads.* `cancel`, `done`, `outcome`, `cancellation_handle` from any; joining on its runtime.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
from collections.abc import Callable, Generator
from contextvars import copy_context
from functools import partial
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .cell import Cell
from .current import local
from .errors import TaskCanceled, UsageError
from .grace import UNSET, Grace, checked_grace
from .hooks import explaining, hooks
from .intofuture import IntoFuture
from .outcome import Canceled, Completed, Error, Outcome
from .poll import PENDING, Context, Future, Pending, new_context, polled_after_end
from .reason import Cancelable, CancelReason, CancelRequest, make_reason, new_request
from .waitlist import Waiter, WaitList
from .watched import Watched

if TYPE_CHECKING:
    from .executor import Executor
    from .explanation import Explanation
    from .handle import CancellationHandle

__all__ = ["Join", "Task", "new_task"]

T = TypeVar("T")

_log = logging.getLogger("rescind")
_ids = itertools.count(1)


class Task(Cell[T], IntoFuture[T], Cancelable):
    """A running future: made by `spawn`.

    Awaiting it gives its value, or raises its exception, or `TaskCanceled`. `join` gives the
    `Outcome` instead, and never raises for what the task did.

    Attributes:
        id: counts from 1, unique in the process.
        created_at: host time of its making, in seconds.
        phase: where it is in its life.
        absorbed: it returned a value although a cancellation had been raised inside (R11).

    Cancellation: safe. A canceled joiner leaves the task as it is; see `join_or_cancel`.
    """

    __slots__ = (
        "_detached",
        "_executor",
        "_joiners",
        "_name",
        "_observed",
        "_on_end",
        "_tb",
        "created_at",
        "id",
        "raised_at",
    )

    # Who waits for the end; made when the first one comes.
    _joiners: WaitList | None
    # Callbacks for the end; made when the first one comes.
    _on_end: list[Callable[[Outcome[Any]], None]] | None
    # Was the outcome seen by anybody (K3)?
    _observed: bool
    _detached: bool
    # Where its cancellation was raised, for what is said of it later; None: nobody noted it.
    raised_at: object
    # The traceback of an Error as it was at the end: each joiner raises with it anew.
    _tb: TracebackType | None

    def __init__(
        self,
        future: Future[T],
        executor: Executor,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        grace: Grace = UNSET,
    ) -> None:
        self._begin(future, executor, name, context, checked_grace(grace))

    def _begin(
        self,
        future: Future[T],
        executor: Executor,
        name: str | None,
        context: contextvars.Context | None,
        grace: Grace,
    ) -> None:
        self.id = next(_ids)
        self.created_at = executor.now()
        self._executor = executor
        self._name = name
        # -- Cell
        self._phase = 0
        own = future._native  #: compiled: own = native(future)
        self.future = future if own else Watched(future)
        self.cx = new_context(self, executor, self, None)
        self.parent = self.request = self.ended = self.dependents = self._grace_timer = None
        self.grace = grace
        self.context = copy_context() if context is None else context  # an empty one is false
        self.started = self.absorbed = self.overran = self.lost = self._graced = False
        # -- Task
        self._joiners = self._on_end = self.raised_at = self._tb = None
        self._observed = self._detached = False
        if hooks.spawned is not None:
            hooks.spawned(self)

    # -- what it is -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name: the one given to `spawn`, or ``task-ID``."""
        return self._name or f"task-{self.id}"

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def executor(self) -> Executor:
        """The executor that it belongs to."""
        return self._executor

    def done(self) -> bool:
        """Has it ended, its cleanup included?"""
        return self.ended is not None

    def outcome(self) -> Outcome[T] | None:
        """Return the outcome, or None as long as it has not ended."""
        if self.ended is not None:
            self._observed = True
        return self.ended

    @property
    def cancel_reasons(self) -> tuple[CancelReason, ...]:
        """Every reason for which it was asked to cancel, the primary one first."""
        return () if self.request is None else self.request.reasons

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.name!r} {self.phase.name.lower()}>"

    def explain(self) -> Explanation:
        """Say why it is still alive, why it was canceled, what it waits for; see `explain`."""
        return explaining.explain(self)

    # -- cancellation -----------------------------------------------------------------------------

    def cancel(
        self, reason: str | CancelReason | None = None, *, grace: Grace = UNSET
    ) -> CancelRequest:
        """Ask the task to cancel; return at once. Callable from any thread.

        The request takes effect where the task is parked, or when it next parks. Await what is
        returned to wait until the cleanup is done; that gives the task's outcome.

        Args:
            reason: words for whoever asks why; or a complete `CancelReason`.
            grace: seconds that the cleanup may take before it is dropped; None: unbounded; 0: drop
                at once. By default the task's own grace. A second request can only shorten it.

        Returns:
            The request; its ``accepted`` is False if the task had already ended.
        """
        executor = self._executor
        if grace is not UNSET:
            grace = checked_grace(grace)
        full = make_reason(reason, executor)
        if grace is UNSET:  # as `effective_grace`: a task has no parent
            grace = self.grace if self.request is None else None
        allowed = executor.grace if grace is UNSET else grace
        # A reason that was made here was made now.
        now = executor.now() if full.at is None or full is reason else full.at
        grace_at = None if allowed is None else now + allowed
        accepted = self.ended is None
        request = new_request(full, grace_at, self, accepted)
        if accepted:
            if get_ident() == executor.thread:
                self.ask(request)
            else:
                executor.post(partial(_ask, self, request))
        return request

    def cancellation_handle(self) -> CancellationHandle:
        """Return a handle that can cancel the task from any thread, and holds nothing of it."""
        from .handle import CancellationHandle  # most tasks are canceled by those who have them

        return CancellationHandle(self)

    def detach(self) -> None:
        """Say that nobody will join: an error is then logged when it happens."""
        self._detached = True

    # -- waiting for the end ----------------------------------------------------------------------

    def join(self) -> Future[Outcome[T]]:
        """Return a future of the outcome; it never raises for what the task did.

        Cancellation: safe. The task goes on (K2).
        """
        join: Join[T] = Join(self)  #: compiled: return joining(self)
        return join

    def into_future(self) -> Future[T]:
        """Return a future of the value; see `Task`."""
        return JoinValue(self)

    def __await__(self) -> Generator[Any, Any, T]:
        #: compiled: return awaiting(self)
        ended: Any = self.ended
        executor = self._executor
        ready = type(self.ended) is Completed and executor.keeps and executor.budget > 0
        if ready and executor is local.executor:
            executor.budget -= 1  # for a leaf that ends at once, as a `JoinValue` would
            self._observed = True
            return _given(ended.value)
        value: JoinValue[T] = JoinValue(self)
        return value.__await__()

    def on_end(self, callback: Callable[[Outcome[Any]], None]) -> None:
        """Call ``callback(outcome)`` at the end, on the runtime's thread; now if it has ended."""
        self._observed = True
        if self.ended is not None:
            callback(self.ended)
        else:
            callbacks = self._on_end
            if callbacks is None:
                callbacks = self._on_end = []
            callbacks.append(callback)

    def joiners(self) -> WaitList:
        """Return the list of those who wait for the end."""
        if self._joiners is None:
            self._joiners = WaitList()  #: compiled: self._joiners = new_list()
        return self._joiners

    def unwrap(self) -> T:
        """Return the value of the ended task, or raise as awaiting it would."""
        outcome = self.outcome()
        if isinstance(outcome, Completed):
            done = outcome
            return done.value
        if isinstance(outcome, Canceled):
            raise outcome.error()
        assert isinstance(outcome, Error)
        raise outcome.exception.with_traceback(self._tb)

    # -- Cell -------------------------------------------------------------------------------------

    def label(self) -> object:
        return self._name or self.id

    def _task_id(self) -> int | None:
        return self.id

    def _enqueue(self) -> None:
        self._executor.enqueue(self)

    def _ended(self, outcome: Outcome[T]) -> None:
        if isinstance(outcome, Error):
            self._tb = outcome.exception.__traceback__
        self._executor.forget(self, outcome)
        joiners = self._joiners
        if joiners is not None:
            joiners.wake_all()
        callbacks = self._on_end
        if callbacks is not None:
            self._on_end = None
            for callback in callbacks:
                callback(outcome)
        if self._detached:
            self._report_unseen()

    def _interrupted(self, exc: BaseException) -> Outcome[T]:
        self._observed = True  # by whoever runs the runtime: it is raised there
        return super()._interrupted(exc)  #: compiled: return Cell._interrupted(self, exc)

    def _report_unseen(self) -> None:
        outcome = self.ended
        if isinstance(outcome, Error) and not self._observed:
            self._observed = True
            exc = outcome.exception
            if self.request is not None and isinstance(exc, TaskCanceled):
                return  # canceled together with the task that it waited for: no news
            _log.error("%r failed and nobody joined it", self, exc_info=(type(exc), exc, self._tb))

    def __del__(self) -> None:
        if _log is None:  # the interpreter exits, and has emptied this module
            return
        try:
            if isinstance(self.ended, Error):
                self._report_unseen()
        except AttributeError:
            pass  # its construction failed


def _given(value: T) -> Generator[Any, Any, T]:
    return value
    yield  # what makes it a generator


def _ask(task: Task[Any], request: CancelRequest) -> None:
    task.ask(request)


def new_task(
    future: Future[T],
    executor: Executor,
    name: str | None,
    context: contextvars.Context | None,
    grace: Grace,
) -> Task[T]:
    """Make a task as its class does, in fewer calls; the grace is a legal one."""
    made: Any = Task  # as any class: the type of its tasks' values is known by the future
    task: Task[T] = made.__new__(made)  #: compiled: task = Task.__new__(Task)
    task._begin(future, executor, name, context, grace)
    return task


class _Joining(Future[T]):
    """Waits for a task's end."""

    __slots__ = ("_given", "_taken", "_task", "_waiter")
    _native = True

    def __init__(self, task: Task[Any]) -> None:
        self._taken = False
        self._task = task
        self._given = False
        self._waiter: Waiter | None = None

    def _look(self, cx: Context) -> Outcome[Any] | None:
        """Return the outcome; None if the task has not ended: then it will wake ``cx.waker``."""
        task = self._task
        executor = cx.executor
        if executor is not None and executor is not task._executor:
            raise UsageError(
                f"{task!r} belongs to another runtime ({task.executor.name}) than the one that "
                f"awaits it ({executor.name}); wait for it with "
                "task.cancellation_handle().wait() in a thread"
            )
        outcome = task.ended
        if outcome is not None:
            task._observed = True
            if self._given:
                polled_after_end(self)
            self._given = True
            return outcome
        if _contains(task, cx.cell):
            raise UsageError(f"{task!r} waits for itself, so it could never end")
        if self._waiter is None:
            self._waiter = task.joiners().join(cx.waker)
        else:
            self._waiter.waker = cx.waker
        return None

    def drop(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._task.joiners().leave(waiter)

    def blocked_by(self) -> tuple[object, ...]:
        return (self._task,)

    def __repr__(self) -> str:
        return f"join of {self._task!r}"


class Join(_Joining[Outcome[T]]):
    """Waits for a task's outcome."""

    __slots__ = ()

    def poll(self, cx: Context) -> Outcome[T] | Pending:
        outcome = self._look(cx)
        return PENDING if outcome is None else outcome


class JoinValue(_Joining[T]):
    """Waits for a task's value."""

    __slots__ = ()

    def poll(self, cx: Context) -> T | Pending:
        if self._look(cx) is None:
            return PENDING
        value: T = self._task.unwrap()
        return value


def _contains(task: Task[Any], cell: Cell[Any] | None) -> bool:
    while cell is not None:
        if cell is task:
            return True
        cell = cell.parent
    return False
