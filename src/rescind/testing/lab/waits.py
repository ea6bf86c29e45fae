"""Who waits for whom: what a `Deadlock` of the lab says.

*What it is.* The table of waits that every hang has, and above it the tasks that wait for one
another in a circle, if there is one.

*Threads.* The lab's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rescind._core.task import Task
from rescind._core.waiting import describe_waits, found_at
from rescind.testing.lab.places import place_of_park

__all__ = ["circle_of", "culprits", "who_waits"]

# How the primitives name who holds them, in what they print of themselves.
_HELD = re.compile(r"(?:held|owned) by task (\d+) ")


def who_waits(tasks: Iterable[Task[Any]], now: float) -> str:
    """Return the message for tasks that will wait for ever."""
    tasks = list(tasks)
    lines = [f"nothing can run any more, at {now:g} s; no timer is set"]
    circle = circle_of(tasks)
    if circle:
        names = [task.name for task in circle]
        lines.append("  a circle: " + " waits for ".join([*names, names[0]]))
    lines += describe_waits((task.name, task) for task in tasks) or ["  (no task)"]
    return "\n".join(lines)


def culprits(tasks: Iterable[Task[Any]]) -> tuple[str, ...]:
    """Return the functions in which a hang is: those of the circle, or else of the last links."""
    tasks = list(tasks)
    found = circle_of(tasks) or [task for task in tasks if not _awaited(task)]
    return tuple(sorted({place_of_park(task.future).function for task in found}))


def circle_of(tasks: Iterable[Task[Any]]) -> list[Task[Any]]:
    """Return tasks each of which waits for the next, and the last for the first; or none."""
    by_id = {task.id: task for task in tasks}
    follows = {task.id: _awaited(task) for task in by_id.values()}
    for start in by_id:
        path: list[int] = []
        current: int | None = start
        while current is not None and current in by_id and current not in path:
            path.append(current)
            current = next(iter(follows[current]), None)
        if current is not None and current in path:
            return [by_id[number] for number in path[path.index(current) :]]
    return []


def _awaited(task: Task[Any]) -> tuple[int, ...]:
    """Return the ids of the tasks without which this one cannot go on."""
    _, _, joined = found_at(task.future)
    if joined:
        return joined
    leaf: Any = task.future
    while (inner := getattr(leaf, "leaf", None) or getattr(leaf, "inner", None)) is not None:
        leaf = inner
    return tuple(int(number) for number in _HELD.findall(repr(leaf)))
