"""`Rounds`: what a beat looks for among those who are canceled: who is slow to end.

*What it is.* It looks through the tasks that were asked to cancel, and through the parts of tasks
that are being cleaned up. It is imported when there are any.

*Invariants.*
 W2  Each task is told of once for its cleanup, and once for a shield; what only waits for others
     that were asked to cancel is left to them, unless they wait for each other.

*Threads.* The runtime's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.hooks import explaining
from rescind._core.phase import Phase
from rescind._core.waiting import found_at, parts_of
from rescind._warn.wording import cleanup_line, part_line, shield_line

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.executor import Executor
    from rescind._core.explanation import Explanation
    from rescind._core.task import Task
    from rescind._warn.deliveries import Deliveries
    from rescind._warn.lines import Lines
    from rescind._warn.settings import Warnings

__all__ = ["Rounds"]

#: So many tasks are explained in a beat; the others are counted.
_LOOKS: Final = 50
_CLEANUPS: Final = "slow cleanups"
_SHIELDS: Final = "shields that hold a cancellation back"

#: Nothing holds it back but those in the queue before it.
_ITS_TURN: Final = (Phase.NEW, Phase.READY, Phase.REQUESTED)


class Rounds:
    """Looks for who is slow to end in one runtime.

    Args:
        executor: of the runtime.
        warnings: of what to warn.
        lines: where to warn.

    Attributes:
        told: who was told of: the task's id, and whether it was its shield (W2).
    """

    def __init__(self, executor: Executor, warnings: Warnings, lines: Lines) -> None:
        self.told: set[tuple[int, bool]] = set()
        self._executor = executor
        self._warnings = warnings
        self._lines = lines

    def forget(self, task: Task[Any]) -> None:
        """Note that a task has ended."""
        self.told.discard((task.id, False))
        self.told.discard((task.id, True))

    def look(self) -> bool:
        """Tell of those who are slow to end; return True if there are others that may become so."""
        executor = self._executor
        now = executor.now()
        looks = _LOOKS
        waiting = False
        for task in [task for task in executor.tasks.values() if task.request is not None]:
            shielded = not _raised(task)
            limit = self._warnings.shield_held if shielded else self._warnings.slow_cleanup
            if limit is None or (task.id, shielded) in self.told:
                continue
            if shielded and task.phase in _ITS_TURN:
                waiting = True
                continue
            since = _asked_at(task, now)
            grace_at = None if task.request is None else task.request.grace_at
            if grace_at is not None:
                limit = min(limit, (grace_at - since) / 2)
            if now - since < limit:
                waiting = True
                continue
            self.told.add((task.id, shielded))
            kind = _SHIELDS if shielded else _CLEANUPS
            if looks > 0 and self._lines.free(kind):
                looks -= 1
                self._tell(task, kind)
            else:
                self._lines.count(kind)
        return waiting

    def look_at_parts(self, deliveries: Deliveries) -> bool:
        """Tell of what is slow to end in tasks that are not canceled; True if more may become so.

        Branches that lost a race, work whose timeout has passed, blocks of a deadline.
        """
        limit = self._warnings.slow_cleanup
        if limit is None:
            return False
        now = self._executor.now()
        looks = _LOOKS
        waiting = False
        for part in list(deliveries.unfinished()):
            cell = part.cell()
            at = part.request.grace_at
            most = limit if at is None else min(limit, (at - part.since) / 2)
            if cell is None or now - part.since < most:
                waiting = True
                continue
            deliveries.parts.remove(part)  # W2
            if looks > 0 and self._lines.free(_CLEANUPS):
                looks -= 1
                found: Explanation = explaining.explain(cell)
                if found.cycle or not self._held_up(cell):
                    line = part_line(cell, part, found, now)
                    self._lines.say(_CLEANUPS, line, (found.task.place, found.task.waits_for))
            else:
                self._lines.count(_CLEANUPS)
        return waiting

    def _tell(self, task: Task[Any], kind: str) -> None:
        found: Explanation = explaining.explain(task)
        if not found.cycle and self._held_up(task):
            return  # W2
        if kind == _SHIELDS and not found.task.shields:
            kind = _CLEANUPS  # of what it awaits: that has to end before
        line = (shield_line if kind == _SHIELDS else cleanup_line)(found)
        self._lines.say(kind, line, (found.task.place, found.task.waits_for))

    def _held_up(self, cell: Cell[Any]) -> bool:
        """Does it only wait for the ends of tasks that were asked to cancel, too?"""
        tasks = [self._executor.tasks.get(number) for number in found_at(cell.future)[2]]
        return bool(tasks) and all(one is not None and one.request is not None for one in tasks)


def _raised(task: Task[Any]) -> bool:
    """Has its cancellation been raised inside, so that what runs is its cleanup?"""
    for part in parts_of(task.future):
        if isinstance(part, CoroutineFuture):
            return cast("CoroutineFuture[object]", part).delivered()
    return True


def _asked_at(task: Task[Any], now: float) -> float:
    at = task.cancel_reasons[0].at
    return now if at is None else at
