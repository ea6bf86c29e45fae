"""`groups`: the findings at one place as one, the most telling first.

*What it is.* What one lost wake-up shows is a next use that hangs, tasks that are left, a lock that
stays held: one cause, several symptoms. A reader wants the cause's place once, with the symptom
that matters most; the others are below it.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rescind.check.places import label, parts_of
from rescind.check.plan import USUAL_MODES, weight
from rescind.check.points import ROOT, Instant, Mode, Point
from rescind.check.record import Finding
from rescind.check.report import Report

__all__ = ["Group", "broken_modes", "groups", "telling", "titles"]

#: What each detector tells, by its name: 0 is what a user of the program would notice first.
_TIERS: Final = {
    "invariant": 0,
    "hang": 1,
    "follow-up": 1,
    "crowd": 1,
    "swallowed": 2,
    "replaced": 2,
    "noise": 4,
    "timers left": 4,
}
_USUAL_TIER: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """What was found at one place.

    Attributes:
        place: as it is shown.
        lead: the most telling finding.
        also: the others, the more telling first.
    """

    place: str
    lead: Finding
    also: tuple[Finding, ...] = ()

    @property
    def broken(self) -> bool:
        """Is it a fault, and no hint?"""
        return self.lead.severity == "verdict"


def telling(finding: Finding) -> tuple[bool, int, int]:
    """Return a key that sorts the most telling first."""
    tier = _TIERS.get(finding.detector, _USUAL_TIER)
    symptom = finding.symptom
    if finding.detector == "follow-up" and symptom.seen.startswith("returned"):
        tier = 0  # somebody else's answer is worse than none
    return finding.severity != "verdict", tier, weight(finding.plan)


def groups(findings: Iterable[Finding]) -> list[Group]:
    """Return the findings by place, the most telling place first."""
    places: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=telling):
        assert finding.plan.point is not None
        places.setdefault(label(finding.plan.point, finding.plan.instant), []).append(finding)
    return [Group(place, found[0], tuple(found[1:])) for place, found in places.items()]


def titles(report: Report) -> dict[str, str]:
    """Return for the start of a task that parks later, what a reader knows it by: its function."""
    named: dict[str, str] = {}
    for point, _, _ in report.matrix:
        if point.stack and point.task != ROOT:
            start = label(Point(point.task), Instant.UNSTARTED)
            named.setdefault(start, f"{start} ({parts_of(point.stack[0])[2]})")
    return named


def broken_modes(report: Report, group: Group) -> list[Mode]:
    """Return the modes under which anything of this kind was seen at the place of a group."""
    seen = {
        finding.plan.mode
        for finding in report.findings
        if finding.severity == group.lead.severity
        and finding.plan.point is not None
        and label(finding.plan.point, finding.plan.instant) == group.place
    }
    order = (*USUAL_MODES, Mode.CLOSE)
    return sorted(seen, key=order.index)
