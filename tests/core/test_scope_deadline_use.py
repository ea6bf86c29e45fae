"""Deadlines seen from their block: rescheduling, misuse, and what can be read."""

from collections.abc import Callable

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Completed,
    UsageError,
)
from rescind._core.deadline import Deadline
from rescind.lowlevel import CoroutineFuture, effective_deadline
from rescind.testing import context
from tests.core.deadline_kit import name, run, step
from tests.core.kit import Bench


def test_rescheduling_counts_anew() -> None:
    """Later and earlier: only the latest time counts, and one timer is set."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1) as d:
            d.reschedule(5)
            await step(trace, "a", 2)
            d.reschedule(1)
            trace.append(f"{rescind.current_runtime().statistics().timers} timer, at {d.at:g}")
            await step(trace, "b", 9)

    assert ["a done at 2", "1 timer, at 3", "b canceled at 3: DEADLINE", "TimedOut at 3"] == run(
        main
    )


def test_misuse_of_a_deadline_is_refused_with_its_reason() -> None:
    """Entered twice, rescheduled outside its block, after it expired, by another coroutine."""
    caught: list[str] = []

    def refuse(act: Callable[[], object]) -> None:
        with pytest.raises(UsageError) as exc:
            act()
        caught.append(str(exc.value))

    async def other(d: Deadline) -> None:
        refuse(lambda: d.reschedule(1))

    async def main(_trace: list[str]) -> None:
        d = rescind.deadline(1)
        refuse(lambda: d.reschedule(1))
        async with d:
            await rescind.spawn(other(d))
            with rescind.shielded():
                await rescind.sleep(2)
                refuse(lambda: d.reschedule(1))
        refuse(lambda: d.reschedule(1))
        with pytest.raises(UsageError) as exc:
            await d.__aenter__()
        caught.append(str(exc.value))

    assert ["Completed at 2"] == run(main)
    assert [
        "a deadline can be rescheduled only inside its block",
        "a deadline can be rescheduled only by the coroutine that entered it",
        "this deadline of 1 s has already expired",
        "a deadline can be rescheduled only inside its block",
        "this deadline was already entered; call deadline() for each block",
    ] == caught


def test_deadline_where_nothing_drives_is_refused() -> None:
    """Neither outside every coroutine nor by hand without a clock; waking it then does nothing."""
    d = Deadline(1)
    with pytest.raises(UsageError, match=r"^deadline\(\) needs to be entered inside a coroutine"):
        d.__aenter__()
    d.wake()

    async def main() -> None:
        async with Deadline(1):
            pass

    with pytest.raises(UsageError, match=r"^deadline\(\) needs a runtime's clock"):
        CoroutineFuture(main()).poll(context())
    assert not d.expired


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_deadline_that_is_no_duration_is_refused(seconds: float) -> None:
    """When it is made, and when it is rescheduled."""
    with pytest.raises(ValueError, match="the deadline must be a number of seconds"):
        rescind.deadline(seconds)


def test_effective_deadline_is_the_earliest_on_the_path() -> None:
    """R21: through deadlines, timeouts, children; None where there is none."""
    seen: list[float | None] = []

    async def look() -> None:
        seen.append(effective_deadline())

    async def main(_trace: list[str]) -> None:
        await look()
        async with rescind.deadline(5):
            await look()
            async with rescind.deadline(9):
                await look()
                await rescind.timeout(look(), 3)
                await rescind.timeout(look(), 7)
                await rescind.race(look())
            async with rescind.deadline(float("inf")):
                await rescind.timeout(rescind.race(look()), 2)
        await look()
        await rescind.spawn(look())

    assert ["Completed at 0"] == run(main)
    assert [None, 5.0, 5.0, 3.0, 5.0, 5.0, 2.0, None, None] == seen


def test_effective_deadline_outside_everything_is_none() -> None:
    """No coroutine, no deadline."""
    assert effective_deadline() is None


def test_cancel_requested_names_the_deadline_inside_its_block() -> None:
    """P27: an expired deadline is a request that concerns the block, shielded or not."""
    seen: list[CancelKind | None] = []

    def look() -> None:
        reason = rescind.cancel_requested()
        seen.append(None if reason is None else reason.kind)

    async def main(_trace: list[str]) -> None:
        async with rescind.deadline(1):
            look()
            with rescind.shielded():
                await rescind.sleep(2)
                look()
        look()

    assert ["Completed at 2"] == run(main)
    assert [None, CancelKind.DEADLINE, None] == seen


def test_outcomes_are_those_of_the_body() -> None:
    """A deadline that did nothing changes nothing about how its coroutine ends."""

    async def main(how: str) -> str:
        async with rescind.deadline(5):
            if how == "error":
                raise ValueError(how)
            if how == "cancel":
                await rescind.self_cancel("self")
            return how

    with Bench() as bench:
        value, error, canceled = (bench.spawn(main(how)) for how in ("value", "error", "cancel"))
        bench.idle()
        assert (Completed("value"), "ValueError") == (value.outcome(), name(error.outcome()))
        outcome = canceled.outcome()
        assert isinstance(outcome, Canceled)
        assert "self" == outcome.reason.message
