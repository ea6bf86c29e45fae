"""Threads that canceled tests leave, and for which the process would wait for ever at its end.

*What it is.* A thread does not see a cancellation. One that a test would have told to end goes on
where the test was canceled before; Python joins it at exit. So it is said how many there are, and
at exit the process ends without them: what was registered with `atexit` is called all the same.

*Threads.* pytest's.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["GivenUp"]


class GivenUp:
    """The threads that were left.

    Attributes:
        status: the exit code of the process.
    """

    def __init__(self) -> None:
        self._left: set[threading.Thread] = set()
        self._registered = False
        self.status = 0

    @contextmanager
    def watching(self) -> Generator[None]:
        """Note what is left of the threads that begin meanwhile."""
        before = set(threading.enumerate())
        try:
            yield
        finally:
            started = set(threading.enumerate()) - before
            self._left |= {one for one in started if not one.daemon}

    def alive(self) -> int:
        """Return how many still run; if any does, the process will end without waiting for them."""
        self._left = {one for one in self._left if one.is_alive()}
        # Called before Python joins threads; there is no public way to be.
        register: Any = getattr(threading, "_register_atexit", None)
        if self._left and not self._registered and register is not None:
            self._registered = True
            register(self._end)
        return len(self._left)

    def _end(self) -> None:
        if any(one.is_alive() for one in self._left):
            run: Any = getattr(atexit, "_run_exitfuncs", None)
            if run is not None:
                run()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)
