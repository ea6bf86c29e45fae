"""`execute`: one run, from a new loop and a new env to the record of what it showed.

*What it is.* setup → the scenario, struck as the plan says → the judge's part (settle, follow-up,
storm, crowd) → invariants → teardown → the detectors' last look. Each on the same env, and nothing
of it survives the run.

*What it is not.* A judge: it notes; `detectors` compare what was noted with the clean run's.

*Invariants.*
 X1  The strike falls where the plan says, or the record says that it did not.
 X2  The checker's own callbacks are in a run only where it strikes: a run without a strike has the
     order of callbacks that the program has by itself.
 X3  Nothing reaches the next run: no task, no current loop, no context variable, no problem that
     somebody will be told of late.

*Threads.* One run at a time on a thread; it may be any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from rescind._core.current import local
from rescind.check.around import current_loop, left_threads, restore_loop
from rescind.check.executor import ProbedExecutor
from rescind.check.loops import loop_of
from rescind.check.modes import WAYS, Way
from rescind.check.points import ROOT, Judge, Mode, Point, RunPlan, Until
from rescind.check.probe import Probes, stack_of
from rescind.check.record import End, Record, end_of, end_of_body, frames_of, shown
from rescind.check.scenario import Env, NotAsync, Outside, Scenario, call, failing, start
from rescind.check.strike import Strike
from rescind.check.whose import is_of_scenario

if TYPE_CHECKING:
    from rescind.check.detectors import Detector

__all__ = ["CUT", "Run", "execute"]

#: What is said of a run that was cut off.
CUT = "there was no time left to end it"

_STORM = 12
_SETTLE = 0.05
#: How many copies begin before the one that is canceled, and after it: of two it is the first, who
#: has what the other wants; of three the second, who waits and has another one waiting behind it.
_COPIES = {Judge.CROWD: (0, 1), Judge.CROWD3: (1, 1)}
_FOLLOWED = frozenset({Judge.FOLLOW_UP, Judge.PROMPT, Judge.STORM, Judge.CROWD, Judge.CROWD3})
#: What the loop says of the tasks that were left, and are told of by a detector of their own.
_DESTROYED = "Task was destroyed but it is pending!"


class Run:
    """One run under way.

    Attributes:
        scenario, plan, record: what is run, how, and what it showed.
        loop, probes, env: what it runs on.
        way: the scenario's task; None before it starts, and in the end.
        copies: the other copies, in a crowd.
        problems: what the loop's exception handler was given, until teardown had ended, and what
            came to light when all was let go.
    """

    def __init__(
        self,
        scenario: Scenario,
        plan: RunPlan,
        detectors: Sequence[Detector] = (),
        limit: float | None = None,
        *,
        until: float = float("inf"),
        patient: bool = False,
    ) -> None:
        self.scenario = scenario
        self.plan = plan
        self.record = Record(plan)
        self.detectors = detectors
        # Seconds after which a part of it counts as hung.
        self.limit = scenario.timeout if limit is None else min(limit, scenario.timeout)
        self.until = until
        self.patient = patient
        self.loop = loop_of(scenario)
        self.probes = Probes()
        self.env = Env()
        self.way: Way | None = None
        self.copies: list[Way] = []
        self._problems: list[dict[str, Any]] = []
        self._strike = Strike(self)
        self._follow_up: asyncio.Task[Any] | None = None

    # -- the phases -------------------------------------------------------------------------------

    def execute(self) -> Record:
        """Do it all, and return the record."""
        began = perf_counter()
        begun: list[Detector] = []
        try:
            copy_context().run(self._phases, begun)
            for detector in tuple(begun):
                begun.remove(detector)
                self.record.facts[detector.name] = detector.fact(self)
        finally:
            for detector in begun:  # interrupted: what they listen at has to be given back
                with suppress(Exception):
                    detector.fact(self)
        self.record.seconds = perf_counter() - began
        if monotonic() > self.until:
            self.record.error = CUT
        return self.record

    def _phases(self, begun: list[Detector]) -> None:
        loop = self.loop
        before, executor = current_loop(), local.executor
        asyncio.set_event_loop(loop)
        try:
            self.probes.install(loop)
            loop.rescind_executor = partial(ProbedExecutor, probes=self.probes)
            for detector in self.detectors:
                begun.append(detector)
                detector.begin(self)
            if self._step(self.scenario.setup, "setup"):
                for detector in self.detectors:
                    detector.set_up(self)
                self._scenario()
                if not self.record.error:
                    self._judge()
                for detector in self.detectors:
                    detector.settled(self)
                for detector in self.detectors:
                    detector.asked(self)
                if not self.record.error:
                    self._invariants()
                self._tear_down()
        finally:
            self._close()
            restore_loop(before)
            local.executor = executor

    def allow(self, seconds: float) -> None:
        """Count what comes now as hung after so many seconds; sooner if it is to be cut off."""
        self.loop.allow(max(0.0, min(seconds, self.until - monotonic())))

    def _step(self, step: Callable[..., Any] | Outside | None, what: str) -> bool:
        """Run setup or teardown; note what went wrong."""
        if step is None:
            return True
        self.allow(self.scenario.timeout)
        if isinstance(step, Outside):
            end = self._outside(step)
        else:
            task: asyncio.Task[Any]
            task = self.loop.create_task(self.probes.wrap(call(step, self.env), what))
            self.loop.run_until(task)
            end = end_of(task, self._stack_of(what), self.loop.hung or "")
        if end.kind != "returned":
            self.record.error = self.record.error or f"{what} {end.told()}"
            return False
        return True

    def _tear_down(self) -> None:
        """Run teardown; after a cancellation it is one more thing that may break."""
        failed = bool(self.record.error)
        ended = self._step(self.scenario.teardown, "teardown")
        if not ended and not failed and self.plan.point is not None:
            self.record.teardown, self.record.error = self.record.error, ""

    def _outside(self, step: Outside) -> End:
        """Let a part run that runs the loop itself; whatever it raises, pytest's outcomes too."""
        try:
            step(self)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as exc:
            return End("raised", shown(exc), frames_of(exc))
        finally:
            asyncio.set_event_loop(self.loop)
        return End("returned")

    def _scenario(self) -> None:
        """Run the scenario, once or as often as a storm does, and strike it."""
        if self.plan.judge is not Judge.STORM:
            self._once(1)
            return
        for number in range(1, 1 + _STORM):
            self._once(number)
            if self.record.error or self.record.end.kind == "hung":
                return
            self._settle()

    def _once(self, number: int) -> None:
        loop, record, plan = self.loop, self.record, self.plan
        try:
            coro = start(self.scenario, self.env)
        except NotAsync as exc:
            record.error = str(exc)
            return
        self.probes.begin()
        self.allow(self.limit)
        strike = self._strike
        strike.begin(first=number == 1)
        before, after = _COPIES.get(plan.judge, (0, 0))
        copies = self._copies(1, before)
        strike.aim()
        self.way = way = WAYS[plan.mode](loop, self.probes, coro)
        self.copies = [*copies, *self._copies(1 + before, after)]
        if plan.judge is Judge.PROMPT:
            way.done.add_done_callback(self._begin_follow_up)
        if plan.hold is not None and plan.hold.until is Until.ENDED:
            way.done.add_done_callback(lambda _: loop.release())
        loop.run_until(way.done)
        strike.end()
        record.thrown = way.probe.thrown
        record.overruled = way.probe.overruled
        record.landed = self._landed() or record.landed
        record.end = end_of(way.done, self._stack_of(ROOT), loop.hung or "")
        record.body = end_of_body(way.body, closed=plan.mode is Mode.CLOSE)
        record.sockets = loop.connected
        if plan.judge is not Judge.PROMPT:
            self.probes.watching = False
        for detector in self.detectors:
            detector.ended(self)
        if self.copies:
            self.allow(self.limit)
            loop.run_until(*(copy.done for copy in self.copies))
            record.crowd = [
                end_of(copy.done, self._stack_of(copy.probe.path), loop.hung or "")
                for copy in self.copies
            ]
        for one in (way, *self.copies):
            one.end()

    def _copies(self, first: int, number: int) -> list[Way]:
        """Begin so many copies of the scenario."""
        return [
            Way(self.loop, self.probes, self._again(), f"crowd/{copy}")
            for copy in range(first, first + number)
        ]

    def _again(self) -> Any:
        """Return the scenario's coroutine, once more."""
        try:
            return start(self.scenario, self.env)
        except NotAsync as exc:
            return failing(exc)

    def _settle(self) -> None:
        """Let what is under way come to rest."""
        self.loop.settle(_SETTLE, self._at_work, patient=self.patient)

    def _at_work(self) -> bool:
        """Is a task of the scenario's, or of what followed it, under way?"""
        return any(
            probe.task is not None and not probe.task.done() and is_of_scenario(probe.path)
            for probe in self.probes.all.values()
        )

    def _judge(self) -> None:
        plan, loop = self.plan, self.loop
        if plan.judge is not Judge.PROMPT:
            self._settle()
        if plan.judge in _FOLLOWED:
            self.allow(self.limit)
            if self._follow_up is None:
                self._begin_follow_up()
            follow_up = self._follow_up
            assert follow_up is not None
            loop.run_until(follow_up)
            stack = self._stack_of("follow-up")
            self.record.follow_up = end_of(follow_up, stack, loop.hung or "")
            self._settle()
        self.probes.watching = False

    def _begin_follow_up(self, _done: object = None) -> None:
        self.probes.watching = False
        probe = self.probes.wrap(self._again(), "follow-up")
        self._follow_up = self.loop.create_task(probe)

    def _invariants(self) -> None:
        for invariant in self.scenario.invariants:
            self.allow(self.scenario.timeout)
            name = getattr(invariant, "__name__", "invariant")
            end_now = (self.record.body.kind, self.record.body.shown)
            task: asyncio.Task[Any] = self.loop.create_task(
                self.probes.wrap(call(invariant, self.env, end_now), f"invariant {name}")
            )
            self.loop.run_until(task)
            end = end_of(task, self._stack_of(f"invariant {name}"), self.loop.hung or "")
            if end.kind != "returned":
                self.record.invariants.append(f"{name} {end}")

    # -- the end ----------------------------------------------------------------------------------

    @property
    def problems(self) -> list[dict[str, Any]]:
        late = [one for one in self.loop.problems if one.get("message") != _DESTROYED]
        return self._problems + late

    def _close(self) -> None:
        """End what is left, so that nothing of this run reaches the next (X3)."""
        loop = self.loop
        self._strike.over()
        self.probes.watching = False
        self._problems = list(loop.problems)
        # rescind's identities are among them, which are tasks for most purposes, but not for all.
        left: list[Any] = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            loop.allow(1.0)
            loop.run_until(*left)
            for task in left:
                if isinstance(task, asyncio.Future) and task.done() and not task.cancelled():
                    task.exception()  # it was us who canceled it
        if loop._asyncgens:
            loop.allow(1.0)
            loop.run_until(loop.create_task(loop.shutdown_asyncgens()))
        pool = loop._default_executor
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        loop.close()
        self.record.threads = left_threads(loop.threads, pool)
        # What nobody but the checker holds may now say what it has to say when it goes.
        self.probes.forget()
        self.way = self._follow_up = None
        self.copies = []
        self.env = Env()
        loop.problems.clear()

    # -- what is there to know --------------------------------------------------------------------

    def _landed(self) -> list[Point]:
        """Return where the struck task was canceled; one that is closed gets another error."""
        point = self.plan.point
        probe = None if point is None else self.probes.all.get(point.task)
        if point is None or probe is None:
            return []
        return [point] if self.plan.mode is Mode.CLOSE else list(probe.landed)

    def _stack_of(self, path: str) -> tuple[str, ...]:
        probe = self.probes.all.get(path)
        return () if probe is None else stack_of(probe.coroutine)


def execute(
    scenario: Scenario,
    plan: RunPlan,
    detectors: Sequence[Detector] = (),
    limit: float | None = None,
    *,
    until: float = float("inf"),
    patient: bool = False,
) -> Record:
    """Make one run and return what it showed.

    Args:
        scenario, plan: what to run, and how.
        detectors: who looks; new ones for each run.
        limit: seconds of real time after which the scenario, or what follows it, counts as hung; by
            default, and at most, the scenario's own timeout.
        until: when it is cut off, on `time.monotonic`; the record then has the error `CUT`.
        patient: give connections more time to come to rest.
    """
    return Run(scenario, plan, detectors, limit, until=until, patient=patient).execute()
