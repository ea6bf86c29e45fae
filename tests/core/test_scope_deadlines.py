"""Deadlines inside one coroutine: what expires, who converts it, and what a cleanup is spared."""

import pytest

import rescind
from rescind import (
    Cancellation,
    CancelReason,
    TimedOut,
)
from tests.core.deadline_kit import run, step


def test_block_in_time_leaves_no_trace() -> None:
    """R21: the value is there, the timer is gone."""

    async def main(trace: list[str]) -> str:
        async with rescind.deadline(5) as d:
            await step(trace, "a")
        trace.append(f"expired {d.expired}")
        await step(trace, "b", 9)
        return "value"

    assert ["a done at 1", "expired False", "b done at 10", "Completed at 10"] == run(main)


def test_late_block_is_canceled_and_raises_timed_out_at_its_end() -> None:
    """R21: inside it is a Cancellation of kind DEADLINE, at the boundary TimedOut."""

    async def main(trace: list[str]) -> None:
        with pytest.raises(TimedOut) as caught:
            async with rescind.deadline(5) as d:
                await step(trace, "a", 9)
        trace.append(f"{caught.value}, expired {d.expired}, because {caught.value.__cause__!r:.13}")

    assert [
        "a canceled at 5: DEADLINE",
        "timed out after 5 s, expired True, because Cancellation(",
        "Completed at 5",
    ] == run(main)


def test_deadline_of_zero_lets_what_needs_no_park_run() -> None:
    """A value that is ready wins; the first park is canceled in the same turn or the next."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(0):
            trace.append(str(await rescind.ready("ready")))
            await step(trace, "a")

    assert ["ready", "a canceled at 0: DEADLINE", "TimedOut at 0"] == run(main)


def test_infinite_deadline_never_expires_and_sets_no_timer() -> None:
    """It is the way to say that there is none."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(float("inf")) as d:
            trace.append(f"{rescind.current_runtime().statistics().timers} timers, at {d.at}")
            await step(trace, "a")

    assert ["0 timers, at inf", "a done at 1", "Completed at 1"] == run(main)


def test_block_that_ends_at_once_after_expiring_is_no_timeout() -> None:
    """R16: what was never delivered is never raised: the block had its value."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1) as d:
            with rescind.shielded():
                await step(trace, "a", 2)
        trace.append(f"expired {d.expired}")
        await step(trace, "b")

    assert ["a done at 2", "expired True", "b done at 3", "Completed at 3"] == run(main)


def test_deadline_inside_a_shield_works() -> None:
    """C1: a shield holds back what comes from outside it, not what is inside."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded():
            with pytest.raises(TimedOut):
                async with rescind.deadline(1):
                    await step(trace, "a", 9)
            await step(trace, "b")
        await step(trace, "c")

    assert [
        "a canceled at 1: DEADLINE",
        "b done at 2",
        "c canceled at 2: EXPLICIT",
        "Canceled at 2",
    ] == run(main, cancel_at=0.5)


def test_shield_inside_a_deadline_holds_it_back() -> None:
    """C1: the deadline waits for the end of the shield, then the next park delivers it."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1):
            with rescind.shielded():
                await step(trace, "a", 2)
            await step(trace, "b")

    assert ["a done at 2", "b canceled at 2: DEADLINE", "TimedOut at 2"] == run(main)


def test_gate_lets_the_deadline_in() -> None:
    """A gate opens its shield for whatever comes from outside it."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1):
            with rescind.shielded() as gate:
                await gate.open(step(trace, "a", 9))

    assert ["a canceled at 1: DEADLINE", "TimedOut at 1"] == run(main)


@pytest.mark.parametrize(("outer", "inner", "which"), [(1, 3, "outer"), (3, 1, "inner")])
def test_nested_deadlines_are_the_smaller_one(outer: float, inner: float, which: str) -> None:
    """P61, P63: in time, and in which boundary converts it: its owner, and nobody else."""

    async def main(trace: list[str]) -> None:
        try:
            async with rescind.deadline(outer):
                try:
                    async with rescind.deadline(inner):
                        await step(trace, "a", 9)
                except TimedOut:
                    trace.append("inner")
        except TimedOut:
            trace.append("outer")

    assert ["a canceled at 1: DEADLINE", which, "Completed at 1"] == run(main)


def test_equal_deadlines_are_raised_by_the_outer_one() -> None:
    """Both are over: what concerns more of the program comes first."""

    async def main(trace: list[str]) -> None:
        try:
            async with rescind.deadline(1):
                try:
                    async with rescind.deadline(1):
                        await step(trace, "a", 9)
                except TimedOut:
                    trace.append("inner")
        except TimedOut:
            trace.append("outer")

    assert ["a canceled at 1: DEADLINE", "outer", "Completed at 1"] == run(main)


def test_timed_out_of_the_inner_passes_the_outer_as_it_is() -> None:
    """P63: an inner signal that escapes through an outer deadline is not taken for its own."""

    async def main(trace: list[str]) -> None:
        with pytest.raises(TimedOut, match="after 1 s"):
            async with rescind.deadline(3):
                async with rescind.deadline(1):
                    await step(trace, "a", 9)

    assert ["a canceled at 1: DEADLINE", "Completed at 1"] == run(main)


def test_cleanup_of_a_deadline_is_not_disturbed_by_a_request() -> None:
    """C2: arriving while the block unwinds, it waits until the block is left."""

    async def main(trace: list[str]) -> None:
        try:
            async with rescind.deadline(1):
                try:
                    await rescind.never()
                finally:
                    await step(trace, "cleanup", 2)
        except TimedOut:
            trace.append("timed out")
        await step(trace, "next")

    assert [
        "cleanup done at 3",
        "timed out",
        "next canceled at 3: EXPLICIT",
        "Canceled at 3",
    ] == run(main, cancel_at=2)


def test_outer_deadline_does_not_disturb_the_cleanup_of_the_inner() -> None:
    """C2: it is delivered at the first park after the inner block was left."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(2):
            try:
                async with rescind.deadline(1):
                    try:
                        await rescind.never()
                    finally:
                        await step(trace, "cleanup", 2)
            except TimedOut:
                trace.append("inner timed out")
            await step(trace, "next")

    assert [
        "cleanup done at 3",
        "inner timed out",
        "next canceled at 3: DEADLINE",
        "TimedOut at 3",
    ] == run(main)


def test_deadline_that_expires_during_the_cleanup_of_a_request_stays_silent() -> None:
    """C2: the stretch around is canceled already; its cleanup runs to its end, once."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1):
            try:
                await rescind.never()
            finally:
                await step(trace, "cleanup", 2)

    assert ["cleanup done at 2.5", "Canceled at 2.5"] == run(main, cancel_at=0.5)


def test_deadline_entered_by_a_cleanup_works() -> None:
    """C2, P41: a scope entered later lies above the protection."""

    async def main(trace: list[str]) -> None:
        try:
            await rescind.never()
        finally:
            try:
                async with rescind.deadline(1):
                    await step(trace, "cleanup", 9)
            except TimedOut:
                trace.append("cleanup timed out")
            await step(trace, "rest")

    assert [
        "cleanup canceled at 1.5: DEADLINE",
        "cleanup timed out",
        "rest done at 2.5",
        "Canceled at 2.5",
    ] == run(main, cancel_at=0.5)


def test_deadline_inside_the_cleanup_of_another_gives_its_protection_back() -> None:
    """C2: leaving the inner block restores the floor of the outer one, whose cleanup goes on."""

    async def main(trace: list[str]) -> None:
        try:
            async with rescind.deadline(1):
                try:
                    await rescind.never()
                finally:
                    with pytest.raises(TimedOut):
                        async with rescind.deadline(1):
                            await rescind.never()
                    await step(trace, "rest of the cleanup", 2)
        except TimedOut:
            trace.append("timed out")
        await step(trace, "next")

    assert [
        "rest of the cleanup done at 4",
        "timed out",
        "next canceled at 4: EXPLICIT",
        "Canceled at 4",
    ] == run(main, cancel_at=3)


def test_cancellation_of_another_reason_is_not_converted() -> None:
    """P63: swallowed once, the deadline claims no other cancellation that leaves the block."""

    async def main(_trace: list[str]) -> None:
        async with rescind.deadline(1):
            try:
                await rescind.never()
            except Cancellation:
                raise Cancellation(CancelReason(message="other")) from None

    assert ["Canceled at 1"] == run(main)


def test_swallowed_deadline_is_over_at_its_boundary() -> None:
    """R11, D4: caught inside, it is raised once only; the block ends without a timeout."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1) as d:
            try:
                await rescind.never()
            except Cancellation:
                trace.append("swallowed")
            await step(trace, "a")
        trace.append(f"expired {d.expired}, delivered {d.delivered}")
        await step(trace, "b")

    assert [
        "swallowed",
        "a done at 2",
        "expired True, delivered True",
        "b done at 3",
        "Completed at 3",
    ] == run(main)


def test_other_error_during_the_cleanup_comes_out_as_itself() -> None:
    """The deadline converts its own cancellation, and nothing else."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1):
            try:
                await rescind.never()
            finally:
                raise ValueError("cleanup")

    assert ["ValueError at 1"] == run(main)


def test_request_first_then_the_deadline_is_no_timeout() -> None:
    """The cancellation that went out was the request's; the deadline does not claim it."""

    async def main(trace: list[str]) -> None:
        async with rescind.deadline(1):
            await step(trace, "a", 9)

    assert ["a canceled at 0.5: EXPLICIT", "Canceled at 0.5"] == run(main, cancel_at=0.5)


def test_timed_out_tells_of_the_cleanup_errors_further_in() -> None:
    """Errors of a child's cleanup are in `also`, and in the notes."""
    failure = ValueError("in the child")

    async def child() -> None:
        try:
            await rescind.never()
        finally:
            raise failure

    async def main(trace: list[str]) -> None:
        with pytest.raises(TimedOut) as caught:
            async with rescind.deadline(1):
                await rescind.race(child(), rescind.never())
        trace.append(f"{caught.value.also == (failure,)} {caught.value.__notes__}")

    assert [f"True {[f'while cleaning up: {failure!r}']}", "Completed at 1"] == run(main)
