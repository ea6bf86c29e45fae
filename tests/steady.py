"""Runs a program with a clock that moves only while nothing is ready, so that it is always in time.

What a program prints often depends on which of two timers is the first. On a machine that stands
still for a moment, both are over. Here the clock that asyncio's loops read stands still
while anything runs, and jumps to the next timer as soon as nothing does. Nothing else is changed,
so this is for programs that have no threads, processes or sockets, which take real time.

    python tests/steady.py PROGRAM [ARGUMENTS]
"""

import asyncio  # noqa: F401 - what it imports keeps the machine's clock
import runpy
import selectors
import sys
import time
from pathlib import Path
from typing import Any


class _Clock:
    now = 1000.0


class _Selector(selectors.DefaultSelector):
    """Jumps to the end of the wait, if nothing comes before."""

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(timeout if timeout is None else 0)
        if not ready and timeout is not None:
            _Clock.now += timeout
        return ready


def main() -> None:
    """Run the program."""
    selectors.DefaultSelector = _Selector  # type: ignore[misc]  # where asyncio looks for it
    time.monotonic = lambda: _Clock.now
    time.monotonic_ns = lambda: round(_Clock.now * 1e9)
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent.absolute())
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
