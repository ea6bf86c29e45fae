"""`LabExecutor`: an executor whose order is chosen, and whose steps are counted.

*What it is.* The loop of a run. It takes one thing at a time, a task that is ready or a timer that
is due, as the schedule says; notes each choice and each point it comes by; and has the injections
strike. Everything else is the runtime's own code.

*Order.* As on every host, a turn begins by waking who had yielded, then fires the timers that are
due, then steps who is ready, till nobody is. Only then may the clock move on. The schedule chooses
among what a turn has at the moment, timers first; when only timers are left, who has yielded may
come before them, as if a timer were late.

*Invariants.*
 X1  With `Fifo` the run is, step by step, that of the manual host.
 X2  What happens depends on main, the schedule and the injections: no clock, no id, no hash of an
     object is looked at. The collector is held off by whoever makes the run.
 X3  Choices and points are numbered in one sequence: two runs with the same choices and injections
     up to a number are the same up to there.

*Threads.* One.
"""

from __future__ import annotations

import contextvars
from collections import Counter
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from threading import get_ident  #: compiled: pass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace
from rescind._core.phase import Phase
from rescind._core.poll import Future, Waker
from rescind._core.task import Task
from rescind._core.timers import Timer
from rescind.testing.lab.due import TURN, Due, LabTimers
from rescind.testing.lab.errors import Hang, Livelock, OutOfTime
from rescind.testing.lab.events import Decision, Passed
from rescind.testing.lab.host import LabHost
from rescind.testing.lab.injection import ROOT, Instant, Kind, Spot
from rescind.testing.lab.outside import Outside
from rescind.testing.lab.places import Place, place_of_park
from rescind.testing.lab.schedule import Choice, Fifo, Schedule
from rescind.testing.lab.standing import standing
from rescind.testing.lab.targets import kinds_at
from rescind.testing.lab.task import LabTask
from rescind.testing.lab.waits import culprits, who_waits

if TYPE_CHECKING:
    from rescind.testing.lab.recorder import Recorder

__all__ = ["LabExecutor", "SeenKinds", "Strike", "Strikes"]

T = TypeVar("T")

#: The kinds of injection that there are, by path, place and instant.
SeenKinds = dict[tuple[str, str, Instant], tuple[Kind, ...]]

#: Called to strike: with the task at the point.
Strike = Callable[["LabTask[Any]"], object]

#: What strikes where: by path, then by place, visit and instant.
Strikes = Mapping[str, Mapping[tuple[str, int, Instant], Sequence[Strike]]]

#: How many of the last points a livelock is described by.
_LAST = 200


#: Makes a named tuple without its own `__new__`, which takes as long as the rest of a point.
_named: Any = cast("Any", tuple).__new__  #: compiled: pass


def _by_phase(instants: Mapping[Phase, Instant]) -> tuple[Instant | None, ...]:
    return tuple(instants.get(phase) for phase in Phase)


#: The instants that a task comes by before a step, and after it, by the number of its phase.
_BEFORE: Final = _by_phase(
    {
        Phase.NEW: Instant.UNSTARTED,
        Phase.READY: Instant.WOKEN,
        Phase.CLEANING_READY: Instant.CLEANUP_WOKEN,
    }
)
_AFTER: Final = _by_phase({Phase.PARKED: Instant.PARKED, Phase.CLEANING: Instant.CLEANUP})


class LabExecutor(Executor):
    """The executor of one run.

    Args:
        outside: what refuses the world outside.
        schedule: chooses.
        strikes: what strikes where: by path, place, visit and instant.
        max_steps: after so many steps and timers it is a livelock.
        grace: default for cleanups, in seconds.
        recorder: told of everything; None: nothing is recorded.
        kinds: filled with the kinds of injection at the points; None: nobody wants to know.

    Attributes:
        made: every task, in the order of spawning.
        decisions: every choice.
        passed: every point.
        taken: steps and timers so far.
        reached: the spots at which something was to strike, and did or found nothing to cancel.
        recorder: as given.
        outermost: the path of the next task that is spawned by none.
    """

    host: LabHost  #: compiled: pass

    def __init__(
        self,
        outside: Outside,
        schedule: Schedule,
        strikes: Strikes,
        *,
        max_steps: int,
        grace: float | None,
        recorder: Recorder | None,
        kinds: SeenKinds | None = None,
    ) -> None:
        super().__init__(LabHost(outside), grace=grace, name="the lab")
        self.made: list[LabTask[Any]] = []
        self.decisions: list[Decision] = []
        self.passed: list[Passed] = []
        self.taken = 0
        self.reached: set[Spot] = set()
        self.recorder = recorder
        self.outermost = ROOT
        self._outside = outside
        self._schedule = schedule
        self._strikes: Strikes = strikes
        # The paths of the tasks that something may strike.
        self._concerned: Container[str] = strikes
        self._max_steps = max_steps
        # Why it ends at its next step; None: it does not.
        self._late: str | None = None
        self._kinds = kinds
        self._timers: LabTimers = LabTimers()
        self._due: list[Due] = []
        self._order: list[LabTask[Any]] = []
        self._event = 0
        self._turning = True  # `turn` does nothing, and the host is never asked for anything
        self.thread = get_ident()

    # -- Executor ---------------------------------------------------------------------------------

    def now(self) -> float:
        return self.host.time

    @property
    def owner(self) -> Any:
        """Refuse: there is no `Runtime`."""
        self._outside.refuse(
            "the Runtime was asked for, by current_runtime() or by work in threads and processes"
        )

    @owner.setter
    def owner(self, owner: Any) -> None:
        raise NotImplementedError

    def spawn(
        self,
        future: Future[T],
        name: str | None = None,
        grace: Grace = UNSET,
        context: contextvars.Context | None = None,
        cleanup: bool = False,
    ) -> Task[T]:
        if get_ident() != self.thread:
            future.drop()
            self._outside.refuse("a task was spawned from another thread")
        parent = self.current
        if isinstance(parent, LabTask):
            parent.spawned += 1
            path = f"{parent.path}/{parent.spawned}"
        else:
            path = self.outermost
        task: LabTask[T] = LabTask(
            future, self, path, len(self.made), name=name, context=context, grace=grace
        )
        self.made.append(task)
        if self.recorder is not None:
            self.recorder.spawned(task, parent)
        self.admit(task, cleanup)
        return task

    def enqueue(self, task: Task[Any]) -> None:
        assert isinstance(task, LabTask)
        self._order.append(task)
        if self.recorder is not None:
            self.recorder.queued(task)

    def post(self, call: Callable[[], object]) -> None:
        if get_ident() != self.thread:
            self.host.call_soon_threadsafe(call)
            return
        self._inbox.append(call)

    # -- driving ----------------------------------------------------------------------------------

    def drive(self, until: Callable[[], bool]) -> None:
        """Run until ``until()``.

        Raises:
            Hang: nothing can run any more.
            Livelock: the steps are used up.
            UsageError: something reached for the world outside.
        """
        while not until():
            if not self.advance():
                waiting = list(self.tasks.values())
                raise Hang(who_waits(waiting, self.host.time), culprits(waiting))

    def advance(self) -> bool:
        """Let one thing happen, a step or a timer; or begin a turn. False if nothing can happen.

        Raises:
            Livelock: the steps are used up.
            OutOfTime: it was to `expire`.
            UsageError: something reached for the world outside.
        """
        if self._inbox:
            self.drain()
        order, due = self._order, self._due
        options: Sequence[Choice] = order
        if due:
            options = [*due, *order] if order or not self._deferred else [*due, TURN]
        count = len(options)
        if count == 0:
            return self._begin_turn()
        index = 0
        if count > 1:
            index = self._schedule.choose(options)
            self.decisions.append(_named(Decision, (self._event, count, index)))
            self._event += 1
        if self.taken >= self._max_steps:
            raise self._livelock() if self._late is None else OutOfTime(self._late)
        self.taken += 1
        if index < len(due):
            self._fire(due.pop(index).timer)
        elif not order:
            self.rouse()
        else:
            self._step(order.pop(index - len(due)))
        return True

    def _step(self, task: LabTask[Any]) -> None:
        recorder = self.recorder
        instant = _BEFORE[task._phase]
        if instant is not None:
            self._pass(task, instant)
        task.steps += 1
        self.current = task
        self.budget = self._budget
        if recorder is not None:
            recorder.begin(task)
        try:
            task.step()
        finally:
            self.current = None
        if task.ended is None:
            self._note_place(task)
        if recorder is not None:
            recorder.end(task)
        instant = _AFTER[task._phase]
        if instant is not None:
            self._pass(task, instant)
        if self.outside:
            self._outside.refuse("work was given to a thread or a process")

    def _note_place(self, task: LabTask[Any]) -> None:
        place = place_of_park(task.future)
        visits = task.visits
        if visits is None:
            visits = task.visits = {}
        visit = visits.get(place, 0) + 1
        visits[place] = task.visit = visit
        task.place = place

    def _pass(self, task: LabTask[Any], instant: Instant) -> None:
        """Note a point, and strike if that was asked for."""
        path, place = task.path, task.place
        self.passed.append(_named(Passed, (self._event, path, place, task.visit, instant)))
        self._event += 1
        kinds = self._kinds
        if kinds is not None:
            seen = (path, "" if place is None else place.key, instant)
            if seen not in kinds:
                kinds[seen] = kinds_at(task, instant)
        if path in self._concerned:
            self.come_by(task, place, task.visit, instant)

    def come_by(
        self, task: LabTask[Any], place: Place | None, visit: int, instant: Instant
    ) -> None:
        """Strike, if that was asked for at this point."""
        key = ("" if place is None else place.key, visit, instant)
        for strike in self._strikes[task.path].get(key, ()):
            strike(task)

    def _begin_turn(self) -> bool:
        """Wake who had yielded, find what is due; move the clock if there is nothing."""
        woken = bool(self._deferred)
        if woken:
            self.rouse()
        self._find_due()
        if woken or self._due:
            return True
        at = self._timers.next_at()
        if at is None or at == float("inf"):
            return False
        self.host.time = at
        self._find_due()
        return True

    def _find_due(self) -> None:
        timers = self._timers
        self._due = timers.due(self.host.time)

    def _fire(self, timer: Timer) -> None:
        waker: Waker | None = timer.waker
        if waker is None:
            return  # canceled since
        timer.cancel()
        timer.fired = True
        if self.recorder is not None:
            self.recorder.fired()
        waker.wake()
        if self.recorder is not None:
            self.recorder.quiet()

    def _livelock(self) -> Livelock:
        last = [(one.task, one.place) for one in self.passed[-_LAST:]]
        counts = Counter(last)
        lines = [
            f"  {path} at {place}: {count} times" for (path, place), count in counts.most_common(5)
        ]
        return Livelock(
            f"the run is not over after {self._max_steps} steps, at {self.host.time:g} s; of the "
            f"last {len(last)}:\n" + "\n".join(lines),
            tuple(sorted({place.function for _, place in counts if place is not None})),
        )

    def expire(self, why: str) -> None:
        """Have the run end at its next step, by `OutOfTime`; from any thread."""
        self._late = why
        self._max_steps = 0

    # -- what is left -----------------------------------------------------------------------------

    def forbear(self) -> None:
        """Main has ended: choose, strike and record no more, and grant as many steps again."""
        self._schedule = Fifo()
        self._concerned = ()
        self._kinds = None
        self._max_steps += self.taken + 1000

    def timers_of(self, waker: Waker) -> list[Timer]:
        """Return the timers that would wake ``waker``, in order of time."""
        return self._timers.of(waker)

    def standing(self) -> Hashable | None:
        """Return who is where in the queues; None if that is not all that the lab's state is."""
        return standing(self)

    @property
    def ready_paths(self) -> list[str]:
        """The tasks that are ready, by path, in order."""
        return [task.path for task in self._order]

    @property
    def yielded(self) -> list[Waker]:
        """Who has yielded, in order."""
        return self._deferred

    def waiting_for_time(self) -> list[tuple[float, Waker]]:
        """Return whom a timer will wake, and when: first those that are due, then in order."""
        timers = [due.timer for due in self._due] + self._timers.in_order()
        return [(timer.at, timer.waker) for timer in timers if timer.waker is not None]

    @property
    def ready(self) -> int:
        """How many tasks are ready."""
        return len(self._order)

    @property
    def timers(self) -> int:
        """How many timers may still fire."""
        return len(self._timers)
