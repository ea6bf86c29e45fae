"""What the drivers that are not ours have in common: a future polled in a task of another world.

*What it is.* `ForeignCell`: a future whose ready queue is the task that awaits it. How that task is
parked, and what its cancellation looks like, is for `bridge` (asyncio) and `trio` to say.

*Threads.* The thread of the driver; `wake` from any.
"""

from __future__ import annotations

from typing import Any, TypeVar

from rescind._core.cell import Cell
from rescind._core.executor import Executor
from rescind._core.poll import Future

__all__ = ["ForeignCell", "grace_at"]

T = TypeVar("T")


class ForeignCell(Cell[T]):
    """A future that a task of another world polls.

    Args:
        future: the future.
        executor: its clock, timers and budget.
        task: the task, of asyncio's or of trio's.

    Attributes:
        queued: is a step due? The task may be resumed for other reasons.
    """

    __slots__ = ("executor", "queued", "stock_task")

    def __init__(self, future: Future[T], executor: Executor, task: Any) -> None:
        super().__init__(future, executor)
        self.executor = executor
        # In a child's poll another identity is the current one.
        self.stock_task = task
        self.queued = True

    def run(self) -> None:
        """Take the step that is due."""
        self.queued = False
        self.executor.refill()
        self.step()


def grace_at(executor: Executor) -> float | None:
    """Return when the grace of a cleanup that begins now is over; None: never."""
    return None if executor.grace is None else executor.now() + executor.grace
