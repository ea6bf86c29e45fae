"""`join_or_cancel`: wait for a task, and take it along if I am canceled."""

from __future__ import annotations

import inspect
from typing import TypeVar

from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending
from rescind._core.reason import CancelKind, CancelRequest
from rescind._core.task import Join, Task

__all__ = ["JoinOrCancel", "join_or_cancel"]

T = TypeVar("T")


class JoinOrCancel(Future[T]):
    """The future that `join_or_cancel` returns."""

    __slots__ = ("_join", "_sent", "_taken", "_task")
    _native = True

    def __init__(self, task: Task[T]) -> None:
        self._taken = False
        self._task = task
        self._join: Join[T] = Join(task)
        self._sent = False

    def poll(self, cx: Context) -> T | Pending:
        if self._join.poll(cx) is PENDING:
            return PENDING
        return self._task.unwrap()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        task = self._task
        if not self._sent:
            self._sent = True
            if not task.done():
                request_for_task = request.follow(CancelKind.PARENT, "its joiner was canceled")
                task.ask(request_for_task)
        outcome = self._join.poll(cx)
        if outcome is PENDING:
            return PENDING
        if isinstance(outcome, Completed):
            return outcome
        if isinstance(outcome, Error):
            return Canceled(request.reason, (outcome.exception, *outcome.also))
        return Canceled(request.reason, outcome.also)

    def drop(self) -> None:
        self._join.drop()

    def blocked_by(self) -> tuple[object, ...]:
        return (self._task,)

    def __repr__(self) -> str:
        return f"join_or_cancel({self._task!r})"


def join_or_cancel(task: Task[T]) -> Future[T]:
    """Return a future of the task's value; if I am canceled meanwhile, so is the task.

    Then the task is drained; if it completed after all, its value is delivered to me, and my
    cancellation arrives at the next park. Nothing is lost either way.

    Args:
        task: a task of this runtime.

    Raises:
        BaseException: what the task raised.
        TaskCanceled: the task was canceled by somebody else.

    Cancellation: safe: cancels the task, and waits for it.

    Source: cats-effect's proposed ``joinOrCancel`` (#4641).
    """
    if not isinstance(task, Task):
        if inspect.iscoroutine(task):
            task.close()
        raise TypeError(f"join_or_cancel() needs a task, made by spawn(), not {task!r}")
    return JoinOrCancel(task)
