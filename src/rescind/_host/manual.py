"""The manual host: a virtual clock, a deterministic order, and no way to hang.

*What it is.* Callbacks run in the order in which they were asked for. When none is left, the clock
jumps to the next timer: a sleep of an hour takes no time. When there is no timer either, nothing
can ever happen again, and `Deadlock` says what everybody waits for.

*What it is not.* A place for sockets: awaiting an asyncio future here is an error that says so.

*Work outside.* As long as a thread or a process works for the executor (``Executor.outside``), what
it will post counts as something that can happen: the clock stands still meanwhile, whatever the
work takes. It moves on to the next timer only when that much real time has gone by, so that a
timeout around work that never ends comes, at the pace of a real clock.

*Threads.* Other threads may post while the host runs; it waits only for those that work for it.

*Source.* trio's ``MockClock``, Go's ``synctest`` bubbles, eio's mock backend; tokio's paused clock,
which work in its blocking pool holds.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from rescind._core.cell import Cell
from rescind._core.errors import Deadlock
from rescind._core.executor import Executor
from rescind._core.hostport import Swap
from rescind._core.poll import Future
from rescind._core.uncopied import refuse_copy
from rescind._host.call import Call
from rescind._host.ticks import Tick

__all__ = ["ManualHost"]


class ManualHost:
    """A host with a virtual clock.

    Args:
        start: what `now` shows at first, in seconds.

    Attributes:
        executor: the executor that rides on it, which a `Deadlock` describes.
        closed: is it of no use any more?
    """

    __reduce__ = refuse_copy

    name = "manual"
    swap: Swap | None = None

    def __init__(self, *, start: float = 0.0) -> None:
        self.executor: Executor | None = None
        self._now = start
        self._soon: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._made = itertools.count()
        self.closed = False
        # Set by posts, for the wait for work outside.
        self._posted = threading.Event()
        # Real time at which that wait began to hold the clock; None while it is not held.
        self._held_at: float | None = None

    def now(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def call_soon(self, callback: Callable[[], object]) -> Call:
        """Call back after what was asked for before."""
        call = Call(callback)
        self._soon.append(call)
        return call

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> bool:
        """Call back, from any thread; return False once closed."""
        if self.closed:
            return False
        self._soon.append(Call(callback))
        self._posted.set()
        return True

    def call_at(self, at: float, callback: Callable[[], object]) -> Call:
        """Call back when the virtual clock shows ``at``."""
        call = Call(callback)
        heapq.heappush(self._timers, (at, next(self._made), call))
        return call

    def adopt(self, yielded: object) -> Future[Any] | None:
        """Know a bare ``yield``, and nothing else."""
        return Tick() if yielded is None else None

    def identify(self, coroutine: Any, cell: Cell[Any] | None, label: object, root: bool) -> Any:
        """Give no identity."""

    def retire(self, identity: Any) -> None:
        """Have nothing to retire."""

    def shielded(self, identity: Any) -> bool:
        """Have no foreign shields."""
        return False

    def foreign_request(self, identity: Any) -> BaseException | None:
        """Have no foreign requests."""

    def advance(self) -> bool:
        """Run what is due, or jump to the next timer; return False if there is neither."""
        if self._soon:
            for _ in range(len(self._soon)):
                self._soon.popleft()()
            return True
        while self._timers:
            at, _, call = heapq.heappop(self._timers)
            if call.callback is not None:
                self._now = max(self._now, at)
                self._held_at = None
                call()
                return True
        return False

    def run(self, until: Callable[[], bool]) -> None:
        """Run until ``until()``; raise `Deadlock` when nothing can happen any more."""
        while not until():
            if self._await_post():
                continue
            if not self.advance():
                executor = self.executor
                waiting = "" if executor is None else executor.describe_hang()
                raise Deadlock(
                    f"nothing can run any more, at {self._now:g} s; no timer is set\n{waiting}"
                )

    def _await_post(self) -> bool:
        """Wait for the work outside, if there is any; return False if the clock may go on."""
        if self._soon:
            return False
        executor = self.executor
        if executor is None or executor.outside <= 0:
            self._held_at = None
            return False
        if self._held_at is None:
            self._held_at = monotonic()
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        seconds: float | None = None
        if self._timers:
            seconds = self._held_at + (self._timers[0][0] - self._now) - monotonic()
            if seconds <= 0:
                return False
            seconds = min(seconds, threading.TIMEOUT_MAX)
        self._posted.clear()
        if not self._soon:  # looked at after the clear: a post before it is not missed
            self._posted.wait(seconds)
        return True

    def stop(self) -> None:
        """Do nothing: `run` looks after every callback."""

    def close(self) -> None:
        """Drop what is scheduled."""
        self.closed = True
        self._soon.clear()
        self._timers.clear()
