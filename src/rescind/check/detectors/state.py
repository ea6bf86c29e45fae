"""How the shared state differs after the next use: what else is told by it becomes plain.

*Threads.* The loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sized
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from rescind.check.detectors.base import Detector
from rescind.check.detectors.reach import reached
from rescind.check.points import Judge
from rescind.check.record import Record, Symptom, shown

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["StateDiffers"]

_SIZED = (dict, list, set, frozenset, deque)
_FOLLOWED = frozenset({Judge.FOLLOW_UP, Judge.PROMPT})
#: More would hide what matters.
_TOLD = 8


class StateDiffers(Detector):
    """After the next use, what can be reached from the env is not as if nothing was canceled."""

    name = "state differs"
    severity = "hint"
    explains = True

    def __init__(self) -> None:
        self._state: dict[str, str] = {}

    def settled(self, run: Run) -> None:
        if run.plan.judge not in _FOLLOWED:
            return
        for path, found in reached(run):
            if not path.startswith("env"):
                continue
            if isinstance(found, _SIZED):
                self._state[f"len({path})"] = str(len(cast("Sized", found)))
            self._state.update(_flags(path, found))

    def fact(self, run: Run) -> dict[str, str]:
        return self._state

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, str] = clean.facts.get(StateDiffers.name) or {}
        now: dict[str, str] = seen.facts.get(StateDiffers.name) or {}
        different = [
            (path, was[path], state)
            for path, state in now.items()
            if path in was and was[path] != state
        ]
        if different:
            yield Symptom(
                "the shared state is not as after an uncanceled run",
                expected="; ".join(f"{path} = {old}" for path, old, _ in different[:_TOLD]),
                seen="; ".join(f"{path} = {new}" for path, _, new in different[:_TOLD]),
            )


def _flags(path: str, found: Any) -> dict[str, str]:
    """Return the attributes that say in which state an object is, and not how often it was used."""
    fields: Any = getattr(found, "__dict__", None)
    if not isinstance(fields, dict):
        return {}
    return {
        f"{path}.{name}": shown(value)
        for name, value in cast("dict[str, Any]", fields).items()
        if value is None or isinstance(value, (bool, Enum))
    }
