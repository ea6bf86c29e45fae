"""The tree of all tasks, bounded: runtimes, in them tasks, in these what they wait for.

*What it is.* What answers ``tree``: rows in the order in which they are shown, each with its depth
and a ``key`` that stays the same from one picture to the next. Of many siblings the first ones are
told, and the rest is counted.

*Threads.* As `picture`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from rescind._core.executor import Executor
from rescind._core.task import Task
from rescind._core.waiting import children_of
from rescind.tasks.block import groups_of
from rescind.tasks.group import TaskGroup
from rescind.top.picture import (
    Budget,
    copied,
    matches,
    one_line,
    row_of,
    running_executors,
    safely,
    tasks_of,
    told,
)
from rescind.top.watcher import Watcher
from rescind.trace.snapshot import info_of

__all__ = ["tree"]

#: How many members of one group or combinator are shown; the rest is counted.
_SIBLINGS: Final = 100


def tree(watcher: Watcher, *, search: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of the tree, each under what it belongs to, and how many tasks there are.

    A search leaves what matches, and what that is in.
    """
    rows = list(_Walk(watcher, search, limit).rows())
    return rows, sum(len(executor.tasks) for executor in running_executors())


class _Walk:
    """One walk through runtimes, groups, tasks and children."""

    def __init__(self, watcher: Watcher, search: str, limit: int) -> None:
        self._watcher = watcher
        self._search = search
        self._left = limit
        self._budget = Budget()
        # Cells above the one that is looked at: what is shared may be in itself.
        self._around: list[Any] = []

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every row, each before those within it."""
        for executor in running_executors():
            members = self._members(executor)
            roots = [task for task in tasks_of(executor) if task.id not in members]
            text = f"on {executor.host.name}, {len(executor.tasks)} alive"
            key = f"runtime:{executor.name}"
            row = {"key": key, "depth": 0, "kind": "runtime", "name": executor.name, "waits": text}
            yield from self._with(row, self._cells([("", task) for task in roots], key, 1))

    def _members(self, executor: Executor) -> set[int]:
        """Return the ids of the tasks that are in a group of another one."""
        found: set[int] = set()
        for task in tasks_of(executor):
            for group in safely(_groups_within, task) or ():
                found.update(member.id for member in group.tasks)
        return found

    def _with(
        self, row: dict[str, Any], within: Iterator[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Yield a row and what is within it; nothing, if a search is for something else."""
        found = not self._search or self._search in _text(row)
        if found:
            if self._left <= 0:
                return
            self._left -= 1
            yield row
            yield from within
            return
        first = next(within, None)
        if first is not None:
            yield row
            yield first
            yield from within

    def _cells(
        self, cells: list[tuple[str, Any]], above: str, depth: int
    ) -> Iterator[dict[str, Any]]:
        shown = 0
        for label, cell in cells:
            if cell in self._around:
                continue
            if self._left <= 0 or shown >= _SIBLINGS or self._budget.spent:
                break
            found = False
            for row in self._cell(label, cell, above, depth):
                found = True
                yield row
            shown += found
        else:
            return
        more = "… and more" if self._search else f"… and {len(cells) - shown} more"
        yield {"key": f"{above}/more", "depth": depth, "kind": "more", "name": more, "waits": ""}

    def _cell(self, label: str, cell: Any, above: str, depth: int) -> Iterator[dict[str, Any]]:
        if isinstance(cell, Task):
            task = cast("Task[object]", cell)
            if self._search and not self._may_match(task):
                return
            row = row_of(task, self._watcher) | {"key": f"task:{task.id}", "kind": "task"}
        else:
            info = safely(lambda one: info_of(one, label, whole=False), cell)
            if info is None:
                return
            row = told(info) | {"key": f"{above}/{label}", "kind": "child", "name": one_line(label)}
        yield from self._with(row | {"depth": depth}, self._within(cell, row["key"], depth + 1))

    def _may_match(self, task: Task[Any]) -> bool:
        """Does it match, or may something within it?"""
        if matches(task, self._search, self._budget):
            return True
        return bool(safely(lambda one: groups_of(one) or children_of(one.future), task))

    def _within(self, cell: Any, key: str, depth: int) -> Iterator[dict[str, Any]]:
        self._around.append(cell)
        try:
            children = safely(lambda one: children_of(one.future), cell) or []
            yield from self._cells(children, key, depth)
            for group in safely(groups_of, cell) or ():
                if isinstance(group, TaskGroup):
                    yield from self._group(group, key, depth)
        finally:
            self._around.pop()

    def _group(self, group: TaskGroup, above: str, depth: int) -> Iterator[dict[str, Any]]:
        members = copied(lambda: list(group.tasks))
        key = f"{above}/group:{group.name}"
        why = "" if group.reason is None else one_line(group.reason.line())
        row = {
            "key": key,
            "depth": depth,
            "kind": "group",
            "name": one_line(group.name),
            "why": why,
        }
        row |= {"state": "canceling" if why else "", "waits": f"{len(members)} alive"}
        yield from self._with(row, self._cells([("", task) for task in members], key, depth + 1))


def _groups_within(cell: Any) -> list[TaskGroup]:
    """Return the groups that are open in a cell and in its children."""
    found: list[TaskGroup] = []
    waiting, seen = [cell], {id(cell)}
    while waiting:
        one = waiting.pop()
        found += [group for group in groups_of(one) if isinstance(group, TaskGroup)]
        for _, child in children_of(one.future):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)
    return found


def _text(row: dict[str, Any]) -> str:
    words = (str(row.get(name, "")) for name in ("id", "name", "state", "waits", "why"))
    return " ".join(words).casefold()
