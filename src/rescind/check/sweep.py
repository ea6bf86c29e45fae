"""`Sweep`: make the runs that the plan says, and tell what broke.

*What it is.* Two clean runs of a kind (mode and judge) when its first run is due, which must agree;
every planned run, compared with its clean run by every detector; then each finding again, to tell
how often it shows.

*Threads.* Blocks the calling thread, which must not run a loop.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from rescind._core.errors import UsageError
from rescind._uncollected import Uncollected
from rescind.check.agenda import Agenda, Kind
from rescind.check.clean import disagree, leaves_threads, not_clean
from rescind.check.confirm import confirm
from rescind.check.detectors import Detector, detectors_for
from rescind.check.judging import findings_of
from rescind.check.looping import LATE
from rescind.check.places import label
from rescind.check.plan import Options, available_modes, second_strikes
from rescind.check.points import Instant, Judge, Mode, RunPlan
from rescind.check.record import Finding, Record
from rescind.check.report import Report, Verdict
from rescind.check.run import CUT, execute
from rescind.check.scenario import Scenario
from rescind.check.strike import went_astray
from rescind.check.workers import Here, Order, Workers

__all__ = ["NotCheckable", "Progress", "Sweep", "collector_off"]

#: How many times as long as a clean run may a canceled one take, before it counts as hung.
_PATIENCE = 10.0
_LEAST_LIMIT = 0.25
#: The same, when what hangs is made again and there is a budget; at least so many seconds.
_LONGER = 4.0
_LEAST_LONGER = 1.0
#: How much of a budget is kept, at most, to make again what was found.
_KEPT = 0.3
#: How much later than the budget says a run may end that was begun before, in seconds.
_OVERRUN = 0.5
#: How many clean runs are made to find two that agree.
_CLEAN_TRIES = 5
#: How often a run that went another way is tried.
_TRIES = 3
#: How many runs ahead of the one that is judged each process may be.
_AHEAD = 3
#: How many times its timeout may a run take that does not let its loop run.
_GIVE_UP = 20.0


class NotCheckable(UsageError):
    """The scenario cannot be checked: uncanceled it fails, hangs, or is different each time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep is.

    Attributes:
        done: runs made.
        planned: runs known by now; more may come.
        trying: the run under way.
        broken: verdicts so far.
    """

    done: int
    planned: int
    trying: str
    broken: int


@dataclass(slots=True)
class Sweep:
    """One sweep under way.

    Attributes:
        scenario, options: what is checked, and how.
        report: what is known so far; complete when `run` has returned, and true at any time.
        progress: called before each run.
        detectors: who looks; by default everybody.
    """

    scenario: Scenario
    options: Options = field(default_factory=Options)
    progress: Callable[[Progress], object] | None = None
    detectors: tuple[type[Detector], ...] = ()
    report: Report = field(init=False)
    _clean: dict[Kind, Record] = field(init=False, default_factory=dict[Kind, Record])
    # How clean runs went; a run that was struck has to have come the way of one of them.
    _ways: dict[Kind, list[Record]] = field(init=False, default_factory=dict[Kind, list[Record]])
    # How long a part of a run may take: many times what it takes without a cancellation.
    _limits: dict[Kind, float] = field(init=False, default_factory=dict[Kind, float])
    _agenda: Agenda = field(init=False)
    # When it began; when no more runs begin; when one that is under way is cut off. In real time.
    _began: float = field(init=False, default=0.0)
    _deadline: float = field(init=False, default=float("inf"))
    _until: float = field(init=False, default=float("inf"))
    # How long it takes to make again what broke, once; and of which places and detectors.
    _reserve: float = field(init=False, default=0.0)
    _broke: set[tuple[str, str]] = field(init=False, default_factory=set[tuple[str, str]])
    _runs: Here | Workers = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.report = Report(scenario.name)
        if scenario.loop != "asyncio" and Instant.CALLBACK in self.options.instants:
            self.report.set_aside[Instant.CALLBACK.value] = "uvloop's queue cannot be reached into"
        self.report.coverage.exempt(scenario.setup, scenario.teardown, *scenario.invariants)
        self.detectors = self.detectors or detectors_for(scenario)
        self._runs = Here(self._make)
        self._agenda = Agenda(self.options)

    def stop(self) -> None:
        """Begin no more runs; callable from any thread."""
        self._deadline = float("-inf")

    def run(self) -> Report:
        """Make the runs; return the report.

        Raises:
            NotCheckable: without a cancellation it fails, hangs, or is different each time.
        """
        _check_no_loop()
        began = monotonic()
        if self.options.budget is not None:
            self._deadline = min(self._deadline, began + self.options.budget)
            self._until = began + self.options.budget + _OVERRUN
        self._began = began
        try:
            with collector_off():
                if self.options.processes > 1:
                    patience = _GIVE_UP * max(1.0, self.scenario.timeout)
                    self._runs = Workers(self._make, self.options.processes, patience)
                self._begin()
                self._all()
                self._check_known()
                confirm(self.report, self._again, self.options.confirm, self._out_of_time)
        finally:
            self._runs.close()
            self.report.seconds = monotonic() - began
        return self.report

    # -- clean runs -------------------------------------------------------------------------------

    def _begin(self) -> None:
        for mode in set(self.options.modes) - {*available_modes(self.options.modes)}:
            self.report.set_aside[mode.value] = "its library is not installed"
        # What may not be repeated on one env shows only when it is not whether it can be checked.
        alone = (Mode.ASYNCIO, Judge.LOOK)
        if not self.scenario.repeatable and self._agenda.waits_for(alone):
            self._get_to_know(alone)

    def _get_to_know(self, kind: Kind) -> None:
        """Make the clean runs of a kind, and plan its runs; or set it aside."""
        mode, judge = kind
        if judge is Judge.STORM:
            self._runs.close()  # workers are to know what survives a clean one; who knows, forks
        # If callbacks are struck between, they are noted.
        between = Instant.CALLBACK in self.options.instants
        plan = RunPlan(
            instant=Instant.CALLBACK if between else Instant.PARKED, mode=mode, judge=judge
        )
        ways = self._agreeing(plan)
        if any(one.error == CUT for one in ways):
            return  # as the next that is asked for would be
        first, second = ways[:2]
        self.report.coverage.note(first)
        why = not_clean(first) or not_clean(second) or leaves_threads(first, second)
        if why and self._is_refused(kind):
            raise NotCheckable(f"{self.scenario.name}, not canceled: {why}")
        why = why or disagree(first, second)
        if why:
            self.report.set_aside[f"{mode.value}, {judge.value}"] = why
            self._agenda.know(kind, None)
            return
        self._clean[kind] = first
        self._ways[kind] = ways
        slowest = max(record.seconds for record in self._clean.values())
        self._limits[kind] = max(_LEAST_LIMIT, _PATIENCE * slowest)
        self._agenda.know(kind, first)

    def _is_refused(self, kind: Kind) -> bool:
        """Can nothing be checked, if this kind of clean run fails?"""
        mode, judge = kind
        repeats = judge is Judge.FOLLOW_UP and self.scenario.repeatable
        # Where something was found out already, that is not thrown away.
        return mode is Mode.ASYNCIO and (repeats or judge is Judge.LOOK) and not self.report.matrix

    def _check_known(self) -> None:
        """Refuse a scenario that is different each time, in every mode and under every judge."""
        if not self._clean:
            # It shows in each mode and judge: of one reason, one example is enough.
            reasons = {why.partition(": ")[0]: why for why in self.report.set_aside.values()}
            said = "; ".join(reasons.values())
            raise NotCheckable(f"{self.scenario.name}, not canceled, differs each time: {said}")

    def _agreeing(self, plan: RunPlan) -> list[Record]:
        """Make clean runs until two agree; return all that ended well, those two first.

        A program that talks to others may get an answer in one part or in two, as it happens.
        """
        runs = [self._uncanceled(plan)]
        while len(runs) < _CLEAN_TRIES:
            latest = self._uncanceled(plan)
            if latest.error == CUT:
                return [latest]
            for earlier in runs:
                if not_clean(earlier) or not_clean(latest) or not disagree(earlier, latest):
                    others = [one for one in runs if one is not earlier and not not_clean(one)]
                    return [earlier, latest, *others]
            runs.append(latest)
        return runs

    def _uncanceled(self, plan: RunPlan) -> Record:
        self.report.runs += 1
        return self._make(Order(plan, None))

    # -- canceled runs ----------------------------------------------------------------------------

    def _all(self) -> None:
        agenda = self._agenda
        seen: set[tuple[Any, ...]] = set()
        done = 0
        try:
            while True:
                kind = agenda.due()
                if self._spent() and (self._clean or kind is None):
                    return
                if kind is not None:
                    self._get_to_know(kind)
                    continue
                ahead = agenda.ahead(_AHEAD * self.options.processes)
                if not ahead:
                    return
                plan = ahead[0]
                if self.progress is not None:
                    broken = len(self.report.verdicts)
                    planned = done + len(agenda)
                    self.progress(Progress(self.report.runs, planned, str(plan), broken))
                self._runs.announce(self._order(one) for one in ahead)
                record, why = self._resolved(plan)
                if record.error == CUT:
                    return
                agenda.take()
                done += 1
                self._note(plan, record, why)
                key = (plan.point, plan.instant, plan.judge)
                if key not in seen:
                    seen.add(key)
                    agenda.add(second_strikes(plan, record, self.options))
        finally:
            self.report.untried = len(agenda)

    def _resolved(self, plan: RunPlan) -> tuple[Record, str]:
        """Make a run, and again if it went another way; return it, and why it is worth nothing."""
        tries = 0
        while True:
            tries += 1
            record = self._execute(self._order(plan))
            why = self._unresolved(record)
            if not why or record.error or tries == _TRIES or self._spent():
                return record, why

    def _unresolved(self, record: Record) -> str:
        """Return why a run is worth nothing; empty if it is worth something."""
        plan = record.plan
        if record.error or record.diverged:
            return record.error or record.diverged
        if not record.struck:
            return "the run went another way, and was not canceled"
        if plan.second and record.again is None:
            return "the cleanup went another way, and was not canceled again"
        astray = [went_astray(record, way) for way in self._ways[plan.mode, plan.judge]]
        return astray[0] if all(astray) else ""

    def _note(self, plan: RunPlan, record: Record, why: str) -> None:
        """Judge one run."""
        report = self.report
        if why:
            report.unresolved[plan] = why
            report.mark(plan, Verdict.UNRESOLVED)
            report.coverage.note(record, unresolved=True)
            return
        findings = list(self._judge(plan, record))
        report.findings += findings
        broken = any(finding.severity == "verdict" for finding in findings)
        if broken and report.found_after is None:
            report.found_after = monotonic() - self._began
        self._keep_time_for(findings, record.seconds)
        if any(LATE in finding.symptom.seen for finding in findings):
            self._agenda.postpone(plan)
        report.mark(plan, Verdict.BROKEN if broken else Verdict.SURVIVED)
        report.coverage.note(record, broken=broken)

    def _keep_time_for(self, findings: Iterable[Finding], seconds: float) -> None:
        """Note how long it will take to make again what is new among these."""
        for finding in findings:
            point = finding.plan.point
            assert point is not None
            key = label(point, finding.plan.instant), finding.detector
            if finding.severity == "verdict" and key not in self._broke:
                self._broke.add(key)
                late = LATE in finding.symptom.seen
                self._reserve += seconds * (_LONGER if late else self.options.confirm)

    def _judge(self, plan: RunPlan, record: Record) -> Iterator[Finding]:
        clean = self._clean[plan.mode, plan.judge]
        unfit = self._unfit(record, clean)
        record.invariants = [one for one in record.invariants if one.split(" ")[0] not in unfit]
        return findings_of(record, clean, self.detectors)

    def _unfit(self, record: Record, clean: Record) -> set[str]:
        """Return the invariants that do not hold under this judge even if nothing is canceled.

        What holds for one use may not hold for two at the same time. But one that does not hold
        after a single use either speaks of the outcome: it says what a cancellation must lead to,
        and is asked wherever one was raised (where a value wins, none is).
        """
        unfit = {one.split(" ")[0] for one in clean.invariants}
        raised = record.thrown or record.body.kind != "returned"
        kind = (record.plan.mode, Judge.LOOK)
        if raised and unfit and self._agenda.waits_for(kind):
            self._get_to_know(kind)
        alone = self._clean.get(kind)
        if raised and alone is not None:
            unfit -= {one.split(" ")[0] for one in alone.invariants}
        return unfit

    def _again(self, plan: RunPlan) -> list[Finding] | None:
        """Make a run again, with patience; return what it shows, or None if it says nothing."""
        budget = self.options.budget
        limit = self._limits[plan.mode, plan.judge]
        # Without a budget, all the time that the scenario may take.
        patience = None if budget is None else max(_LONGER * limit, _LEAST_LONGER, budget / 10)
        record = self._execute(Order(plan, patience, patient=True))
        return None if self._unresolved(record) else list(self._judge(plan, record))

    def _execute(self, order: Order) -> Record:
        """Make a run."""
        self.report.runs += 1
        return self._runs.get(order)

    def _order(self, plan: RunPlan) -> Order:
        return Order(plan, self._limits[plan.mode, plan.judge])

    def _make(self, order: Order) -> Record:
        detectors = [detector() for detector in self.detectors]
        # Without any clean run nothing could be said at all.
        until = self._until if self._clean else float("inf")
        return execute(
            self.scenario, order.plan, detectors, order.limit, until=until, patient=order.patient
        )

    def _spent(self) -> bool:
        """Is the budget spent, but for what is kept to make again what was found?"""
        most = self.options.max_runs
        if most is not None and self.report.runs >= most:
            return True
        budget = self.options.budget
        kept = 0.0 if budget is None else min(self._reserve, _KEPT * budget)
        return monotonic() > self._deadline - kept

    def _out_of_time(self) -> bool:
        return monotonic() > self._deadline


@contextmanager
def collector_off() -> Generator[None]:
    """Keep the collector away from what is there now; each run collects what it has made.

    In the middle of a run it would end things at another moment each time.
    """
    gc.collect()
    with Uncollected():
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()  # what others have frozen, too: there is no telling it apart


def _check_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        "sweep() makes event loops of its own, and cannot do so where one runs: await asweep(...)"
    )
