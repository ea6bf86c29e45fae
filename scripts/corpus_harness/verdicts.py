"""Decides whether what a checker said about a version is as it should be.

A version that has the bug has to be found broken, and one that is fixed has to be found clean.
Findings that a case explains count for neither. *Unresolved* is never good: it is no pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.corpus_harness.cases import Case, Explained, Version
from scripts.corpus_harness.checker import Finding, Report

__all__ = ["Answer", "Row", "judge"]


@dataclass(frozen=True)
class Answer:
    """What one run, with or without the invariants, came to."""

    #: `found`, `missed`, `clean`, `false alarm`, `unresolved` or `failed`.
    word: str
    good: bool
    #: Which detectors found something that counts, each once, in the order of the report.
    detectors: tuple[str, ...] = ()
    #: What counts against it, or why it counts for nothing.
    remarks: tuple[str, ...] = ()
    #: On a fixed version: how many places were found broken, and nobody knows why.
    false_alarms: int = 0
    points: int = 0
    runs: int = 0
    seconds: float = 0.0


@dataclass
class Row:
    """A line of the table: one version of one case."""

    case: str
    role: str
    what: str
    without: Answer | None = None
    with_invariants: Answer | None = None
    #: Why nothing was run; then there are no answers.
    skipped: str | None = None
    #: Why nothing could be run, though it should have been.
    failed: str | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it; what was skipped is not wrong."""
        answers = (self.without, self.with_invariants)
        return self.failed is None and all(a.good for a in answers if a is not None)


def judge(case: Case, version: Version, report: Report, *, invariants: bool) -> Answer:
    """Return what a report comes to for this version."""
    explanations = [e for e in case.explained if e.covers(version.role, invariants=invariants)]
    counted, explained = _sort(report.findings, explanations)
    detectors = tuple(dict.fromkeys(finding.detector for finding in counted))
    remarks = [f"explained: {reason}" for reason in explained]
    broken = bool(counted)
    if version.has_bug:
        excuse = next((e.reason for e in explanations if e.missed), None)
        word = "found" if broken else "unresolved" if report.verdict == "unresolved" else "missed"
        good = broken or excuse is not None
        if not broken and excuse is not None:
            remarks.append(f"explained: {excuse}")
    else:
        word = (
            "false alarm" if broken else "unresolved" if report.verdict == "unresolved" else "clean"
        )
        good = word == "clean"
        remarks += [
            f"{finding.detector} at {finding.place}: {finding.sentence}" for finding in counted
        ]
    return Answer(
        word=word,
        good=good,
        detectors=detectors,
        remarks=tuple(remarks),
        false_alarms=0 if version.has_bug else len({finding.place for finding in counted}),
        points=report.points,
        runs=report.runs,
        seconds=report.seconds,
    )


def _sort(
    findings: Iterable[Finding], explanations: list[Explained]
) -> tuple[list[Finding], list[str]]:
    """Return the verdicts that count, and why others do not, each reason once."""
    counted: list[Finding] = []
    reasons: dict[str, None] = {}
    for finding in findings:
        if not finding.is_verdict:
            continue
        reason = next(
            (
                e.reason
                for e in explanations
                if e.matches(finding.detector, finding.place, finding.mode)
            ),
            None,
        )
        if reason is None:
            counted.append(finding)
        else:
            reasons[reason] = None
    return counted, list(reasons)
