"""Locks and semaphores that are left held, and waiters that nobody has woken or will wake.

*Threads.* The loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from rescind.check.detectors.base import Detector
from rescind.check.detectors.primitives import Rest, rest_of
from rescind.check.detectors.reach import reached
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["LeftHeld", "WaitersLeft"]

_looked: WeakKeyDictionary[Run, dict[str, Rest]] = WeakKeyDictionary()


class _Looks(Detector):
    """Notes the state of every primitive that is not at rest."""

    def __init__(self) -> None:
        self._state: dict[str, Rest] = {}

    def settled(self, run: Run) -> None:
        state = _looked.get(run)
        if state is None:
            state = _looked[run] = {}
            for path, found in reached(run):
                rest = rest_of(found)
                if rest is not None and (rest.locked or rest.waiting or rest.permits is not None):
                    state[path] = rest
        self._state = state

    def fact(self, run: Run) -> dict[str, Rest]:
        return self._state


class LeftHeld(_Looks):
    """A lock is held, permits are missing, or somebody waits for what is free."""

    name = "left held"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, Rest] = clean.facts.get(LeftHeld.name) or {}
        now: dict[str, Rest] = seen.facts.get(LeftHeld.name) or {}
        worse = {path: rest for path, rest in now.items() if _is_worse(rest, was.get(path))}
        if worse:
            yield Symptom(
                "a primitive is left held, or with waiters that nobody will wake",
                expected=_told({path: was.get(path) for path in worse}),
                seen=_told(worse),
                remedy="hold it in 'async with', and hand on what a canceled waiter was given",
            )


class WaitersLeft(_Looks):
    """Somebody waits at a queue, an event, or anything that does not say whether it is free."""

    name = "waiters left"
    severity = "hint"

    def fact(self, run: Run) -> dict[str, Rest]:
        return {path: rest for path, rest in self._state.items() if rest.waiting}

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, Rest] = clean.facts.get(WaitersLeft.name) or {}
        now: dict[str, Rest] = seen.facts.get(WaitersLeft.name) or {}
        more = {
            path: rest
            for path, rest in now.items()
            if not _is_worse(rest, was.get(path)) and rest.waiting > _waiting(was.get(path))
        }
        if more:
            yield Symptom(
                "somebody waits who does not when nothing is canceled",
                expected=_told({path: was.get(path) for path in more}),
                seen=_told(more),
                remedy="take a waiter out of its queue in a finally",
            )


def _is_worse(rest: Rest, was: Rest | None) -> bool:
    """Is it surely at fault? A queue that is empty may rightly have somebody waiting."""
    if rest.permits is not None:
        fewer = was is not None and was.permits is not None and rest.permits < was.permits
        return fewer or (rest.free and not (was is not None and was.free))
    newly = rest.locked and not (was is not None and was.locked)
    return newly or (rest.knows and rest.free and not (was is not None and was.free))


def _waiting(rest: Rest | None) -> int:
    return 0 if rest is None else rest.waiting


def _told(states: dict[str, Any]) -> str:
    return "; ".join(f"{path} {rest or 'is free'}" for path, rest in states.items())
