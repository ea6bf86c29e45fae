"""`timeout` and `deadline`: cancel what takes too long, and say so at one's own boundary."""

import logging
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancelReason,
    Completed,
    Error,
    TimedOut,
    cancel_requested,
    deadline,
    join,
    never,
    now,
    ready,
    shield,
    sleep,
    timeout,
)
from rescind.lowlevel import PENDING, effective_deadline
from rescind.testing import run_virtual
from tests.combinators.kit import (
    BY_HAND,
    Ended,
    Hand,
    Ledger,
    Probe,
    by_hand,
    kinds,
    sweep,
    virtual,
)


def timed_out(answer: Any) -> str | None:
    """Return the message if the outcome is a TimedOut, else None."""
    exc = getattr(answer, "exception", None)
    return str(exc) if type(exc) is TimedOut else None


# -- by hand ---------------------------------------------------------------------------------------


def test_value_before_the_deadline_stops_the_timer() -> None:
    """A value: delivered, and no timer is left (P62)."""
    probe = Probe()
    hand = Hand(timeout(probe, 5), clock=True)
    answers, timers = [hand.poll()], [hand.timers]
    probe.give(1)
    answers.append(hand.poll())
    assert [PENDING, Completed(1)] == answers
    assert [1, 0] == [*timers, hand.timers]


def test_exception_before_the_deadline_stops_the_timer() -> None:
    """An exception passes unchanged, and no timer is left."""
    boom = KeyError("boom")
    probe = Probe()
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    probe.end(Error(boom))
    assert (Error(boom), 0) == (hand.poll(), hand.timers)


def test_seconds_count_from_the_first_poll() -> None:
    """Time that passes before the first poll does not count."""

    async def main() -> float:
        waiting = timeout(never(), 5)
        await sleep(3)
        with pytest.raises(TimedOut):
            await waiting
        return now()

    assert Ended(Completed(8.0), 8.0) == virtual(main)


def test_value_that_is_ready_with_the_timer_wins() -> None:
    """At the tie the value is polled before the timer is looked at (R21)."""
    probe = Probe()
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    assert 5.0 == hand.jump()
    probe.give("just in time")
    assert (Completed("just in time"), (2, 0, 0)) == (hand.poll(), probe.vector)


def test_deadline_cancels_drains_and_raises() -> None:
    """At the deadline: polled once more, canceled, driven until its cleanup ends (R21)."""
    probe = Probe(cleanup=True)
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    hand.jump()
    answers = [hand.poll(), hand.poll()]
    probe.clean()
    answers.append(hand.poll())
    assert [PENDING, PENDING] == answers[:2]
    assert ("timed out after 5 s", 0) == (timed_out(answers[2]), hand.timers)
    assert ["poll", "poll", "cancel", "cancel", "cancel"] == [
        entry.partition(".")[2] for entry in probe.log
    ]
    assert [CancelReason(CancelKind.DEADLINE, "the timeout of 5 s has passed", at=5.0)] == list(
        dict.fromkeys(probe.reasons)
    )


def test_zero_seconds_poll_once() -> None:
    """timeout(fut, 0): polled at least once; a ready value wins, another is canceled."""
    ended = virtual(lambda: timeout(ready(1), 0))
    late = virtual(lambda: timeout(never(), 0))
    assert (Ended(Completed(1), 0.0), 0.0, "timed out after 0 s") == (
        ended,
        late.at,
        timed_out(late.outcome),
    )


def test_infinite_seconds_set_no_timer() -> None:
    """timeout(x, inf) is x (P61)."""
    probe = Probe()
    hand = Hand(timeout(probe, float("inf")), clock=True)
    hand.poll()
    timers = hand.timers
    probe.give(1)
    assert (0, Completed(1)) == (timers, hand.poll())


def test_value_that_arrives_despite_the_deadline_is_delivered() -> None:
    """The cleanup ends with a value after all: that is delivered (R7, P62)."""
    probe = Probe(cleanup=True)
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    hand.jump()
    hand.poll()
    probe.clean(Completed("late"))
    assert (Completed("late"), 0) == (hand.poll(), hand.timers)


def test_errors_of_the_cleanup_are_kept_with_timed_out() -> None:
    """What the cleanup raised is in the notes and in also of TimedOut, and of the outcome (R15)."""
    bad = ValueError("cleanup")
    probe = Probe(cleanup=True)
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    hand.jump()
    hand.poll()
    probe.clean(Canceled(BY_HAND, (bad,)))
    answer = hand.poll()
    assert isinstance(answer, Error)
    assert isinstance(answer.exception, TimedOut)
    assert ((bad,), ["while cleaning up: ValueError('cleanup')"]) == (
        answer.exception.also,
        answer.exception.__notes__,
    )


def test_cancel_before_the_first_poll_sets_no_timer() -> None:
    """Canceled unpolled: dropped, nothing of it ran (R5)."""
    probe = Probe()
    hand = Hand(timeout(probe, 5), clock=True)
    assert (Canceled(BY_HAND), (0, 0, 1), 0) == (hand.cancel(), probe.vector, hand.timers)


def test_cancel_while_parked_stops_the_timer() -> None:
    """Canceled from outside, the deadline no longer counts."""
    probe = Probe()
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    assert (Canceled(BY_HAND), (1, 1, 0), 0) == (hand.cancel(), probe.vector, hand.timers)


def test_cancel_that_has_to_wait_for_a_cleanup_stops_the_timer_at_once() -> None:
    """From the request on the deadline counts no more, however long the cleanup takes."""
    probe = Probe(cleanup=True)
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    answer = hand.cancel()
    assert (PENDING, 0) == (answer, hand.timers)
    hand.drop()


def test_cancel_during_the_drain_continues_the_same_cleanup() -> None:
    """Canceled while it times out: the cleanup runs once, then it is the cancellation (R9)."""
    bad = ValueError("cleanup")
    probe = Probe(cleanup=True)
    hand = Hand(timeout(probe, 5), clock=True)
    hand.poll()
    hand.jump()
    hand.poll()
    request = by_hand()
    assert hand.cancel(request) is PENDING
    probe.clean(Canceled(BY_HAND, (bad,)))
    assert (Canceled(BY_HAND, (bad,)), 0) == (hand.cancel(request), hand.timers)
    assert [CancelKind.DEADLINE] == sorted({r.kind for r in probe.reasons}, key=str)


@pytest.mark.parametrize(("state", "timers"), [("unpolled", None), ("parked", 1), ("draining", 1)])
def test_drop_stops_the_timer_and_drops_the_inner_future(state: str, timers: int | None) -> None:
    """Dropped in any state: the inner future is dropped once, no timer is left (R3)."""
    probe = Probe(cleanup=True)
    hand = Hand(timeout(probe, 5), clock=True)
    before = None
    if state != "unpolled":
        hand.poll()
        before = hand.timers
    if state == "draining":
        hand.jump()
        hand.poll()
        before = hand.timers
    hand.drop()
    assert (timers, 1, 0) == (before, probe.counts["drop"], hand.timers)


def test_polled_without_a_clock_says_so() -> None:
    """By hand and without a runtime there is no time: a UsageError that says what to do."""
    answer = Hand(timeout(never(), 5)).poll()
    assert isinstance(answer, Error)
    assert (
        "timeout() needs a runtime's clock, but it is polled by hand, without one: give its "
        "Context an executor, or run it with rescind.run(...) or run_virtual(...)"
    ) == str(answer.exception)


# -- virtual time: grace and overruns --------------------------------------------------------------


def test_cleanup_is_waited_for() -> None:
    """Deadline at 2, cleanup of 3 s: raised at 5, inside it a Cancellation of kind DEADLINE."""
    ledger = Ledger()
    ended = virtual(lambda: timeout(ledger.work("a", 9, cleanup=3), 2))
    assert (5.0, "timed out after 2 s") == (ended.at, timed_out(ended.outcome))
    assert ["+a", "-a"] == ledger.events


def test_overrun_drop_cuts_the_cleanup_at_its_grace(caplog: pytest.LogCaptureFixture) -> None:
    """Deadline 2, grace 3, cleanup 50: dropped at 5, and the log names the await (R10, R21)."""
    ledger = Ledger()
    with caplog.at_level(logging.WARNING, "rescind"):
        ended = virtual(lambda: timeout(ledger.work("a", 9, cleanup=50), 2, grace=3))
    assert (5.0, "timed out after 2 s", ["+a", "-a"]) == (
        ended.at,
        timed_out(ended.outcome),
        ledger.events,
    )
    [message] = [record.getMessage() for record in caplog.records]
    assert "overran its grace and is dropped; it was stuck at " in message
    assert "kit.py:" in message


def test_overrun_wait_waits_on() -> None:
    """Deadline 2, grace 3, cleanup 50, on_overrun="wait": raised at 52 (R21)."""
    ledger = Ledger()
    ended = virtual(
        lambda: timeout(ledger.work("a", 9, cleanup=50), 2, grace=3, on_overrun="wait"),
        grace=None,
    )
    assert (52.0, "timed out after 2 s") == (ended.at, timed_out(ended.outcome))


def test_overrun_detach_lets_the_cleanup_go_on_as_a_task() -> None:
    """on_overrun="detach": raised at 5; the cleanup goes on and ends at 52 (R21)."""
    ledger = Ledger()

    async def main() -> tuple[float, list[str], float]:
        with pytest.raises(TimedOut):
            await timeout(ledger.work("a", 9, cleanup=50), 2, grace=3, on_overrun="detach")
        raised_at, then = now(), list(ledger.events)
        [cleanup] = [
            task for task in rescind.current_runtime().tasks() if task.name.startswith("cleanup of")
        ]
        await cleanup.join()
        return raised_at, then, now()

    assert Ended(Completed((5.0, ["+a"], 52.0)), 52.0) == virtual(main)
    assert ["+a", "-a"] == ledger.events


def test_detached_cleanup_is_ended_by_the_shutdown() -> None:
    """A detached cleanup that hangs does not outlive the runtime (R24)."""
    ledger = Ledger()

    async def hangs() -> None:
        with ledger.entry("a"):
            try:
                await never()
            finally:
                await never()

    from rescind import Runtime
    from rescind.lowlevel import ManualHost

    with Runtime(host=ManualHost(), grace=4) as runtime:

        async def main() -> None:
            with pytest.raises(TimedOut):
                await timeout(hangs(), 1, grace=1, on_overrun="detach")

        runtime.block_on(main())
        left = [task.name for task in runtime.tasks()]
        report = runtime.shutdown()
    assert (1, 1, []) == (len(left), len(report.overran), ledger.open)


def test_grace_zero_drops_at_the_deadline(caplog: pytest.LogCaptureFixture) -> None:
    """grace=0: dropped at the deadline, without a word: it was asked for (R10)."""
    ledger = Ledger()
    with caplog.at_level(logging.DEBUG, "rescind"):
        ended = virtual(lambda: timeout(ledger.work("a", 9), 2, grace=0))
    assert (2.0, ["+a", "-a"], []) == (ended.at, ledger.events, caplog.records)


def test_error_of_the_drop_is_kept_with_timed_out() -> None:
    """A finally that raises while it is cut short: in also of TimedOut (R15)."""
    bad = ValueError("closing")

    async def child() -> None:
        try:
            await never()
        finally:
            raise bad

    ended = virtual(lambda: timeout(child(), 2, grace=0))
    assert (2.0, (bad,)) == (ended.at, getattr(ended.outcome, "exception").also)  # noqa: B009


def test_grace_of_the_timeout_ends_no_later_than_the_tasks() -> None:
    """Timeout at 2 with 20 s of grace, the task canceled at 3 with 4 s: all ended at 7 (R10)."""
    ledger = Ledger()
    ended = virtual(
        lambda: timeout(ledger.work("a", 50, cleanup=50), 2, grace=20),
        cancel_at=3,
        cancel_grace=4,
    )
    assert (7.0, ["+a", "-a"]) == (ended.at, ledger.events)


def test_default_grace_is_the_tasks() -> None:
    """Without grace= the runtime's 4 s bound the cleanup after the deadline at 2 (R10)."""
    ended = virtual(lambda: timeout(Ledger().work("a", 50, cleanup=50), 2), grace=4)
    assert (6.0, "timed out after 2 s") == (ended.at, timed_out(ended.outcome))


# -- nesting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outer", "inner", "at", "boundary"),
    [(3, 5, 3.0, "outer"), (5, 3, 3.0, "inner"), (3, 3, 3.0, "inner")],
)
def test_nested_timeouts_end_at_the_smaller(
    outer: float, inner: float, at: float, boundary: str
) -> None:
    """timeout(a, timeout(b, x)) ends at min(a, b), raised at that boundary; ties inside (P61)."""

    async def nested() -> str:
        try:
            await timeout(never(), inner)
        except TimedOut:
            return "inner"
        return "value"

    async def main() -> str:
        try:
            return await timeout(nested(), outer)
        except TimedOut:
            return "outer"

    assert Ended(Completed(boundary), at) == virtual(main)


def test_inner_timed_out_passes_an_outer_timeout_unchanged() -> None:
    """An inner signal that escapes is not taken for the outer's own (P63)."""

    async def main() -> str:
        with pytest.raises(TimedOut) as caught:
            await timeout(timeout(never(), 2), 5)
        return str(caught.value)

    assert Ended(Completed("timed out after 2 s"), 2.0) == virtual(main)


def test_timed_out_appears_only_at_its_own_boundary() -> None:
    """Inside it is a Cancellation of kind DEADLINE all the way up to the timeout (R21)."""
    seen: list[str] = []

    async def inner() -> None:
        try:
            await never()
        except BaseException as exc:
            seen.append(f"{type(exc).__name__} {exc.reason.kind.name}")  # type: ignore[attr-defined]
            raise

    async def outer() -> None:
        try:
            await inner()
        except BaseException as exc:
            seen.append(f"{type(exc).__name__} {exc.reason.kind.name}")  # type: ignore[attr-defined]
            raise

    async def main() -> None:
        try:
            await timeout(outer(), 1)
        except TimeoutError as exc:
            seen.append(type(exc).__name__)

    virtual(main)
    assert ["Cancellation DEADLINE", "Cancellation DEADLINE", "TimedOut"] == seen


def test_effective_deadline_is_the_smallest_on_the_path() -> None:
    """Readable inside: the earliest of all timeouts and deadlines around (R21, P61)."""
    seen: list[float | None] = []

    async def look() -> None:
        seen.append(effective_deadline())

    async def inner() -> None:
        await join(look(), timeout(look(), 2))
        async with deadline(1):
            await timeout(look(), float("inf"))
        await timeout(look(), 99)

    async def main() -> None:
        await look()
        await timeout(inner(), 5)
        await look()

    virtual(main)
    assert [None, 5.0, 2.0, 1.0, 5.0, None] == seen


def test_effective_deadline_of_a_spawned_task_is_its_own() -> None:
    """Deadlines are not inherited by tasks: a task outlives the one that spawned it."""

    async def look() -> float | None:
        return effective_deadline()

    async def main() -> float | None:
        return await timeout(rescind.spawn(look()), 5)

    assert Completed(None) == virtual(main).outcome


def test_timeout_of_a_shielded_future_waits_for_it() -> None:
    """timeout(shield(x)): x runs to its end, and its value is delivered (R12, R7)."""

    async def child() -> str:
        await sleep(5)
        return "done"

    assert Ended(Completed("done"), 5.0) == virtual(lambda: timeout(shield(child()), 2))


def test_timeout_works_inside_a_cleanup() -> None:
    """In the finally of a canceled task a timeout times out as anywhere (R9, P41)."""
    ledger = Ledger()

    async def main() -> None:
        try:
            await never()
        finally:
            with pytest.raises(TimedOut):
                await timeout(ledger.work("a", 9), 2)
            ledger.events.append("cleaned")

    ended = virtual(main, cancel_at=1)
    assert (3.0, ["+a", "-a", "cleaned"]) == (ended.at, ledger.events)


def test_cancel_requested_tells_the_deadline() -> None:
    """During the cleanup after a timeout cancel_requested() is that timeout's reason."""
    seen: list[tuple[CancelKind, float | None]] = []

    async def child() -> None:
        assert cancel_requested() is None
        try:
            await never()
        finally:
            reason = cancel_requested()
            assert reason is not None
            seen.append((reason.kind, reason.at))

    virtual(lambda: timeout(child(), 2))
    assert [(CancelKind.DEADLINE, 2.0)] == seen


# -- deadline --------------------------------------------------------------------------------------


def test_deadline_cancels_its_block_and_only_it() -> None:
    """The block ends at 2 with TimedOut; what follows runs undisturbed (R21)."""

    async def main() -> tuple[float, bool, float]:
        with pytest.raises(TimedOut) as caught:
            async with deadline(2) as d:
                await never()
        assert "timed out after 2 s" == str(caught.value)
        left_at = now()
        await sleep(3)
        return left_at, d.expired, now()

    assert Completed((2.0, True, 5.0)) == virtual(main).outcome


def test_deadline_block_that_ends_in_time_leaves_no_timer() -> None:
    """In time: not expired, no timer left (P62)."""

    async def main() -> tuple[bool, int]:
        async with deadline(2) as d:
            await sleep(1)
        return d.expired, rescind.current_runtime().statistics().timers

    assert Completed((False, 0)) == virtual(main).outcome


def test_deadline_reschedule_counts_anew() -> None:
    """Rescheduled at 1 by 5 s: expires at 6, and says so."""

    async def main() -> tuple[float, str]:
        with pytest.raises(TimedOut) as caught:
            async with deadline(2) as d:
                await sleep(1)
                d.reschedule(5)
                await never()
        return now(), str(caught.value)

    assert Completed((6.0, "timed out after 5 s")) == virtual(main).outcome


def test_deadline_inside_a_shield_works() -> None:
    """A deadline inside a shield cancels its own block (C1)."""

    async def main() -> float:
        with rescind.shielded():
            with pytest.raises(TimedOut):
                async with deadline(2):
                    await never()
        return now()

    assert Ended(Completed(2.0), 2.0) == virtual(main)


def test_nested_deadlines_raise_at_the_one_that_expired() -> None:
    """The outer expires first: it passes through the inner as a cancellation (P63)."""
    seen: list[str] = []

    async def main() -> None:
        with pytest.raises(TimedOut) as caught:
            async with deadline(2):
                try:
                    async with deadline(5):
                        await never()
                except Cancellation as exc:
                    seen.append(str(exc.reason.message))
                    raise
        seen.append(str(caught.value))

    virtual(main)
    assert ["the deadline of 2 s has passed", "timed out after 2 s"] == seen


def test_outer_cancel_of_a_deadline_block_is_a_cancellation() -> None:
    """Canceled from outside before the deadline: Canceled, and the timer is gone."""
    ended = virtual(_in_deadline, cancel_at=1)
    assert (1.0, Canceled) == (ended.at, type(ended.outcome))


async def _in_deadline() -> None:
    async with deadline(5):
        await never()


# -- canceled at every park ------------------------------------------------------------------------


def test_timeout_canceled_at_every_park_leaves_nothing() -> None:
    """Waiting, timing out, cleaning up: always Canceled, the value when it is there (R7)."""

    async def main(ledger: Ledger) -> Any:
        value = await timeout(ledger.work("a", 1, "a"), 5)
        try:
            await timeout(ledger.work("b", 9, cleanup=2), 3)
        except TimedOut:
            ledger.events.append("timed out")
        await sleep(1)
        return value

    found = sweep(main)
    assert ["Canceled"] * 4 + ["Canceled"] * 3 + ["Completed('a')"] == kinds(found)


def test_deadline_canceled_at_every_park_leaves_nothing() -> None:
    """A deadline, its cleanup, and what follows: nothing is left, wherever it is canceled."""

    async def main(ledger: Ledger) -> None:
        with pytest.raises(TimedOut):
            async with deadline(3):
                await ledger.work("b", 9, cleanup=2)
        await ledger.work("c", 1)

    found = sweep(main)
    assert ["Canceled"] * 3 + ["Canceled"] * 2 + ["Completed(None)"] == kinds(found)


def test_a_timed_out_of_the_bodys_own_is_not_taken_for_the_timeouts() -> None:
    """R15: the body absorbed the deadline and failed by itself, while the parent was canceled."""

    async def body() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            await rescind.sleep(2)
        raise rescind.TimedOut("mine")

    async def main() -> str:
        task = rescind.spawn(rescind.timeout(body(), 1))
        await rescind.sleep(2)
        outcome = await task.cancel("meanwhile")
        return repr(getattr(outcome, "exception", outcome))

    assert rescind.Completed("TimedOut('mine')") == run_virtual(main)
