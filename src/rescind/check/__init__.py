"""Cancel existing async code everywhere, and tell what breaks."""

from rescind.check.calls import asweep, sweep
from rescind.check.plan import Options
from rescind.check.points import Instant, Judge, Mode, Point, RunPlan
from rescind.check.record import Finding, Symptom
from rescind.check.report import Report, Verdict
from rescind.check.scenario import Env, Scenario
from rescind.check.sweep import NotCheckable, Progress, Sweep

__all__ = [
    "Env",
    "Finding",
    "Instant",
    "Judge",
    "Mode",
    "NotCheckable",
    "Options",
    "Point",
    "Progress",
    "Report",
    "RunPlan",
    "Scenario",
    "Sweep",
    "Symptom",
    "Verdict",
    "asweep",
    "sweep",
]
