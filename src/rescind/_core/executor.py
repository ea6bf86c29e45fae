"""`Executor`: the ready queue, and `turn`: if it should be canceled, cancel it, else poll it.

*What it is.* One executor runs the tasks of one thread, on one host. ``turn`` is one host callback:
it fires timers, takes the tasks that are ready, steps each, and re-arms the host once.

*What it is not.* A loop: the host calls it. It knows nothing of sockets.

*Invariants.*
 E1  One step per queue entry, in the order of waking. A task that wakes others runs them in the
     same turn, up to a bound; then the host gets to look for I/O.
 E2  A task that yields (`defer`) runs after the host has looked for I/O: yielders starve nobody.
 E3  A step has a budget of leaf completions; a hot task parks when it is spent (R7, R23).
 E4  Whatever comes from another thread goes through the inbox, and takes effect in a turn (R2).
 E5  At most one wake-up and one timer of the host are armed; none while a turn runs.
 E6  After `close` nothing is spawned: a task made then is born canceled, its body never run (R24).
 E7  What is current at the host for a coroutine stays so till the next needs its own, or it ends,
     and is put back before what others asked for, and at the end of a turn (R28).

*Threads.* `post`, `spawn` and `running` from any; everything else on the thread that runs it.

*Source.* tokio's ``current_thread`` scheduler, with its deferred yields.
"""

from __future__ import annotations

import contextvars
import weakref
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .counts import Counts
from .current import executors, local
from .engine import Engine
from .fifo import fifo
from .frames import keep_for_ever
from .grace import UNSET, Grace, checked_grace
from .hooks import hooks
from .outcome import Outcome
from .poll import Future, Waker
from .reason import CancelKind, CancelReason, CancelRequest
from .resources import Resources
from .task import Task, new_task
from .timers import Timer, Timers

if TYPE_CHECKING:
    from .errors import Abandoned
    from .hostport import Host, Scheduled
    from .overrun import Overrun
    from .statistics import RuntimeStatistics
    from .vigil import Vigil

__all__ = ["Executor"]

T = TypeVar("T")

DEFAULT_GRACE: Final = 30.0
DEFAULT_BUDGET: Final = 128
_STEPS_PER_TURN: Final = 1024
_OVERRUNS_KEPT: Final = 1000


class Executor(Engine):
    """Runs tasks on a host.

    Args:
        host: what it rides on.
        grace: default for the cleanup of a canceled task, in seconds; None: unbounded.
        budget: leaf completions per step.
        name: for messages.
    """

    def __init__(
        self,
        host: Host,
        *,
        grace: float | None = DEFAULT_GRACE,
        budget: int = DEFAULT_BUDGET,
        name: str = "runtime",
    ) -> None:
        super().__init__(host, budget)
        self.grace = grace
        self.name = name
        self._clock: Callable[[], float] = getattr(host, "clock", host.now)
        self.tasks: dict[int, Task[Any]] = {}
        self.abandoned: list[Abandoned] = []
        self.closed: CancelReason | None = None  # why; None while tasks may be spawned (E6)
        self.stopped = False  # Has the host gone, so that nothing can run any more?
        self._posted: set[int] = set()  # ids of what other threads have spawned, till admitted
        # Returns what it belongs to, without keeping it: a Runtime, for `current_runtime`.
        self._owner: Callable[[], Any] | None = None
        self.resources = Resources()  # ended after the last task: threads, processes (R24)
        self.outside = 0  # in threads and processes, what will post its end: no clock may jump
        # Cleanups that overran their grace, in order; before the shutdown, the latest alone.
        self.overruns: list[Overrun] = []
        # A shutdown that is under way is told of tasks that end, or are a part of a cleanup.
        self.on_forget: Callable[[Task[Any], Outcome[Any]], None] | None = None
        self.on_cleanup: Callable[[Task[Any]], None] | None = None
        self.vigil: Vigil | None = None  # who looks after it, and warns
        self._budget = budget
        self._ready: fifo[Task[Any]] = fifo()
        self._deferred: list[Waker] = []
        self._inbox: deque[Callable[[], object]] = deque()
        self._timers = Timers()
        self._turning = False
        self._soon: Scheduled | None = None
        self._alarm: Scheduled | None = None
        self._alarm_at = float("inf")
        self._counts = Counts()
        executors.add(self)

    # -- for tasks and futures --------------------------------------------------------------------

    def now(self) -> float:
        return self._clock()  #: compiled: return time_of(self._clock)

    def add_timer(self, at: float, waker: Waker) -> Timer:
        """Wake ``waker`` at host time ``at``."""
        timer = self._timers.add(at, waker)
        if not self._turning and at < self._alarm_at:
            self._arm()
        return timer

    def defer(self, waker: Waker) -> None:
        """Wake ``waker`` after the host has looked for I/O (E2)."""
        self._deferred.append(waker)
        if not self._turning:
            self._arm()

    def enqueue(self, task: Task[Any]) -> None:
        self._ready.append(task)  #: compiled: put(self._ready, task)
        if not self._turning and self._soon is None:
            self._soon = self.host.call_soon(self._on_soon)  #: compiled: ask(self)

    def forget(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        own, vigil = task, self.vigil
        self.tasks.pop(own.id, None)
        self._counts.note(outcome, own.absorbed)
        if vigil is not None and own.request is not None and (vigil.ends or own.absorbed):
            vigil.ended(task, outcome)
        if self.on_forget is not None:
            self.on_forget(task, outcome)

    def note_overrun(self, overrun: Overrun) -> None:
        """Record a cleanup that overran its grace."""
        if hooks.overran is not None:
            hooks.overran(overrun)
        overruns = self.overruns
        if self.closed is None and len(overruns) >= _OVERRUNS_KEPT:
            del overruns[0]  # a server lives long
        overruns.append(overrun)

    def keep_abandoned(self, error: Abandoned) -> bool:
        """Keep what was abandoned from the collector, which would resume it once more.

        Returns:
            False if it is kept already: it passes through the drop of each cell that it hung in.
        """
        if error.kept:
            return False
        error.kept = True
        self.abandoned.append(error)
        if hooks.abandoned is not None:
            hooks.abandoned(error)
        for coroutine in error.coroutines:
            keep_for_ever(coroutine)
        return True

    def post(self, call: Callable[[], object]) -> None:
        """Call ``call()`` in the next turn; callable from any thread (E4).

        Once it is stopped and its host closed there is no next turn, and nothing is kept.
        """
        self._inbox.append(call)
        if self.host.call_soon_threadsafe(self._on_post) is False and self.stopped:
            self._inbox.clear()  # `stop` has done all that came before

    # -- spawning ---------------------------------------------------------------------------------

    def spawn(
        self,
        future: Future[T],
        name: str | None = None,
        grace: Grace = UNSET,
        context: contextvars.Context | None = None,
        cleanup: bool = False,
    ) -> Task[T]:
        """Make a task of ``future`` and queue it; callable from any thread.

        With ``cleanup`` it is a part of the cleanup that is under way, which a shutdown admits: it
        has until the end of the shutdown's grace. To be used on the executor's thread alone.
        """
        grace = grace if grace is UNSET else checked_grace(grace)
        task = new_task(future, self, name, context, grace)
        if get_ident() == self.thread and not self.stopped:
            self.admit(task, cleanup)
            return task
        self._posted.add(task.id)
        if not self.stopped:
            self.post(partial(self._take_up, task))
        if self.stopped:  # perhaps only now: then nobody empties the inbox any more
            self._take_up(task)
        return task

    def _take_up(self, task: Task[Any]) -> None:
        """Admit what was posted; once, by whoever comes first, without a lock: code may run."""
        try:
            self._posted.remove(task.id)
        except KeyError:
            return
        self.admit(task)

    def admit(self, task: Task[Any], cleanup: bool = False) -> None:
        """Take a task up; once closed, end it, unless it is a part of a cleanup (E6)."""
        if task.ended is not None:
            return
        self._counts.spawned += 1
        self.tasks[task.id] = task
        if self.closed is None:
            self.enqueue(task)
        elif cleanup and self.on_cleanup is not None:
            self.enqueue(task)
            self.on_cleanup(task)
        else:
            born = CancelReason(
                CancelKind.SHUTDOWN, "spawned after the shutdown", at=self.now(), cause=self.closed
            )
            task.ask(CancelRequest(born))
            task.drop_now(task.request or CancelRequest(born))

    # -- running ----------------------------------------------------------------------------------

    @property
    def owner(self) -> Any:
        """What it belongs to, a Runtime; None if that is gone, or there is none."""
        return None if self._owner is None else self._owner()

    @owner.setter
    def owner(self, owner: Any) -> None:
        self._owner = weakref.ref(owner)

    @property
    def running(self) -> bool:
        """Is a turn under way?"""
        return self._turning

    def turn(self) -> None:
        """Fire timers, take what is ready, cancel or poll each, re-arm the host once."""
        if self._turning:
            return
        outer = local.executor  #: compiled: outer = get_executor()
        self._turning = True
        local.executor = self  #: compiled: set_executor(self)
        self.thread = get_ident()  # a loop that nobody runs may be run by another thread next
        self.seat = local.seat  #: compiled: pass
        counts, ready = self._counts, self._ready
        counts.turns += 1
        steps, most, vigil = 0, _STEPS_PER_TURN, self.vigil
        began = 0.0 if vigil is None else monotonic()  #: compiled: began = clock(vigil)
        try:
            self._collect()
            self.keeps = True
            while ready and steps < most:  #: compiled: while ready._count and steps < most:
                round_ends = min(steps + len(ready), most)
                while steps < round_ends:
                    task = ready.popleft()  #: compiled: task = taken(ready)
                    self.current = task
                    self.budget = self._budget
                    steps += 1
                    task.step()
                    del task  # this frame may outlive the turn, in the ``f_back`` of an exception's
                if self._inbox:
                    self.resign()
                    self.drain()
        finally:
            counts.steps += steps
            self.keeps = False
            self.resign()
            took = monotonic() - began  #: compiled: took = clock(vigil) - began
            if vigil is not None and (took > vigil.slow or vigil.wants):
                vigil.turned(self, took, steps)
            self.current = self.seat = None
            self._turning = False
            local.executor = outer  #: compiled: set_executor(outer)
            self._arm()

    def wake_directly(self, waker: Waker) -> None:
        """Wake, and run the turn at once: in callbacks of the host it saves a hop through that."""
        if self._turning:
            waker.wake()
            return
        self._turning = True
        try:
            waker.wake()  #: compiled: wake_up(waker)
        finally:
            self._turning = False
        if self._ready:  #: compiled: if self._ready._count:
            self.turn()
        else:  # it was a stock task's, or nobody's
            self._arm()

    def refill(self) -> None:
        """Give the next step of a foreign driver its budget (E3)."""
        self.budget = self._budget

    def _collect(self) -> None:
        if self._inbox:
            self.drain()
        if self._deferred:
            self.rouse()
        at = self._timers.next_at()
        if at is not None and at <= (now := self._clock()):
            self._timers.fire(now)

    def rouse(self) -> None:
        """Wake those who yielded (E2)."""
        self.rounds += 1
        deferred, self._deferred = self._deferred, []
        for waker in deferred:
            waker.wake_here()  #: compiled: wake_up(waker)

    def drain(self) -> None:
        """Do what other threads asked for."""
        inbox = self._inbox
        for _ in range(len(inbox)):
            inbox.popleft()()

    def _on_soon(self) -> None:
        self._soon = None
        self.turn()

    def _on_post(self) -> None:
        if self._inbox:
            self.turn()

    def _on_alarm(self) -> None:
        self._alarm = None
        self._alarm_at = float("inf")
        self.turn()

    def _arm(self) -> None:
        """Ask the host for the next turn: soon, or when the first timer is due (E5)."""
        if self._ready or self._deferred:  #: compiled: if self._ready._count or self._deferred:
            if self._soon is None:
                self._soon = self.host.call_soon(self._on_soon)  #: compiled: ask(self)
            return
        at = self._timers.next_at()
        if at is None or at == self._alarm_at:
            return
        if self._alarm is not None:
            if self._alarm_at < at:
                return  # it will look again when it rings: cheaper than to re-arm for every sleep
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self.host.call_at(at, self._on_alarm)

    # -- the end ----------------------------------------------------------------------------------

    def close(self, reason: CancelReason) -> None:
        """Accept no more tasks (E6)."""
        if self.closed is None:
            self.closed = reason

    @contextmanager
    def kept_by(self, owner: Any) -> Generator[None]:
        """During the block, know the owner though it is being collected."""
        before, self._owner = self._owner, lambda: owner
        try:
            yield
        finally:
            self._owner = before

    def disown(self) -> None:
        """Admit nothing more, and ask nothing of the host: this process is a fork."""
        self.stopped = self._turning = True
        self.close(CancelReason(CancelKind.SHUTDOWN, "this process is a fork"))

    @contextmanager
    def frozen(self) -> Generator[None]:
        """During the block, be this thread's, turn nothing, and ask nothing of the host."""
        self.thread = get_ident()
        self._turning = True
        try:
            yield
        finally:
            self._turning = self.keeps = False

    def stop(self) -> None:
        """Take back what is armed at the host: no task is left.

        Futures that foreign tasks await may still have timers here: for them it is armed again.
        """
        self.stopped = True
        self.drain()
        for handle in filter(None, (self._soon, self._alarm)):
            handle.cancel()
        self._soon = self._alarm = None
        self._alarm_at = float("inf")
        with suppress(RuntimeError):  # somebody has closed the loop before
            self._arm()

    def statistics(self) -> RuntimeStatistics:
        """Return a snapshot of the counters."""
        return self._counts.snapshot(
            alive=len(self.tasks),
            ready=len(self._ready),
            timers=len(self._timers),
            abandoned=len(self.abandoned),
        )

    def describe_hang(self) -> str:
        """Return a table: each task, what it waits for, and where; equal ones on one line."""
        from .waiting import describe_waits  # where nothing hangs it is not needed

        tasks = list(self.tasks.values())
        return "\n".join(describe_waits((task.name, task) for task in tasks)) or "  (no task)"
