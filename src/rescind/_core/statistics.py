"""`RuntimeStatistics`: the counters of a runtime, at one moment; and `Counts`, which counts.

*Threads.* Data; any. It counts on the thread of its executor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .outcome import Completed, Error, Outcome

__all__ = ["Counts", "RuntimeStatistics"]


@dataclass(frozen=True, slots=True)
class RuntimeStatistics:
    """A snapshot of a runtime's counters.

    Attributes:
        alive: tasks that have not ended.
        ready: entries in the ready queue.
        timers: timers that may still fire.
        spawned: tasks ever spawned.
        completed: tasks that returned a value.
        failed: tasks that raised.
        canceled: tasks that were canceled, the next three included.
        dropped: canceled tasks whose cleanup was cut short.
        abandoned: coroutines that went on after being closed, and are kept unpolled.
        absorbed: completed tasks that had swallowed a cancellation.
        turns: callbacks of the host that were used.
        steps: polls of a task.
    """

    alive: int
    ready: int
    timers: int
    spawned: int
    completed: int
    failed: int
    canceled: int
    dropped: int
    abandoned: int
    absorbed: int
    turns: int
    steps: int


class Counts:
    """What an executor counts; the words are those of `RuntimeStatistics`."""

    __slots__ = (
        "absorbed",
        "canceled",
        "completed",
        "dropped",
        "failed",
        "spawned",
        "steps",
        "turns",
    )

    def __init__(self) -> None:
        self.spawned = 0
        self.completed = 0
        self.failed = 0
        self.canceled = 0
        self.dropped = 0
        self.absorbed = 0
        self.turns = 0
        self.steps = 0

    def note(self, outcome: Outcome[Any], absorbed: bool) -> None:
        """Count the end of a task."""
        if isinstance(outcome, Completed):
            self.completed += 1
            if absorbed:
                self.absorbed += 1
        elif isinstance(outcome, Error):
            self.failed += 1
        else:
            self.canceled += 1
            if outcome.dropped:
                self.dropped += 1

    def snapshot(self, *, alive: int, ready: int, timers: int, abandoned: int) -> RuntimeStatistics:
        """Return the statistics, with what is counted elsewhere."""
        return RuntimeStatistics(
            alive=alive,
            ready=ready,
            timers=timers,
            spawned=self.spawned,
            completed=self.completed,
            failed=self.failed,
            canceled=self.canceled,
            dropped=self.dropped,
            abandoned=abandoned,
            absorbed=self.absorbed,
            turns=self.turns,
            steps=self.steps,
        )
