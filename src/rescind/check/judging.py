"""What the detectors say of one run: the one place where a symptom becomes a finding.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rescind.check.detectors import DETECTORS, Detector
from rescind.check.points import ROOT
from rescind.check.record import Finding, Record

__all__ = ["findings_of"]


def findings_of(
    record: Record, clean: Record, detectors: Sequence[type[Detector]] = DETECTORS
) -> Iterator[Finding]:
    """Yield what a run shows, in the order of the detectors; those that only explain come last.

    What the cancellation of a task does that the scenario has started is a hint, and so is what
    setup has started does. Explanations are given only of what is broken.

    Args:
        record, clean: the run, and the uncanceled one with which it is compared.
        detectors: who is asked.
    """
    plan = record.plan
    assert plan.point is not None
    broken = False
    for detector in sorted(detectors, key=lambda one: one.explains):
        if detector.explains and not broken:
            return
        own = detector.severity if plan.point.task == ROOT else "hint"
        for symptom in detector.judge(record, clean):
            finding = Finding(detector.name, symptom.severity or own, plan, symptom)
            broken = broken or finding.severity == "verdict"
            yield finding
