"""The lab: deterministic runs, in chosen orders, with injected cancellations."""

from rescind.testing.lab.errors import Livelock
from rescind.testing.lab.executor import Decision, Passed
from rescind.testing.lab.injection import ROOT, Injection, Instant, Kind, Spot
from rescind.testing.lab.lab import Lab
from rescind.testing.lab.record import Failure, FailureKind, Leftovers, Run, Step
from rescind.testing.lab.schedule import (
    Choice,
    Deviate,
    Exhaustive,
    Fifo,
    Pct,
    RandomOrder,
    Replay,
    Schedule,
)

__all__ = [
    "ROOT",
    "Choice",
    "Decision",
    "Deviate",
    "Exhaustive",
    "Failure",
    "FailureKind",
    "Fifo",
    "Injection",
    "Instant",
    "Kind",
    "Lab",
    "Leftovers",
    "Livelock",
    "Passed",
    "Pct",
    "RandomOrder",
    "Replay",
    "Run",
    "Schedule",
    "Spot",
    "Step",
]
