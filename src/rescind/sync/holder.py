"""Who holds a lock: the task that acquired it, and the part of that task.

*What it is.* A lock is owned by a task: any code of the task may release it. But one branch of a
`join` may well wait for what another branch of the same task holds; only the branch that holds it
itself would wait for ever.

*What moves.* A coroutine may be driven by another task than the one that began it: a `shared` one,
or a cleanup that was detached. What it holds it may release there.

*Threads.* Any.
"""

from __future__ import annotations

from typing import Any, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.region import Region
from rescind._core.task import Task
from rescind._core.uncopied import refuse_copy
from rescind._host.bridge import stock_task_here
from rescind._host.driven import ForeignCell

__all__ = ["Holder", "closing", "held_here", "holder_here"]


class Holder:
    """Somebody who holds a lock, once: two of them are never equal.

    Attributes:
        task: the task, rescind's, asyncio's or trio's; None for code outside every task.
        branch: the branch of a combinator that it is, or else the task again; None outside.
        coroutine: stands for the coroutine that it is a part of; 0: rescind drives none.
        frame: stands for the frame whose ``async with`` holds it; 0: none does.
    """

    __slots__ = ("branch", "coroutine", "frame", "task")
    __reduce__ = refuse_copy

    def __init__(self, task: object, branch: object, coroutine: int) -> None:
        self.task = task
        self.branch = branch
        # Ids, not the things themselves: they may hold the lock, and would be reference cycles.
        self.coroutine = coroutine
        self.frame = 0

    def owned_by(self, here: Holder) -> bool:
        """May ``here`` release what this one holds?"""
        return self.task is here.task or (self.coroutine != 0 and self.coroutine == here.coroutine)

    def same_branch(self, other: Holder) -> bool:
        """Is the other in the same branch of the same task, so that it would wait for itself?"""
        return self.branch is not None and self.branch is other.branch

    @property
    def who(self) -> object:
        """The task; or words, where there is none."""
        return str(self) if self.task is None else self.task

    def __str__(self) -> str:
        task: Any = self.task
        if task is None:
            return "code outside every task"
        if isinstance(task, Task):
            named = f"task {task.id} {task.name!r}"
        else:
            asyncios = hasattr(task, "get_name")
            named = f"asyncio task {task.get_name()!r}" if asyncios else f"trio task {task.name!r}"
        branch = self.branch
        if branch is not task and isinstance(branch, Cell) and branch.name is not None:
            named += f", {branch.name}"
        return named


def closing(here: Holder) -> bool:
    """Is ``here`` certainly what is being closed, and not what the collector interrupted?"""
    region = local.region
    return not here.coroutine or region is None or region.cx is None


def holder_here() -> Holder:
    """Return who is running now, on this thread."""
    region = local.region  #: compiled: region = get_region()
    executor = local.executor  #: compiled: executor = get_executor()
    task: Any = None
    if region is not None and region.intruded():
        region = None
    elif executor is not None:
        task = executor.current
    cell = None if region is None or region.cx is None else region.cx.cell
    branch: Any = cell
    if task is None:
        task = _stock_task(cell)
    if branch is not task and (branch is None or isinstance(branch, ForeignCell)):
        branch = task
    coroutine = _coroutine(region)
    return Holder(task, branch, coroutine)  #: compiled: return new_holder(task, branch, coroutine)


def held_here(holder: Holder) -> bool:
    """May who is running now, on this thread, release what ``holder`` holds?"""
    region = local.region  #: compiled: region = get_region()
    executor = local.executor  #: compiled: executor = get_executor()
    task = None if executor is None else executor.current
    intruded = region is not None and region.intruded()
    if task is not None and task is holder.task and not intruded:
        return True
    return holder.owned_by(holder_here())


def _coroutine(region: Region | None) -> int:
    """Return what stands for the innermost coroutine that is being driven; 0: none is."""
    while region is not None:
        if isinstance(region, CoroutineFuture):
            return id(cast("Region", region))  #: compiled: return address(region)
        region = region.outer
    return 0


def _stock_task(cell: Cell[Any] | None) -> Any:
    """Return asyncio's or trio's task that runs now; in a branch of it the task, not the branch."""
    while cell is not None:
        task = getattr(cell, "stock_task", None)
        if task is not None:
            return task
        cell = cell.parent
    return stock_task_here()
