"""`CancellationHandle`: cancels a task from any thread, and holds nothing of it (R25)."""

from __future__ import annotations

import threading
import weakref
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import UsageError
from .grace import UNSET, Grace, checked_seconds
from .outcome import Outcome
from .reason import CancelReason, CancelRequest, make_reason

if TYPE_CHECKING:
    from .executor import Executor
    from .task import Task

__all__ = ["CancellationHandle"]


class CancellationHandle:
    """Cancels a task from any thread; holds neither its frame nor its output.

    Copies are equal, and usable as keys. Dropping a handle does nothing.

    Attributes:
        task_id: the id of the task.
        name: its name when the handle was made.
    """

    __slots__ = ("__weakref__", "_executor", "_task", "name", "task_id")

    def __init__(self, task: Task[Any]) -> None:
        self.task_id = task.id
        self.name = task.name
        self._executor: Executor = task.executor
        self._task = weakref.ref(task)

    def cancel(
        self, reason: str | CancelReason | None = None, *, grace: Grace = UNSET
    ) -> CancelRequest:
        """Ask the task to cancel, as `Task.cancel`; not accepted if it has ended.

        Args:
            reason: words, or a complete `CancelReason`.
            grace: see `Task.cancel`.
        """
        task = self._task()
        if task is not None:
            return task.cancel(reason, grace=grace)
        return CancelRequest(make_reason(reason, self._executor), accepted=False)

    def done(self) -> bool:
        """Has the task ended, its cleanup included?"""
        task = self._task()
        return task is None or task.done()

    def wait(self, timeout: float | None = None) -> Outcome[Any]:
        """Block this thread until the task has ended; for threads that run no loop.

        Args:
            timeout: seconds, not negative; None, or infinity: as long as it takes.

        Returns:
            The task's outcome.

        Raises:
            TimeoutError: it has not ended in time.
            ValueError: ``timeout`` is negative or NaN.
            UsageError: called on the runtime's own thread, which would wait for itself; or the task
                had ended, and its outcome went with the last reference to it: keep the `Task`.
        """
        if timeout is not None and checked_seconds(timeout, "timeout") == float("inf"):
            timeout = None  # an Event cannot wait for that long
        executor = self._executor
        task = self._task()
        if task is None:
            raise UsageError(
                f"{self.name!r} has ended, and its outcome is gone with the last reference to it; "
                "keep the Task as long as the outcome is wanted"
            )
        outcome = task.outcome()
        if outcome is not None:
            return outcome
        if executor.thread == get_ident():
            raise UsageError(
                f"waiting for {self.name!r} would block the thread that runs it; await the task"
            )
        ended = threading.Event()
        seen: list[Outcome[Any]] = []

        def note(outcome: Outcome[Any]) -> None:
            seen.append(outcome)
            ended.set()

        executor.post(partial(task.on_end, note))
        if executor.stopped:
            # Perhaps nobody looks into the inbox any more: it is being ended, elsewhere, just now.
            task.on_end(note)
        outcome = task.outcome()  # it may have been the last thing that the runtime did
        if outcome is not None:
            return outcome
        del task
        if not ended.wait(timeout):
            raise TimeoutError(f"{self.name!r} has not ended within {timeout} s")
        return seen[0]

    def __copy__(self) -> CancellationHandle:
        task = self._task()
        return self if task is None else CancellationHandle(task)

    def __deepcopy__(self, _memo: object) -> CancellationHandle:
        return self.__copy__()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a cancellation handle cannot be pickled: it belongs to its process; "
            "send the task's outcome instead, which can be if its values can"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CancellationHandle) and other.task_id == self.task_id

    def __hash__(self) -> int:
        return hash(self.task_id)

    def __repr__(self) -> str:
        state = "done" if self.done() else "running"
        return f"<CancellationHandle of task {self.task_id} {self.name!r}, {state}>"
