"""What can be found, with no code written for the case: one small module for each."""

from rescind.check.detectors.base import Detector
from rescind.check.detectors.endings import CrowdDiffers, FollowUpDiffers, Hang, Invariants, Replaced, Swallowed
from rescind.check.detectors.tasks import TasksLeft

__all__ = ["DETECTORS", "Detector"]

#: Every detector, the most telling first.
DETECTORS: tuple[type[Detector], ...] = (
    Hang,
    FollowUpDiffers,
    CrowdDiffers,
    Invariants,
    Swallowed,
    Replaced,
    TasksLeft,
)
