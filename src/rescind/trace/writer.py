"""`TraceWriter`: writes the events of a trace to a file, on a thread of its own.

*What it is.* A bounded queue and who empties it, so that a slow disk holds nobody up. What does not
fit is counted, and the count is written where it is lost.

*Threads.* `crowded` may be called by any.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rescind.trace.events import Event, Header, write_events, write_lines

__all__ = ["TraceWriter"]

#: How long the writer waits for more before it writes what it has, in seconds.
_LINGER: Final = 0.2


class TraceWriter:
    """Writes events to a file on a thread of its own.

    Args:
        file: where to; what it has is replaced.
        header: the first line.
        limit: how many events may wait; what comes while so many do is counted, and dropped.

    Attributes:
        waiting: the queue; who puts events in calls `crowded` when it is more than half full.
        dropped: how many events were lost.
    """

    def __init__(self, file: str | os.PathLike[str], header: Header, limit: int) -> None:
        self.dropped = 0
        self._told = 0  # of those that were lost
        self._limit = limit
        self.waiting: deque[Event] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._out = Path(file).open("w", encoding="utf-8")  # noqa: SIM115  # `close` closes it
        write_lines(self._out, [asdict(header)])
        self._thread = threading.Thread(target=self._run, name="rescind-trace", daemon=True)
        self._thread.start()

    def crowded(self) -> None:
        """Write soon; of what is too much the latest is lost, and counted."""
        if not self._wake.is_set():
            self._wake.set()
        waiting = self.waiting
        while len(waiting) > self._limit:
            with suppress(IndexError):  # all of it is being written at this moment
                waiting.pop()
                self.dropped += 1

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        self._out.close()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_LINGER)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        waiting = self.waiting
        batch: list[Event] = []
        with suppress(IndexError):  # what was too much has been taken out meanwhile
            for _ in range(len(waiting)):
                batch.append(waiting.popleft())
        if not batch:
            return
        lost = self.dropped - self._told
        if lost:
            self._told += lost
            batch.append((batch[-1][0], "dropped", lost))
        write_events(self._out, batch)
        self._out.flush()
