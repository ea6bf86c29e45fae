"""Each way to cancel delivers what users of it would see, at each instant."""

import asyncio
from typing import Any

import pytest

from rescind.check import Env, Instant, Judge, Mode, Point, RunPlan
from tests.check.kit import STRIKE_MODES, keep_trace, parks, points, run, struck


async def waits(env: Env) -> str:
    """Wait twice, and write down what is raised."""
    try:
        await asyncio.sleep(0.01)
        env.trace.append("woken")
        await asyncio.sleep(0.01)
    except BaseException as exc:
        env.trace.append(type(exc).__name__)
        raise
    return "done"


def traced(body: Any, *arguments: Any, **options: Any) -> tuple[Any, list[str]]:
    """Strike, and return the record and what the scenario wrote down."""
    kept: list[list[str]] = []

    async def setup(env: Env) -> None:
        await keep_trace(env)
        kept.append(env.trace)

    record = struck(body, *arguments, setup=setup, **options)
    return record, kept[-1]


@pytest.mark.parametrize("mode", STRIKE_MODES)
def test_a_parked_scenario_gets_the_cancellation_at_its_await(mode: Mode) -> None:
    """Nothing of it runs before that."""
    record, trace = traced(waits, 1, mode=mode)
    assert record.struck
    assert record.thrown >= 1
    assert trace[0] in ("CancelledError", "Cancellation")
    assert record.body.kind == "canceled"
    assert [point.stack for point in record.landed[:1]] == [parks(waits, setup=keep_trace)[0].stack]


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        (Mode.ASYNCIO, "canceled"),
        (Mode.TWICE, "canceled"),
        (Mode.TIMEOUT, "raised TimeoutError()"),
        (Mode.GROUP, "raised ExceptionGroup('unhandled errors in a TaskGroup', [Struck("),
        (Mode.ANYIO, "returned None"),
        (Mode.RESCIND, "canceled"),
    ],
)
def test_what_is_around_the_scenario_ends_as_users_know_it(mode: Mode, end: str) -> None:
    """A timeout is a `TimeoutError`, a group's failure is a group, a scope swallows its own."""
    assert str(struck(waits, setup=keep_trace, mode=mode).end).startswith(end)


@pytest.mark.parametrize("mode", [Mode.ASYNCIO, Mode.TWICE, Mode.TIMEOUT, Mode.GROUP])
def test_a_woken_scenario_is_canceled_though_its_value_is_there(mode: Mode) -> None:
    """With asyncio the value is thrown away: the instant at which things are lost."""
    record, trace = traced(waits, 1, mode=mode, instant=Instant.WOKEN)
    assert record.struck
    assert trace == ["CancelledError"]


@pytest.mark.parametrize("mode", [Mode.ANYIO, Mode.RESCIND])
def test_a_woken_scenario_keeps_its_value_where_values_win(mode: Mode) -> None:
    """Both anyio and rescind deliver at the next await instead."""
    record, trace = traced(waits, 1, mode=mode, instant=Instant.WOKEN)
    assert record.struck
    assert trace[0] == "woken"
    assert trace[1] in ("CancelledError", "Cancellation")


@pytest.mark.parametrize("mode", [Mode.ASYNCIO, Mode.TWICE, Mode.RESCIND, Mode.CLOSE])
def test_before_its_first_poll_nothing_of_the_scenario_runs(mode: Mode) -> None:
    """It ends canceled, and its coroutine is closed without a warning."""
    kept: list[Any] = []

    async def setup(env: Env) -> None:
        await keep_trace(env)
        kept.append(env.trace)

    record = run(waits, RunPlan(Point("root"), Instant.UNSTARTED, mode), setup=setup)
    assert record.struck
    assert record.end.kind == "canceled"
    assert kept == [[]]


def test_twice_strikes_again_in_the_cleanup() -> None:
    """The second one comes at the next turn of the loop, wherever the cleanup is."""

    async def scenario(env: Env) -> None:
        try:
            await asyncio.sleep(0.01)
        finally:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                env.trace.append("again")
                raise

    record, trace = traced(scenario, 1, mode=Mode.TWICE)
    assert trace == ["again"]
    assert record.thrown == 2


def test_a_scope_of_anyio_cancels_again_and_again_until_it_is_left() -> None:
    """Every await raises, and a loop that swallows it does not get on."""

    async def scenario(env: Env) -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                env.trace.append("raised")

    _, trace = traced(scenario, 1, mode=Mode.ANYIO)
    assert trace == ["raised"] * 3


def test_the_modes_of_asyncio_cancel_once() -> None:
    """After that, awaits wait."""

    async def scenario(env: Env) -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                env.trace.append("raised")

    for mode in (Mode.ASYNCIO, Mode.TIMEOUT, Mode.GROUP):
        _, trace = traced(scenario, 1, mode=mode)
        assert trace == ["raised"]


def test_rescind_cancels_its_leaf_first_and_waits_for_it() -> None:
    """What the awaited task does in its cleanup is done before the scenario's begins."""

    async def inner(env: Env) -> None:
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.01)
            env.trace.append("inner cleaned up")

    async def scenario(env: Env) -> None:
        try:
            await asyncio.create_task(inner(env))
        finally:
            env.trace.append("cleanup")

    _, trace = traced(scenario, 1, mode=Mode.RESCIND)
    assert trace == ["inner cleaned up", "cleanup"]


def test_close_ends_the_coroutine_at_its_await_and_tells_who_waits() -> None:
    """`GeneratorExit` is raised inside; the task is canceled."""
    record, trace = traced(waits, 1, mode=Mode.CLOSE)
    assert trace == ["GeneratorExit"]
    assert record.end.kind == "canceled"


def test_what_a_scope_inside_the_scenario_cancels_is_not_the_checkers() -> None:
    """An anyio scope of the scenario's own ends by itself, and nothing was swallowed."""
    anyio = pytest.importorskip("anyio")

    async def scenario() -> str:
        with anyio.move_on_after(0.01):
            await asyncio.sleep(1)
        await asyncio.sleep(0.01)
        return "on time"

    for number in (1, 2):
        record = struck(scenario, number, mode=Mode.ANYIO)
        assert record.body.kind == "canceled"
        assert record.thrown >= 1


# -- rescind's own tasks ---------------------------------------------------------------------------


async def nested(env: Env) -> str:
    """Start two tasks of rescind's."""
    import rescind

    async def child(number: int) -> int:
        await rescind.sleep(0.01 * number)
        return number

    async with rescind.TaskGroup() as group:
        group.spawn(child(1))
        group.spawn(child(2))
    return "both"


def test_the_tasks_of_rescind_have_points_of_their_own() -> None:
    """They are named like asyncio's, by who made them."""
    seen = points(nested, Mode.RESCIND)
    assert {point.task for point in seen} == {"root", "root/1", "root/2"}
    assert {point.task for point in seen if point.stack} == {"root", "root/1", "root/2"}


@pytest.mark.parametrize("instant", [Instant.PARKED, Instant.WOKEN])
def test_a_task_of_rescind_is_struck_where_the_plan_says(instant: Instant) -> None:
    """Parked, or woken and not resumed; then the value wins."""
    record = struck(nested, 1, task="root/2", mode=Mode.RESCIND, instant=instant)
    assert record.struck
    assert bool(record.landed) is (instant is Instant.PARKED)


@pytest.mark.parametrize("instant", [Instant.PARKED, Instant.WOKEN])
def test_a_scenario_that_waits_for_rescinds_futures_is_struck_at_each_instant(
    instant: Instant,
) -> None:
    """Who is woken is known of them, too."""

    async def scenario() -> str:
        import rescind

        await rescind.sleep(0.01)
        await asyncio.sleep(0.01)
        return "done"

    record = struck(scenario, 1, mode=Mode.RESCIND, instant=instant)
    assert record.struck
    assert record.body.kind == "canceled"


@pytest.mark.parametrize("mode", STRIKE_MODES)
@pytest.mark.parametrize("judge", list(Judge))
def test_a_clean_scenario_ends_the_same_in_every_mode_under_every_judge(
    mode: Mode, judge: Judge
) -> None:
    """What a mode puts around it is not seen in what it returns."""
    record = run(waits, RunPlan(mode=mode, judge=judge), setup=keep_trace)
    assert str(record.end) == "returned 'done'"
    assert record.error == ""
    assert record.struck is None
