"""`GroupChild`, and what a group counts and remembers of its children.

*Threads.* The executor's thread only; `GroupStatistics` is data.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from rescind._core.coroutine import CoroutineFuture
from rescind._core.into import as_future
from rescind._core.outcome import Completed, Error, Outcome
from rescind._core.poll import Future, take
from rescind.tasks.places import Held
from rescind.tasks.supervisor import Supervised, Supervisor, keep_running, run_once

if TYPE_CHECKING:
    from rescind._core.task import Task
    from rescind.tasks.group import TaskGroup

__all__ = ["GroupChild", "GroupStatistics", "Tally", "future_for"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """A snapshot of a group's counters.

    Attributes:
        alive: children that have not ended, those that wait for a place and daemons included.
        waiting: children that wait for a place (``limit``), their bodies not begun.
        daemons: daemons that have not ended.
        spawned: children ever spawned.
        completed: children that returned a value.
        failed: children that raised.
        canceled: children that were canceled.
        dropped: canceled children whose cleanup was cut short, their grace being over.
        restarts: how often a child was begun anew (``policy="supervise"``).
    """

    alive: int
    waiting: int
    daemons: int
    spawned: int
    completed: int
    failed: int
    canceled: int
    dropped: int
    restarts: int


class GroupChild(Supervised):
    """One child, as its group knows it.

    Attributes:
        daemon: is it canceled when only daemons are left?
        held: its place in line, if the group has a limit.
        task: its task; None before it is spawned.
    """

    __slots__ = ("_group", "daemon", "held", "task")

    def __init__(self, group: TaskGroup, daemon: bool) -> None:
        self._group = group
        self.daemon = daemon
        self.held: Held[Any] | None = None
        self.task: Task[Any] | None = None

    @property
    def waits(self) -> bool:
        """Does it wait for a place?"""
        return self.held is not None and self.held.waits

    def end(self) -> None:
        """Give its place back."""
        held, self.held = self.held, None
        if held is not None:
            held.end()

    # -- Supervised -------------------------------------------------------------------------------

    def label(self) -> str:
        task = self.task
        assert task is not None  # it runs
        return f"task {task.id} {task.name!r} of group {self._group.name!r}"

    def asked(self) -> bool:
        assert self.task is not None  # it runs
        return self.task.request is not None

    def now(self) -> float:
        assert self.task is not None  # it runs
        return self.task.executor.now()

    def give_up(self, why: str, errors: list[BaseException]) -> None:
        self._group.give_up(why, errors)


def future_for(
    fut: Awaitable[T] | Callable[[], Awaitable[T]], child: GroupChild, supervisor: Supervisor | None
) -> Future[T]:
    """Return the future of a child: for a function, one that calls it when it is polled."""
    if inspect.isawaitable(fut) or not callable(fut):
        return as_future(fut)
    if supervisor is None:
        return take(CoroutineFuture(run_once(fut)), "spawned")
    return take(CoroutineFuture(keep_running(fut, child, supervisor)), "spawned")


class Tally:
    """The children of a group: those alive, the counts of the others, and their outcomes.

    Args:
        keep: of how many children that have ended the outcome is kept; None: of all.
    """

    __slots__ = ("_keep", "_kept", "_order", "alive", "counts", "daemons")

    def __init__(self, keep: int | None) -> None:
        self._keep = keep
        # By the task's id, in the order of spawning.
        self.alive: dict[int, GroupChild] = {}
        # How many of them are daemons.
        self.daemons = 0
        self.counts = {"spawned": 0, "completed": 0, "failed": 0, "canceled": 0, "dropped": 0}
        # Those that have ended, by the task's id; each with its traceback as it was at the end.
        self._kept: dict[int, tuple[Task[Any], TracebackType | None]] = {}
        # Their ids in the order of their ends, if not all are kept.
        self._order: deque[int] = deque()

    def add(self, child: GroupChild, task: Task[Any]) -> None:
        """Count a new child."""
        self.alive[task.id] = child
        self.daemons += child.daemon
        self.counts["spawned"] += 1

    def end(self, child: GroupChild, task: Task[Any], outcome: Outcome[Any]) -> None:
        """Count the end of a child."""
        del self.alive[task.id]
        self.daemons -= child.daemon
        counts = self.counts
        if isinstance(outcome, Completed):
            counts["completed"] += 1
        elif isinstance(outcome, Error):
            counts["failed"] += 1
        else:
            counts["canceled"] += 1
            counts["dropped"] += outcome.dropped
        if self._keep == 0:
            return
        traceback = outcome.exception.__traceback__ if isinstance(outcome, Error) else None
        self._kept[task.id] = (task, traceback)
        if self._keep is not None:
            self._order.append(task.id)
            if len(self._order) > self._keep:
                del self._kept[self._order.popleft()]

    def tasks(self) -> tuple[Task[Any], ...]:
        """Return those alive, in the order of spawning."""
        return tuple(child.task for child in self.alive.values() if child.task is not None)

    def outcomes(self) -> tuple[Outcome[Any], ...]:
        """Return the outcomes that are kept, in the order of spawning."""
        found: list[Outcome[Any]] = []
        for number in sorted(self._kept):
            outcome = self._kept[number][0].outcome()
            assert outcome is not None  # it has ended
            found.append(outcome)
        return tuple(found)

    def statistics(self, restarts: int) -> GroupStatistics:
        """Return a snapshot."""
        return GroupStatistics(
            alive=len(self.alive),
            waiting=sum(child.waits for child in self.alive.values()),
            daemons=self.daemons,
            restarts=restarts,
            **self.counts,
        )

    def restore_tracebacks(self) -> None:
        """Cut from each error's traceback what joiners added to it.

        The frame of a joiner in the block refers to the group, and the group to the error: with
        the traceback that would be a circle.
        """
        for task, traceback in self._kept.values():
            if isinstance(task.ended, Error):
                task.ended.exception.__traceback__ = traceback
