"""`Counts`: what an executor counts.

*Threads.* That of its executor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .outcome import Completed, Error, Outcome

if TYPE_CHECKING:
    from .statistics import RuntimeStatistics

__all__ = ["Counts"]


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
            canceled = outcome
            if canceled.dropped:
                self.dropped += 1

    def snapshot(self, *, alive: int, ready: int, timers: int, abandoned: int) -> RuntimeStatistics:
        """Return the statistics, with what is counted elsewhere."""
        from .statistics import RuntimeStatistics  # few programs ask

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
