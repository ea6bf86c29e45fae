"""Which runs are made, and in which order: the most telling first.

*What it is.* Pure: from the points of clean runs to a list of plans. Each point is met at every
instant, in every mode, by every judge; what usually finds most comes first, so that a small budget
is well spent.

*Threads.* Any.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rescind.check.points import (
    ALL_HELD,
    ROOT,
    Held,
    Instant,
    Judge,
    Mode,
    Point,
    RunPlan,
    Until,
)
from rescind.check.record import Record

__all__ = ["INSTANTS", "Options", "available_modes", "plans_for", "second_strikes", "weight"]

#: The modes that are tried without being asked for: `Mode.CLOSE` has to be.
USUAL_MODES: Final = (
    Mode.ASYNCIO,
    Mode.ANYIO,
    Mode.TWICE,
    Mode.TIMEOUT,
    Mode.GROUP,
    Mode.RESCIND,
)

_BARE_MODES: Final = frozenset({Mode.ASYNCIO, Mode.TWICE, Mode.RESCIND, Mode.CLOSE})

_JUDGES: Final = (
    Judge.FOLLOW_UP,
    Judge.PROMPT,
    Judge.CROWD,
    Judge.STORM,
    Judge.CROWD3,
    Judge.LOOK,
)
#: So many connections are held back one by one.
_SINGLE: Final = 4
#: When a run strikes, the most telling first.
INSTANTS: Final = (Instant.PARKED, Instant.WOKEN, Instant.UNSTARTED, Instant.CALLBACK)


@dataclass(frozen=True, slots=True)
class Options:
    """What to try, and for how long.

    Attributes:
        modes: how to cancel; those whose library is missing are left out.
        judges: what to do afterwards.
        instants: when; `Instant.CALLBACK` is the thorough one.
        children: cancel the tasks that the scenario starts, too; what that breaks is a hint.
        cleanup: cancel once more at each suspension of the cleanup.
        hold: try late answers, where the program has connections of its own: on all of them, as
            long as can be; with `Instant.CALLBACK` also on each alone, and for a shorter time.
        budget: stop after so many seconds; None: when all is tried.
        max_runs: stop after so many runs; None: when all is tried.
        confirm: how often a finding is run again, to tell how often it shows.
        processes: how many processes make runs.
    """

    modes: tuple[Mode, ...] = USUAL_MODES
    judges: tuple[Judge, ...] = _JUDGES
    instants: tuple[Instant, ...] = (Instant.PARKED, Instant.WOKEN, Instant.UNSTARTED)
    children: bool = True
    cleanup: bool = True
    hold: bool = True
    budget: float | None = None
    max_runs: int | None = None
    confirm: int = 2
    processes: int = 1


def available_modes(modes: Iterable[Mode]) -> tuple[Mode, ...]:
    """Return those modes whose library is installed."""
    return tuple(
        mode
        for mode in modes
        if mode is not Mode.ANYIO or importlib.util.find_spec("anyio") is not None
    )


def weight(plan: RunPlan) -> int:
    """Return how late a run is made: the more is special about it, the later."""
    assert plan.point is not None
    return (
        2 * _JUDGES.index(plan.judge)
        + 2 * INSTANTS.index(plan.instant)
        + 3 * (USUAL_MODES.index(plan.mode) if plan.mode in USUAL_MODES else len(USUAL_MODES))
        + (6 if plan.second else 0)
        + _late(plan)
        + (12 if plan.point.task != ROOT else 0)
    )


def _late(plan: RunPlan) -> int:
    if plan.hold is None:
        return 0
    return 1 if plan.hold == ALL_HELD else 4


def plans_for(clean: Mapping[tuple[Mode, Judge], Record], options: Options) -> list[RunPlan]:
    """Return the runs to make, given the clean run of each mode and judge, most telling first."""
    plans: list[RunPlan] = []
    # asyncio's tasks are met in asyncio's mode; mode rescind adds rescind's own.
    elsewhere = {
        (Mode.RESCIND, point.task)
        for (mode, _), record in clean.items()
        for point, _ in record.points
        if mode is Mode.ASYNCIO and point.task != ROOT
    }
    for (mode, judge), record in clean.items():
        for point, bare in record.points:
            if not _concerns(point, mode, options) or (mode, point.task) in elsewhere:
                continue
            for instant in _instants(point, bare, mode):
                if instant in options.instants:
                    plans += _with_hold(RunPlan(point, instant, mode, judge), record, options)
        if Instant.CALLBACK in options.instants and mode is Mode.ASYNCIO:
            for number in range(1, len(record.trace) + 1):
                plan = RunPlan(Point(ROOT, (), number), Instant.CALLBACK, mode, judge)
                plans += _with_hold(plan, record, options)
    plans.sort(key=weight)  # stable: points stay in the order of the program
    return plans


def second_strikes(first: RunPlan, record: Record, options: Options) -> Iterator[RunPlan]:
    """Yield the runs that cancel once more, in the cleanup which ``record`` shows."""
    if options.cleanup and not first.second and first.mode is Mode.ASYNCIO and first.hold is None:
        for number in range(1, record.cleanup + 1):
            yield replace(first, second=number)


def _concerns(point: Point, mode: Mode, options: Options) -> bool:
    """Is this point the scenario's own, or of a task that it made (not of a copy in a crowd)?"""
    if point.task == ROOT:
        return True
    # What a mode puts around the scenario concerns its own task alone: nobody would put a timeout,
    # or a scope, around a task that the program makes. The others need only the task.
    return options.children and point.task.startswith(f"{ROOT}/") and mode in _BARE_MODES


def _instants(point: Point, bare: bool, mode: Mode) -> tuple[Instant, ...]:
    if not point.stack:
        # Before it begins, it is not yet inside what the other modes put around it.
        return (Instant.UNSTARTED,) if mode in _BARE_MODES else ()
    return (Instant.PARKED,) if bare else (Instant.PARKED, Instant.WOKEN)


def _with_hold(plan: RunPlan, record: Record, options: Options) -> list[RunPlan]:
    """Return the plan, and the same with answers late, in as many ways as the options ask for."""
    if not options.hold or not record.sockets or plan.judge not in (Judge.PROMPT, Judge.FOLLOW_UP):
        return [plan]
    ways = [ALL_HELD]
    if Instant.CALLBACK in options.instants:
        ways.append(Held(until=Until.ENDED))
        if record.sockets > 1:
            ways += [Held(number) for number in range(1, min(record.sockets, _SINGLE) + 1)]
    return [plan, *(replace(plan, hold=held) for held in ways)]
