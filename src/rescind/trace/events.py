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

*Threads.* A `Trace` is data. A `TraceWriter` may be written to by any.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast

from rescind._core.errors import UsageError
from rescind._core.explanation import plain_data
from rescind._core.reason import CancelReason
from rescind._version import __version__

__all__ = ["Event", "Header", "Trace", "TraceWriter", "reason_data"]

Event: TypeAlias = "tuple[Any, ...]"

#: The version of the format.
FORMAT: Final = 1
#: How long the writer waits for more before it writes what it has, in seconds.
_LINGER: Final = 0.2


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


@dataclass(frozen=True, slots=True)
class Trace:
    """What was recorded.

    Attributes:
        header: when, where and by what.
        events: in the order in which they happened.
        dropped: how many events were lost, because there was no room for them.
    """

    header: Header
    events: tuple[Event, ...]
    dropped: int = 0

    def write(self, file: str | os.PathLike[str]) -> None:
        """Write it to a file, which `read` and ``rescind report`` understand.

        Raises:
            OSError: it cannot be written.
        """
        with Path(file).open("w", encoding="utf-8") as out:
            _write_lines(out, [asdict(self.header)])
            if self.dropped:
                _write_lines(out, [(self.header.at, "dropped", self.dropped)])
            _write_lines(out, self.events)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Trace:
        """Read it from a file. What was cut off in the middle of a line, at the end, is left out.

        Raises:
            OSError: it cannot be read.
            UsageError: it is no trace, or of another version.
        """
        events: list[Event] = []
        dropped = 0
        with Path(file).open(encoding="utf-8", errors="replace") as lines:
            header = _header(next(lines, ""), file)
            for number, line in enumerate(lines, 2):
                try:
                    event = json.loads(line)
                except ValueError:
                    if line.endswith("\n"):
                        raise UsageError(f"{file}:{number} is no event: {line[:60]!r}") from None
                    break
                if not _is_event(event):
                    raise UsageError(
                        f"{os.fspath(file)!r} has an event that cannot be understood, in line "
                        f"{number}: {line[:60]!r}; record the trace again"
                    )
                if event[1] == "dropped":
                    dropped += event[2]
                else:
                    events.append(tuple(event))
        return cls(header, tuple(events), dropped)


class TraceWriter:
    """Writes events to a file on a thread of its own.

    Args:
        file: where to; what it has is replaced.
        header: the first line.
        limit: how many events may wait; what comes while so many do is counted, and dropped.
    """

    def __init__(self, file: str | os.PathLike[str], header: Header, limit: int) -> None:
        self.dropped = 0
        self._untold = 0
        self._limit = limit
        self._waiting: deque[Event] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._out = Path(file).open("w", encoding="utf-8")  # noqa: SIM115  # `close` closes it
        _write_lines(self._out, [asdict(header)])
        self._thread = threading.Thread(target=self._run, name="rescind-trace", daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        """Have it written soon."""
        waiting = self._waiting
        if len(waiting) >= self._limit:
            self.dropped += 1
            self._untold += 1
            return
        if self._untold:
            untold, self._untold = self._untold, 0
            waiting.append((event[0], "dropped", untold))
        waiting.append(event)
        if len(waiting) * 2 > self._limit and not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        if self._untold:
            _write_lines(self._out, [(time.monotonic_ns(), "dropped", self._untold)])
        self._out.close()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_LINGER)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(len(waiting))]
        if batch:
            _write_lines(self._out, batch)
            self._out.flush()


def reason_data(reason: CancelReason) -> dict[str, Any]:
    """Return a reason, and those that it follows from, as plain data."""
    data: dict[str, Any] = plain_data(asdict(reason))
    return data


def _write_lines(out: IO[str], values: Iterable[Any]) -> None:
    out.writelines(f"{json.dumps(value, separators=(',', ':'))}\n" for value in values)


def _is_event(event: object) -> bool:
    """Does it say when what happened?"""
    if not isinstance(event, list):
        return False
    at, what, more, *_ = (*cast("list[object]", event), None, None, None)
    if what == "dropped" and not isinstance(more, int):
        return False
    return isinstance(at, int) and isinstance(what, str)


def _header(line: str, file: str | os.PathLike[str]) -> Header:
    try:
        data = json.loads(line)
        version = data["trace"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{os.fspath(file)!r} is no trace of rescind's; make one with 'rescind run --trace "
            "FILE', or with rescind.trace.Recorder(FILE)"
        ) from None
    if version != FORMAT:
        raise UsageError(
            f"{os.fspath(file)!r} is a trace of format {version!r}, but this version of rescind "
            f"({__version__}) reads format {FORMAT}; record it again"
        )
    return Header(**{one.name: data[one.name] for one in fields(Header)})
