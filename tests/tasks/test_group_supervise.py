"""Supervised groups: failures are isolated and logged; functions are restarted, within limits."""

import gc
import itertools
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    Completed,
    Error,
    RescindError,
    Supervise,
    TaskGroup,
    task_group,
)
from tests.conftest import HostFactory
from tests.tasks.group_kit import Boom, World, errors_of, settle, virtual


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Take what is logged, at every level."""
    caplog.set_level(logging.DEBUG, "rescind")


class Flaky:
    """An async function that fails so many times, after a second each, and then returns."""

    def __init__(self, failures: int, *, seconds: float = 1) -> None:
        self.left = failures
        self.begun: list[float] = []
        self.seconds = seconds

    async def __call__(self) -> str:
        self.begun.append(rescind.now())
        await rescind.sleep(self.seconds)
        if self.left:
            self.left -= 1
            raise Boom(str(self.left))
        return "done"


def test_failures_are_logged_and_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    """The siblings go on; the outcome tells, and so does the log, with the traceback."""
    world = World()
    boom = Boom()

    async def main() -> tuple[Any, ...]:
        async with task_group(policy="supervise", name="g") as g:
            g.spawn(world.work("a", 1, fails=boom), name="a")
            g.spawn(world.work("b", 3))
        return g.outcomes()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert Error(boom) == outcome.value[0]
    assert "3 -b" == world.trace[-1]
    (record,) = caplog.records
    assert "of group 'g' failed" in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is boom


def test_a_function_is_restarted_and_stays_one_task(caplog: pytest.LogCaptureFixture) -> None:
    """V1: one handle over all incarnations; each failure is logged with what follows."""
    flaky = Flaky(2)

    async def main() -> tuple[Any, ...]:
        async with task_group(policy=Supervise(backoff=0.5), name="g") as g:
            task = g.spawn(flaky, name="flaky")
            ids = {one.id for one in g.tasks}
            await rescind.sleep(2)
            ids |= {one.id for one in g.tasks}
        return task.outcome(), len(ids), g.statistics().restarts

    assert Completed((Completed("done"), 1, 2)) == virtual(main)
    assert [0, 1.5, 3.5] == flaky.begun  # 0.5 s, then 1 s of back-off
    tracebacks = [one.exc_info[2] for one in caplog.records if one.exc_info]
    assert ["__call__"] * 2 == [one.tb_frame.f_code.co_name for one in tracebacks if one]
    assert [
        "failed and is restarted in 0.5 s",
        "failed and is restarted in 1 s",
    ] == [record.getMessage().split("'g' ")[1] for record in caplog.records]


def test_what_a_failed_incarnation_held_is_gone_in_the_next() -> None:
    """Neither its error nor its frame is kept for one that may run for ever after."""
    gc.collect()
    gc.disable()
    refs: list[weakref.ref[Any]] = []
    seen: list[bool] = []

    class Marked:
        pass

    async def failing() -> None:
        marked = Marked()
        seen.extend(ref() is not None for ref in refs)
        refs.append(weakref.ref(marked))
        if len(refs) == 1:
            raise Boom

    async def main() -> None:
        async with task_group(policy=Supervise(max_restarts=None)) as g:
            g.spawn(failing)

    logger = logging.getLogger("rescind")
    logger.disabled = True  # a record would keep the error
    try:
        virtual(main)
    finally:
        logger.disabled = False
        gc.enable()

    assert [False] == seen


def test_a_coroutine_cannot_be_restarted() -> None:
    """Only what was spawned as a function has a second beginning."""

    async def main() -> tuple[Any, ...]:
        async with task_group(policy="supervise") as g:
            g.spawn(Flaky(1)())
        return g.statistics().restarts, len(g.outcomes())

    assert Completed((0, 1)) == virtual(main)


@pytest.mark.parametrize(
    ("restart", "failures", "runs"),
    [("on_failure", 1, 2), ("on_failure", 0, 1), ("never", 1, 1), ("always", 1, 4)],
)
def test_when_to_restart(restart: Any, failures: int, runs: int) -> None:
    """On failure, always, or never; ``always`` until the limit, or somebody cancels."""
    flaky = Flaky(failures)

    async def main() -> None:
        async with task_group(policy=Supervise(restart=restart, max_restarts=None)) as g:
            g.spawn(flaky)
            await rescind.sleep(3.5)
            g.cancel()

    virtual(main)

    assert runs == len(flaky.begun)


def test_too_many_restarts_fail_the_group_with_the_errors_that_led_to_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The intensity counts all children together; the siblings are canceled, and told why."""
    world = World()
    flaky = [Flaky(9), Flaky(9)]
    tasks: list[Any] = []

    async def main() -> None:
        async with task_group(policy=Supervise(max_restarts=3, within=10), name="g") as g:
            tasks.append(g.spawn(world.work("a", 99)))
            for one in flaky:
                g.spawn(one, name="flaky")

    outcome = virtual(main)

    assert ["8", "8", "7", "7"] == [str(error) for error in errors_of(outcome)]
    # Each failure is logged or raised: the last one, which made it give up, is only raised.
    assert ["8", "8", "7"] == [str(one.exc_info[1]) for one in caplog.records if one.exc_info]
    assert [2, 2] == [len(one.begun) for one in flaky]
    assert "2 !a sibling failed" in world.trace
    assert "there were 3 restarts within 10 s, and max_restarts is 3" in (
        tasks[0].cancel_reasons[0].message
    )


def test_too_many_restarts_of_what_never_failed_are_an_error_too() -> None:
    """There is no exception to raise but ours, which says what happened."""

    async def main() -> None:
        async with task_group(policy=Supervise(restart="always", max_restarts=2)) as g:
            g.spawn(Flaky(0, seconds=0))

    (error,) = errors_of(virtual(main))

    assert isinstance(error, RescindError)
    assert "max_restarts is 2" in str(error)


def test_restarts_that_are_far_apart_do_not_add_up() -> None:
    """What fell out of the window does not count; the back-off begins anew."""
    flaky = Flaky(5, seconds=10)

    async def main() -> Any:
        policy = Supervise(max_restarts=1, within=5, backoff=1)
        async with task_group(policy=policy) as g:
            task = g.spawn(flaky)
        return task.outcome()

    assert Completed(Completed("done")) == virtual(main)
    assert [0, 11, 22, 33, 44, 55] == flaky.begun


@pytest.mark.parametrize("who", ["child", "group", "parent", "shutdown"])
@pytest.mark.parametrize("when", [0.5, 1.5], ids=["while it runs", "in the back-off"])
def test_nothing_is_restarted_after_a_cancel(who: str, when: float) -> None:
    """V2: by whomever; and a cancellation ends the back-off at once."""
    flaky = Flaky(9)
    groups: list[TaskGroup] = []
    ended: list[float] = []

    async def stubborn() -> None:
        try:
            await flaky()
        except rescind.Cancellation:
            raise Boom from None  # an error after all: it is not restarted for that

    async def parent() -> None:
        async with task_group(policy=Supervise(backoff=100, max_restarts=None)) as g:
            groups.append(g)
            g.spawn(stubborn)
        ended.append(rescind.now())

    runtime = rescind.Runtime(host=rescind.lowlevel.ManualHost())
    with runtime:
        task = runtime.spawn(parent())
        runtime.block_on(rescind.sleep(when))
        if who == "child":
            groups[0].tasks[0].cancel()
        elif who == "group":
            groups[0].cancel()
        elif who == "parent":
            task.cancel()
        if who != "shutdown":
            runtime.block_on(task.join())
            assert when == runtime.now()

    assert 1 == len(flaky.begun)
    assert (when > 1) == (groups[0].statistics().restarts == 1)
    assert isinstance(groups[0].outcomes()[0], (Canceled, Error))


def test_what_returns_when_it_is_canceled_is_not_begun_again() -> None:
    """V2, with ``"always"``: it absorbed the cancellation, and that is the end of it."""
    begun: list[int] = []

    async def absorbing() -> str:
        begun.append(1)
        try:
            await rescind.never()
        except rescind.Cancellation:
            return "absorbed"

    async def main() -> Any:
        async with task_group(policy=Supervise(restart="always")) as g:
            task = g.spawn(absorbing)
            await settle()
            task.cancel()
        return task.outcome()

    assert Completed(Completed("absorbed")) == virtual(main)
    assert [1] == begun


def test_a_canceled_child_is_not_restarted_though_others_are() -> None:
    """Canceling one child by its handle ends it for good, and it alone."""
    flaky = Flaky(1)

    async def forever() -> None:
        await rescind.never()

    async def main() -> tuple[Any, ...]:
        async with task_group(policy=Supervise(restart="always", max_restarts=None)) as g:
            one, two = g.spawn(forever), g.spawn(flaky)
            await rescind.sleep(0.5)
            outcome = await one.cancel()
            await rescind.sleep(1)
            two.cancel()
        return isinstance(outcome, Canceled), len(flaky.begun)

    assert Completed((True, 2)) == virtual(main)


def test_the_backoff_may_be_a_function_and_is_jittered_reproducibly() -> None:
    """It is asked with 1, 2, 3 …; the same seed gives the same times."""
    asked: list[int] = []

    def backoff(n: int) -> float:
        asked.append(n)
        return n * 10

    def begun(policy: Supervise) -> list[float]:
        flaky = Flaky(3, seconds=0)

        async def main() -> None:
            async with task_group(policy=policy) as g:
                g.spawn(flaky)

        virtual(main)
        return flaky.begun

    assert [0, 10, 30, 60] == begun(Supervise(backoff=backoff))
    assert [1, 2, 3] == asked
    one, two = (begun(Supervise(backoff=4, jitter=0.5, seed=7)) for _ in range(2))
    assert one == two
    gaps = [later - earlier for earlier, later in itertools.pairwise(one)]
    assert all(base * 0.5 <= gap <= base * 1.5 for base, gap in zip((4, 8, 16), gaps, strict=True))
    assert one != begun(Supervise(backoff=4, jitter=0.5, seed=8))
    assert [0, 4, 9, 14] == begun(Supervise(backoff=4, max_backoff=5))


def test_a_bad_backoff_function_is_an_error_of_the_child() -> None:
    """It fails the child, and is logged; nobody else is disturbed."""

    async def main() -> tuple[Any, ...]:
        async with task_group(policy=Supervise(backoff=lambda _: -1)) as g:
            g.spawn(Flaky(1))
        return g.outcomes()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    error = outcome.value[0]
    assert isinstance(error, Error)
    assert "what the backoff function returned must be a number of seconds" in str(error.exception)


BAD: list[tuple[Callable[[], Any], type[Exception]]] = [
    (lambda: Supervise(restart="sometimes"), ValueError),  # type: ignore[arg-type]
    (lambda: Supervise(max_restarts=-1), ValueError),
    (lambda: Supervise(max_restarts=True), TypeError),
    (lambda: Supervise(max_restarts=1.5), TypeError),  # type: ignore[arg-type]
    (lambda: Supervise(within=-1), ValueError),
    (lambda: Supervise(backoff="1"), TypeError),  # type: ignore[arg-type]
    (lambda: Supervise(max_backoff=float("nan")), ValueError),
    (lambda: Supervise(jitter=1.5), ValueError),
    (lambda: Supervise(jitter=-0.5), ValueError),
]


@pytest.mark.parametrize(("make", "kind"), BAD)
def test_a_bad_policy_is_refused_when_it_is_made(make: Callable[[], Any], kind: Any) -> None:
    """Not when the first child fails."""
    with pytest.raises(kind):
        make()


@pytest.mark.parametrize("policy", ["fail_fast", "supervise"])
def test_what_is_no_async_function_fails_the_child_with_a_hint(policy: Any) -> None:
    """A plain function is called in the child, and what it returns cannot be awaited."""

    async def main() -> tuple[Any, ...]:
        g = task_group(policy=policy if policy == "fail_fast" else Supervise(restart="never"))
        try:
            async with g:
                g.spawn(lambda: 3)  # type: ignore[arg-type, return-value]
        except* TypeError:
            pass
        return g.outcomes()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert "give it an async function" in str(outcome.value[0].exception)


def test_functions_are_called_once_under_the_other_policies() -> None:
    """Called when the child is first polled, in its own task."""
    flaky = Flaky(1)

    async def main() -> None:
        async with task_group() as g:
            g.spawn(flaky)
            assert [] == flaky.begun

    assert 1 == len(errors_of(virtual(main)))
    assert [0] == flaky.begun


def test_restarts_on_every_host(host: HostFactory) -> None:
    """A child that fails without parking neither blocks the loop nor escapes a cancel."""
    begun: list[int] = []

    async def hot() -> None:
        begun.append(1)
        raise Boom

    async def main() -> Any:
        async with task_group(policy=Supervise(max_restarts=None)) as g:
            task = g.spawn(hot)
            await settle(10)
            task.cancel()
        return task.outcome()

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, (Canceled, Error))
    assert 5 <= len(begun) <= 12
