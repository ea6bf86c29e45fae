"""What the drivers that are not ours have in common: a future polled in a task of another world.

*What it is.* `ForeignCell`: a future whose ready queue is the task that awaits it. How that task is
parked, and what its cancellation looks like, is for `bridge` (asyncio) and `trio` to say.

*Threads.* The thread of the driver; `wake` from any.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from rescind._core.cell import Cell
from rescind._core.current import local
from rescind._core.executor import Executor
from rescind._core.grace import UNSET
from rescind._core.hooks import hooks
from rescind._core.poll import Future, new_context
from rescind._core.reason import CancelRequest
from rescind._core.watched import Watched
from rescind._host.ticks import Foreseen

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

    __slots__ = ("executor", "kept", "queued", "stock_task")

    def __init__(self, future: Future[T], executor: Executor, task: Any) -> None:
        self._seat(future, executor, task)

    def _seat(self, future: Future[T], executor: Executor, task: Any) -> None:
        # -- Cell
        self._phase = 0
        own = future._native  #: compiled: own = native(future)
        self.future = future if own else Watched(future)
        self.cx = new_context(self, executor, self, None)
        self.parent = self.request = self.ended = self.dependents = self._grace_timer = None
        self.grace = UNSET
        self.context = copy_context()
        self.started = self.absorbed = self.overran = self.lost = self._graced = False
        # -- ForeignCell
        self.executor = executor
        # In a child's poll another identity is the current one.
        self.stock_task = task
        self.kept = False
        self.queued = True
        if hooks.spawned is not None:
            hooks.spawned(self)

    def begin(self) -> None:
        """Prepare the step that is due; the driver then calls `step`.

        It does so itself: an exception's frames refer back to those below, and a frame of ours in
        between would keep the cell, and so the exception.
        """
        self.queued = False
        executor = self.executor
        executor.refill()  #: compiled: executor.budget = executor._budget
        # A task that was begun eagerly, in the middle of a turn, is the current one meanwhile (E7).
        self.kept, executor.keeps = executor.keeps, False

    def end(self) -> None:
        """Note that the step is over."""
        self.executor.keeps = self.kept

    @contextmanager
    def foreseeing(self, request: CancelRequest) -> Generator[None]:
        """During the block, in which it is stepped, show inside the request that follows.

        What was woken first is delivered (R7). But where there is nothing to deliver, as at a bare
        yield, the branch that parks there looks outwards, and need not wait for its next park.
        """
        outer = local.region
        local.region = Foreseen()
        self.request = request
        try:
            yield
        finally:
            local.region = outer
            self.request = None


def grace_at(executor: Executor) -> float | None:
    """Return when the grace of a cleanup that begins now is over; None: never."""
    return None if executor.grace is None else executor.now() + executor.grace
