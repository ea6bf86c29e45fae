"""`explain`: why a task is still alive, why it was canceled, and what it is waiting for.

*What it is.* The picture of one task (`CellInfo`) and those of the tasks that it waits for, as far
as the chain goes; and the text that reads like an answer.

*Threads.* As `snapshot`.

*Source.* ZIO's ``Fiber.dump``, whose most used field is what a fiber is blocked on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.current import live_executors
from rescind._core.errors import UsageError
from rescind._core.explanation import CellInfo, Explanation
from rescind._core.hooks import explaining
from rescind._core.task import Task
from rescind.trace.snapshot import info_of

if TYPE_CHECKING:
    from rescind._core.cell import Cell

__all__ = ["Explanation", "explain", "explained", "find"]

#: How far a chain of tasks that wait for one another is followed.
_DEPTH: Final = 8


def explain(task: Task[Any] | int) -> Explanation:
    """Say why a task is still alive, why it was canceled, and what it is waiting for.

    It covers the task, the children that it polls, and the tasks that it waits for: because it
    joins them, or because they hold a lock that it wants, and so on from these. Nothing is recorded
    for it; it costs nothing while nobody asks.

    Args:
        task: a task, or the id of one that has not ended, of any runtime of this process.

    Returns:
        The explanation; ``print(explain(task))`` is the answer.

    Raises:
        UsageError: no task that is alive has this id.
        TypeError: ``task`` is neither a task nor an id.

    Example:
        >>> import rescind
        >>> async def main():
        ...     task = rescind.spawn(rescind.never(), name="patient")
        ...     await rescind.yield_now()
        ...     return task.explain().task
        >>> info = rescind.run(main)
        >>> info.name, info.state, info.waits_for
        ('patient', 'waiting', 'never()')

    Source: ZIO's fiber dump; what trio, anyio and asyncio users ask for most.
    """
    return explained(_task(task))


def explained(cell: Cell[Any], most: int | None = None) -> Explanation:
    """Explain a task, and cover no more than ``most`` of what it waits for at each step: quickly.

    Args:
        cell: the task, or a child of a combinator.
        most: how many of its children, and how many others altogether; None: all.
    """
    first = info_of(cell, most=most)
    chain: list[CellInfo] = []
    seen = {first.id}
    level = [first]
    for _ in range(_DEPTH):
        blockers = dict.fromkeys(blocker.id for info in level for blocker in info.blocked_by)
        fresh = [number for number in blockers if number is not None and number not in seen]
        if most is not None:
            fresh = fresh[: max(0, most - len(chain))]
        seen.update(fresh)
        # Their groups' tasks are the next level, and need not be looked at twice.
        level = [
            info_of(found, most=most, groups=False)
            for found in map(find, fresh)
            if found is not None
        ]
        chain += level
    return Explanation(first, tuple(chain), _cycle([first, *chain]))


def _task(task: object) -> Task[Any]:
    if isinstance(task, Task):
        return cast("Task[object]", task)
    if isinstance(task, bool) or not isinstance(task, int):
        raise TypeError(f"explain() takes a task or the id of one, not {task!r}")
    found = find(task)
    if found is None:
        raise UsageError(f"there is no task with the id {task} in this process, or it has ended")
    return found


def find(number: int) -> Task[Any] | None:
    """Return the task with this id, of any runtime of this process; None if it has ended."""
    for executor in live_executors():
        task = executor.tasks.get(number)
        if task is not None:
            return task
    return None


def _cycle(infos: list[CellInfo]) -> tuple[str, ...]:
    """Return the labels of a circle among these, if there is one."""
    known = {info.id: info for info in infos}
    done: set[int | None] = set()

    def search(info: CellInfo, path: list[CellInfo]) -> tuple[str, ...]:
        if info in path:
            circle = [*path[path.index(info) :], info]
            return tuple(one.label for one in circle)
        if info.id in done:
            return ()
        for blocker in info.blocked_by:
            following = known.get(blocker.id) if blocker.id is not None else None
            found = search(following, [*path, info]) if following is not None else ()
            if found:
                return found
        done.add(info.id)
        return ()

    for info in infos:
        found = search(info, [])
        if found:
            return found
    return ()


explaining.explain = explained
