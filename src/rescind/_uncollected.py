"""Holding the garbage collector off, on several threads at once.

*What it is.* Whether the collector runs is said for the whole process; that finalizers come where
references end is asked by each lab and each sweep, on its own thread. So they are counted: the
first that holds it off notes whether it ran, and the last that lets go puts it back.

*Threads.* Any.
"""

from __future__ import annotations

import gc
import threading

__all__ = ["Uncollected"]


class _Held:
    """How many hold the collector off; and did it run before the first of them?"""

    count = 0
    ran = False


_lock = threading.Lock()


class Uncollected:
    """One who holds the collector off; as a block, or by `hold` and `release`, which may be idle.

    Attributes:
        held: does this one hold it off now?
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = False

    def hold(self) -> None:
        """Hold it off."""
        if self.held:
            return
        self.held = True
        with _lock:
            if not _Held.count:
                _Held.ran = gc.isenabled()
                gc.disable()
            _Held.count += 1

    def release(self) -> None:
        """Let go: the collector runs again if it did, and if nobody else holds it off."""
        if not self.held:
            return
        self.held = False
        with _lock:
            _Held.count -= 1
            if not _Held.count and _Held.ran:
                gc.enable()

    def __enter__(self) -> Uncollected:
        self.hold()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()
