"""`CheckLoop`: asyncio's own event loop, with its clock, its queue and its selector in our hands.

*What it is.* Everything that a program does is done by asyncio's own code. Only three parts are
replaced: the clock stands still unless the loop waits (so a slow machine expires no timeout), and
jumps over the wait if nothing but a timer can end it; the ready queue counts callbacks, and can be
struck before any of them; the selector (`picker`) proves hangs, and holds back what arrives on
connections.

*What it is not.* Available under uvloop, whose queue and selector are not Python's.

*Invariants.*
 L1  In a run without a strike the order of callbacks is asyncio's.
 L2  A hang is told at once when nothing is ready, no timer is set, nothing is watched and no
     thread works: nothing can ever happen. Else it is told when the time limit is over.
 L3  What is held back is released when nothing else can run, or by `release`; none is lost.
 L4  Every task that is made on the loop goes by `on_task`, whatever factory the program sets.

*Threads.* The loop's; `call_soon_threadsafe` from any, as always.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from rescind._core.executor import Executor
from rescind.check.picker import Picker
from rescind.check.whose import PATH

__all__ = ["LATE", "CheckLoop", "Ready", "make_task"]

#: What is said of what seems to hang, but was not proved to.
LATE = "it did not end in time"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: How long to wait, in real seconds, for those who are at work where connections are open; and for
#: what may still be on its way on a connection, once nobody is.
_SETTLE_WATCHED = 0.005
_QUIET = 0.001
#: How long, in the loop's own time, a program may go on that only timers keep alive.
_ENDLESS = 120.0
#: Where the clock begins; not at 0, which programs take for "never".
_BEGINNING = 1000.0
#: After so many turns without a wait the clock goes on by so many seconds a turn, about as a real
#: one does: else a program that spins until a deadline would spin for ever.
_SPINS = 1000
_SPIN = 20e-6

#: Makes a task: the program's own factory, or asyncio's default.
Factory = Callable[..., Any]


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


class _Counted:
    """Submits to an executor, and keeps what is under way there."""

    def __init__(self, executor: Pool) -> None:
        self._executor = executor
        self.submitted: Future[Any] | None = None

    def submit(self, func: Callable[..., Any], /, *args: Any) -> Future[Any]:
        self.submitted = future = self._executor.submit(func, *args)
        return future


class CheckLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop for one run.

    Attributes:
        now: the loop's time, in seconds.
        hung: what was found, if the program hangs; else None.
        limit_at: the real time, on `time.monotonic`, at which the program counts as hung.
        problems: what the exception handler was given, with the ``path`` of whom it concerns.
        threads: those that were there before it.
        on_task: makes a task of a coroutine, given the factory that the program has set; None:
            as asyncio does.
        rescind_executor: makes the executors of the runtimes that are attached to it.
    """

    if TYPE_CHECKING:
        # asyncio's own, which its stubs leave out.
        _signal_handlers: dict[int, Any]
        _asyncgens: set[Any]
        _default_executor: Pool | None
        _task_factory: Any

        def _check_closed(self) -> None: ...

    def __init__(self) -> None:
        self.now = _BEGINNING
        self.hung: str | None = None
        self.limit_at = float("inf")
        self.endless_at = float("inf")
        self.problems: list[dict[str, Any]] = []
        self.on_task: Callable[[Factory | None, Any, dict[str, Any]], Any] | None = None
        self.rescind_executor: Callable[..., Executor] = Executor
        # Sockets that the program connected, by descriptor: what can be held back.
        self.clients: dict[int, socket.socket] = {}
        # Calls that other threads or processes work on.
        self._calls: set[Future[Any]] = set()
        self.threads = threading.enumerate()
        self._count = len(self.threads)
        self._spins = 0
        self._factory: Factory | None = None
        self._picker = Picker()
        super().__init__(self._picker)
        self._ready = Ready()
        self.set_exception_handler(self._note)
        self._task_factory = self._make
        self._picker.loop = self

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

    def hang(self, what: str) -> None:
        """Stop: the program hangs."""
        if self.hung is None:
            self.hung = what
        self.limit_at = float("inf")
        self.stop()

    # -- what is held back ------------------------------------------------------------------------

    def hold(self) -> int:
        """Hold back what arrives on the program's own connections; return how many there are."""
        self.clients = {fd: sock for fd, sock in self.clients.items() if sock.fileno() == fd}
        return self._picker.hold(self.clients)

    def release(self) -> None:
        """Let through again what arrives."""
        self._picker.held = {}

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.clients[sock.fileno()] = sock
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
            self.clients[sock.fileno()] = sock
        return super()._make_socket_transport(  # type: ignore[misc]  # asyncio's own hook
            sock, protocol, waiter, extra=extra, server=server
        )

    # -- threads ----------------------------------------------------------------------------------

    def run_in_executor(
        self, executor: Pool | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        if executor is None:
            self._check_closed()
            executor = self._default_executor
            if executor is None:
                executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
                self._default_executor = executor
        counted: Any = _Counted(executor)
        future = super().run_in_executor(counted, func, *args)
        # Not asyncio's future: that one is done as soon as it is canceled, while the thread works
        # on. And told after asyncio was: what it posts is in the queue when the call is gone.
        call: Future[Any] = counted.submitted
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return future

    # -- tasks ------------------------------------------------------------------------------------

    def set_task_factory(self, factory: Any) -> None:
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._factory = factory

    def get_task_factory(self) -> Any:
        return self._factory

    def _make(
        self, _loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        if self.on_task is not None:
            return self.on_task(self._factory, coro, options)
        return make_task(self, self._factory, coro, options)

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
            while left and self.hung is None:
                self._run()
            for task in tuple(left):
                task.remove_done_callback(ended)
        return self.hung is None

    def settle(
        self, seconds: float, at_work: Callable[[], bool] | None = None, *, patient: bool = False
    ) -> None:
        """Let what is under way come to rest: run for ``seconds`` of the loop's own time.

        Where no connection is open, that takes no real time. Where one is, it ends when nothing has
        happened for a millisecond and nobody is ``at_work``; after five at the latest.

        Args:
            seconds: how long, if nothing but timers can happen.
            at_work: says whether somebody is, who may yet come to an end.
            patient: take five milliseconds for that, and ``seconds`` at most.
        """
        self.release()
        self.hung = None
        until = self.now + seconds
        watched = min(until, self.now + (seconds if patient else _SETTLE_WATCHED))
        quiet = _SETTLE_WATCHED if patient else _QUIET
        while self.hung is None:
            if self.only_timers():
                self._run_for(max(until - self.now, 0.0))
                return
            before = self.callbacks
            self._run_for(min(quiet, max(watched - self.now, 0.0)))
            happened = self.callbacks - before > 1  # more than the timer's own
            working = bool(self._calls) or (at_work is not None and at_work())
            if self.now >= watched or not (happened or working):
                return

    def _run_for(self, seconds: float) -> None:
        """Run for so long, in the loop's time; shorter if the program hangs."""
        over: list[None] = []

        def rest() -> None:
            over.append(None)
            self.stop()

        handle = self.call_later(seconds, rest)
        while not over and self.hung is None:
            self._run()
        handle.cancel()

    def _run(self) -> None:
        """Run until stopped; perhaps by the program itself, which is no reason to end."""
        try:
            self.run_forever()
        except SystemExit:
            pass  # the task that raised it has it as its exception

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.problems.append({**context, "path": _path_of(context)})


def _path_of(problem: dict[str, Any]) -> str:
    """Return the path of the task that a problem concerns, or that has asked for what failed."""
    task = problem.get("task") or problem.get("future")
    get: Any = getattr(task, "get_coro", None)
    coro = None if get is None else get()
    asked: Any = getattr(problem.get("handle"), "_context", None)
    path: str = PATH.get() if asked is None else asked.get(PATH, "loop")
    return str(getattr(coro, "path", path))


def make_task(
    loop: asyncio.AbstractEventLoop, factory: Factory | None, coro: Any, options: dict[str, Any]
) -> Any:
    """Make a task as asyncio does that has this factory."""
    if factory is None:
        return asyncio.Task(coro, loop=loop, **options)
    return factory(loop, coro, **options)
