"""What a run of the lab was: how it ended, step by step, and what was left.

*Threads.* Data; any.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from rescind._core.outcome import Outcome
from rescind.testing.lab.events import Decision, Passed
from rescind.testing.lab.injection import Injection
from rescind.testing.lab.places import Place

__all__ = ["NOTHING", "Failure", "FailureKind", "Leftovers", "Run", "Step", "cleaned"]

T = TypeVar("T")

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
_GROUP = re.compile(r"\bgroup-(\d+)\b")
_TASK = re.compile(r"\btask \d+ '([^']*)'")


def cleaned(text: str) -> str:
    """Return a text without what differs from run to run: addresses, and counted names.

    Example:
        >>> from rescind.testing.lab.record import cleaned
        >>> cleaned("<Thing at 0x7f3a> of task 3 'a' in group-17")
        "<Thing at 0x…> of 'a' in group-…"
    """
    text = _TASK.sub(r"'\1'", _ADDRESS.sub("0x…", text))
    return _GROUP.sub("group-…", text)


class FailureKind(enum.Enum):
    """What is wrong with a run."""

    LIVELOCK = "livelock"
    DEADLOCK = "deadlock"
    ERROR = "exception"
    INVARIANT = "invariant"
    LEFTOVERS = "leftovers"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run is not as it should be.

    Attributes:
        kind: what sort of failure.
        sign: what two failures have in common that are the same: the type of the exception and
            where it was raised, the functions that hang or repeat, the name of the invariant, what
            is left. Stable across runs.
        words: what happened, for readers.
        error: the exception, if there is one.
    """

    kind: FailureKind
    sign: str
    words: str
    error: BaseException | None = None

    def same(self, other: Failure | None) -> bool:
        """Is this the same failure, of another run perhaps?"""
        return other is not None and (self.kind, self.sign) == (other.kind, other.sign)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.words}"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was there when main had ended.

    Attributes:
        tasks: those that had not ended, by path and name.
        timers: how many were set that belong to no task.
        unawaited: what was called in the run and not awaited.
    """

    tasks: tuple[str, ...] = ()
    timers: int = 0
    unawaited: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is left, in words: ``tasks``, ``timers``, ``coroutines``."""
        there = (("tasks", self.tasks), ("timers", self.timers), ("coroutines", self.unawaited))
        return tuple(kind for kind, left in there if left)

    def only(self, kinds: Collection[str]) -> Leftovers:
        """Return what is left of these kinds."""
        return Leftovers(
            self.tasks if "tasks" in kinds else (),
            self.timers if "timers" in kinds else 0,
            self.unawaited if "coroutines" in kinds else (),
        )

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def __str__(self) -> str:
        words: list[str] = []
        if self.tasks:
            words.append(f"tasks that main did not wait for: {', '.join(self.tasks)}")
        if self.timers:
            words.append(f"{self.timers} timer(s) that belong to no task")
        if self.unawaited:
            words.append(f"never awaited: {', '.join(self.unawaited)}")
        return "; ".join(words) or "nothing"


NOTHING: Final = Leftovers()
"""What is left of a run that cleans up after itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one task; or a timer that fired, or an injection that struck.

    Attributes:
        number: counted from 1.
        at: virtual time, in seconds.
        task: the path; empty for a timer.
        name: the task's name.
        did: ``polled``, ``canceled`` (a cancellation is delivered), ``cleanup`` (it goes on),
            ``dropped``, ``timer``, ``injected``.
        place: where it is parked afterwards; None if it has ended, and for a timer.
        waits: what it waits for there; empty if it has ended.
        ended: how it ended; empty if it has not.
        shields: in how many shields it is parked.
        cleaning: does it clean up after a cancellation, there?
        notes: what it did to others, and what was done to it, in order.
    """

    number: int
    at: float
    task: str
    name: str
    did: str
    place: Place | None = None
    waits: str = ""
    ended: str = ""
    shields: int = 0
    cleaning: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run(Generic[T]):
    """One run.

    Attributes:
        outcome: how main ended; None if it did not.
        error: the `Deadlock` or the `Livelock` that ended the run instead; else None.
        time: the virtual time at main's end, in seconds.
        steps: how many steps and timers it took until then.
        trace: every step; empty unless the run was recorded.
        decisions: every choice of the schedule.
        passed: every point that it came by.
        struck: the injections that struck, in order.
        missed: the injections whose point the run did not come by.
        leftovers: what was there when main had ended.
        unseen: exceptions of tasks that nobody ever saw, and of the cleanups of canceled ones, by
            path.
        names: of every task, by path.
    """

    outcome: Outcome[T] | None
    error: BaseException | None
    time: float
    steps: int
    trace: tuple[Step, ...]
    decisions: tuple[Decision, ...]
    passed: tuple[Passed, ...]
    struck: tuple[Injection, ...]
    missed: tuple[Injection, ...]
    leftovers: Leftovers
    unseen: tuple[tuple[str, BaseException], ...]
    names: dict[str, str]

    def unwrap(self) -> T:
        """Return main's value, or raise what it, or the lab, raised."""
        if self.outcome is None:
            assert self.error is not None
            raise self.error
        return self.outcome.unwrap()

    @property
    def choices(self) -> tuple[int, ...]:
        """What the schedule chose, for `Replay`."""
        return tuple(decision.taken for decision in self.decisions)

    @property
    def points(self) -> tuple[tuple[str, str, int, str], ...]:
        """Every point, as path, place, visit and instant: the same in an equal run."""
        return tuple(
            (task, "" if place is None else place.key, visit, instant.value)
            for _, task, place, visit, instant in self.passed
        )

    def signature(self) -> tuple[Any, ...]:
        """Return what two runs have in common if the program did the same in both."""
        ended: str = cleaned(repr(self.outcome if self.error is None else self.error))
        return (self.choices, self.points, self.time, self.steps, ended, str(self.leftovers))
