"""`RuntimeStatistics`: the counters of a runtime, at one moment.

*Threads.* Data; any.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RuntimeStatistics"]


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
