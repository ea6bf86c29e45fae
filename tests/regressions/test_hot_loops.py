"""Loops that never park by themselves give way to timers, to siblings and to the grace."""

import pytest

import rescind
from rescind import Canceled, Runtime, catch_cancel, join, race, ready, shared, sleep, spawn
from rescind.lowlevel import Context, ManualHost
from rescind.testing import run_virtual
from tests.conftest import HostFactory


async def _fail() -> None:
    raise ValueError("at once")


async def _retry_for_ever() -> None:
    while True:
        try:
            await join(_fail())
        except ValueError:
            continue


def test_retrying_what_fails_at_once_lets_a_timer_win(host: HostFactory) -> None:
    """A leaf that ends with an error costs budget as one that ends with a value does."""
    with host() as runtime:
        if isinstance(runtime.executor.host, ManualHost):
            pytest.skip("virtual time stands still while something is ready")
        value = runtime.block_on(race(_retry_for_ever(), _after(0.01, "timer")))
    assert "timer" == value


async def _after(seconds: float, value: str) -> str:
    await sleep(seconds)
    return value


def test_retrying_what_fails_at_once_parks_when_its_budget_is_spent() -> None:
    """A sibling that yields has its turns between 128 failures each."""
    failures = 0

    async def retry() -> None:
        nonlocal failures
        while True:
            try:
                await rescind.poll_fn(_raise)
            except ValueError:
                failures += 1

    def _raise(cx: Context) -> None:
        raise ValueError

    async def main() -> int:
        task = spawn(retry())
        await rescind.yield_now()
        await rescind.yield_now()
        task.cancel(grace=0)
        return failures

    value = run_virtual(main).unwrap()
    assert 0 == value % 128
    assert value > 0


def test_catching_every_cancellation_of_ones_own_ends_with_the_grace(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop around ``catch_cancel`` that goes on is within its grace, and dropped after it."""

    async def victim() -> None:
        while True:
            await catch_cancel(sleep(60))

    async def main() -> rescind.Outcome[None]:
        task = spawn(victim(), grace=0.01)
        await sleep(0.01)
        return await task.cancel("stop")

    with host() as runtime:
        if isinstance(runtime.executor.host, ManualHost):
            pytest.skip("virtual time stands still while something is ready")
        outcome = runtime.block_on(main())
    assert isinstance(outcome, Canceled)
    assert (True, False) == (outcome.dropped, outcome.abandoned)
    assert ["rescind"] == [r.name for r in caplog.records if r.name != "asyncio"]


@pytest.mark.parametrize("budget", [1, 2, 128])
def test_hot_first_child_of_a_biased_race_starves_nobody(budget: int) -> None:
    """A round that the budget cuts short goes on with the children that it owes a poll."""

    async def hot() -> None:
        while True:
            await ready(None)

    async def second() -> str:
        await rescind.yield_now()
        return "second"

    with Runtime(host=ManualHost(), budget=budget) as runtime:
        value = runtime.block_on(race(hot(), second(), biased=True))
    assert "second" == value


def test_shared_future_that_waits_for_itself_is_refused() -> None:
    """It says so, instead of following the circle for ever."""

    async def main() -> None:
        async def own() -> None:
            await circle

        circle = shared(own())
        await circle

    with pytest.raises(rescind.UsageError, match="waits for itself"):
        run_virtual(main).unwrap()
