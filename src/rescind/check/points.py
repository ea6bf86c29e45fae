"""Where, when and how a run cancels, and how it is judged: plain data, stable across runs.

*What it is.* A point is a place in the program, not a number in a list: the task by its path, the
stack of awaits by file and line, and which visit of that place it is. So a run whose beginning
went another way is found out, instead of canceling something else.

*Threads.* Data; any. Picklable.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

__all__ = [
    "ALL_HELD",
    "ROOT",
    "Held",
    "Instant",
    "Judge",
    "Mode",
    "Point",
    "RunPlan",
    "Until",
]

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


class Until(enum.Enum):
    """How long answers are late."""

    IDLE = "until nothing else can run"
    """Longer than the next use takes to send its own request, if it comes in the same tick."""
    ENDED = "until the canceled one has ended"
    """They come between it and the next use."""


@dataclass(frozen=True, slots=True)
class Held:
    """What arrives late: on which of the program's connections, and how long it is held back.

    Attributes:
        connection: the number of the one connection, counted from 1 in the order in which the
            program made them, those of ``setup`` first; 0: all of them.
        until: when it is let through.
    """

    connection: int = 0
    until: Until = Until.IDLE

    def __str__(self) -> str:
        which = f" on connection {self.connection} alone" if self.connection else ""
        long = f", {self.until.value}" if self.until is not Until.IDLE else ""
        return f"with late answers{which}{long}"


ALL_HELD: Final = Held()
"""All connections, as long as possible."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run: what is canceled where, and what is looked at then.

    Attributes:
        point: where; None: nothing is canceled.
        instant: when.
        mode: how.
        judge: what follows.
        second: cancel once more at this suspension after the first cancel, counted from 1; 0: no.
        hold: what arrives late, from the cancel on; None: nothing does.
    """

    point: Point | None = None
    instant: Instant = Instant.PARKED
    mode: Mode = Mode.ASYNCIO
    judge: Judge = Judge.LOOK
    second: int = 0
    hold: Held | None = None

    def clean(self) -> RunPlan:
        """Return the run with which this one is compared: the same, but nothing is canceled."""
        between = self.instant is Instant.CALLBACK  # then the callbacks are noted
        instant = Instant.CALLBACK if between else Instant.PARKED
        return RunPlan(instant=instant, mode=self.mode, judge=self.judge)

    def __str__(self) -> str:
        if self.point is None:
            return f"not canceled, {self.judge.value}, as under {self.mode.value}"
        second = f", again at suspension {self.second} of the cleanup" if self.second else ""
        hold = "" if self.hold is None else f", {self.hold}"
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
