"""Every detector, in the order in which they are asked.

*Threads.* Data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rescind.check.detectors.base import Detector
from rescind.check.detectors.books import Books
from rescind.check.detectors.cleanup import SlowCleanup, cleanup_within
from rescind.check.detectors.endings import (
    CrowdDiffers,
    FollowUpDiffers,
    Hang,
    Invariants,
    TeardownFails,
)
from rescind.check.detectors.growth import Growth
from rescind.check.detectors.held import LeftHeld, WaitersLeft
from rescind.check.detectors.kinds import KindsGrow
from rescind.check.detectors.left_in_loop import GeneratorsLeft, TimersLeft, WatchedLeft
from rescind.check.detectors.noise import NeverAwaited, NeverRetrieved, Noise, Unclosed
from rescind.check.detectors.resources import ProcessesLeft, ResourcesLeft, ThreadsLeft
from rescind.check.detectors.state import StateDiffers
from rescind.check.detectors.swallowing import RanOn, Replaced, Swallowed
from rescind.check.detectors.tasks import AliveAtEnd, TasksLeft
from rescind.check.detectors.usable import Usable

if TYPE_CHECKING:
    from rescind.check.scenario import Scenario

__all__ = ["DETECTORS", "detectors_for"]

#: The most telling first.
DETECTORS: Final[tuple[type[Detector], ...]] = (
    Hang,
    FollowUpDiffers,
    CrowdDiffers,
    Invariants,
    Usable,
    Books,
    Swallowed,
    Replaced,
    TeardownFails,
    TasksLeft,
    LeftHeld,
    Growth,
    ResourcesLeft,
    ProcessesLeft,
    ThreadsLeft,
    GeneratorsLeft,
    Unclosed,
    NeverRetrieved,
    NeverAwaited,
    Noise,
    RanOn,
    SlowCleanup,
    AliveAtEnd,
    WaitersLeft,
    WatchedLeft,
    TimersLeft,
    KindsGrow,
    StateDiffers,
)


def detectors_for(scenario: Scenario) -> tuple[type[Detector], ...]:
    """Return all of them, with the bounds that the scenario promises to keep."""
    if scenario.cleanup_within is None:
        return DETECTORS
    bounded = cleanup_within(scenario.cleanup_within)
    return tuple(bounded if one is SlowCleanup else one for one in DETECTORS)
