"""Makes what was found again, to tell how often it shows, as far as there is time.

*What it is.* Of what broke at a place, the simplest run is made again: first each once, then each
once more, so that a small budget confirms much. Several detectors may have spoken of one run.

*Invariants.*
 K1  What rests on a limit in real time is told only if it shows again when it is given more time.
 K2  No run is begun when time is over; a finding says on how many runs it rests.
 K3  What shows only at times, and also if answers are late, is told with late answers if it shows
     more often so: when an answer arrives by itself is chance.

*Threads.* The sweep's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rescind.check.looping import LATE
from rescind.check.points import ALL_HELD, RunPlan
from rescind.check.record import Finding
from rescind.check.report import UNSURE, Report

__all__ = ["SLOW", "Again", "confirm"]

#: Why a run is unresolved that seemed to hang.
SLOW = "it was slow, and ended when it was given more time"

Again = Callable[[RunPlan], "list[Finding] | None"]
"""Makes a run again, with patience; returns what it shows, or None if it is worth nothing."""


_Key = tuple[RunPlan, str]


@dataclass(slots=True)
class _Case:
    """A finding, in how many runs it showed, and of how many."""

    finding: Finding
    shows: int = 1
    made: int = 1

    @property
    def rate(self) -> float:
        return self.shows / self.made

    @property
    def sureness(self) -> float:
        """How often it showed, where it was made again."""
        return self.rate if self.made > 1 else 0.0

    @property
    def rests_on_time(self) -> bool:
        return LATE in self.finding.symptom.seen and self.shows == 1


def confirm(report: Report, again: Again, times: int, spent: Callable[[], bool]) -> None:
    """Make what ``report`` shows again, and note there what is confirmed.

    Args:
        report: what was found.
        again: makes a run.
        times: how often each.
        spent: says that the time is over.
    """
    cases: dict[_Key, _Case] = {}
    while True:
        shown = {(finding.plan, finding.detector): finding for finding in report.shown()}
        new = {key: _Case(finding) for key, finding in shown.items() if key not in cases}
        cases.update(new)
        for _ in range(times):
            _once_more(new, again, spent)
        late = [case for case in new.values() if times and case.rests_on_time]
        for case in late:
            report.doubt(case.finding, SLOW if case.made > 1 else UNSURE)
        if not late:
            break  # else others of the same places are shown now
    told = [cases[key] for key in shown]
    steadier = [_with_late_answers(case, report) if case.rate < 1 else None for case in told]
    held = {(one.finding.plan, one.finding.detector): one for one in steadier if one is not None}
    for _ in range(times):
        _once_more(held, again, spent)
    report.confirmed = [
        replace(best.finding, rate=best.rate, runs=best.made)
        for case, other in zip(told, steadier, strict=True)
        for best in [case if other is None or other.sureness <= case.sureness else other]
    ]


def _with_late_answers(case: _Case, report: Report) -> _Case | None:
    """Return the case that differs in that alone, if it is known to show the same (K3)."""
    if case.finding.plan.hold is not None:
        return None
    key = replace(case.finding.plan, hold=ALL_HELD), case.finding.detector
    others = (_Case(one) for one in report.findings if (one.plan, one.detector) == key)
    return next(others, None)


def _once_more(cases: dict[_Key, _Case], again: Again, spent: Callable[[], bool]) -> None:
    """Make the run of each case once more."""
    for plan in dict.fromkeys(plan for plan, _ in cases):  # each once
        if spent():
            return
        found = again(plan)
        if found is None:
            continue
        seen = {finding.detector for finding in found}
        for (other, detector), case in cases.items():
            if other == plan:
                case.made += 1
                case.shows += detector in seen
