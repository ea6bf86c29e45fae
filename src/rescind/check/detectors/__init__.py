"""What can be found, with no code written for the case: one small module for each."""

from rescind.check.detectors.base import Detector
from rescind.check.detectors.every import DETECTORS, detectors_for

__all__ = ["DETECTORS", "Detector", "detectors_for"]
