"""The trace: what was recorded, as data, and as a file that other programs can read.

*What it is.* A file has one JSON value on each line. The first is the header, an object; each of
the others is an event, an array: the time in nanoseconds of a clock that only goes forward, the
word for what happened, and what belongs to it::

    spawned         cell, "task" | "child" | "foreign", name, parent, made by, task id
    woken           cell, by
    polled          cell
    parked          cell, what it waits for ("" if it only yields), where
    requested       cell, by, reason
    delivered       cell, reason, where, is it the cell's own request, and not that of a part of it?
    overran         task id, who, where, seconds
    abandoned       message
    ended           cell, how, detail, was a cancellation absorbed?
    group_opened    group, name, by
    group_spawned   group, cell
    group_canceled  group, by, reason
    group_closed    group
    token_canceled  token, by, reason
    dropped         how many events were lost here

Cells are numbered from 1; *by* is the cell that did it, or null. A reason is an object with the
fields of `CancelReason`.

A line that is none of these is left out and counted, with what is wrong with it: the file may have
been cut off, joined to another one, or damaged. What is left is told.

*Threads.* Data; any.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeAlias

from rescind._core.errors import UsageError
from rescind._core.reason import reason_line
from rescind._version import __version__
from rescind.trace.shapes import fault_of, is_number, is_text, is_time, is_whole, shown

__all__ = [
    "Event",
    "Fault",
    "Header",
    "Trace",
    "chain_of",
    "encoded_line",
    "line_of",
    "line_of_event",
    "write_events",
    "write_lines",
]

Event: TypeAlias = "tuple[Any, ...]"

#: The version of the format.
FORMAT: Final = 1
#: So many of the faults of a file are kept; the others are counted.
_FAULTS: Final = 20
_encode = json.JSONEncoder(separators=(",", ":")).encode
#: A time is wrong if it is so much later than the next one, in nanoseconds.
_LEAP: Final = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Header:
    """What a trace begins with.

    Attributes:
        trace: the version of the format.
        at: nanoseconds of the trace's clock when it began.
        started: the same moment, in seconds since 1970.
        program: the command line.
        pid: the process.
        python: the version of Python.
        rescind: the version of rescind.
    """

    trace: int
    at: int
    started: float
    program: str
    pid: int
    python: str
    rescind: str

    @classmethod
    def now(cls, at: int) -> Header:
        """Return the header of a trace that begins now, at ``at`` of its own clock."""
        return cls(
            FORMAT,
            at,
            time.time(),
            " ".join(sys.argv) or sys.executable,
            os.getpid(),
            platform.python_version(),
            __version__,
        )


#: What stands for what a damaged file does not say.
_UNKNOWN: Final = Header(FORMAT, 0, 0.0, "an unknown program", 0, "unknown", "unknown")
_HEADER: Final[dict[str, Callable[[object], bool]]] = {
    "at": is_time,
    "started": is_number,
    "program": is_text,
    "pid": is_whole,
    "python": is_text,
    "rescind": is_text,
}


class Fault(NamedTuple):
    """A line of a file that could not be understood.

    Attributes:
        line: its number, from 1.
        what: what is wrong with it.
    """

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line} {self.what}"


@dataclass(frozen=True, slots=True)
class Trace:
    """What was recorded.

    Attributes:
        header: when, where and by what.
        events: in the order in which they happened.
        dropped: how many events were lost, because there was no room for them.
        skipped: how many lines of a damaged file could not be understood, and were left out.
        faults: what is wrong with the file: its first faults, in the order of their lines.
    """

    header: Header
    events: tuple[Event, ...]
    dropped: int = 0
    skipped: int = 0
    faults: tuple[Fault, ...] = ()

    def write(self, file: str | os.PathLike[str]) -> None:
        """Write it to a file, which `read` and ``rescind report`` understand.

        Raises:
            OSError: it cannot be written.
        """
        with Path(file).open("w", encoding="utf-8") as out:
            write_lines(out, [asdict(self.header)])
            lost = self.dropped + self.skipped
            if lost:
                write_lines(out, [(self.header.at, "dropped", lost)])
            write_events(out, self.events)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Trace:
        """Read it from a file; of a damaged one what can be understood, the rest is counted.

        Raises:
            OSError: it cannot be read.
            UsageError: it is no trace, or of another version.
        """
        with Path(file).open(encoding="utf-8", errors="replace") as lines:
            return _Reader(file).read(lines)


class _Reader:
    """Keeps the events of a file, and notes the lines that cannot be understood."""

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self._file = shown(os.fspath(file))
        self._header: Header | None = None
        self._events: list[Event] = []
        self._dropped = 0
        self._skipped = 0
        self._faults: list[Fault] = []
        self._timeless = False  # Is it unknown when the trace began?
        # The latest event and its line: the next one tells whether its time can be right.
        self._held: tuple[int, Event] | None = None

    def read(self, lines: Iterable[str]) -> Trace:
        """Return the trace."""
        numbered = enumerate(lines, 1)
        for number, line in numbered:
            try:
                value: Any = json.loads(line)
            except (ValueError, RecursionError):
                whole = line.endswith("\n")
                self._skip(number, f"is no JSON: {shown(line)}" if whole else "is cut off")
                continue
            if _is_header(value):
                if self._header is not None or self._held is not None:
                    self._skip(number, "begins another trace, which is left out")
                    self._skipped += sum(1 for _ in numbered)
                    break
                self._header = self._headed(number, value)
                continue
            fault = fault_of(value)
            if fault is None:
                self._take(number, tuple(value))
            else:
                self._skip(number, fault)
        if self._held is not None:
            self._events.append(self._held[1])
        header = self._begun(self._header)
        return Trace(header, tuple(self._events), self._dropped, self._skipped, tuple(self._faults))

    def _take(self, number: int, event: Event) -> None:
        if event[1] == "dropped":
            self._dropped += event[2]
            return
        held, self._held = self._held, (number, event)
        if held is None:
            return
        at, following = held[1][0], event[0]
        before = self._events[-1][0] if self._events else following
        if at > following + _LEAP and following >= before - _LEAP:
            self._skip(held[0], "has a time long after that of the line below it")
        else:
            self._events.append(held[1])

    def _skip(self, number: int, what: str) -> None:
        self._skipped += 1
        self._note(number, what)

    def _note(self, number: int, what: str) -> None:
        if len(self._faults) < _FAULTS:
            self._faults.append(Fault(number, what))

    def _headed(self, number: int, data: dict[str, object]) -> Header:
        """Return the header that a line is; what it lacks is unknown."""
        version = data["trace"]
        if version != FORMAT:
            raise UsageError(
                f"{self._file} is a trace of format {shown(version)}, but this version of "
                f"rescind ({__version__}) reads format {FORMAT}; record it again"
            )
        known: dict[str, Any] = asdict(_UNKNOWN)
        for name, fits in _HEADER.items():
            if fits(data.get(name)):
                known[name] = data[name]
            else:
                self._timeless = self._timeless or name == "at"
                self._note(number, f"has {shown(data.get(name))} for the {name!r} of the trace")
        return Header(**known)

    def _begun(self, header: Header | None) -> Header:
        """Return the header, with a time at which the trace can have begun."""
        events = self._events
        if header is None:
            if not events:
                raise UsageError(
                    f"{self._file} is no trace of rescind's; make one with 'rescind run --trace "
                    "FILE', or with rescind.trace.Recorder(FILE)"
                )
            if not any(fault.line == 1 for fault in self._faults):
                self._faults.insert(0, Fault(1, "is not the header with which a trace begins"))
            return replace(_UNKNOWN, at=events[0][0])
        early = sum(event[0] < header.at for event in events)
        if events and (self._timeless or early * 2 > len(events)):
            return replace(header, at=events[0][0])
        return header


def _is_header(value: object) -> bool:
    return isinstance(value, dict) and "trace" in value


def chain_of(reason: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a reason that was recorded, and those that it follows from, nearest first."""
    link: dict[str, Any] | None = reason
    while link is not None:
        yield link
        link = link["cause"]


def line_of(reason: dict[str, Any]) -> str:
    """Return the words for a reason that was recorded, without those that it follows from."""
    return reason_line(reason["kind"], reason["message"], reason["by"], reason["where"])


def write_lines(out: IO[str], values: Iterable[Any]) -> None:
    """Write each as one line of JSON."""
    out.writelines(f"{_encode(value)}\n" for value in values)


def write_events(out: IO[str], events: Iterable[Event]) -> None:
    """Write each as one line of JSON."""
    out.writelines(map(line_of_event, events))


def encoded_line(value: object) -> bytes:
    """Return one line of JSON, as it is written."""
    return f"{_encode(value)}\n".encode("ascii")


def line_of_event(event: Event) -> str:
    """Return the line of an event; those that come with every step are written out."""
    what = event[1]
    if what == "polled":
        return f'[{event[0]},"polled",{event[2]}]\n'
    if what == "woken":
        by = event[3]
        return f'[{event[0]},"woken",{event[2]},{"null" if by is None else by}]\n'
    if what == "parked" and event[4] is None and not event[3]:
        return f'[{event[0]},"parked",{event[2]},"",null]\n'
    return f"{_encode(event)}\n"
