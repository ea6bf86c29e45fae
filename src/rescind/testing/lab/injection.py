"""Injections: a cancellation that the lab sends, with its place in the program.

*What it is.* Plain data: which task by its path, parked at which line for the n-th time, at which
instant, and how. Compared with the points that a run comes by, so that it strikes there or nowhere.

*Threads.* Data; any.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["INJECTOR", "ROOT", "Injection", "Instant", "Kind", "Spot", "spawned"]

ROOT = "root"
"""The path of the task that runs main; ``root/2`` is the second task that it spawned."""

INJECTOR = "the lab"
"""Who asked, in the reasons of injected cancellations."""


def spawned(path: str) -> bool:
    """Was the task of this path spawned by another? If not, it is main, or a part of its stage."""
    return "/" in path


class Instant(enum.Enum):
    """When, with respect to a park, the cancellation strikes."""

    # By identity, in C: each point is looked up by its instant, and Enum hashes in Python.
    __hash__ = object.__hash__

    UNSTARTED = "before the first poll"
    PARKED = "parked"
    WOKEN = "woken, not resumed"
    CLEANUP = "in cleanup"
    CLEANUP_WOKEN = "in cleanup, woken, not resumed"


class Kind(enum.Enum):
    """What is canceled, or runs out."""

    TASK = "task cancel"
    GROUP = "group cancel"
    TOKEN = "token cancel"
    DEADLINE = "deadline expiry"
    RACE_LOST = "race lost"
    PARENT = "parent canceled"
    SECOND = "second request"
    GRACE = "grace expired"


@dataclass(frozen=True, slots=True)
class Spot:
    """A point in a run: where a task is, and for which time.

    Attributes:
        task: the path, such as ``root/2``.
        place: the line within its function, as ``function+offset``; empty before the first poll.
        visit: how often the task was parked there, counted from 1; 0 before the first poll.
        instant: when.
    """

    task: str
    place: str
    visit: int
    instant: Instant

    def __str__(self) -> str:
        if self.instant is Instant.UNSTARTED:
            return f"{self.task}, {self.instant.value}"
        visit = f", visit {self.visit}" if self.visit > 1 else ""
        return f"{self.task} at {self.place}{visit}, {self.instant.value}"


@dataclass(frozen=True, slots=True)
class Injection:
    """One cancellation.

    Attributes:
        spot: where and when.
        kind: what is canceled: the task; or the innermost group, token guard or deadline around
            it; what loses the innermost race; the task that spawned it; the task once more; or what
            is left of its grace.
    """

    spot: Spot
    kind: Kind = Kind.TASK

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.spot}"
