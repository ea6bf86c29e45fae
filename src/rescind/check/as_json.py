"""A report as data for other programs.

*Threads.* Any.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

from rescind._version import __version__
from rescind.check.coverage import FileCoverage, Mark, State, percent_of
from rescind.check.groups import Group, broken_modes, groups
from rescind.check.places import in_source, in_turn, label, own_place, shown_place
from rescind.check.points import Instant, Mode, Point, RunPlan
from rescind.check.record import Finding
from rescind.check.report import Report, Verdict
from rescind.check.token import encode

__all__ = ["FORMAT", "as_dict", "coverage_dict"]

#: Of what `as_dict` returns: within one, keys are only added.
FORMAT = 1
_INSTANTS = {instant: number for number, instant in enumerate(Instant)}
_MODES = {mode: number for number, mode in enumerate(Mode)}


def as_dict(report: Report, files: Sequence[FileCoverage] | None = None) -> dict[str, Any]:
    """Return a report as dictionaries, lists, strings and numbers.

    ``verdict`` is ``clean``, ``broken`` or ``unresolved``; ``findings`` are the confirmed ones, the
    most telling first; ``groups`` has them by place, as indices; ``matrix`` has one entry for each
    point, instant and mode, with what broke there.

    Args:
        report: what to tell.
        files: the coverage to tell; by default the report's own of the user's files.
    """
    found = groups(report.confirmed)
    findings = [finding for group in found for finding in (group.lead, *group.also)]
    shows = _shows(report)
    return {
        "format": FORMAT,
        "rescind": __version__,
        "python": platform.python_version(),
        "target": report.name,
        "verdict": report.verdict,
        "findings": [_finding(report.name, finding) for finding in findings],
        "groups": list(_groups(report, found)),
        "matrix": [
            {
                **_point(point),
                "label": label(point, instant),
                "instant": instant.value,
                "mode": mode.value,
                "verdict": verdict.value,
                "broke": shows.get((point, instant, mode), []),
            }
            for (point, instant, mode), verdict in sorted(report.matrix.items(), key=_in_order)
        ],
        "unresolved": [{**_plan(plan), "why": why} for plan, why in report.unresolved.items()],
        "set_aside": dict(report.set_aside),
        "coverage": coverage_dict(report.coverage.files() if files is None else files),
        "totals": {
            "points": len({point for point, _, _ in report.matrix}),
            "runs": report.runs,
            "seconds": round(report.seconds, 3),
            "broken": sum(group.broken for group in found),
            "unresolved": len(report.unresolved),
            "untried": report.untried,
        },
    }


def _in_order(cell: tuple[tuple[Point, Instant, Mode], Verdict]) -> tuple[Any, ...]:
    (point, instant, mode), _ = cell
    return in_source(label(point, instant)), in_turn(point), _INSTANTS[instant], _MODES[mode]


def _groups(report: Report, found: Sequence[Group]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    index = 0
    for group in found:
        size = 1 + len(group.also)
        told.append(
            {
                "place": group.place,
                "class": group.lead.severity,
                "modes": [mode.value for mode in broken_modes(report, group)],
                "findings": list(range(index, index + size)),
            }
        )
        index += size
    return told


def _shows(report: Report) -> dict[tuple[Point, Instant, Mode], list[dict[str, Any]]]:
    """Return what broke in each cell of the matrix, each said once."""
    told: dict[tuple[Point, Instant, Mode], dict[tuple[Any, ...], dict[str, Any]]] = {}
    for finding in report.findings:
        plan = finding.plan
        assert plan.point is not None
        said = {
            "detector": finding.detector,
            "class": finding.severity,
            "judge": plan.judge.value,
            "sentence": finding.symptom.sentence,
            "second": plan.second,
            "late_answers": None if plan.hold is None else str(plan.hold),
        }
        cell = told.setdefault((plan.point, plan.instant, plan.mode), {})
        cell.setdefault(tuple(said.values()), said)
    return {cell: list(said.values()) for cell, said in told.items()}


def coverage_dict(files: Sequence[FileCoverage]) -> dict[str, Any]:
    """Return the coverage of files."""
    return {
        "awaits": sum(len(file.awaits) for file in files),
        "percent": round(percent_of(files), 2),
        "files": [
            {
                "file": file.file,
                "percent": round(file.percent, 2),
                "broken": file.count(State.BROKEN),
                "awaits": [
                    {
                        "line": one.line,
                        "function": one.function,
                        "state": one.state.value,
                        "in_cleanup": bool(one.marks & Mark.CLEANUP),
                        "shielded": bool(one.marks & Mark.SHIELDED),
                    }
                    for one in file.awaits
                ],
            }
            for file in files
        ],
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
        "late_answers": None if plan.hold is None else str(plan.hold),
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "place": shown_place(point),
        "own": own_place(point),
        "task": point.task,
        "stack": list(point.stack),
        "visit": point.visit,
    }
