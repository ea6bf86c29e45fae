"""What the process has more of when a run is over: descriptors, threads, child processes.

*Threads.* Looks at the whole process: one run at a time.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rescind.check.detectors.compare import More
from rescind.check.detectors.garbage import collect
from rescind.check.detectors.listening import listen, what_was_heard
from rescind.check.record import Record

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["ProcessesLeft", "ResourcesLeft", "ThreadsLeft"]

_FDS = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
_TASKS = Path("/proc/self/task")


class ResourcesLeft(More):
    """Sockets and files that are still open after teardown."""

    name = "resources left"
    one = "1 resource is left after teardown"
    several = "{} resources are left after teardown"
    remedy = "close what was opened in a finally, also if opening it is canceled"

    def __init__(self) -> None:
        self._fds: set[str] = set()

    def begin(self, run: Run) -> None:
        # To list them takes one more, whose number the run will use.
        self._fds = {fd for fd in _descriptors() if _is_open(fd)}
        listen(run)

    def fact(self, run: Run) -> list[str]:
        what_was_heard(run)  # what the collector closes is not left; that is told as unclosed
        collect(run)
        left = self._left()
        if left and not gc.isenabled():
            # Something may have held it when the youngest generation was collected. Nobody listens
            # any more to what it says now, and who calls the sweep is not meant.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gc.collect()
            left = self._left()
        return left

    def _left(self) -> list[str]:
        return sorted(filter(None, (_kind(fd) for fd in _descriptors() - self._fds)))


class ThreadsLeft(More):
    """Threads that the run has started, and that go on."""

    name = "threads left"
    one = "1 thread goes on"
    several = "{} threads go on"
    remedy = "a thread does not see a cancellation: tell it to end, in a finally"

    @classmethod
    def noted(cls, record: Record) -> Iterable[str]:
        return record.threads


class ProcessesLeft(More):
    """Child processes that run on, or that have ended and nobody has waited for."""

    name = "processes left"
    one = "1 child process is left"
    several = "{} child processes are left"
    remedy = "terminate the process and await its wait(), in a finally"

    def __init__(self) -> None:
        self._before: set[int] = set()

    def begin(self, run: Run) -> None:
        self._before = _children()

    def fact(self, run: Run) -> list[str]:
        return sorted(filter(None, map(_process, _children() - self._before)))


def _descriptors() -> set[str]:
    if _FDS is None:
        return set()
    return set(os.listdir(_FDS))


def _is_open(fd: str) -> bool:
    try:
        os.fstat(int(fd))
    except OSError:
        return False
    return True


def _kind(fd: str) -> str:
    """Return what a descriptor is, without its number; empty if it is gone again."""
    try:
        target = os.readlink(f"{_FDS}/{fd}")
    except OSError:
        return "" if _FDS == "/proc/self/fd" else "a descriptor"
    return target.partition(":[")[0] if ":[" in target else target


def _children() -> set[int]:
    """Return the process ids of our children; none where the system does not say which."""
    if not hasattr(os, "waitid"):
        return set()
    try:
        # One call says that there are none, which is the usual case.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    found: set[int] = set()
    for path in _TASKS.glob("*/children"):
        with suppress(OSError):
            found.update(map(int, path.read_text().split()))
    return found


def _process(pid: int) -> str:
    """Return what a child is, without its number; empty if it is gone."""
    try:
        name, _, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return ""
    return f"{name} (a zombie)" if state.split()[:1] == ["Z"] else name
