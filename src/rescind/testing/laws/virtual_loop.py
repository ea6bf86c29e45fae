"""Event loops whose time is virtual: asyncio's own, and uvloop's.

*asyncio.* When nothing is ready, the loop asks its selector to wait until the next timer; the
selector moves the clock there instead.

*uvloop.* Its clock is libuv's, so its timers are kept here, in a heap. A *tick* goes round in its
queue as long as there are timers: what was asked for before it has run when it comes up, so if
nobody asked for anything since it came up last, nothing is ready, and the clock may move on.

*What they are not.* Loops for programs with sockets or threads, for which nothing waits here.

*Threads.* The one that runs them.
"""

from __future__ import annotations

import asyncio
import heapq
import importlib.util
import selectors
from collections.abc import Callable
from typing import Any

__all__ = ["VirtualLoop", "has_uvloop", "virtual_loop", "virtual_uvloop"]


class _Selector(selectors.SelectSelector):
    """Looks for I/O, and lets virtual time pass instead of waiting for it."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which sleeping takes no time. Nothing outside of it can be waited for."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._virtual.passed


def virtual_loop() -> VirtualLoop:
    """Return a new loop of asyncio's."""
    return VirtualLoop()


def has_uvloop() -> bool:
    """Is uvloop installed?"""
    return importlib.util.find_spec("uvloop") is not None


def virtual_uvloop() -> asyncio.AbstractEventLoop:
    """Return a new loop of uvloop's."""
    import uvloop

    base: Any = uvloop.Loop

    class VirtualUvloop(base):  # type: ignore[misc]
        """A loop of uvloop's in which sleeping takes no time."""

        def __init__(self) -> None:
            base.__init__(self)
            self._at = 0.0
            self._heap: list[tuple[float, int, asyncio.TimerHandle]] = []
            # How many callbacks were asked for, and how many when the tick came up last.
            self._asked = 0
            self._seen = -1
            self._ticking = False

        def time(self) -> float:
            """Return the virtual time, in seconds."""
            return self._at

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            self._asked += 1
            return base.call_soon(self, callback, *args, context=context)

        def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
            self._asked += 1
            return base.call_soon_threadsafe(self, callback, *args, context=context)

        def call_later(
            self, delay: float, callback: Any, *args: Any, context: Any = None
        ) -> asyncio.TimerHandle:
            return self.call_at(self._at + delay, callback, *args, context=context)

        def call_at(
            self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
        ) -> asyncio.TimerHandle:
            loop: Any = self
            handle = asyncio.TimerHandle(when, callback, args, loop, context)
            self._asked += 1
            heapq.heappush(self._heap, (when, self._asked, handle))
            self._tick_again()
            return handle

        def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
            """Be told by a handle that it was canceled: it is skipped when it comes up."""

        def _tick_again(self) -> None:
            if not self._ticking:
                self._ticking = True
                base.call_soon(self, self._tick)

        def _tick(self) -> None:
            self._ticking = False
            if self._seen == self._asked:
                self._move_on()
            self._seen = self._asked
            if self._heap:
                self._tick_again()

        def _move_on(self) -> None:
            """Set the clock to the next timer, and queue what is due then."""
            heap = self._heap
            while heap and heap[0][2].cancelled():
                heapq.heappop(heap)
            if heap:
                self._at = max(self._at, heap[0][0])
            while heap and heap[0][0] <= self._at:
                handle: Any = heapq.heappop(heap)[2]
                if not handle.cancelled():
                    self._asked += 1
                    base.call_soon(self, handle._run)

    loop: asyncio.AbstractEventLoop = VirtualUvloop()
    return loop
