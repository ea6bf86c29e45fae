"""Programs as data: what the laws are checked on.

*What it is.* A program is a tree of frozen nodes. Its ``repr`` is the text that makes it again,
with the names of this module, so one that breaks a law can be copied into a test.
`interpret.Machine` runs it.

*What it is not.* A language for users: each node stands for one thing of rescind's surface.

*Threads.* Immutable.

*Source.* The generated programs of cats-effect's laws; Claessen and Hughes' QuickCheck.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias

__all__ = [
    "Both",
    "Bracket",
    "Cancel",
    "Catch",
    "CatchCancel",
    "Fail",
    "Finalize",
    "ForceThen",
    "Group",
    "Guard",
    "Locked",
    "Masked",
    "Never",
    "OnCancel",
    "Open",
    "Outcomes",
    "Pause",
    "Permitted",
    "Program",
    "Race",
    "Receive",
    "SelfCancel",
    "Send",
    "Seq",
    "Shield",
    "Sleep",
    "SpawnJoin",
    "Timeout",
    "Value",
    "nodes",
    "seq",
    "size",
]

Number: TypeAlias = "int | float"


@dataclass(frozen=True, repr=False)
class Program:
    """A node; its fields are numbers, words, and programs."""

    def __repr__(self) -> str:
        values = ", ".join(repr(getattr(self, one.name)) for one in fields(self))
        return f"{type(self).__name__}({values})"


def children(program: Program) -> Iterator[Program]:
    """Yield the programs that this one is made of."""
    for one in fields(program):
        value = getattr(program, one.name)
        if isinstance(value, Program):
            yield value


def nodes(program: Program) -> Iterator[Program]:
    """Yield this program and all that are in it, outermost first."""
    yield program
    for child in children(program):
        yield from nodes(child)


def size(program: Program) -> int:
    """Return of how many nodes a program is made."""
    return sum(1 for _ in nodes(program))


# -- leaves ----------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Value(Program):
    """Return ``value``, at once."""

    value: int = 0


@dataclass(frozen=True, repr=False)
class Fail(Program):
    """Raise `Boom` with this word."""

    word: str = "a"


@dataclass(frozen=True, repr=False)
class Sleep(Program):
    """Park for so many seconds."""

    seconds: Number = 1


@dataclass(frozen=True, repr=False)
class Pause(Program):
    """Let the other tasks run once."""


@dataclass(frozen=True, repr=False)
class Never(Program):
    """Park for ever."""


@dataclass(frozen=True, repr=False)
class SelfCancel(Program):
    """Cancel the task that runs this, with this word as its reason."""

    word: str = "self"


@dataclass(frozen=True, repr=False)
class Send(Program):
    """Send ``value`` into the world's channel, which has room for one."""

    value: int = 0


@dataclass(frozen=True, repr=False)
class Receive(Program):
    """Receive from the world's channel."""


# -- in one coroutine ------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Seq(Program):
    """Run the first, then the second, whose value it is."""

    first: Program
    second: Program


@dataclass(frozen=True, repr=False)
class Catch(Program):
    """Run ``body``; if it raises an exception, run ``handler`` instead of what is left of it."""

    body: Program
    handler: Program


@dataclass(frozen=True, repr=False)
class ForceThen(Program):
    """Run ``first``, whatever its value or exception, but for a cancellation; then ``second``."""

    first: Program
    second: Program


@dataclass(frozen=True, repr=False)
class OnCancel(Program):
    """Run ``finalizer`` if ``body`` is canceled."""

    body: Program
    finalizer: Program


@dataclass(frozen=True, repr=False)
class Finalize(Program):
    """Run ``finalizer`` however ``body`` ends."""

    body: Program
    finalizer: Program


@dataclass(frozen=True, repr=False)
class CatchCancel(Program):
    """Return how ``body`` ended; `Outcomes` that end as values."""

    body: Program


@dataclass(frozen=True, repr=False)
class Shield(Program):
    """Run ``body`` in ``shield(...)``."""

    body: Program


@dataclass(frozen=True, repr=False)
class Masked(Program):
    """Run ``body`` in ``with shielded() as gate``; ``gate`` is the name by which it is opened."""

    body: Program
    gate: str = "g"


@dataclass(frozen=True, repr=False)
class Open(Program):
    """Run ``body`` through the gate of this name; simply run it where there is none."""

    body: Program
    gate: str = "g"


@dataclass(frozen=True, repr=False)
class Bracket(Program):
    """Acquire, use, release."""

    acquire: Program
    use: Program
    release: Program


@dataclass(frozen=True, repr=False)
class Timeout(Program):
    """Cancel ``body`` after so many seconds."""

    seconds: Number
    body: Program


@dataclass(frozen=True, repr=False)
class Guard(Program):
    """Run ``body`` under a token that is canceled after so many seconds."""

    seconds: Number
    body: Program


@dataclass(frozen=True, repr=False)
class Locked(Program):
    """Run ``body`` with the world's mutex."""

    body: Program


@dataclass(frozen=True, repr=False)
class Permitted(Program):
    """Run ``body`` with one of the two permits of the world's semaphore."""

    body: Program


# -- several at a time -----------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Race(Program):
    """The first of two to end."""

    left: Program
    right: Program


@dataclass(frozen=True, repr=False)
class Both(Program):
    """Both values, by ``join``."""

    left: Program
    right: Program


@dataclass(frozen=True, repr=False)
class Outcomes(Program):
    """How both ended, by ``outcomes``."""

    left: Program
    right: Program


@dataclass(frozen=True, repr=False)
class Group(Program):
    """Spawn ``left`` in a task group, run ``right`` in its block."""

    left: Program
    right: Program


@dataclass(frozen=True, repr=False)
class SpawnJoin(Program):
    """Run ``body`` in a task of its own, and await that."""

    body: Program


@dataclass(frozen=True, repr=False)
class Cancel(Program):
    """Run ``body`` in a task of its own, cancel that after so many seconds, see it end."""

    seconds: Number
    body: Program
    word: str = "cancel"


def seq(*programs: Program) -> Program:
    """Return the programs one after the other, as `Seq`."""
    *before, last = programs
    for program in reversed(before):
        last = Seq(program, last)
    return last
