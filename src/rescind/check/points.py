"""Where, when and how a run cancels, and how it is judged: plain data, stable across runs.

*What it is.* A point is a place in the program, not a number in a list: the task by its path, the
stack of awaits by file and line, and which visit of that place it is. So a run whose beginning
went another way is found out, instead of canceling something else.

*Threads.* Data; any. Picklable.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = ["ROOT", "Instant", "Judge", "Mode", "Point", "RunPlan"]

ROOT = "root"
"""The path of the task that runs the scenario; ``root/2`` is the second task that it made."""


class Instant(enum.Enum):
    """When, with respect to a point, the cancellation strikes."""

    UNSTARTED = "before the first poll"
    PARKED = "parked"
    WOKEN = "woken, not resumed"
    CALLBACK = "between callbacks"


class Mode(enum.Enum):
    """How it is canceled."""

    ASYNCIO = "asyncio"
    TWICE = "twice"
    TIMEOUT = "timeout"
    GROUP = "group"
    ANYIO = "anyio"
    RESCIND = "rescind"
    CLOSE = "close"


class Judge(enum.Enum):
    """What is done afterwards, to see what broke."""

    LOOK = "look"
    FOLLOW_UP = "follow-up"
    PROMPT = "prompt"
    STORM = "storm"
    CROWD = "crowd of 2"
    CROWD3 = "crowd of 3"


@dataclass(frozen=True, slots=True)
class Point:
    """A place where a task can be canceled.

    Attributes:
        task: the path of the task, such as ``root/2``.
        stack: the awaits it is parked at, as ``file:line in function``, outermost first; empty
            before its first poll.
        visit: how often it was parked just there, counted from 1; before its first poll 0; for
            an instant between callbacks the number of the callback since the scenario began.
    """

    task: str
    stack: tuple[str, ...] = ()
    visit: int = 0

    @property
    def place(self) -> str:
        """The innermost await."""
        return self.stack[-1] if self.stack else f"the start of {self.task}"

    def __str__(self) -> str:
        visit = f", visit {self.visit}" if self.visit > 1 else ""
        task = "" if self.task == ROOT else f" in task {self.task}"
        return f"{self.place}{task}{visit}"


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run: what is canceled where, and what is looked at then.

    Attributes:
        point: where; None: nothing is canceled.
        instant: when.
        mode: how.
        judge: what follows.
        second: cancel once more at this suspension after the first cancel, counted from 1; 0: no.
        hold: keep what arrives on the program's connections back from the cancel on, until
            nothing else can run.
    """

    point: Point | None = None
    instant: Instant = Instant.PARKED
    mode: Mode = Mode.ASYNCIO
    judge: Judge = Judge.LOOK
    second: int = 0
    hold: bool = False

    def clean(self) -> RunPlan:
        """Return the run with which this one is compared: the same, but nothing is canceled."""
        between = self.instant is Instant.CALLBACK  # then the callbacks are noted
        instant = Instant.CALLBACK if between else Instant.PARKED
        return RunPlan(instant=instant, mode=self.mode, judge=self.judge)

    def __str__(self) -> str:
        if self.point is None:
            return f"not canceled, {self.judge.value}, as under {self.mode.value}"
        second = f", again at suspension {self.second} of the cleanup" if self.second else ""
        hold = ", with late answers" if self.hold else ""
        return (
            f"{self.point}, {self.instant.value}{second}, by {self.mode.value}{hold}; "
            f"{self.judge.value}"
        )


@dataclass(slots=True)
class Visits:
    """Counts how often each stack of a task was seen."""

    counts: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])

    def note(self, stack: tuple[str, ...]) -> int:
        """Count one more visit of ``stack`` and return its number."""
        count = self.counts.get(stack, 0) + 1
        self.counts[stack] = count
        return count
