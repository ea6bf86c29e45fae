"""The lab: deterministic runs, in chosen orders, with injected cancellations."""

from rescind.testing.lab.changes import Bounds, Changes
from rescind.testing.lab.errors import Livelock
from rescind.testing.lab.events import Decision, Passed
from rescind.testing.lab.exploration import Exploration
from rescind.testing.lab.explore import explore
from rescind.testing.lab.injection import ROOT, Injection, Instant, Kind, Spot
from rescind.testing.lab.lab import Lab
from rescind.testing.lab.record import Failure, FailureKind, Leftovers, Run, Step
from rescind.testing.lab.replay import replay
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
from rescind.testing.lab.timeline import timeline
from rescind.testing.lab.token import BadToken

__all__ = [
    "ROOT",
    "BadToken",
    "Bounds",
    "Changes",
    "Choice",
    "Decision",
    "Deviate",
    "Exhaustive",
    "Exploration",
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
    "explore",
    "replay",
    "timeline",
]
