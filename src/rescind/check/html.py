"""A report as one page that needs nothing else: no network, no other file.

*What it is.* The text, the style and the script of ``page/``, and the report as JSON between them.
The script makes every element from that, as text: nothing that a program says is ever markup.

*Invariants.*
 H1  No ``<`` of the report is in the page, but as ``\\u003c`` or ``&lt;``.
 H2  The page forbids itself all that is not in it, by its own content security policy.

*Threads.* Any.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rescind import _pages as pages
from rescind._core.frames import from_library, shortened
from rescind._version import __version__
from rescind.check.awaits import source_of
from rescind.check.contrast import condensed, word_contrast
from rescind.check.coverage import Coverage, FileCoverage, Mark, State, percent_of
from rescind.check.groups import Group, broken_modes, groups, titles
from rescind.check.layout import how, set_aside, totals, visible
from rescind.check.listing import excerpts, highlight
from rescind.check.places import (
    brief,
    in_source,
    in_turn,
    label,
    moment,
    own_place,
    parts_of,
    shown_place,
)
from rescind.check.plan import USUAL_MODES
from rescind.check.points import ROOT, Instant, Mode, Point
from rescind.check.record import Finding
from rescind.check.report import Report, Verdict
from rescind.check.text import lines_of
from rescind.check.token import encode

__all__ = ["as_html", "coverage_data", "library_files", "page_data", "page_of", "report_data"]

_FRAME = pages.Frame("rescind.check", command="check", main="findings", search="Search…")
_LETTERS = {Verdict.SURVIVED: "s", Verdict.BROKEN: "b", Verdict.UNRESOLVED: "u"}
_INSTANTS = (Instant.UNSTARTED, Instant.PARKED, Instant.WOKEN, Instant.CALLBACK)


def as_html(report: Report, files: Sequence[FileCoverage] | None = None) -> str:
    """Return the page.

    Args:
        report: what to tell.
        files: the coverage to tell; by default the report's own of the user's files.
    """
    covered = report.coverage.files() if files is None else files
    text = "\n".join(lines_of(report, matrix=True, verbose=True))
    return page_of(page_data(report, covered), report.name, text)


def page_of(data: Mapping[str, Any], title: str, text: str) -> str:
    """Return the page that shows ``data``; ``text`` is what a reader without scripts gets."""
    return pages.page_of(_FRAME, data, visible(f"{title} — rescind check"), text)


def page_data(report: Report, covered: Sequence[FileCoverage]) -> dict[str, Any]:
    """Return what the page shows."""
    return {
        **report_data(report),
        **coverage_data(report.coverage, covered, library_files(report)),
    }


def report_data(report: Report) -> dict[str, Any]:
    """Return what the page shows of one target, but for its coverage."""
    found = groups(report.confirmed)
    broken = sum(group.broken for group in found)
    cells = Counter(_LETTERS[verdict] for verdict in report.matrix.values())
    return {
        "target": visible(report.name),
        "verdict": report.verdict,
        "broken": broken,
        "hints": len(found) - broken,
        "runs": report.runs,
        "seconds": round(report.seconds, 1),
        "totals": totals(report),
        "tally": {letter: cells[letter] for letter in "sbu"},
        "groups": [_group(report, group) for group in found],
        "matrix": _matrix(report),
        "aside": [visible(text) for text in set_aside(report)],
        "unresolved": list(_unresolved(report)),
    }


def coverage_data(
    coverage: Coverage, covered: Sequence[FileCoverage], library: Iterable[str]
) -> dict[str, Any]:
    """Return what the page shows of the coverage, and what it was made with.

    Args:
        coverage: of all targets.
        covered: the files that count.
        library: other files to show, as far as runs came by.
    """
    known = {file.file for file in covered}
    others = [coverage.file(file) for file in dict.fromkeys(library) if file not in known]
    return {
        "made": f"rescind {__version__}, Python {platform.python_version()}",
        "percent": round(percent_of(covered), 1),
        "awaits": sum(len(file.awaits) for file in covered),
        "files": [_file(file, own=True) for file in covered]
        + [
            _file(FileCoverage(one.file, tuple(a for a in one.awaits if a.marks)), own=False)
            for one in others
        ],
    }


def library_files(report: Report) -> list[str]:
    """Return the files of others in which something broke."""
    places = [group.lead.plan.point for group in groups(report.confirmed) if group.broken]
    files = [
        os.path.abspath(parts_of(shown_place(point))[0])
        for point in places
        if point is not None and point.stack
    ]
    return [one for one in dict.fromkeys(files) if from_library(one) and source_of(one).text]


# -- findings -------------------------------------------------------------------------------------


def _group(report: Report, group: Group) -> dict[str, Any]:
    return {
        "place": _shown(titles(report).get(group.place, group.place)),
        "kind": "broken" if group.broken else "hint",
        "modes": [mode.value for mode in broken_modes(report, group)],
        "findings": [_finding(report, finding) for finding in (group.lead, *group.also)],
    }


def _finding(report: Report, finding: Finding) -> dict[str, Any]:
    plan, symptom = finding.plan, finding.symptom
    point = plan.point
    assert point is not None
    left, right = word_contrast(condensed(brief(symptom.expected)), condensed(brief(symptom.seen)))
    return {
        "detector": finding.detector,
        "kind": "broken" if finding.severity == "verdict" else "hint",
        "sentence": visible(symptom.sentence),
        "when": visible(moment(point, plan.instant)),
        "how": how(plan),
        "mode": plan.mode.value,
        "left": [[changed, visible(text)] for changed, text in left],
        "right": [[changed, visible(text)] for changed, text in right],
        "remedy": visible(symptom.remedy),
        "rate": round(100 * finding.rate),
        "replay": f"rescind check replay {encode(report.name, plan)}",
        "stack": _stack(point),
    }


def _stack(point: Point) -> list[dict[str, str]]:
    shown, own = shown_place(point), own_place(point)
    frames: list[dict[str, str]] = []
    for place in point.stack:
        file, line, _ = parts_of(place)
        text = source_of(os.path.abspath(file)).text.splitlines()
        frames.append(
            {
                "place": _shown(place),
                "source": visible(text[line - 1].strip()) if 0 < line <= len(text) else "",
                "kind": "here" if place == shown else "own" if place == own else "",
            }
        )
    return frames


def _shown(place: str) -> str:
    return visible(brief(shortened(place)))


# -- the matrix -----------------------------------------------------------------------------------


def _matrix(report: Report) -> dict[str, Any]:
    """Return a row for each point, a column for each mode and instant that was tried."""
    modes = (*USUAL_MODES, Mode.CLOSE)
    used = {(mode, instant) for _, instant, mode in report.matrix}
    columns = [(mode, at) for mode in modes for at in _INSTANTS if (mode, at) in used]
    place = {column: number for number, column in enumerate(columns)}
    notes: dict[str, int] = {}
    rows: dict[tuple[str, Point], list[list[Any] | None]] = {}
    told = _told(report, notes)
    known = titles(report)
    for (point, instant, mode), verdict in report.matrix.items():
        row = rows.setdefault((label(point, instant), point), [None] * len(columns))
        said = told.get((point, instant, mode), [])
        row[place[mode, instant]] = [_LETTERS[verdict], *said]
    order = sorted(rows, key=lambda row: (in_source(row[0]), in_turn(row[1])))
    return {
        "columns": [{"mode": mode.value, "instant": at.value} for mode, at in columns],
        "rows": [
            {
                "place": _shown(known.get(name, name)),
                "point": _point(point),
                "cells": rows[name, point],
            }
            for name, point in order
        ],
        "notes": list(notes),
    }


def _told(report: Report, notes: dict[str, int]) -> dict[tuple[Point, Instant, Mode], list[int]]:
    """Return for each cell what was seen or not found out there, as numbers of ``notes``."""
    told: dict[tuple[Point, Instant, Mode], dict[int, None]] = {}

    def tell(point: Point | None, instant: Instant, mode: Mode, text: str) -> None:
        assert point is not None
        number = notes.setdefault(visible(text), len(notes))
        told.setdefault((point, instant, mode), {})[number] = None

    for finding in report.findings:
        plan = finding.plan
        hint = "" if finding.severity == "verdict" else "hint: "
        text = f"{plan.judge.value}: {hint}{finding.symptom.sentence}"
        tell(plan.point, plan.instant, plan.mode, text)
    for plan, why in report.unresolved.items():
        tell(plan.point, plan.instant, plan.mode, f"{plan.judge.value}: unresolved: {brief(why)}")
    return {cell: list(numbers) for cell, numbers in told.items()}


def _point(point: Point) -> str:
    words = [f"visit {point.visit}"] if point.visit else []
    return ", ".join([*words, *([] if point.task == ROOT else [f"task {visible(point.task)}"])])


def _unresolved(report: Report) -> Iterator[dict[str, Any]]:
    for why, number in Counter(report.unresolved.values()).most_common():
        plans = [plan for plan, reason in report.unresolved.items() if reason == why]
        places = dict.fromkeys(
            _shown(label(plan.point, plan.instant)) for plan in plans if plan.point is not None
        )
        yield {"why": visible(brief(why)), "runs": number, "places": list(places)}


# -- coverage -------------------------------------------------------------------------------------


def _file(file: FileCoverage, *, own: bool) -> dict[str, Any]:
    text = source_of(file.file).text
    lines = highlight(text)
    return {
        "name": _shown(file.file),
        "own": own,
        "percent": round(file.percent),
        "counts": {state.value: file.count(state) for state in State},
        "awaits": {
            str(one.line): {
                "state": one.state.value,
                "cleanup": bool(one.marks & Mark.CLEANUP),
                "shielded": bool(one.marks & Mark.SHIELDED),
            }
            for one in file.awaits
        },
        "parts": [
            {
                "first": first,
                "lines": [
                    [[kind, visible(part.expandtabs(4))] for kind, part in line]
                    for line in lines[first - 1 : last]
                ],
            }
            for first, last in excerpts(text, [one.line for one in file.awaits])
        ],
        "length": len(lines),
    }
