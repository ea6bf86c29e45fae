"""`TraceWriter`: writes the events of a trace to a file, on a thread of its own.

*What it is.* A ring and who empties it, so that a slow disk holds nobody up. What does not fit is
counted, and the count is written where it is lost.

*Threads.* Its own; `close` may be called from any other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rescind.trace.events import Header, encoded_line
from rescind.trace.ring import ring_of

__all__ = ["TraceWriter"]

#: How long the writer waits for more before it writes what it has, in seconds.
_LINGER: Final = 0.2


class TraceWriter:
    """Writes events to a file on a thread of its own.

    Args:
        file: where to; what it has is replaced.
        header: the first line.
        limit: how many events may wait; what comes while so many do is counted, and dropped.
        clock: returns the time in nanoseconds.

    Attributes:
        ring: where to put events.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        header: Header,
        limit: int,
        clock: Callable[[], int],
    ) -> None:
        self._wake = threading.Event()
        self._closed = False
        self.ring = ring_of(limit, clock, self._wake.set)
        self._out = Path(file).open("wb")  # noqa: SIM115  # `close` closes it
        self._out.write(encoded_line(asdict(header)))
        self._thread = threading.Thread(target=self._run, name="rescind-trace", daemon=True)
        self._thread.start()

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
        while lines := self.ring.lines():
            self._out.write(lines)
        self._out.flush()
