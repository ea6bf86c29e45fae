"""Who holds a lock: the task that acquired it, and the part of that task.

*What it is.* A lock is owned by a task: any code of the task may release it. But one branch of a
`join` may well wait for what another branch of the same task holds; only the branch that holds it
itself would wait for ever.

*Threads.* Any.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from rescind._core.cell import Cell
from rescind._core.current import local
from rescind._core.task import Task

__all__ = ["Holder", "holder_here"]

_OUTSIDE: Final = object()


class Holder(NamedTuple):
    """Somebody who holds a lock.

    Attributes:
        task: the task, rescind's or asyncio's; a marker for code outside every task.
        branch: the branch of a combinator that it is, or else the task again; None outside.
    """

    task: object
    branch: object

    def same_task(self, other: Holder) -> bool:
        """Is the other in the same task?"""
        return self.task is other.task

    def same_branch(self, other: Holder) -> bool:
        """Is the other in the same branch of the same task, so that it would wait for itself?"""
        return self.branch is not None and self.branch is other.branch

    def __str__(self) -> str:
        task = self.task
        if isinstance(task, Task):
            name = f"task {task.id} {task.name!r}"
            branch = self.branch
            if branch is not task and isinstance(branch, Cell) and branch.name is not None:
                name += f", {branch.name}"
            return name
        if isinstance(task, asyncio.Task):
            return f"asyncio task {task.get_name()!r}"
        return "code outside every task"


_NOBODY: Final = Holder(_OUTSIDE, None)


def holder_here() -> Holder:
    """Return who is running now, on this thread."""
    executor = local.executor
    if executor is not None and executor.current is not None:
        region = local.region
        cx = None if region is None else region.cx
        cell: Cell[Any] | None = None if cx is None else cx.cell
        return Holder(executor.current, cell or executor.current)
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return _NOBODY if task is None else Holder(task, task)
