"""What the tests of the checker share: runs made by hand, without a sweep around them."""

from collections.abc import Callable, Sequence
from typing import Any

from rescind.check import Env, Instant, Judge, Mode, Point, RunPlan, Scenario
from rescind.check.detectors import DETECTORS, Detector
from rescind.check.points import ROOT, Held
from rescind.check.record import Record
from rescind.check.run import Run, execute

STRIKE_MODES = (Mode.ASYNCIO, Mode.TWICE, Mode.TIMEOUT, Mode.GROUP, Mode.ANYIO, Mode.RESCIND)


def case(body: Callable[..., Any], **options: Any) -> Scenario:
    """Make a scenario that may take a second."""
    return Scenario(body, **{"timeout": 1.0, "name": "case", **options})


def run(
    body: Callable[..., Any],
    plan: RunPlan | None = None,
    detectors: Sequence[Detector] = (),
    **options: Any,
) -> Record:
    """Make one run, without detectors unless they are given."""
    return execute(case(body, **options), plan or RunPlan(), detectors)


def everything() -> list[Detector]:
    """Make one of each detector."""
    return [detector() for detector in DETECTORS]


def points(body: Callable[..., Any], mode: Mode = Mode.ASYNCIO, **options: Any) -> list[Point]:
    """Return where the tasks of a scenario park, and where they start."""
    return [point for point, _ in run(body, RunPlan(mode=mode), **options).points]


def parks(
    body: Callable[..., Any], task: str = ROOT, mode: Mode = Mode.ASYNCIO, **options: Any
) -> list[Point]:
    """Return where one task of a scenario parks, in order."""
    return [one for one in points(body, mode, **options) if one.task == task and one.stack]


def struck(
    body: Callable[..., Any],
    number: int = 1,
    *,
    task: str = ROOT,
    instant: Instant = Instant.PARKED,
    mode: Mode = Mode.ASYNCIO,
    judge: Judge = Judge.LOOK,
    second: int = 0,
    hold: Held | None = None,
    detectors: Sequence[Detector] = (),
    **options: Any,
) -> Record:
    """Make the run that strikes at the given park of a task, counted from 1."""
    point = parks(body, task, mode, **options)[number - 1]
    plan = RunPlan(point, instant, mode, judge, second, hold)
    return run(body, plan, detectors, **options)


def by_hand(body: Callable[..., Any], plan: RunPlan | None = None, **options: Any) -> Run:
    """Make a run that has not begun."""
    return Run(case(body, **options), plan or RunPlan())


async def keep_trace(env: Env) -> None:
    """Serve as a setup that puts a list on the env."""
    env.trace = []
