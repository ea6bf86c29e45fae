"""`TraceWriter`: writes the events of a trace to a file, on a thread of its own.

*What it is.* A bounded queue and who empties it, so that a slow disk holds nobody up. What does not
fit is counted, and the count is written where it is lost.

*Threads.* `write` may be called by any.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rescind.trace.events import Event, Header, write_lines

__all__ = ["TraceWriter"]

#: How long the writer waits for more before it writes what it has, in seconds.
_LINGER: Final = 0.2


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
        write_lines(self._out, [asdict(header)])
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
            write_lines(self._out, [(time.monotonic_ns(), "dropped", self._untold)])
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
            write_lines(self._out, batch)
            self._out.flush()
