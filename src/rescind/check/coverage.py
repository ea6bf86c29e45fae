"""`Coverage`: which awaits were canceled, and which no run ever reached, by file and line.

*What it is.* A run that is parked somewhere is parked at an await in each frame of its stack; each
of them is marked. Marks only add up, so that the coverage of several runs, sweeps and processes is
the union of theirs, in any order, however often one is counted.

*Invariants.*
 C1  Merging is commutative, associative and idempotent.
 C2  What was seen of a file counts only as long as the file is what it was then.

*Threads.* Data; any, one at a time. Picklable.
"""

from __future__ import annotations

import enum
import hashlib
import inspect
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType

from rescind._core.frames import from_library
from rescind.check.awaits import source_files, source_of
from rescind.check.places import parts_of
from rescind.check.points import Instant, Mode, Point
from rescind.check.record import Record

__all__ = ["Await", "Coverage", "FileCoverage", "Mark", "State"]


class Mark(enum.IntFlag):
    """What runs did at an await.

    ``SEEN``: a task was parked there. ``CANCELED``: a cancellation was raised there. ``CLEANUP``: a
    second one was, in the cleanup after the first. ``SHIELDED``: one was sent there, and held back.
    ``BROKEN``: a cancellation there broke something.
    """

    SEEN = 1
    CANCELED = 2
    CLEANUP = 4
    SHIELDED = 8
    BROKEN = 16


_TRIED = Mark.CANCELED | Mark.CLEANUP | Mark.SHIELDED


class State(enum.Enum):
    """What is known of an await, the worst first."""

    BROKEN = "broken"
    SURVIVED = "survived"
    SHIELDED = "shielded"
    SEEN = "not canceled"
    NEVER = "never reached"


@dataclass(frozen=True, slots=True)
class Await:
    """An await.

    Attributes:
        line: where it is.
        function: the qualified name of the function; empty where that is not known.
        marks: what runs did there.
    """

    line: int
    function: str
    marks: Mark

    @property
    def tried(self) -> bool:
        """Was a cancellation sent there?"""
        return bool(self.marks & _TRIED)

    @property
    def state(self) -> State:
        """What is known of it."""
        if self.marks & Mark.BROKEN:
            return State.BROKEN
        if self.marks & (Mark.CANCELED | Mark.CLEANUP):
            return State.SURVIVED
        if self.marks & Mark.SHIELDED:
            return State.SHIELDED
        return State.SEEN if self.marks & Mark.SEEN else State.NEVER


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """The awaits of a file, by line."""

    file: str
    awaits: tuple[Await, ...]

    @property
    def tried(self) -> int:
        """At how many a cancellation was sent."""
        return sum(one.tried for one in self.awaits)

    @property
    def percent(self) -> float:
        """The share of those; 100 where there is none."""
        return percent_of([self])

    def count(self, state: State) -> int:
        """Return how many are in this state."""
        return sum(one.state is state for one in self.awaits)

    def lines(self, *states: State) -> list[int]:
        """Return the lines of those in one of these states."""
        return [one.line for one in self.awaits if one.state in states]


def percent_of(files: Iterable[FileCoverage]) -> float:
    """Return the share of the awaits at which a cancellation was sent, in percent."""
    every = [one for file in files for one in file.awaits]
    return 100.0 * sum(one.tried for one in every) / len(every) if every else 100.0


@dataclass(slots=True)
class Coverage:
    """The marks of every line that was seen, in the version of the file in which it was seen.

    Attributes:
        marks: by absolute path and digest of the file, by line.
        exempted: file and function of what is never canceled, by the checker's own promise.
    """

    marks: dict[tuple[str, str], dict[int, Mark]] = field(
        default_factory=dict[tuple[str, str], dict[int, Mark]]
    )
    exempted: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _noted: set[tuple[tuple[str, ...], Mark]] = field(
        default_factory=set[tuple[tuple[str, ...], Mark]], repr=False, compare=False
    )

    # -- what runs add ----------------------------------------------------------------------------

    def note(self, record: Record, *, broken: bool = False, unresolved: bool = False) -> None:
        """Add what a run did.

        Args:
            record: the run.
            broken: did the cancellation break something?
            unresolved: did the run go another way? Then it was seen, but canceled nothing.
        """
        plan = record.plan
        if plan.point is None or unresolved:
            for point, _ in record.points:
                self._mark(point.stack, Mark.SEEN)
        for stack in record.after:
            self._mark(stack, Mark.SEEN)
        if plan.point is None or not record.struck or unresolved:
            return
        for number, point in enumerate(record.landed):
            kind = Mark.CLEANUP if number and plan.mode is Mode.ASYNCIO else Mark.CANCELED
            self._mark(point.stack, Mark.SEEN | kind)
        if plan.instant is Instant.PARKED and self._held_back(plan.point, record):
            self._mark(plan.point.stack, Mark.SEEN | Mark.SHIELDED)
        if broken:
            where = record.again or plan.point
            self._mark(where.stack, Mark.SEEN | Mark.BROKEN)

    @staticmethod
    def _held_back(struck: Point, record: Record) -> bool:
        """Was the cancellation, which was sent to a parked task, not raised where it was parked?"""
        if record.plan.mode is Mode.RESCIND:
            return False  # a value that comes before the next poll wins, which looks the same
        return not record.landed or record.landed[0].stack != struck.stack

    def blame(self, points: Iterable[Point]) -> None:
        """Count as broken what is parked at these points alone: all else has been acquitted."""
        for lines in self.marks.values():
            for line, mark in lines.items():
                lines[line] = mark & ~Mark.BROKEN
        self._noted.clear()
        for point in points:
            self._mark(point.stack, Mark.SEEN | Mark.BROKEN)

    def exempt(self, *steps: object) -> None:
        """Leave out the awaits of these functions: setup, teardown and invariants."""
        for step in steps:
            code = getattr(inspect.unwrap(step) if callable(step) else step, "__code__", None)
            if isinstance(code, CodeType):
                self.exempted.add((os.path.abspath(code.co_filename), code.co_qualname))

    def _mark(self, stack: tuple[str, ...], mark: Mark) -> None:
        if (stack, mark) in self._noted:  # most runs see what others have seen
            return
        self._noted.add((stack, mark))
        for place in stack:
            file, line, _ = parts_of(place)
            if line and not file.startswith("<"):
                lines = self.marks.setdefault(_version(os.path.abspath(file)), {})
                lines[line] = lines.get(line, Mark(0)) | mark

    def merge(self, other: Coverage) -> Coverage:
        """Return the coverage of both (C1).

        Example:
            >>> from rescind.check.coverage import Coverage, Mark
            >>> one = Coverage({("app.py", ""): {3: Mark.SEEN}})
            >>> two = Coverage({("app.py", ""): {3: Mark.CANCELED, 7: Mark.SEEN}})
            >>> one.merge(two) == two.merge(one).merge(one)
            True
        """
        both = Coverage(
            {version: dict(lines) for version, lines in self.marks.items()},
            self.exempted | other.exempted,
        )
        for version, lines in other.marks.items():
            known = both.marks.setdefault(version, {})
            for line, mark in lines.items():
                known[line] = known.get(line, Mark(0)) | mark
        return both

    def current(self) -> Coverage:
        """Return what is known of files as they are now (C2)."""
        return Coverage(
            {
                version: lines
                for version, lines in self.marks.items()
                if version == _now(version[0])
            },
            set(self.exempted),
        )

    # -- what is asked of it ----------------------------------------------------------------------

    def files(self, sources: Iterable[str] = ()) -> list[FileCoverage]:
        """Return the awaits of the user's files that were seen, and of all in ``sources``.

        Args:
            sources: files, and directories with such; also those of installed packages.
        """
        wanted = {file for file, _ in self.marks if _is_users(file)}
        for source in sources:
            wanted.update(source_files(source))
        found = [self.file(file) for file in sorted(wanted)]
        return [one for one in found if one.awaits]

    def file(self, file: str) -> FileCoverage:
        """Return the awaits of one file."""
        marks = self.marks.get(_now(file), {})
        awaits = source_of(file).awaits
        every = (
            Await(line, awaits.get(line, ""), marks.get(line, Mark(0)))
            for line in sorted({*awaits, *marks})
        )
        return FileCoverage(
            file, tuple(one for one in every if one.marks or not self._exempted(file, one.function))
        )

    def _exempted(self, file: str, function: str) -> bool:
        """Is this function, or one around it, exempt?"""
        return any(
            own == file and (function == name or function.startswith(f"{name}.<locals>."))
            for own, name in self.exempted
        )

    def __iter__(self) -> Iterator[tuple[str, int, Mark]]:
        """Yield file, line and marks, in order."""
        for (file, _), lines in sorted(self.marks.items()):
            for line, mark in sorted(lines.items()):
                yield file, line, mark


def _is_users(file: str) -> bool:
    return not from_library(file)


@lru_cache(maxsize=4096)
def _version(file: str) -> tuple[str, str]:
    """Return the file and the digest of what it is as its code runs: as it was first looked at."""
    return _now(file)


def _now(file: str) -> tuple[str, str]:
    try:
        stat = os.stat(file)
    except (OSError, ValueError):  # no file at all, or a name that can be none
        return file, ""
    return file, _digest(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _digest(file: str, _changed: int, _size: int) -> str:
    try:
        with open(file, "rb") as source:
            return hashlib.sha256(source.read()).hexdigest()[:12]
    except OSError:
        return ""
