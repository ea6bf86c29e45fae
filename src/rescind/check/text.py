"""A report as text: what a person reads in the terminal, without colors.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Iterator

from rescind._core.frames import shortened
from rescind.check.places import own_place, shown_place
from rescind.check.record import Finding
from rescind.check.report import Report
from rescind.check.token import encode

__all__ = ["lines_of"]


def lines_of(report: Report) -> Iterator[str]:
    """Yield the lines of a report."""
    for finding in report.confirmed:
        yield from _finding(report, finding)
    points = len({point for point, _, _ in report.matrix})
    totals = f"{points} points, {report.runs} runs, {report.seconds:.1f} s"
    if report.unresolved:
        totals += f", {len(report.unresolved)} runs unresolved"
    if report.untried:
        totals += f", {report.untried} planned runs not made: the budget was spent"
    broken = len([one for one in report.confirmed if one.severity == "verdict"])
    state = f"{broken} broken" if broken else report.verdict
    yield f"{report.name}: {state} ({totals})"
    for kind, why in report.set_aside.items():
        yield f"  not tried: {kind}: {why}"
    for plan, why in list(report.unresolved.items())[:5]:
        yield f"  unresolved: {plan}: {why}"


def _finding(report: Report, finding: Finding) -> Iterator[str]:
    plan, symptom = finding.plan, finding.symptom
    point = plan.point
    assert point is not None
    word = "BROKEN" if finding.severity == "verdict" else "hint"
    yield f"{word}  {shortened(shown_place(point))}: {symptom.sentence}"
    yield f"    canceled  {plan}"
    own = own_place(point)
    if own is not None and own != shown_place(point):
        yield f"    from      {own}"
    if symptom.expected:
        yield f"    expected  {symptom.expected}"
    if symptom.seen:
        yield f"    seen      {symptom.seen}"
    if finding.rate < 1:
        yield f"    flaky     seen in {finding.rate:.0%} of the runs"
    if symptom.remedy:
        yield f"    remedy    {symptom.remedy}"
    yield f"    replay    rescind check replay {encode(report.name, plan)}"
    yield ""
