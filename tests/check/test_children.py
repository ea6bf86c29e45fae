"""Tasks that the scenario makes, asyncio's and rescind's: their points, and how they are struck."""

import asyncio
from typing import Any

import pytest

import rescind
from rescind.check import Env, Instant, Judge, Mode, Options, Point, RunPlan, sweep
from rescind.check.plan import plans_for
from tests.check.kit import everything, keep_trace, parks, points, run

CHILD = "root/1"


async def lets_a_child_work(env: Env) -> None:
    """Start a task, and wait until it has ended, however it does."""
    trace: list[str] = env.trace

    async def child() -> None:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            trace.append("canceled")
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                trace.append("canceled again")
                raise
            raise
        except GeneratorExit:
            trace.append("closed")
            raise

    task = asyncio.ensure_future(child())
    await asyncio.wait([task])


async def spawns_a_child(env: Env) -> None:
    """Attach a runtime, and let it run a task that waits as asyncio's do, and as rescind's."""
    trace: list[str] = env.trace

    async def child() -> None:
        try:
            await asyncio.sleep(0.01)
            await rescind.sleep(0.01)
        except rescind.Cancellation:
            trace.append("canceled")
            raise
        except GeneratorExit:
            trace.append("closed")
            raise
        trace.append("done")

    async with rescind.Runtime.attach() as runtime:
        task = runtime.spawn(child())
        trace.append(type(await task.join()).__name__)


def keeping(trace: list[str]) -> Any:
    """Return a setup that puts a list on the env."""

    async def setup(env: Env) -> None:
        env.trace = trace

    return setup


def plans(body: Any, mode: Mode) -> set[tuple[str, Instant]]:
    """Return at which tasks, and when, runs are planned in a mode."""
    clean = run(body, RunPlan(mode=mode), setup=keep_trace)
    planned = plans_for({(mode, Judge.LOOK): clean}, Options())
    return {(plan.point.task, plan.instant) for plan in planned if plan.point is not None}


# -- asyncio's -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (Mode.ASYNCIO, ["canceled"]),
        (Mode.TWICE, ["canceled", "canceled again"]),
        (Mode.CLOSE, ["closed"]),
    ],
)
def test_a_child_is_canceled_in_each_mode_that_needs_only_the_task(
    mode: Mode, told: list[str]
) -> None:
    """Once, twice, or by closing its coroutine; who waits for it sees that it has ended."""
    trace: list[str] = []
    point = parks(lets_a_child_work, CHILD, mode, setup=keep_trace)[0]
    plan = RunPlan(point, Instant.PARKED, mode)
    record = run(lets_a_child_work, plan, everything(), setup=keeping(trace))
    assert record.struck
    assert trace == told
    assert record.end.kind == "returned"


@pytest.mark.parametrize("mode", [Mode.ASYNCIO, Mode.TWICE, Mode.CLOSE])
def test_runs_are_planned_for_children_in_those_modes(mode: Mode) -> None:
    """At each instant at which a task can be canceled."""
    planned = {instant for task, instant in plans(lets_a_child_work, mode) if task == CHILD}
    assert planned == {Instant.UNSTARTED, Instant.PARKED, Instant.WOKEN}


@pytest.mark.parametrize("mode", [Mode.TIMEOUT, Mode.GROUP, Mode.ANYIO])
def test_what_a_mode_puts_around_the_scenario_is_put_around_no_child(mode: Mode) -> None:
    """A program has no timeout around a task that it has not put there."""
    assert {task for task, _ in plans(lets_a_child_work, mode)} == {"root"}


# -- rescind's -------------------------------------------------------------------------------------


def test_tasks_of_an_attached_runtime_have_points() -> None:
    """Under the task that has spawned them; at awaits of asyncio's things, and of rescind's."""
    seen = points(spawns_a_child, setup=keep_trace)
    assert Point(CHILD) in seen
    told = [point.stack for point in seen if point.task == CHILD and point.stack]
    assert len(told) == 2
    assert all("spawns_a_child.<locals>.child" in stack[0] for stack in told)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("instant", [Instant.PARKED, Instant.WOKEN])
def test_they_are_canceled_by_their_own_cancel(instant: Instant, number: int) -> None:
    """Parked, it is raised there; where what it awaits is done, the value comes first (R7)."""
    trace: list[str] = []
    point = parks(spawns_a_child, CHILD, setup=keep_trace)[number - 1]
    record = run(spawns_a_child, RunPlan(point, instant), everything(), setup=keeping(trace))
    assert record.struck
    assert not record.diverged
    assert record.end.kind == "returned"
    last = instant is Instant.WOKEN and number == 2
    assert trace == (["done", "Completed"] if last else ["canceled", "Canceled"])


def test_one_that_has_not_begun_never_does() -> None:
    """Not even if its runtime would poll it before the loop calls anything back (R5)."""
    trace: list[str] = []

    async def spawns_in_a_task(env: Env) -> None:
        async def outer() -> None:
            await rescind.spawn(inner()).join()

        async def inner() -> None:
            env.trace.append("inner")

        async with rescind.Runtime.attach() as runtime:
            await runtime.spawn(outer()).join()

    plan = RunPlan(Point("root/1/1"), Instant.UNSTARTED)
    record = run(spawns_in_a_task, plan, setup=keeping(trace))
    assert record.struck
    assert trace == []
    assert record.end.kind == "returned"


def test_closing_one_closes_its_coroutine() -> None:
    """And its task ends canceled."""
    trace: list[str] = []
    point = parks(spawns_a_child, CHILD, Mode.CLOSE, setup=keep_trace)[0]
    run(spawns_a_child, RunPlan(point, Instant.PARKED, Mode.CLOSE), setup=keeping(trace))
    assert trace[0] == "closed"


def test_a_sweep_cancels_them_and_finds_what_that_breaks() -> None:
    """As hints, as for all tasks that the scenario makes."""

    async def scenario(env: Env) -> str:
        async def child() -> None:
            await env.lock.acquire()
            await asyncio.sleep(0.01)
            env.lock.release()

        async with rescind.Runtime.attach() as runtime:
            await runtime.spawn(child()).join()
        return "done"

    async def setup(env: Env) -> None:
        env.lock = asyncio.Lock()

    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK,))
    report = sweep(scenario, setup=setup, options=options)
    found = {
        finding.plan.point.task
        for finding in report.findings
        if finding.plan.point is not None and finding.detector == "left held"
    }
    assert CHILD in found
    assert report.unresolved == {}


def test_a_runtime_that_setup_has_attached_reaches_no_other_run() -> None:
    """If teardown forgets it, the next run begins without."""

    forgotten: list[Any] = []

    async def setup(env: Env) -> None:
        forgotten.append(rescind.Runtime.attach())
        env.runtime = await forgotten[-1].__aenter__()

    async def scenario(env: Env) -> None:
        await env.runtime.spawn(rescind.sleep(0.01)).join()

    for _ in range(2):
        assert run(scenario, setup=setup).end.kind == "returned"
    with pytest.raises(rescind.UsageError):
        rescind.current_runtime()
