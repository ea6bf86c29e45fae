"""What the process has more of than before: descriptors, threads, child processes.

*Threads.* The loop's; looks at the whole process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.detectors.compare import more_than
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["ResourcesLeft"]

_FDS = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)


class ResourcesLeft(Detector):
    """Sockets, files, threads or processes that are still there after teardown."""

    name = "resources left"

    def __init__(self) -> None:
        self._fds: set[str] = set()
        self._threads: set[threading.Thread] = set()

    def begin(self, run: Run) -> None:
        self._fds = _descriptors()
        self._threads = set(threading.enumerate())

    def fact(self, run: Run) -> list[str]:
        left = [_kind(fd) for fd in _descriptors() - self._fds]
        left += [
            f"thread {thread.name}"
            for thread in threading.enumerate()
            if thread not in self._threads and thread.is_alive()
        ]
        return sorted(kind for kind in left if kind)

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        name = ResourcesLeft.name
        extra = more_than(_bare(seen.facts.get(name, ())), _bare(clean.facts.get(name, ())))
        if extra:
            yield Symptom(
                f"{len(extra)} resource(s) are left after teardown",
                expected="as many as without a cancellation",
                seen=", ".join(extra),
                remedy="close what was opened in a finally, also if opening it is canceled",
            )


def _bare(left: Iterable[Any]) -> list[str]:
    return [str(one) for one in left]


def _descriptors() -> set[str]:
    if _FDS is None:
        return set()
    return set(os.listdir(_FDS))


def _kind(fd: str) -> str:
    """Return what a descriptor is, without its number; empty if it is gone again."""
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "" if _FDS == "/proc/self/fd" else "a descriptor"
    return target.partition(":[")[0] if ":[" in target else target
