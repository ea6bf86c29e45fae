"""`GroupChild`, and what a group counts and remembers of its children.

*Threads.* The executor's thread only; `GroupStatistics` is data.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import Future, take
from rescind.tasks.places import Held
from rescind.tasks.supervisor import Supervisor, keep_running, run_once

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


class GroupChild:
    """One child, as its group knows it; called with its outcome when it has ended.

    Attributes:
        group: the one that it is a child of.
        daemon: is it canceled when only daemons are left?
        held: its place in line, if the group has a limit.
        task: its task; None before it is spawned.
    """

    __slots__ = ("daemon", "group", "held", "task")

    def __init__(self, group: TaskGroup, daemon: bool) -> None:
        self.group = group
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

    def __call__(self, outcome: Outcome[Any]) -> None:
        self.group.child_ended(self, outcome)

    # -- Supervised -------------------------------------------------------------------------------

    def label(self) -> str:
        task = self.task
        assert task is not None  # it runs
        return f"task {task.id} {task.name!r} of group {self.group.name!r}"

    def asked(self) -> bool:
        assert self.task is not None  # it runs
        return self.task.request is not None

    def now(self) -> float:
        assert self.task is not None  # it runs
        return self.task.executor.now()

    def give_up(self, why: str, errors: list[BaseException]) -> None:
        self.group.give_up(why, errors)


def future_for(
    fut: Awaitable[T] | Callable[[], Awaitable[T]], child: GroupChild, supervisor: Supervisor | None
) -> Future[T]:
    """Return the future of a child: for a function, one that calls it when it is polled."""
    known = isinstance(fut, (CoroutineType, Future))  # most are, and need not be asked
    if known or inspect.isawaitable(fut) or not callable(fut):
        #: compiled: return as_future(fut)
        return as_future(cast("Awaitable[T]", fut))  #: compiled: pass
    if supervisor is None:
        return take(CoroutineFuture(run_once(fut)), "spawned")
    return take(CoroutineFuture(keep_running(fut, child, supervisor)), "spawned")


class Tally:
    """The children of a group: those alive, the counts of the others, and their outcomes.

    Args:
        keep: of how many children that have ended the outcome is kept; None: of all.
    """

    __slots__ = (
        "_keep",
        "_kept",
        "_order",
        "_tracebacks",
        "alive",
        "canceled",
        "completed",
        "daemons",
        "dropped",
        "failed",
        "spawned",
    )

    def __init__(self, keep: int | None) -> None:
        self._keep = keep
        # By the task's id, in the order of spawning.
        self.alive: dict[int, GroupChild] = {}
        # How many of them are daemons.
        self.daemons = 0
        # As in `GroupStatistics`.
        self.spawned = 0
        self.completed = 0
        self.failed = 0
        self.canceled = 0
        self.dropped = 0
        # Those that have ended, by the id; of those that failed the traceback as it was then.
        self._kept: dict[int, Task[Any]] = {}
        self._tracebacks: dict[int, TracebackType | None] = {}
        # Their ids in the order of their ends, if not all are kept.
        self._order: deque[int] = deque()

    def add(self, child: GroupChild, task: Task[Any]) -> None:
        """Count a new child."""
        self.alive[task.id] = child
        self.daemons += child.daemon
        self.spawned += 1

    def end(self, child: GroupChild, task: Task[Any], outcome: Outcome[Any]) -> None:
        """Count the end of a child."""
        number, keep = task.id, self._keep
        del self.alive[number]
        self.daemons -= child.daemon
        if isinstance(outcome, Completed):
            self.completed += 1
        elif isinstance(outcome, Canceled):
            self.canceled += 1
            self.dropped += outcome.dropped
        else:
            self.failed += 1
            if keep is None or keep > 0:
                self._tracebacks[number] = outcome.exception.__traceback__
        if keep is not None and keep == 0:
            return
        self._kept[number] = task
        if keep is not None:
            self._order.append(number)
            if len(self._order) > keep:
                first = self._order.popleft()
                del self._kept[first]
                self._tracebacks.pop(first, None)

    def tasks(self) -> tuple[Task[Any], ...]:
        """Return those alive, in the order of spawning."""
        return tuple([child.task for child in self.alive.values() if child.task is not None])

    def outcomes(self) -> tuple[Outcome[Any], ...]:
        """Return the outcomes that are kept, in the order of spawning."""
        found: list[Outcome[Any]] = []
        for number in sorted(self._kept):
            outcome = self._kept[number].outcome()
            assert outcome is not None  # it has ended
            found.append(outcome)
        return tuple(found)

    def statistics(self, restarts: int) -> GroupStatistics:
        """Return a snapshot."""
        return GroupStatistics(
            alive=len(self.alive),
            waiting=len([child for child in self.alive.values() if child.waits]),
            daemons=self.daemons,
            spawned=self.spawned,
            completed=self.completed,
            failed=self.failed,
            canceled=self.canceled,
            dropped=self.dropped,
            restarts=restarts,
        )

    def restore_tracebacks(self) -> None:
        """Cut from each error's traceback what joiners added to it.

        The frame of a joiner in the block refers to the group, and the group to the error: with
        the traceback that would be a circle.
        """
        for number, traceback in self._tracebacks.items():
            outcome = self._kept[number].ended
            assert isinstance(outcome, Error)
            outcome.exception.__traceback__ = traceback
