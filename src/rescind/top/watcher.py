"""`Watcher`: counts the polls of each task, and keeps what ended lately, while somebody looks.

*What it is.* An observer that is added when somebody first asks for a picture, and taken off when
nobody is left: a program that is not looked at pays nothing (H1 to H3 of `hooks`).

*Invariants.*
 V1  It holds numbers and texts alone: no task, no frame, no value.
 V2  What it holds is bounded: by the tasks that are alive, and by `KEPT`.

*Threads.* Events come on the threads of the executors; what it knows is read on another.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.hooks import Observer, hooks
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.task import Task

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.executor import Executor

__all__ = ["KEPT", "Ended", "Watcher"]

#: So many that failed or were canceled are kept, and so many that completed.
KEPT: Final = 200
_WIDTH: Final = 200


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended.

    Attributes:
        id: the task's.
        name: its name.
        how: in a word.
        why: the reason or the error, each link of a reason on a line; of a value nothing, which
            may be secret.
        at: when, by the watcher's clock, in seconds.
        age: how old it became, in seconds.
        took: from the request to the end, in seconds; None if it was not asked to cancel.
    """

    id: int
    name: str
    how: str
    why: str
    at: float
    age: float
    took: float | None

    def words(self) -> str:
        """Return how it ended, as a text like that of an `Explanation`."""
        head = f"task {self.id} {self.name!r} has ended: {self.how}"
        lines = [line.strip() for line in self.why.splitlines()]
        return "\n".join([head, *(f"  {line}" for line in lines)])


class Watcher(Observer):
    """Counts polls, and the time that they take.

    Args:
        clock: returns the time in nanoseconds.
    """

    __slots__ = ("_began", "_busy", "_clock", "_completed", "_failed", "_polls", "since", "total")

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._polls: dict[int, int] = {}  # by the id of the task
        self._busy: dict[int, int] = {}  # in nanoseconds
        self._began: dict[int, int] = {}  # of those that are being polled: since when
        self._failed: deque[Ended] = deque(maxlen=KEPT)
        self._completed: deque[Ended] = deque(maxlen=KEPT)
        self.since = clock()
        #: How long tasks have been polled, in nanoseconds, those that have ended included.
        self.total = 0

    def start(self, executors: list[Executor]) -> None:
        """Listen from now on; what is being polled now counts from now."""
        for executor in executors:
            task = executor.current
            if task is not None:
                self._began[task.id] = self.since
        hooks.add(self)

    def stop(self) -> None:
        """Listen no more."""
        hooks.remove(self)

    # -- events -----------------------------------------------------------------------------------

    def polled(self, cell: Cell[Any]) -> None:
        if isinstance(cell, Task):
            number = cast("Task[object]", cell).id
            self._polls[number] = self._polls.get(number, 0) + 1
            self._began[number] = self._clock()

    def parked(self, cell: Cell[Any]) -> None:
        if isinstance(cell, Task):
            number = cast("Task[object]", cell).id
            began = self._began.pop(number, None)
            if began is not None:
                took = self._clock() - began
                self.total += took
                self._busy[number] = self._busy.get(number, 0) + took

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        if not isinstance(cell, Task):
            return
        task = cast("Task[object]", cell)
        began = self._began.pop(task.id, None)
        if began is not None:
            self.total += self._clock() - began
        self._polls.pop(task.id, None)
        self._busy.pop(task.id, None)
        ended = _ended(task, outcome, self._clock() / 1e9)
        (self._completed if ended.how == "completed" else self._failed).append(ended)

    # -- what it knows ----------------------------------------------------------------------------

    def polls(self, number: int) -> int:
        """Return how often this task was polled since somebody looks."""
        return self._polls.get(number, 0)

    def busy(self, number: int) -> float:
        """Return how long that took, in seconds; the poll that is under way counts."""
        began = self._began.get(number)
        running = 0 if began is None else self._clock() - began
        return (self._busy.get(number, 0) + running) / 1e9

    def running(self, number: int) -> float:
        """Return how long the poll of this task is under way, in seconds."""
        began = self._began.get(number)
        return 0.0 if began is None else (self._clock() - began) / 1e9

    def failed(self) -> list[Ended]:
        """Return what failed, was canceled, or went on in spite of it, the latest first."""
        return _copy(self._failed)[::-1]

    def find(self, number: int) -> Ended | None:
        """Return how this task ended; None if it has not, or was forgotten."""
        ended = [*_copy(self._failed), *_copy(self._completed)]
        return next((one for one in ended if one.id == number), None)

    def now(self) -> float:
        """Return the time, in seconds, by its clock."""
        return self._clock() / 1e9


def _ended(task: Task[Any], outcome: Outcome[Any], at: float) -> Ended:
    now = task.executor.now()
    asked = task.request.reasons[0].at if task.request is not None else None
    took = None if asked is None else now - asked
    how, why = _how(task, outcome)
    return Ended(task.id, task.name, how, why, at, now - task.created_at, took)


def _how(task: Task[Any], outcome: Outcome[Any]) -> tuple[str, str]:
    if isinstance(outcome, Completed):
        if not task.absorbed or task.request is None:
            return "completed", ""
        return "completed, though canceled", str(task.request.reason)
    if isinstance(outcome, Canceled):
        how = "abandoned" if outcome.abandoned else "dropped" if outcome.dropped else "canceled"
        return how, str(outcome.reason)
    error = outcome.exception
    try:
        text = f"{type(error).__qualname__}: {error}"
    except Exception:
        text = type(error).__qualname__
    return "failed", " ".join(text.split())[:_WIDTH]


def _copy(ended: deque[Ended]) -> list[Ended]:
    while True:
        try:
            return list(ended)
        except RuntimeError:  # one more ended meanwhile, on another thread
            continue
