"""The trio host: what trio's run on this thread gives an executor.

*What it is.* The run's clock and callbacks. What has no trio task of its own (timers, a set's
members, spawned tasks) is served by a system task, one for each run.

*What it is not.* A way to poll what belongs to trio: its primitives park the task that runs, and a
combinator's children have none of their own. A child that awaits one is told so.

*Invariants.*
 Z3  What serves a run ends with the run's system tasks, and keeps no run alive.

*Threads.* The run's thread; `TrioHost.call_soon_threadsafe` from any.

*Source.* trio's documentation of ``lowlevel``.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any, NoReturn

try:
    import trio
except ImportError as exc:  # pragma: no cover
    raise ImportError("rescind._host.trio needs trio, which is missing") from exc

from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.hostport import Swap
from rescind._core.poll import Future
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._host.call import Call
from rescind._host.driven import grace_at
from rescind._host.ticks import Tick
from rescind._host.trio_seat import Owed, Seat

__all__ = ["TrioHost", "executor_of_run"]

_executor: trio.lowlevel.RunVar[Executor | None] = trio.lowlevel.RunVar("rescind", None)


def executor_of_run() -> Executor:
    """Return the executor of trio's run on this thread; call it within a trio task."""
    executor = _executor.get(None)
    if executor is None or executor.stopped:
        host = TrioHost()
        executor = Executor(host, name="trio")
        executor.thread = get_ident()
        host.begin(executor)
        _executor.set(executor)
    executor.thread = get_ident()
    return executor


class TrioHost:
    """Rides on trio's run on this thread; made within one of its tasks.

    Attributes:
        seats: the tasks that drive a future now, by the trio task.
    """

    name = "trio"
    swap: Swap | None = None
    closed = False  # its executor is stopped when the run has ended

    def __init__(self) -> None:
        self.seats: dict[trio.lowlevel.Task, Seat] = {}
        self._token = trio.lowlevel.current_trio_token()
        self._clock = trio.lowlevel.current_clock()
        # Where the task parks that serves the run; None before its first step, and after its last.
        self._server: Seat | None = None
        # Has the run's main task ended, so that the server only waits for who still needs it?
        self._ending = False
        # What the server parks in: its deadline is the first timer's.
        self._scope: trio.CancelScope | None = None
        self._soon: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._made = itertools.count()

    # -- Host -------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the time of the run's clock, in seconds."""
        return self._clock.current_time()

    def call_soon(self, callback: Callable[[], object]) -> Call:
        """Call back when trio has looked for I/O."""
        call = Call(callback)
        self._soon.append(call)
        if self._server is not None:
            self._server.wake()
        return call

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> bool:
        """Call back, from any thread; return False once the run has ended."""
        try:
            # Not there and then: trio's primitives take the task that runs for the one to park.
            self._token.run_sync_soon(self.call_soon, callback)
        except trio.RunFinishedError:
            return False
        return True

    def call_at(self, at: float, callback: Callable[[], object]) -> Call:
        """Call back when the run's clock shows ``at``."""
        call = Call(callback)
        heapq.heappush(self._timers, (at, next(self._made), call))
        if self._scope is not None and at < self._scope.deadline:
            self._scope.deadline = at
        return call

    def adopt(self, yielded: object) -> Future[Any] | None:
        """Know a bare ``yield``; refuse what belongs to trio or asyncio, and say what to do."""
        if yielded is None:
            return Tick()
        if getattr(yielded, "_asyncio_future_blocking", None) is not None:
            raise UsageError(
                f"{local.region!r} awaited {yielded!r}, but trio runs here, not asyncio: nothing "
                "would complete it. Await futures of rescind; or run the program with "
                "rescind.run(...), where asyncio's can be awaited"
            )
        kind = yielded if isinstance(yielded, type) else type(yielded)
        return self._refuse(yielded) if kind.__module__.partition(".")[0] == "trio" else None

    def identify(self, coroutine: Any, cell: Any, label: object, root: bool) -> Any:
        """Give no identity."""

    def retire(self, identity: Any) -> None:
        """Have nothing to retire."""

    def shielded(self, identity: Any) -> bool:
        """Have no shields: it is the task as a whole that trio cancels."""
        return False

    def foreign_request(self, identity: Any) -> BaseException | None:
        """Have no requests: it is the task as a whole that trio cancels."""

    def run(self, until: Callable[[], bool]) -> None:
        """Refuse to block."""
        raise UsageError("trio runs this thread; await there instead of blocking")

    def stop(self) -> None:
        """Do nothing: it is never blocked on."""

    def close(self) -> None:
        """Do nothing: the run is not this host's."""

    # -- parking ----------------------------------------------------------------------------------

    def sit(self) -> Seat:
        """Return a seat for the trio task that runs now."""
        seat = Seat()
        self.seats[seat.task] = seat
        return seat

    def rise(self, seat: Seat) -> None:
        """Note that the seat's task drives nothing any more."""
        del self.seats[seat.task]
        if self._ending and not self.seats and self._server is not None:
            self._server.wake()

    def _refuse(self, trap: object) -> Future[Any]:
        """Take back a park of trio's own, and raise; or return what waits until it is over."""
        region = local.region
        error = UsageError(
            f"{region!r} awaited something of trio's, but it is rescind that polls it, and trio "
            "can park whole tasks only. Await it outside of the combinator, or in a task that a "
            "nursery starts, which may send what it gets through a channel of rescind's"
        )
        abort = getattr(trap, "abort_func", None)
        task = trio.lowlevel.current_task()
        seat = self.seats.get(task, self._server)
        if abort is None or seat is None or seat.task is not task:
            raise error
        told = False

        def raise_cancel() -> NoReturn:
            nonlocal told
            told = True
            raise error

        try:
            aborted = abort(raise_cancel)
        except BaseException as exc:
            raise error from exc
        if aborted is not trio.lowlevel.Abort.FAILED or seat.owed is not None:
            raise error
        # A nursery was told why, and raises that when its tasks have ended; a thread was not.
        seat.owed = Owed(None if told else error)
        executor = None if region is None or region.cx is None else region.cx.executor
        if executor is not None:
            executor.budget = 0  # nobody else is stepped before that is over
        return seat.owed

    # -- serving ----------------------------------------------------------------------------------

    def begin(self, executor: Executor) -> None:
        """Start the task that serves the run."""
        try:
            trio.lowlevel.spawn_system_task(self._serve, executor, name="rescind")
        except RuntimeError:
            # The system tasks have ended, and async generators that were left open are finalized.
            root = trio.lowlevel.current_root_task()
            assert root is not None
            root.child_nurseries[0].start_soon(self._serve, executor, name="rescind")

    async def _serve(self, executor: Executor) -> None:
        self._server = seat = Seat()
        resources = executor.resources
        try:
            await self._serve_until(seat, lambda: False)
        except trio.Cancelled:
            self._ending = True
            reason = CancelReason(CancelKind.SHUTDOWN, "the trio run has ended", at=self.now())
            executor.close(reason)
            for resource in reversed(resources.all()):
                resource.begin(reason)
            for task in list(executor.tasks.values()):
                task.ask(CancelRequest(reason, grace_at=grace_at(executor)))
            with trio.CancelScope(shield=True):
                await self._serve_until(seat, lambda: not executor.tasks and not self.seats)
            raise
        finally:
            for resource in reversed(resources.all()):
                resource.close_now()
            executor.stop()
            self._server = None

    async def _serve_until(self, seat: Seat, over: Callable[[], bool]) -> None:
        while not over():
            if self._soon:
                await trio.lowlevel.checkpoint()
            else:
                with trio.CancelScope(deadline=self._next_at()) as self._scope:
                    await seat.park()
                self._scope = None
            due = [self._soon.popleft() for _ in range(len(self._soon))]
            while self._timers and self._timers[0][0] <= self.now():
                due.append(heapq.heappop(self._timers)[2])
            for call in due:
                call()
                while seat.owed is not None:
                    await seat.park()

    def _next_at(self) -> float:
        """Return when the first timer is due."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else float("inf")
