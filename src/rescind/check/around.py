"""What is around a run and has to be as before: the thread's current loop, the process's threads.

*Threads.* The run's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from time import monotonic
from typing import Any

__all__ = ["current_loop", "left_threads", "restore_loop"]

#: How long a thread that has nothing more to do may take to end, in seconds.
_GRACE = 1.0


def current_loop() -> tuple[Any, Any]:
    """Return what `asyncio.set_event_loop` has set on this thread, without making a loop."""
    local = _local()
    return getattr(local, "_loop", None), getattr(local, "_set_called", None)


def restore_loop(before: tuple[Any, Any]) -> None:
    """Set it again."""
    loop, was_set = before
    asyncio.set_event_loop(loop)
    local = _local()
    if was_set is False and hasattr(local, "_set_called"):
        local._set_called = False  # as if nobody had ever asked: asyncio may still make one


def _local() -> Any:
    # No public function asks without making a loop, or warning.
    return getattr(asyncio.get_event_loop_policy(), "_local", None)  # pyright: ignore[reportDeprecated]


def left_threads(before: Collection[threading.Thread], pool: Executor | None) -> list[str]:
    """Return the names of the threads that a run has left, after a moment for those that end."""
    if threading.active_count() <= len(before) and pool is None:
        return []
    until = monotonic() + _GRACE
    idle = set(pool._threads) if isinstance(pool, ThreadPoolExecutor) else set[Any]()
    left: list[str] = []
    for thread in threading.enumerate():
        if thread in before:
            continue
        if thread in idle or not thread.daemon:
            thread.join(max(0.0, until - monotonic()))
        if thread.is_alive():
            left.append(thread.name)
    return sorted(left)
