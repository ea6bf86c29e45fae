"""`CheckLoop`: asyncio's own event loop, with its clock, its queue and its selector in our hands.

*What it is.* Everything that a program does is done by asyncio's own code. Only three parts are
replaced: the clock stands still unless the loop waits (so a slow machine expires no timeout), and
jumps over the wait if nothing but a timer can end it; the ready queue counts callbacks, and can be
struck before any of them; the selector (`picker`) proves hangs, and holds back what arrives on
connections.

*What it is not.* Available under uvloop, whose queue and selector are not Python's; see
`on_uvloop` for what is possible there, and `looping` for what both have.

*Invariants.*
 L1  In a run without a strike the order of callbacks is asyncio's.
 L2  A hang is told at once when nothing is ready, no timer is set, nothing is watched and no
     thread works: nothing can ever happen. Else it is told when the time limit is over.
 L3  What is held back is released when nothing else can run, or by `release`; none is lost.

*Threads.* The loop's; `call_soon_threadsafe` from any, as always.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any

from rescind.check.looping import LATE, RunLoop
from rescind.check.picker import Picker

__all__ = ["LATE", "CheckLoop", "Ready"]

#: How long, in the loop's own time, a program may go on that only timers keep alive.
_ENDLESS = 120.0
#: Where the clock begins; not at 0, which programs take for "never".
_BEGINNING = 1000.0
#: After so many turns without a wait the clock goes on by so many seconds a turn, about as a real
#: one does: else a program that spins until a deadline would spin for ever.
_SPINS = 1000
_SPIN = 20e-6


class Ready(deque[Any]):
    """The loop's queue of callbacks; counts those that it hands out.

    Attributes:
        handed: how many it has handed out, canceled ones left out.
        strike, strike_at: what to call before the handing out of which.
        trace: where each is noted, if anybody wants to know.
    """

    handed = 0
    strike_at = 0
    strike: Callable[[], object] | None = None
    trace: Callable[[Any], object] | None = None

    def popleft(self) -> Any:
        handle = super().popleft()
        if not handle._cancelled:
            self.handed += 1
            if self.trace is not None:
                self.trace(handle)
            if self.handed == self.strike_at and self.strike is not None:
                strike, self.strike = self.strike, None
                strike()
        return handle


class CheckLoop(RunLoop, asyncio.SelectorEventLoop):
    """An asyncio event loop for one run, all of it in our hands.

    Attributes:
        now: the loop's time, in seconds.
        limit_at: the real time, on `time.monotonic`, at which the program counts as hung.
    """

    if TYPE_CHECKING:
        # asyncio's own, which its stubs leave out.
        _signal_handlers: dict[int, Any]
        _task_factory: Any

    def __init__(self) -> None:
        self.now = _BEGINNING
        self.limit_at = float("inf")
        self.endless_at = float("inf")
        # Sockets that the program connected, by descriptor: what can be held back.
        self.clients: dict[int, socket.socket] = {}
        # The number of each, counted from 1 as they were made.
        self._numbers: dict[int, int] = {}
        self.connected = 0
        self._spins = 0
        self._picker = Picker()
        self.get_ready()
        super().__init__(self._picker)
        self._ready = Ready()
        self.set_exception_handler(self._note)
        self._task_factory = self._make
        self._picker.loop = self

    def __del__(self) -> None:
        if hasattr(self, "_ssock"):  # else Ctrl-C came while it was being made
            super().__del__()

    # -- the clock --------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        """Let time pass: nothing but a timer can happen."""
        self._spins = 0
        self.now += seconds
        if self.now > self.endless_at:
            self.hang("it goes on for ever, by timers alone")

    def passed(self, seconds: float) -> None:
        """Note that the loop has waited."""
        self._spins = 0
        self.now += seconds
        self._watch_limit()

    def spun(self) -> None:
        """Note a turn without a wait."""
        self._spins += 1
        if self._spins > _SPINS:
            self.now += _SPIN
        self._watch_limit()

    # -- hangs ------------------------------------------------------------------------------------

    def only_timers(self) -> bool:
        """Can nothing but a timer happen (L2)?"""
        return (
            self._picker.watched() <= 1
            and not self._calls
            and not self._signal_handlers
            and threading.active_count() - self._idle() <= self._count
        )

    def _idle(self) -> int:
        """Return how many threads of the loop's own pool there are; called when they are idle."""
        pool = self._default_executor
        return len(pool._threads) if type(pool) is ThreadPoolExecutor else 0

    def allow(self, seconds: float) -> None:
        """Count the program as hung if the phase that begins now takes longer than ``seconds``."""
        self.hung = None
        self._spins = 0
        self.limit_at = monotonic() + seconds
        self.endless_at = self.now + max(_ENDLESS, seconds)

    def stuck(self) -> None:
        self.limit_at = float("inf")

    def _watch_limit(self) -> None:
        """Tell a hang when the limit is over."""
        if monotonic() > self.limit_at:
            what = LATE
            if self._calls:
                count = len(self._calls)
                have = "1 call has" if count == 1 else f"{count} calls have"
                what += f"; {have} not ended either, in other threads"
            elif self._spins > _SPINS:
                what += ": it goes on without ever waiting"
            self.hang(what)

    # -- what is held back ------------------------------------------------------------------------

    def hold(self, connection: int = 0) -> int:
        """Hold back what arrives on the program's own connections; return how many there are."""
        self.clients = {fd: sock for fd, sock in self.clients.items() if sock.fileno() == fd}
        return self._picker.hold(
            {fd: sock for fd, sock in self.clients.items() if connection in (0, self._numbers[fd])}
        )

    def _made(self, sock: socket.socket) -> None:
        """Note that the program has made a connection; told twice of it, perhaps."""
        number = sock.fileno()
        if self.clients.get(number) is not sock:
            self.connected += 1
            self._numbers[number] = self.connected
            self.clients[number] = sock

    def release(self) -> None:
        """Let through again what arrives."""
        self._picker.held = {}

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self._made(sock)
        await super().sock_connect(sock, address)

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[Any] | None = None,
        *,
        extra: Any = None,
        server: Any = None,
    ) -> Any:
        if server is None:  # a socket that the program has connected by itself, too
            self._made(sock)
        return super()._make_socket_transport(  # type: ignore[misc]  # asyncio's own hook
            sock, protocol, waiter, extra=extra, server=server
        )

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

    def trace(self, note: Callable[[Any], object] | None) -> None:
        """Tell ``note`` of each callback that is about to run."""
        self._ready.trace = note
