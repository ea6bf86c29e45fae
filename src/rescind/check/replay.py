"""`replay`: makes the run of a token again, just as it was, and tells of it.

*Threads.* Blocks the calling thread, which must not run a loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from rescind._core.errors import UsageError
from rescind.check.account import Replayed
from rescind.check.clean import not_clean
from rescind.check.detectors import Detector, detectors_for
from rescind.check.judging import findings_of
from rescind.check.points import RunPlan
from rescind.check.run import execute
from rescind.check.scenario import Scenario
from rescind.check.strike import went_astray

__all__ = ["Astray", "replay"]

_TRIES = 3


class Astray(UsageError):
    """The run went another way than the token says, and was not canceled where that says."""


def replay(scenario: Scenario, plan: RunPlan, more: Sequence[Detector] = ()) -> Replayed:
    """Make a run, and the uncanceled one with which it is compared.

    Args:
        scenario: what to run.
        plan: the run; it cancels something.
        more: who else looks on.

    Raises:
        Astray: it was not canceled where it should be.
    """
    if plan.point is None:
        raise Astray("this token cancels nothing")
    all_of_them = detectors_for(scenario)
    clean = execute(scenario, plan.clean(), [one() for one in all_of_them])
    why = not_clean(clean)
    if why:
        raise Astray(f"{scenario.name}, not canceled: {why}")
    for _ in range(_TRIES):
        detectors = [*more, *(one() for one in all_of_them)]
        record = execute(scenario, plan, detectors)
        why = record.error or record.diverged or went_astray(record, clean)
        if record.struck and not why:
            break
        if any(getattr(one, "stopped", False) for one in more):
            break
    else:
        raise Astray(f"the run went another way, and was not canceled at {plan}: {_told(why)}")
    findings = list(findings_of(record, clean, all_of_them))
    findings.sort(key=lambda finding: finding.severity != "verdict")
    return Replayed(scenario.name, record, clean, findings)


def _told(why: str) -> str:
    return why or "it never came there"
