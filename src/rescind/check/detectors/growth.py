"""What grows when the same place is canceled again and again.

*What it is.* Under the storm judge, the sizes of the containers that can be reached are compared
with those after a clean storm. What is larger is a leak, named by the way to it.

*Threads.* The loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, cast

from rescind.check.detectors.base import Detector
from rescind.check.detectors.reach import reached
from rescind.check.points import Judge
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Growth"]

#: Growing by less than this, in a storm of twelve, is chance.
_LEAST = 3


class Growth(Detector):
    """Containers that have become larger by the number of cancellations."""

    name = "growth"

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def settled(self, run: Run) -> None:
        if run.plan.judge is not Judge.STORM:
            return
        for path, found in reached(run):
            if isinstance(found, (dict, list, set, frozenset, deque)):
                self._sizes[path] = len(cast("Sized", found))

    def fact(self, run: Run) -> dict[str, int]:
        return self._sizes

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, int] = clean.facts.get(Growth.name) or {}
        now: dict[str, int] = seen.facts.get(Growth.name) or {}
        grown = [
            (path, was[path], size)
            for path, size in now.items()
            if path in was and size - was[path] >= _LEAST
        ]
        if grown:
            yield Symptom(
                "something grows with each cancellation",
                expected="; ".join(f"len({path}) = {before}" for path, before, _ in grown),
                seen="; ".join(f"len({path}) = {size}" for path, _, size in grown),
                remedy="take out in a finally what was put in",
            )
