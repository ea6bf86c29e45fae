"""`execute`: one run, from a new loop and a new env to the record of what it showed.

*What it is.* setup → the scenario, struck as the plan says → the judge's part (settle, follow-up,
storm, crowd) → invariants → teardown → the detectors' last look. Each on the same env, and nothing
of it survives the run.

*What it is not.* A judge: it notes; `detectors` compare what was noted with the clean run's.

*Invariants.*
 X1  The strike falls where the plan says, or the record says that it did not.
 X2  The checker's own callbacks are in a run only where it strikes: a run without a strike has the
     order of callbacks that the program has by itself.

*Threads.* One run at a time on a thread; it may be any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rescind.check.loop import CheckLoop
from rescind.check.modes import WAYS, Way
from rescind.check.points import ROOT, Instant, Judge, Mode, Point, RunPlan
from rescind.check.probe import Probe, Probes, stack_of
from rescind.check.record import Record, end_of, end_of_body, shown
from rescind.check.scenario import Env, Outside, Scenario, call, start

if TYPE_CHECKING:
    from rescind.check.detectors import Detector

__all__ = ["Run", "execute"]

_STORM = 12
_SETTLE = 0.05
_COPIES = {Judge.CROWD: 1, Judge.CROWD3: 2}
_FOLLOWED = frozenset({Judge.FOLLOW_UP, Judge.PROMPT, Judge.STORM, Judge.CROWD, Judge.CROWD3})


class Run:
    """One run under way.

    Attributes:
        scenario, plan, record: what is run, how, and what it showed.
        loop, probes, env: what it runs on.
        way: the scenario's task; None before it starts.
        copies: the other copies, in a crowd.
        problems: what the loop's exception handler was given, until teardown had ended.
    """

    def __init__(
        self,
        scenario: Scenario,
        plan: RunPlan,
        detectors: Sequence[Detector] = (),
        limit: float | None = None,
    ) -> None:
        self.scenario = scenario
        self.plan = plan
        self.record = Record(plan)
        self.detectors = detectors
        # Seconds after which a part of it counts as hung.
        self.limit = scenario.timeout if limit is None else min(limit, scenario.timeout)
        self.loop = CheckLoop()
        self.probes = Probes()
        self.env = Env()
        self.way: Way | None = None
        self.copies: list[Way] = []
        self.problems: list[dict[str, Any]] = []
        self._aimed = False
        self._struck_at = 0.0
        self._again_at = 0
        self._counting_from: int | None = None
        self._follow_up: asyncio.Task[Any] | None = None

    # -- the phases -------------------------------------------------------------------------------

    def execute(self) -> Record:
        """Do it all, and return the record."""
        record = self.record
        began = perf_counter()
        loop = self.loop
        asyncio.set_event_loop(loop)
        try:
            self.probes.install(loop)
            for detector in self.detectors:
                detector.begin(self)
            if self._step(self.scenario.setup, "setup"):
                for detector in self.detectors:
                    detector.set_up(self)
                self._scenario()
                self._judge()
                for detector in self.detectors:
                    detector.settled(self)
                if self.plan.point is not None:
                    self._invariants()  # they say what holds after a cancellation
                self._tear_down()
        finally:
            self._close()
            asyncio.set_event_loop(None)
        for detector in self.detectors:
            record.facts[detector.name] = detector.fact(self)
        record.seconds = perf_counter() - began
        return record

    def _step(self, step: Callable[..., Any] | Outside | None, what: str) -> bool:
        """Run setup or teardown; note what went wrong."""
        if step is None:
            return True
        self.loop.allow(self.scenario.timeout)
        if isinstance(step, Outside):
            return self._outside(step, what)
        task = self.loop.create_task(self.probes.wrap(call(step, self.env), what))
        ended = self.loop.run_until(task)
        end = end_of(task, self._stack_of(what), self.loop.hung or "")
        if not ended or end.kind != "returned":
            self.record.error = self.record.error or f"{what} {end}"
            return False
        return True

    def _tear_down(self) -> None:
        """Run teardown; after a cancellation it is one more thing that may break."""
        if not self._step(self.scenario.teardown, "teardown") and self.plan.point is not None:
            self.record.teardown, self.record.error = self.record.error, ""

    def _outside(self, step: Outside, what: str) -> bool:
        """Let a part run that runs the loop itself; whatever it raises, pytest's outcomes too."""
        try:
            step(self)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as exc:
            self.record.error = self.record.error or f"{what} raised {shown(exc)}"
            return False
        finally:
            asyncio.set_event_loop(self.loop)
        return True

    def _scenario(self) -> None:
        """Run the scenario, once or as often as a storm does, and strike it."""
        for _ in range(_STORM if self.plan.judge is Judge.STORM else 1):
            self._once()
            if self.plan.judge is Judge.STORM:
                self.loop.settle(_SETTLE)

    def _once(self) -> None:
        loop, record, plan = self.loop, self.record, self.plan
        self.probes.begin()
        self.probes.on_made = self._made
        self.probes.on_parked = self._parked
        self._aimed = False
        self._counting_from = None
        record.points = []
        record.cleanup = 0
        loop.allow(self.limit)
        first = loop.callbacks
        if plan.point is not None and plan.instant is Instant.CALLBACK:
            loop.strike_before(first + plan.point.visit, self._strike_root)
        self.way = way = WAYS[plan.mode](loop, self.probes, start(self.scenario, self.env))
        if plan.mode is Mode.RESCIND:
            self._made(way.probe, None)  # no task factory made it
        self.copies = [
            Way(loop, self.probes, start(self.scenario, self.env), f"crowd/{number}")
            for number in range(1, 1 + _COPIES.get(plan.judge, 0))
        ]
        if plan.judge is Judge.PROMPT:
            way.done.add_done_callback(self._begin_follow_up)
        loop.run_until(way.done)
        record.callbacks = loop.callbacks - first
        record.thrown = way.probe.thrown
        record.landed = self._landed() or record.landed
        record.end = end_of(way.done, self._stack_of(ROOT), loop.hung or "")
        record.body = end_of_body(way.body)
        if self._struck_at:
            record.cleanup_seconds = loop.time() - self._struck_at
        record.sockets = len(loop.clients)
        if plan.judge is not Judge.PROMPT:
            self.probes.watching = False
        if plan.point is not None:
            record.struck = bool(record.struck) or way.struck or self._aimed
        if self.copies:
            loop.allow(self.limit)
            loop.run_until(*(copy.done for copy in self.copies))
            record.crowd = [
                end_of(copy.done, self._stack_of(copy.probe.path), loop.hung or "")
                for copy in self.copies
            ]
        for one in (way, *self.copies):
            one.end()

    def _judge(self) -> None:
        plan, loop = self.plan, self.loop
        if plan.judge is not Judge.PROMPT:
            loop.settle(_SETTLE)
        if plan.judge in _FOLLOWED:
            loop.allow(self.limit)
            if self._follow_up is None:
                self._begin_follow_up()
            follow_up = self._follow_up
            assert follow_up is not None
            loop.run_until(follow_up)
            stack = self._stack_of("follow-up")
            self.record.follow_up = end_of(follow_up, stack, loop.hung or "")
            loop.settle(_SETTLE)
        self.probes.watching = False

    def _begin_follow_up(self, _done: object = None) -> None:
        self.probes.watching = False
        probe = self.probes.wrap(start(self.scenario, self.env), "follow-up")
        self._follow_up = self.loop.create_task(probe)

    def _invariants(self) -> None:
        for invariant in self.scenario.invariants:
            way = self.way
            assert way is not None
            self.loop.allow(self.scenario.timeout)
            name = getattr(invariant, "__name__", "invariant")
            end_now = (self.record.body.kind, self.record.body.shown)
            task = self.loop.create_task(
                self.probes.wrap(call(invariant, self.env, end_now), f"invariant {name}")
            )
            self.loop.run_until(task)
            end = end_of(task, self._stack_of(f"invariant {name}"), self.loop.hung or "")
            if end.kind != "returned":
                self.record.invariants.append(f"{name} {end}")

    def _close(self) -> None:
        """End what is left, so that nothing of this run reaches the next."""
        loop = self.loop
        self.problems = list(loop.problems)
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            loop.allow(1.0)
            loop.run_until(*left)
        loop.allow(1.0)
        closing = loop.create_task(loop.shutdown_asyncgens())
        loop.run_until(closing)
        executor = getattr(loop, "_default_executor", None)
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        loop.close()

    # -- the strike -------------------------------------------------------------------------------

    def _made(self, probe: Probe, _awaits: object) -> None:
        record, plan = self.record, self.plan
        point = Point(probe.path)
        record.points.append((point, False))
        if plan.instant is Instant.UNSTARTED and plan.point == point and not self._aimed:
            self._aimed = True
            if probe.path == ROOT:
                self.loop.call_next(self._strike_root)
            else:
                self.loop.call_next(lambda: self._strike_task(probe))

    def _parked(self, probe: Probe, awaits: Any) -> None:
        record, plan = self.record, self.plan
        point = probe.point
        assert point is not None
        if not asyncio.isfuture(awaits):
            awaits = None  # a bare yield, or what a runtime of its own waits for
        if self._counting_from is not None:
            record.after.add(point.stack)
            if plan.point is not None and probe.path == plan.point.task:
                record.cleanup += 1
                if record.cleanup == plan.second:
                    record.again = point
                    self.loop.call_next(lambda: self._strike_again(probe))
            return
        record.points.append((point, awaits is None))
        if plan.point != point or self._aimed:
            return
        self._aimed = True
        if plan.instant is Instant.WOKEN and awaits is not None:
            # Its callback comes before the task's own, which will resume it.
            awaits.add_done_callback(partial(self._strike_parked, probe))
        else:
            if plan.hold:
                self.loop.hold()  # now: the loop may look for I/O before it strikes
            self.loop.call_next(partial(self._strike_parked, probe, awaits))

    def _strike_parked(self, probe: Probe, awaits: Any) -> None:
        if self.plan.instant is Instant.PARKED and awaits is not None and awaits.done():
            self.record.diverged = "what it awaits was done before the cancellation could be sent"
            return
        if probe.path != ROOT:
            self._strike_task(probe)
        elif self.way is not None and self.way.probe is probe:
            self._strike_root()  # else it is of an earlier round of a storm, and hangs

    def _strike_root(self) -> None:
        way = self.way
        assert way is not None
        self._strike(way.strike)

    def _strike_task(self, probe: Probe) -> None:
        task = probe.task
        if task is not None and not task.done():
            probe.counts = _any
            self._strike(lambda: task.cancel("rescind check"))

    def _strike(self, cancel: Callable[[], object]) -> None:
        if self.plan.hold:
            self.loop.hold()
        self._struck_at = self.loop.time()
        self._counting_from = self.loop.callbacks
        self.record.struck = True
        cancel()

    def _strike_again(self, probe: Probe) -> None:
        if probe.path == ROOT:
            assert self.way is not None
            self.way.cancel_again()
        elif probe.task is not None:
            probe.task.cancel("rescind check, again")

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


def _any(_exc: BaseException) -> bool:
    """Count every cancellation that is raised in a task which was struck."""
    return True


def execute(
    scenario: Scenario,
    plan: RunPlan,
    detectors: Sequence[Detector] = (),
    limit: float | None = None,
) -> Record:
    """Make one run and return what it showed.

    Args:
        scenario, plan: what to run, and how.
        detectors: who looks; new ones for each run.
        limit: seconds of real time after which the scenario, or what follows it, counts as hung; by
            default, and at most, the scenario's own timeout.
    """
    return Run(scenario, plan, detectors, limit).execute()
