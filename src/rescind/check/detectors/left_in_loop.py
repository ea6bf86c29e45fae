"""What is still registered at the loop: readers and writers, timers, async generators.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeGuard

from rescind.check.detectors.compare import More
from rescind.check.record import shown

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["GeneratorsLeft", "TimersLeft", "WatchedLeft"]


class TimersLeft(More):
    """Timers that nobody canceled: they keep what they refer to, and fire into the void."""

    name = "timers left"
    severity = "hint"
    one = "1 timer is still set"
    several = "{} timers are still set"
    once = True
    remedy = "cancel the handle of call_later in a finally"

    def __init__(self) -> None:
        self._left: list[str] = []

    def settled(self, run: Run) -> None:
        scheduled: Iterable[Any] = getattr(run.loop, "_scheduled", ())
        self._left = sorted(
            _called(timer)
            for timer in scheduled
            if not timer.cancelled() and not _is_ours(timer._callback)
        )

    def fact(self, run: Run) -> list[str]:
        return self._left


class GeneratorsLeft(More):
    """Async generators that were begun, and neither ended nor closed."""

    name = "generators left"
    one = "1 async generator was never closed"
    several = "{} async generators were never closed"
    remedy = "iterate inside 'async with contextlib.aclosing(generator)'"

    def __init__(self) -> None:
        self._left: list[str] = []

    def settled(self, run: Run) -> None:
        begun: Iterable[Any] = getattr(run.loop, "_asyncgens", ())
        self._left = sorted(
            shown(generator.__qualname__)
            for generator in list(begun)
            if generator.ag_frame is not None and not generator.ag_running
        )

    def fact(self, run: Run) -> list[str]:
        return self._left


class WatchedLeft(More):
    """Connections that the loop still watches for input, or for room to write."""

    name = "watched left"
    severity = "hint"
    one = "1 more reader or writer is watched"
    several = "{} more readers or writers are watched"
    once = True
    remedy = "remove_reader and remove_writer in a finally; close the transport"

    def __init__(self) -> None:
        self._left: list[str] = []

    def settled(self, run: Run) -> None:
        selector: Any = getattr(run.loop, "_selector", None)
        keys: Any = None if selector is None else selector.get_map()
        if keys is None or len(keys) <= 1:
            return
        for key in list(keys.values()):
            if not _is_pair(key.data):
                continue  # not the loop's own way to register
            reader, writer = key.data
            for handle, mask, word in (
                (reader, selectors.EVENT_READ, "reader"),
                (writer, selectors.EVENT_WRITE, "writer"),
            ):
                if handle is not None and key.events & mask and not _is_the_loops(handle):
                    self._left.append(f"{word} {_called(handle)}")

    def fact(self, run: Run) -> list[str]:
        return sorted(self._left)


def _is_pair(data: object) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(data, tuple)


def _is_the_loops(handle: Any) -> bool:
    """Is it how other threads wake the loop?"""
    return isinstance(
        getattr(getattr(handle, "_callback", None), "__self__", None), asyncio.AbstractEventLoop
    )


def _is_ours(callback: object) -> bool:
    """Is it the alarm of an executor, which looks by itself whether anybody still waits?"""
    return str(getattr(callback, "__module__", "")).startswith("rescind._core.")


def _called(timer: Any) -> str:
    callback = getattr(timer, "_callback", None)
    return str(getattr(callback, "__qualname__", None) or shown(callback))
