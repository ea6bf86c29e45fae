"""Pictures of all tasks, bounded and cheap: the rows of a table, and the counts.

*What it is.* What answers ``tasks`` and ``ended``. To sort and to count looks only at what costs
nothing, an id, a name, a phase; what a task waits for is found out for the rows that are shown, and
for all of them only if one sorts or filters by it.

*What it is not.* A dump: of ten thousand tasks a few hundred are told, and the rest is counted.

*Threads.* That of the server, beside the executors: what changes in the middle of a look is looked
at again, and if it changes again it is told by what costs nothing.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar

from rescind._core.current import live_executors
from rescind._core.executor import Executor
from rescind._core.explanation import CellInfo
from rescind._core.phase import Phase
from rescind._core.reason import printable
from rescind._core.task import Task
from rescind._core.waiting import describe_wait
from rescind.top.protocol import Refusal
from rescind.top.watcher import Watcher
from rescind.trace.snapshot import info_of

__all__ = [
    "SECONDS",
    "SORTS",
    "Budget",
    "copied",
    "ended",
    "matches",
    "one_line",
    "overview",
    "row_of",
    "running_executors",
    "safely",
    "tasks",
    "tasks_of",
    "told",
]

_TRIES: Final = 3
_WIDTH: Final = 200
T = TypeVar("T")
C = TypeVar("C")

#: So long may it take to find out what tasks wait for, which is needed to sort and filter by that;
#: what was not looked at by then counts as waiting for nothing.
SECONDS: Final = 1.0
#: Below this many seconds a poll that is under way is not worth a word.
_LONG: Final = 0.1

_CANCELING: Final = "canceling"
#: In what order states are sorted: what may be wrong, first.
_STATES: Final = {
    Phase.DROPPING: _CANCELING,
    Phase.DOOMED: _CANCELING,
    Phase.OVERDUE: _CANCELING,
    Phase.CLEANING: _CANCELING,
    Phase.CLEANING_READY: _CANCELING,
    Phase.CANCELING: _CANCELING,
    Phase.CANCELING_WOKEN: _CANCELING,
    Phase.REQUESTED: _CANCELING,
    Phase.RUNNING_REQUESTED: _CANCELING,
    Phase.RUNNING: "running",
    Phase.RUNNING_WOKEN: "running",
    Phase.READY: "ready",
    Phase.NEW: "new",
    Phase.PARKED: "waiting",
}
_URGENCY: Final = {phase: rank for rank, phase in enumerate(_STATES)}

_AnyTask = Task[Any]


class Budget:
    """The time for one picture."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._until = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """Is it over?"""
        return time.monotonic() >= self._until

    def waits(self, task: _AnyTask) -> str:
        """Return what a task waits for, in words, as long as there is time."""
        return "" if self.spent else safely(describe_wait, task) or ""


#: By what the table can be sorted.
SORTS: Final[dict[str, Callable[[_AnyTask, Watcher, Budget], Any]]] = {
    "age": lambda task, _watcher, _budget: task.id,
    "state": lambda task, _watcher, _budget: _URGENCY.get(task.phase, len(_URGENCY)),
    "name": lambda task, _watcher, _budget: task.name,
    "polls": lambda task, watcher, _budget: -watcher.polls(task.id),
    "busy": lambda task, watcher, _budget: -watcher.busy(task.id),
    "waits": lambda task, _watcher, budget: budget.waits(task),
}


def overview(watcher: Watcher) -> dict[str, Any]:
    """Return the counts of every runtime: ``at``, ``busy``, ``states``, ``total``, ``runtimes``."""
    running = running_executors()
    states: Counter[str] = Counter()
    for executor in running:
        states.update(_STATES.get(task.phase, "ended") for task in tasks_of(executor))
    return {
        "at": watcher.now(),
        "watched": watcher.now() - watcher.since / 1e9,
        "busy": watcher.total / 1e9,
        "states": states,
        "total": sum(states.values()),
        "runtimes": [_runtime(executor, watcher) for executor in running],
    }


def tasks(
    watcher: Watcher, *, sort: str, reverse: bool, search: str, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return the first rows of the table, and how many there would be.

    Raises:
        Refusal: there is no such order.
    """
    key = SORTS.get(sort)
    if key is None:
        known = ", ".join(SORTS)
        raise Refusal("malformed", f"tasks are sorted by {known}, and not by {sort!r}")
    budget = Budget()
    found = [task for task in _all_tasks() if matches(task, search, budget)]

    def order(task: _AnyTask) -> tuple[Any, int]:
        return key(task, watcher, budget), task.id

    shown = (heapq.nlargest if reverse else heapq.nsmallest)(limit, found, key=order)
    return [row_of(task, watcher) for task in shown], len(found)


def ended(watcher: Watcher, *, search: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return what failed or was canceled lately, the latest first, and how many there are."""
    now = watcher.now()
    rows = [
        {
            "id": one.id,
            "name": one_line(one.name),
            "state": one.how,
            "ago": now - one.at,
            "age": one.age,
            "took": one.took,
            "waits": one_line(one.why.partition("\n")[0]),
        }
        for one in watcher.failed()
        if search in f"{one.id} {one.name} {one.how} {one.why}".casefold()
    ]
    return rows[:limit], len(rows)


# ---------------------------------------------------------------------------------------- runtimes


def running_executors() -> list[Executor]:
    """Return the executors that run tasks, by name."""
    found = [one for one in live_executors() if one.tasks]
    return sorted(found, key=lambda executor: executor.name)


def _runtime(executor: Executor, watcher: Watcher) -> dict[str, Any]:
    statistics = executor.statistics()
    data = {name: getattr(statistics, name) for name in statistics.__slots__}
    data |= {"name": executor.name, "host": executor.host.name, "stuck": None}
    task = executor.current
    if task is not None and (took := watcher.running(task.id)) >= _LONG:
        info = safely(_info, task)
        place = "" if info is None else info.place
        data["stuck"] = {"id": task.id, "name": one_line(task.name), "for": took, "place": place}
    return data


def _all_tasks() -> list[_AnyTask]:
    return [task for executor in running_executors() for task in tasks_of(executor)]


def tasks_of(executor: Executor) -> list[_AnyTask]:
    """Return the tasks of a runtime, the oldest first."""
    return copied(lambda: list(executor.tasks.values()))


# -------------------------------------------------------------------------------------------- rows


def row_of(task: _AnyTask, watcher: Watcher) -> dict[str, Any]:
    """Return the row of a task."""
    info = safely(_info, task)
    row: dict[str, Any] = {
        "id": task.id,
        "name": one_line(task.name),
        "polls": watcher.polls(task.id),
        "busy": watcher.busy(task.id),
    }
    if info is None:  # it changes too fast
        now = task.executor.now()
        state = _STATES.get(task.phase, "ended")
        return row | {"state": state, "age": now - task.created_at, "waits": ""}
    return row | told(info)


def told(info: CellInfo) -> dict[str, Any]:
    """What a row tells of a cell besides its name."""
    return {
        "state": info.state,
        "age": info.age,
        "asked": info.asked,
        "why": one_line(info.reasons[0].line()) if info.reasons else "",
        "waits": one_line(f"{info.waits_for} {info.place}".strip()),
    }


def _info(task: _AnyTask) -> CellInfo:
    return info_of(task, whole=False)


def one_line(text: str) -> str:
    """Return it as one line, with what would move the cursor of a terminal spelled out."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"


def matches(task: _AnyTask, search: str, budget: Budget) -> bool:
    """Does it match, by what is cheap, or else by what it waits for?"""
    if not search:
        return True
    state = _STATES.get(task.phase, "")
    if search in f"{task.id} {task.name} {state}".casefold():
        return True
    if task.request is not None and search in str(task.request.reason).casefold():
        return True
    return search in budget.waits(task).casefold()


def safely(look: Callable[[C], T], cell: C) -> T | None:
    """Look at a cell that goes on meanwhile, on its own thread; None if it changed each time."""
    for _ in range(_TRIES):
        try:
            return look(cell)
        except Exception:  # whatever is half changed: another look is the answer
            continue
    return None


def copied(copy: Callable[[], list[T]]) -> list[T]:
    """Copy what another thread adds to."""
    for _ in range(_TRIES):
        try:
            return copy()
        except RuntimeError:  # its size changed during the iteration
            continue
    return []
