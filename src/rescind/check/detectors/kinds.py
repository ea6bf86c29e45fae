"""Which kinds of objects become more when the same place is canceled again and again.

*What it is.* A storm's survivors, by type, whoever holds them: also what no way leads to from the
env, such as a registry in a module. For those that are many, who holds one of them is told.

*What it is not.* Sure: a cache is allowed to grow. So it is a hint.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
import gc
import types
import weakref
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from rescind.check.detectors.base import Detector
from rescind.check.points import Judge
from rescind.check.record import Record, Symptom
from rescind.check.scenario import Scenario

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["KindsGrow"]

#: As many as half the cancellations of a storm.
_LEAST = 6
_DEPTH = 6
_OURS = ("rescind.check.", "rescind._core.")
#: What comes with a task, and says nothing that the program's own objects do not say.
_IGNORED = (*_OURS, "builtins", "asyncio.events", "_asyncio", "_contextvars", "types")

#: What survives a storm in which nothing is canceled: who holds what is asked only of what is more,
#: because that is slow.
_usual: WeakKeyDictionary[Scenario, Counter[type]] = WeakKeyDictionary()


class KindsGrow(Detector):
    """More objects of a kind survive than if nothing is canceled."""

    name = "kinds grow"
    severity = "hint"

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, str]] = {}

    def begin(self, run: Run) -> None:
        if run.plan.judge is Judge.STORM and not gc.isenabled():
            gc.collect(1)  # then what is young is the run's

    def settled(self, run: Run) -> None:
        # With the collector on, what is young says nothing; a sweep has it off.
        if run.plan.judge is not Judge.STORM or gc.isenabled():
            return
        gc.collect(0)
        survivors = [one for one in gc.get_objects(1) if not _is_the_checkers(one)]
        counts = Counter(map(type, survivors))
        if run.plan.point is None:
            _usual[run.scenario] = counts
        was = _usual.get(run.scenario, counts)
        for kind, count in counts.items():
            if count >= _LEAST and not _is_ignored(kind):
                held = ""
                if count - was[kind] >= _LEAST:
                    one = next(one for one in reversed(survivors) if type(one) is kind)
                    held = _holder(one, survivors)
                self._kinds[f"{kind.__module__}.{kind.__qualname__}"] = (count, held)

    def fact(self, run: Run) -> dict[str, tuple[int, str]]:
        return self._kinds

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, tuple[int, str]] = clean.facts.get(KindsGrow.name) or {}
        now: dict[str, tuple[int, str]] = seen.facts.get(KindsGrow.name) or {}
        grown = {
            kind: (was.get(kind, (0, ""))[0], count, held)
            for kind, (count, held) in now.items()
            if count - was.get(kind, (0, ""))[0] >= _LEAST
        }
        if grown:
            yield Symptom(
                "more and more objects survive",
                expected="; ".join(f"{before} {kind}" for kind, (before, _, _) in grown.items()),
                seen="; ".join(
                    f"{count} {kind}{f', held by {held}' if held else ''}"
                    for kind, (_, count, held) in grown.items()
                ),
                remedy="let go, in a finally, of what was registered",
            )


def _is_ignored(kind: type) -> bool:
    return str(kind.__module__).startswith(_IGNORED)


def _is_the_checkers(one: Any) -> bool:
    """Is it something by which the checker, or asyncio, refers to a run or a task?

    Or a class, to which `abc` refers once somebody has asked what it is.
    """
    kind = cast("type[object]", type(one))
    if issubclass(kind, weakref.ref):
        referred = cast("type[object]", type(one()))
        known = issubclass(referred, (type, asyncio.Future, types.NoneType))
        return known or referred.__module__.startswith(_OURS)
    if kind is partial:
        return str(getattr(one.func, "__module__", "")).startswith(_OURS)
    return kind.__module__.startswith(_OURS)


def _holds_for_the_checker(holder: Any) -> bool:
    """Is it the checker's own, or the variables of such an object?"""
    if _is_the_checkers(holder):
        return True
    return type(holder) is dict and any(
        getattr(one, "__dict__", None) is holder and _is_the_checkers(one)
        for one in gc.get_referrers(holder)
    )


def _holder(one: Any, survivors: list[Any]) -> str:
    """Return who holds ``one``, from the nearest outwards, up to a class, a module or a few steps.

    The collector is made to look into what was there before the sweep, too; that is slow.
    """
    gc.unfreeze()
    chain: list[str] = []
    seen = {id(survivors)}
    for _ in range(_DEPTH):
        seen.add(id(one))
        holders = [
            holder
            for holder in gc.get_referrers(one)
            if id(holder) not in seen and not isinstance(holder, types.FrameType)
        ]
        holders = [holder for holder in holders if not _holds_for_the_checker(holder)]
        if not holders:
            break
        seen.add(id(holders))
        holder = holders[0]
        chain.append(_called(holder, one))
        if isinstance(holder, (type, types.ModuleType)):
            break
        one = holder
    return " < ".join(chain)


def _called(holder: Any, held: Any) -> str:
    """Return what ``holder`` is, and where in it ``held`` is."""
    if isinstance(holder, types.ModuleType):
        return f"module {holder.__name__}"
    if isinstance(holder, type):
        return f"class {holder.__qualname__}"
    kind = cast("type[object]", type(holder))
    if kind is dict:
        variables = cast("dict[object, object]", holder)
        return next((f"dict[{key!r}]" for key, value in variables.items() if value is held), "dict")
    return kind.__qualname__ if kind.__module__ == "builtins" else f"a {kind.__qualname__}"
