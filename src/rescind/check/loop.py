"""`CheckLoop`: asyncio's own event loop, with its clock, its queue and its selector in our hands.

*What it is.* Everything that a program does is done by asyncio's own code. Only three parts are
replaced: the clock stands still unless the loop waits (so a slow machine expires no timeout), and
jumps over the wait if nothing but a timer can end it; the ready queue counts callbacks, and can be
struck before any of them; the selector proves hangs, and holds back what arrives on connections.

*What it is not.* Available under uvloop, whose queue and selector are not Python's.

*Invariants.*
 L1  In a run without a strike the order of callbacks is asyncio's.
 L2  A hang is told at once when nothing is ready, no timer is set, nothing is watched and no
     thread works: nothing can ever happen. Else it is told when the time limit is over.
 L3  What is held back is released when nothing else can run, or by `release`; none is lost.

*Threads.* The loop's; `call_soon_threadsafe` from any, as always.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from time import monotonic
from typing import Any, TypeVar, TypeVarTuple, Unpack

__all__ = ["CheckLoop", "Ready"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: How long to wait for connections to come to rest, in seconds.
_SETTLE_WATCHED = 0.005
#: How long, in the loop's own time, a program may go on that only timers keep alive.
_ENDLESS = 120.0


class Ready(deque[Any]):
    """The loop's queue of callbacks; counts those that it hands out."""

    handed = 0
    strike_at = 0
    strike: Callable[[], object] | None = None

    def popleft(self) -> Any:
        handle = super().popleft()
        if not handle._cancelled:
            self.handed += 1
            if self.handed == self.strike_at and self.strike is not None:
                strike, self.strike = self.strike, None
                strike()
        return handle


class _Selector(selectors.BaseSelector):
    """Passes on to the system's selector; see the module's docstring."""

    def __init__(self) -> None:
        self.inner = selectors.DefaultSelector()
        self.loop: CheckLoop | None = None
        # Descriptors whose readability is held back, with what was seen of it meanwhile.
        self.held: set[int] = set()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.inner.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.get_key(fileobj)

    def close(self) -> None:
        self.inner.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None:
            return self.inner.select(timeout)
        if timeout == 0:
            loop.watch_limit()
            return self._let_through(self.inner.select(0))
        if self.held:
            # Others may have been waiting for just this: look once more, then let go (L3).
            events = self._let_through(self.inner.select(0))
            if events:
                return events
            loop.release()
        if loop.only_timers():
            if timeout is None:
                loop.hang("nothing can happen any more")
                return []
            loop.jump(timeout)
            return []
        return self._wait(loop, timeout)

    def _wait(self, loop: CheckLoop, timeout: float | None) -> list[Any]:
        """Wait as the system does; the clock goes on by as much as that took."""
        left = loop.limit_at - monotonic()
        began = monotonic()
        events = self.inner.select(min(left, timeout) if timeout is not None else max(left, 0.0))
        waited = monotonic() - began
        if timeout is not None and not events:
            waited = max(waited, min(timeout, left))
        loop.now += waited
        loop.watch_limit()
        return self._let_through(events)

    def _let_through(self, events: list[Any]) -> list[Any]:
        if not self.held:
            return events
        passed: list[Any] = []
        for key, mask in events:
            let = mask & ~selectors.EVENT_READ if key.fd in self.held else mask
            if let:
                passed.append((key, let))
        return passed


class CheckLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop for one run.

    Attributes:
        now: the loop's time, in seconds.
        hung: what was found, if the program hangs; else None.
        limit_at: the real time, on `time.monotonic`, at which the program counts as hung.
        problems: what the exception handler was given.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.hung: str | None = None
        self.limit_at = float("inf")
        self.endless_at = float("inf")
        self.problems: list[dict[str, Any]] = []
        # Sockets that the program connected, by descriptor: what can be held back.
        self.clients: dict[int, socket.socket] = {}
        # Calls that other threads work on.
        self.working = 0
        self._threads = threading.active_count()
        self._picker = _Selector()
        super().__init__(self._picker)
        self._ready = Ready()
        self.set_exception_handler(self._note)
        self._picker.loop = self

    # -- the clock --------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        """Let time pass: nothing but a timer can happen."""
        self.now += seconds
        if self.now > self.endless_at:
            self.hang("it goes on for ever, by timers alone")

    # -- hangs ------------------------------------------------------------------------------------

    def only_timers(self) -> bool:
        """Can nothing but a timer happen (L2)?"""
        return (
            len(self._picker.inner.get_map()) <= 1
            and self.working == 0
            and threading.active_count() <= self._threads
        )

    def allow(self, seconds: float) -> None:
        """Count the program as hung if the phase that begins now takes longer than ``seconds``."""
        self.hung = None
        self.limit_at = monotonic() + seconds
        self.endless_at = self.now + max(_ENDLESS, seconds)

    def watch_limit(self) -> None:
        """Tell a hang when the limit is over."""
        if monotonic() > self.limit_at:
            self.hang("it did not end in time")

    def hang(self, what: str) -> None:
        """Stop: the program hangs."""
        if self.hung is None:
            self.hung = what
        self.limit_at = float("inf")
        self.stop()

    # -- what is held back ------------------------------------------------------------------------

    def hold(self) -> int:
        """Hold back what arrives on the program's own connections; return how many there are."""
        watched = self._picker.inner.get_map()
        self._picker.held = {fd for fd in self.clients if fd in watched}
        return len(self._picker.held)

    def release(self) -> None:
        """Let through again what arrives."""
        self._picker.held = set()

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.clients[sock.fileno()] = sock
        await super().sock_connect(sock, address)

    # -- threads ----------------------------------------------------------------------------------

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.working += 1
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _future: object) -> None:
        self.working -= 1

    # -- strikes ----------------------------------------------------------------------------------

    def call_next(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` before anything else: right after the callback that runs now."""
        self._ready.appendleft(asyncio.Handle(callback, (), self))

    @property
    def callbacks(self) -> int:
        """How many callbacks have run."""
        return self._ready.handed

    def strike_before(self, count: int, strike: Callable[[], object]) -> None:
        """Call ``strike`` just before callback number ``count``, as `callbacks` counts."""
        self._ready.strike = strike
        self._ready.strike_at = count

    # -- running ----------------------------------------------------------------------------------

    def run_until(self, *tasks: asyncio.Future[Any]) -> bool:
        """Run until all are done; return False if the program hangs."""
        left = {task for task in tasks if not task.done()}

        def ended(task: asyncio.Future[Any]) -> None:
            left.discard(task)
            if not left:
                self.stop()

        for task in tuple(left):
            task.add_done_callback(ended)
        if left:
            self.hung = None
            self.run_forever()
            for task in tuple(left):
                task.remove_done_callback(ended)
        return self.hung is None

    def settle(self, seconds: float) -> None:
        """Let what is under way come to rest: run for ``seconds`` of the loop's own time.

        Where no connection is open, that takes no real time; where one is, it is cut to 5 ms.
        """
        self.release()
        self.hung = None
        if not self.only_timers():
            seconds = min(seconds, _SETTLE_WATCHED)
        handle = self.call_later(seconds, self.stop)
        self.run_forever()
        handle.cancel()

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.problems.append(context)
