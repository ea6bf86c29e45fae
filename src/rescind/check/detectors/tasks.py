"""Tasks that are still running: when the canceled one has ended, and when everything has settled.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.detectors.compare import SEVERITIES, by_whom, more_than
from rescind.check.points import ROOT, Judge
from rescind.check.probe import Probe, stack_of
from rescind.check.record import Record, Symptom
from rescind.check.whose import BySetup, named

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["AliveAtEnd", "TasksLeft"]

#: Judges under which nobody else runs when the canceled task ends.
_ALONE = frozenset({Judge.LOOK, Judge.FOLLOW_UP})

Where = tuple[str, str]
"""What a task runs, and the innermost place at which it is parked."""


class _Looks(Detector):
    def __init__(self) -> None:
        self._before: set[Any] = set()
        self._left: list[Where] = []

    def set_up(self, run: Run) -> None:
        self._before = set(asyncio.all_tasks(run.loop))

    def look(self, run: Run) -> None:
        """Note the tasks that were not there when setup had ended."""
        for task in asyncio.all_tasks(run.loop) - self._before:
            probe = task.get_coro()
            if isinstance(probe, Probe) and not task.done() and not _is_told(probe.path):
                stack = stack_of(probe)
                name = named(probe.__qualname__, probe.path)
                self._left.append((name, stack[-1] if stack else "its start"))

    def settled(self, run: Run) -> None:
        self._before.clear()  # they hold what they failed with, and that is to be collected

    def fact(self, run: Run) -> list[Where]:
        return sorted(self._left)


#: What runs the scenario itself; that it hangs is told as such.
_TOLD = re.compile(rf"{ROOT}|follow-up|crowd/\d+")


class TasksLeft(_Looks):
    """Tasks that the scenario made go on without it."""

    name = "tasks left"

    def settled(self, run: Run) -> None:
        self.look(run)
        super().settled(run)

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        before: list[Where] = clean.facts.get(TasksLeft.name) or []
        now: list[Where] = seen.facts.get(TasksLeft.name) or []
        # A loop that goes on as it should may be at another await than it was.
        names, were = (by_whom(name for name, _ in some) for some in (now, before))
        for whose, severity in enumerate(SEVERITIES):
            extra = more_than(names[whose], were[whose])
            if extra:
                told = [
                    f"{name} at {place}"
                    for name, place in now
                    if name in extra and isinstance(name, BySetup) == bool(severity)
                ]
                yield Symptom(
                    "1 task still runs" if len(extra) == 1 else f"{len(extra)} tasks still run",
                    expected="as many as when nothing is canceled",
                    seen=", ".join(told),
                    remedy="cancel and await the tasks that you start, in a finally or a TaskGroup",
                    severity=severity,
                )


def _is_told(path: str) -> bool:
    return _TOLD.fullmatch(path) is not None


class AliveAtEnd(_Looks):
    """Tasks that the scenario made were still alive when it had ended, and ended later."""

    name = "alive at end"
    severity = "hint"

    def ended(self, run: Run) -> None:
        if run.plan.judge in _ALONE:
            self.look(run)

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        if seen.end.kind == "hung":
            return
        before: list[Where] = clean.facts.get(AliveAtEnd.name) or []
        now: list[Where] = seen.facts.get(AliveAtEnd.name) or []
        # Those that never end are told as such.
        later: list[Where] = seen.facts.get(TasksLeft.name) or []
        extra = more_than(
            by_whom(name for name, _ in now)[0],
            [name for name, _ in before] + [name for name, _ in later],
        )
        if extra:
            were = "1 task was" if len(extra) == 1 else f"{len(extra)} tasks were"
            yield Symptom(
                f"{were} still running when the scenario had ended",
                expected="what it starts has ended when it ends",
                seen=", ".join(f"{name} at {place}" for name, place in now if name in extra),
                remedy="await the tasks that you cancel",
            )
