"""Every detector, in the order in which they are asked.

*Threads.* Data.
"""

from __future__ import annotations

from typing import Final

from rescind.check.detectors.base import Detector
from rescind.check.detectors.endings import (
    CrowdDiffers,
    FollowUpDiffers,
    Hang,
    Invariants,
    Replaced,
    Swallowed,
    TeardownFails,
)
from rescind.check.detectors.growth import Growth
from rescind.check.detectors.held import LeftHeld
from rescind.check.detectors.left_in_loop import GeneratorsLeft, TimersLeft
from rescind.check.detectors.noise import Noise
from rescind.check.detectors.resources import ResourcesLeft
from rescind.check.detectors.tasks import TasksLeft

__all__ = ["DETECTORS"]

#: The most telling first.
DETECTORS: Final[tuple[type[Detector], ...]] = (
    Hang,
    FollowUpDiffers,
    CrowdDiffers,
    Invariants,
    Swallowed,
    Replaced,
    TeardownFails,
    TasksLeft,
    LeftHeld,
    Growth,
    ResourcesLeft,
    GeneratorsLeft,
    Noise,
    TimersLeft,
)
