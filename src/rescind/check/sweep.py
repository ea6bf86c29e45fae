"""`sweep`: make the runs that the plan says, and tell what broke.

*What it is.* Two clean runs of each kind first, which must agree; then every planned run, compared
with its clean run by every detector; then each finding again, to tell how often it shows.

*Threads.* Blocks the calling thread, which must not run a loop; `asweep` is for code that does.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from rescind._core.errors import UsageError
from rescind.check.detectors import DETECTORS, Detector
from rescind.check.plan import Options, available_modes, plans_for, second_strikes
from rescind.check.points import ROOT, Judge, Mode, RunPlan
from rescind.check.record import Finding, Record
from rescind.check.report import Report, Verdict
from rescind.check.run import execute
from rescind.check.scenario import Scenario

__all__ = ["NotCheckable", "Progress", "Sweep", "asweep", "sweep"]

#: How many times as long as a clean run may a canceled one take, before it counts as hung.
_PATIENCE = 10.0
_LEAST_LIMIT = 0.25


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
    """

    scenario: Scenario
    options: Options = field(default_factory=Options)
    progress: Callable[[Progress], object] | None = None
    detectors: tuple[type[Detector], ...] = DETECTORS
    report: Report = field(init=False)
    _clean: dict[tuple[Mode, Judge], Record] = field(
        init=False, default_factory=dict[tuple[Mode, Judge], Record]
    )
    # How long a part of a run may take: many times what it takes without a cancellation.
    _limit: float | None = field(init=False, default=None)
    _deadline: float = field(init=False, default=float("inf"))

    def __post_init__(self) -> None:
        self.report = Report(self.scenario.name)
        scenario = self.scenario
        self.report.coverage.exempt(scenario.setup, scenario.teardown, *scenario.invariants)

    def run(self) -> Report:
        """Make the runs; return the report.

        Raises:
            NotCheckable: without a cancellation it fails, hangs, or is different each time.
        """
        _check_no_loop()
        began = monotonic()
        if self.options.budget is not None:
            self._deadline = began + self.options.budget
        frozen = gc.get_freeze_count()
        gc.collect()
        gc.freeze()  # what was there before the runs need not be looked at after each
        try:
            self._clean_runs()
            self._all(plans_for(self._clean, self.options))
            self._confirm()
        finally:
            if not frozen:
                gc.unfreeze()
            self.report.seconds = monotonic() - began
        return self.report

    # -- clean runs -------------------------------------------------------------------------------

    def _clean_runs(self) -> None:
        for mode in set(self.options.modes) - {*available_modes(self.options.modes)}:
            self.report.set_aside[mode.value] = "its library is not installed"
        for mode in available_modes(self.options.modes):
            for judge in self.options.judges:
                plan = RunPlan(mode=mode, judge=judge)
                first, second = self._execute(plan), self._execute(plan)
                self.report.coverage.note(first)
                why = _not_clean(first) or _not_clean(second)
                repeats = judge is Judge.FOLLOW_UP and self.scenario.repeatable
                if why and mode is Mode.ASYNCIO and (repeats or judge is Judge.LOOK):
                    raise NotCheckable(f"{self.scenario.name}, not canceled: {why}")
                why = why or _disagree(first, second)
                if why:
                    self.report.set_aside[f"{mode.value}, {judge.value}"] = why
                    continue
                self._clean[mode, judge] = first
        slowest = max((record.seconds for record in self._clean.values()), default=0.0)
        self._limit = max(_LEAST_LIMIT, _PATIENCE * slowest)
        if not self._clean:
            reasons = "; ".join(sorted(set(self.report.set_aside.values())))
            raise NotCheckable(f"{self.scenario.name}, not canceled, differs each time: {reasons}")

    # -- canceled runs ----------------------------------------------------------------------------

    def _all(self, plans: list[RunPlan]) -> None:
        seen: set[tuple[Any, ...]] = set()
        position = 0
        while position < len(plans):
            plan = plans[position]
            position += 1
            if self._spent():
                self.report.untried = len(plans) - position + 1
                return
            if self.progress is not None:
                broken = len(self.report.verdicts)
                self.progress(Progress(self.report.runs, len(plans), str(plan), broken))
            record = self._execute(plan)
            self._note(plan, record)
            key = (plan.point, plan.instant, plan.judge)
            if key not in seen:
                seen.add(key)
                later = list(second_strikes(plan, record, self.options))
                plans += later

    def _note(self, plan: RunPlan, record: Record) -> None:
        """Judge one run."""
        report = self.report
        assert plan.point is not None
        if record.error or not record.struck or record.diverged:
            why = (
                record.error or record.diverged or "the run went another way, and was not canceled"
            )
            report.unresolved[plan] = why
            report.mark(plan, Verdict.UNRESOLVED)
            report.coverage.note(record)
            return
        findings = list(self._judge(plan, record))
        report.findings += findings
        broken = any(finding.severity == "verdict" for finding in findings)
        report.mark(plan, Verdict.BROKEN if broken else Verdict.SURVIVED)
        report.coverage.note(record, broken=broken)

    def _judge(self, plan: RunPlan, record: Record) -> Iterable[Finding]:
        clean = self._clean[plan.mode, plan.judge]
        assert plan.point is not None
        for detector in self.detectors:
            severity = detector.severity if plan.point.task == ROOT else "hint"
            for symptom in detector.judge(record, clean):
                yield Finding(detector.name, severity, plan, symptom)

    def _confirm(self) -> None:
        """Run each finding that is shown again, and note how often it shows."""
        kept: list[Finding] = []
        for finding in self.report.shown():
            shows = 1
            for _ in range(self.options.confirm):
                record = self._execute(finding.plan, patient=True)
                shows += any(
                    again.detector == finding.detector
                    for again in self._judge(finding.plan, record)
                )
            rate = shows / (1 + self.options.confirm)
            kept.append(
                Finding(finding.detector, finding.severity, finding.plan, finding.symptom, rate)
            )
        self.report.confirmed = kept

    def _execute(self, plan: RunPlan, *, patient: bool = False) -> Record:
        """Make a run; a patient one gets all the time that the scenario may take."""
        self.report.runs += 1
        limit = None if patient else self._limit
        return execute(self.scenario, plan, [detector() for detector in self.detectors], limit)

    def _spent(self) -> bool:
        most = self.options.max_runs
        return monotonic() > self._deadline or (most is not None and self.report.runs >= most)


def _not_clean(record: Record) -> str:
    """Return what is wrong with a run in which nothing was canceled."""
    if record.error:
        return record.error
    if record.end.kind != "returned":
        return f"the scenario {record.end}"
    if record.follow_up.kind not in ("returned", "not run"):
        return f"the scenario, run a second time on the same env, {record.follow_up}"
    for end in record.crowd:
        if end.kind != "returned":
            return f"a copy of the scenario that ran at the same time {end}"
    return ""


def _disagree(first: Record, second: Record) -> str:
    """Return how two clean runs differ, if they do."""
    for what, one, other in (
        ("the scenario's result", first.end, second.end),
        ("the follow-up's result", first.follow_up, second.follow_up),
    ):
        if one != other:
            return f"{what} differs between two clean runs: {one} and {other}"
    one_points = {point for point, _ in first.points if point.task == ROOT}
    other_points = {point for point, _ in second.points if point.task == ROOT}
    difference = sorted(map(str, one_points ^ other_points))
    if difference:
        return f"the places where it parks differ between two clean runs: {difference[0]}"
    return ""


def _check_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        "sweep() makes event loops of its own, and cannot do so where one runs: await asweep(...)"
    )


def sweep(
    scenario: Callable[..., Any],
    *,
    setup: Callable[..., Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    invariants: Iterable[Callable[..., Any]] = (),
    timeout: float = 5.0,
    options: Options | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Cancel ``scenario`` everywhere, and return what that breaks.

    Args:
        scenario: an async function of the env, or without arguments.
        setup: makes what is shared on the env; never canceled.
        teardown: ends what setup made.
        invariants: functions ``(env, outcome)``, sync or async, that raise if a promise is broken.
        timeout: seconds that one run may take without being canceled.
        options: what to try; by default everything but the thorough.
        progress: called before each run.

    Raises:
        NotCheckable: uncanceled it fails, hangs, or is different each time.
        UsageError: called where an event loop runs.
    """
    name = getattr(scenario, "__qualname__", repr(scenario))
    case = Scenario(scenario, setup, teardown, tuple(invariants), timeout, name)
    return Sweep(case, options or Options(), progress).run()


async def asweep(scenario: Callable[..., Any], **options: Any) -> Report:
    """Do what `sweep` does, from code that runs in an event loop; it runs in a thread."""
    return await asyncio.to_thread(sweep, scenario, **options)
