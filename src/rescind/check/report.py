"""`Report`: what a sweep found; data, from which the terminal, JSON and HTML are made.

*Threads.* Any.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from rescind.check.coverage import Coverage
from rescind.check.places import label
from rescind.check.plan import weight
from rescind.check.points import Instant, Mode, Point, RunPlan
from rescind.check.record import Finding

__all__ = ["UNSURE", "Report", "Verdict"]

UNSURE: Final = "it did not end in time, and there was no time left to see whether it ever does"
"""Why a run is unresolved that seems to hang: nobody may call that clean."""


class Verdict(enum.Enum):
    """What is known of a place under a mode."""

    SURVIVED = "survived"
    UNRESOLVED = "unresolved"
    BROKEN = "broken"


_RANK: Final = {Verdict.SURVIVED: 0, Verdict.UNRESOLVED: 1, Verdict.BROKEN: 2}


@dataclass(slots=True)
class Report:
    """What a sweep found.

    Attributes:
        name: the scenario.
        findings: everything that any run showed.
        confirmed: one finding for each broken place and detector, the simplest run that shows it,
            with how often it showed.
        matrix: for each point, instant and mode, the worst that is known.
        unresolved: runs that are worth nothing, and why.
        set_aside: kinds of runs that could not be made, and why.
        runs, seconds: how many, and how long.
        found_after: seconds until the first verdict; None: there is none.
        untried: planned runs that were not made: the budget was too small.
        interrupted: or the user would not wait.
        coverage: which awaits were canceled.
    """

    name: str
    findings: list[Finding] = field(default_factory=list[Finding])
    confirmed: list[Finding] = field(default_factory=list[Finding])
    matrix: dict[tuple[Point, Instant, Mode], Verdict] = field(
        default_factory=dict[tuple[Point, Instant, Mode], Verdict]
    )
    unresolved: dict[RunPlan, str] = field(default_factory=dict[RunPlan, str])
    set_aside: dict[str, str] = field(default_factory=dict[str, str])
    runs: int = 0
    seconds: float = 0.0
    untried: int = 0
    interrupted: bool = False
    found_after: float | None = None
    coverage: Coverage = field(default_factory=Coverage)

    def mark(self, plan: RunPlan, verdict: Verdict) -> None:
        """Note what a run says of its place."""
        assert plan.point is not None
        key = (plan.point, plan.instant, plan.mode)
        known = self.matrix.get(key)
        if known is None or _RANK[verdict] > _RANK[known]:
            self.matrix[key] = verdict

    def doubt(self, finding: Finding, why: str) -> None:
        """Take out what one run seemed to show: it is unresolved."""
        plan = finding.plan
        self.findings = [
            one for one in self.findings if (one.plan, one.detector) != (plan, finding.detector)
        ]
        self.unresolved[plan] = why
        assert plan.point is not None
        key = (plan.point, plan.instant, plan.mode)
        others = (one.plan for one in self.verdicts)
        if not any((one.point, one.instant, one.mode) == key for one in others):
            self.matrix[key] = Verdict.UNRESOLVED

    @property
    def verdicts(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.severity == "verdict"]

    def shown(self) -> list[Finding]:
        """Return one finding for each place and detector: that of the simplest run."""
        best: dict[tuple[str, str], Finding] = {}
        for finding in self.findings:
            assert finding.plan.point is not None
            place = label(finding.plan.point, finding.plan.instant)
            key = (place, finding.detector)
            known = best.get(key)
            if known is None or _simpler(finding, known):
                best[key] = finding
        return sorted(best.values(), key=lambda one: (one.severity != "verdict", weight(one.plan)))

    @property
    def verdict(self) -> str:
        """``broken``, ``unresolved`` or ``clean``.

        It is unresolved if nothing could be found out at all, or if something seems to hang and
        could not be made again.
        """
        if self.verdicts:
            return "broken"
        if UNSURE in self.unresolved.values():
            return "unresolved"
        known = [one for one in self.matrix.values() if one is not Verdict.UNRESOLVED]
        return "clean" if known or not (self.unresolved or self.untried) else "unresolved"

    @property
    def exit_code(self) -> int:
        """0: clean; 1: broken; 2: unresolved."""
        return {"clean": 0, "broken": 1, "unresolved": 2}[self.verdict]


def _simpler(one: Finding, other: Finding) -> bool:
    rank = {"verdict": 0, "hint": 1}
    return (rank[one.severity], weight(one.plan)) < (rank[other.severity], weight(other.plan))
