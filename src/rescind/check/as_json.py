"""A report as data for other programs.

*Threads.* Any.
"""

from __future__ import annotations

import platform
from typing import Any

from rescind._version import __version__
from rescind.check.places import own_place, shown_place
from rescind.check.points import Point, RunPlan
from rescind.check.record import Finding
from rescind.check.report import Report
from rescind.check.token import encode

__all__ = ["as_dict"]

_FORMAT = 1


def as_dict(report: Report) -> dict[str, Any]:
    """Return a report as dictionaries, lists, strings and numbers.

    ``verdict`` is ``clean``, ``broken`` or ``unresolved``; ``findings`` are the confirmed ones, the
    most telling first; ``matrix`` has one entry for each point, instant and mode.
    """
    return {
        "format": _FORMAT,
        "rescind": __version__,
        "python": platform.python_version(),
        "target": report.name,
        "verdict": report.verdict,
        "findings": [_finding(report.name, finding) for finding in report.confirmed],
        "matrix": [
            {
                **_point(point),
                "instant": instant.value,
                "mode": mode.value,
                "verdict": verdict.value,
            }
            for (point, instant, mode), verdict in report.matrix.items()
        ],
        "unresolved": [{**_plan(plan), "why": why} for plan, why in report.unresolved.items()],
        "set_aside": dict(report.set_aside),
        "totals": {
            "points": len({point for point, _, _ in report.matrix}),
            "runs": report.runs,
            "seconds": round(report.seconds, 3),
            "unresolved": len(report.unresolved),
            "untried": report.untried,
        },
    }


def _finding(target: str, finding: Finding) -> dict[str, Any]:
    symptom = finding.symptom
    return {
        "detector": finding.detector,
        "class": finding.severity,
        **_plan(finding.plan),
        "sentence": symptom.sentence,
        "expected": symptom.expected,
        "seen": symptom.seen,
        "remedy": symptom.remedy,
        "rate": round(finding.rate, 3),
        "token": encode(target, finding.plan),
    }


def _plan(plan: RunPlan) -> dict[str, Any]:
    assert plan.point is not None
    return {
        **_point(plan.point),
        "instant": plan.instant.value,
        "mode": plan.mode.value,
        "judge": plan.judge.value,
        "second": plan.second,
        "late_answers": plan.hold,
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "place": shown_place(point),
        "own": own_place(point),
        "task": point.task,
        "stack": list(point.stack),
        "visit": point.visit,
    }
