"""`sleep`, `sleep_until`, `interval`, `yield_now`, `checkpoint` and the simple futures."""

from typing import Any

import pytest

from rescind import (
    Canceled,
    Completed,
    checkpoint,
    interval,
    join,
    never,
    now,
    poll_fn,
    race,
    ready,
    shielded,
    sleep,
    sleep_until,
    spawn,
    yield_now,
)
from rescind.lowlevel import PENDING
from tests.combinators.kit import BY_HAND, Ended, Hand, Ledger, kinds, sweep, virtual

# -- sleep -----------------------------------------------------------------------------------------


def test_sleep_sets_one_timer_and_is_ready_when_it_fired() -> None:
    """One timer; spurious polls add none; ready at its time; no timer is left."""
    hand = Hand(sleep(5), clock=True)
    answers = [hand.poll(), hand.poll(), hand.poll()]
    timers = hand.timers
    at = hand.jump()
    assert ([PENDING] * 3, 1, 5.0, 1) == (answers, timers, at, hand.wakes)
    assert (Completed(None), 0) == (hand.poll(), hand.timers)


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_sleep_removes_its_timer(end: str) -> None:
    """Canceled or dropped while parked: the timer is gone (P62)."""
    hand = Hand(sleep(5), clock=True)
    hand.poll()
    if end == "cancel":
        assert Canceled(BY_HAND) == hand.cancel()
    else:
        hand.drop()
    assert 0 == hand.timers


def test_sleeps_add_up() -> None:
    """sleep(a); sleep(b) ends at a + b; the clock never goes back (P58)."""

    async def main() -> list[float]:
        times = [now()]
        for seconds in (1.5, 0.25, 3):
            await sleep(seconds)
            times.append(now())
        return times

    assert Ended(Completed([0.0, 1.5, 1.75, 4.75]), 4.75) == virtual(main)


def test_sleep_counts_from_its_first_poll() -> None:
    """Made at 0, awaited at 2: ends at 7."""

    async def main() -> float:
        later = sleep(5)
        await sleep(2)
        await later
        return now()

    assert Completed(7.0) == virtual(main).outcome


def test_sleepers_of_equal_time_wake_in_order() -> None:
    """Timers of the same time fire in the order of their making."""
    ledger = Ledger()
    virtual(lambda: join(*(ledger.work(name, 1) for name in "abc")))
    assert ["+a", "+b", "+c", "-a", "-b", "-c"] == ledger.events


def test_infinite_sleep_never_ends_and_can_be_canceled() -> None:
    """sleep(inf) parks for ever, without keeping the clock busy."""
    assert Ended(Completed(None), 1.0) == virtual(lambda: race(sleep(float("inf")), sleep(1)))


@pytest.mark.parametrize(("at", "ends_at"), [(5, 5.0), (0, 0.0), (-3, 0.0)])
def test_sleep_until_a_time(at: float, ends_at: float) -> None:
    """Ready at the host time given; at once, without a park, if that is past."""
    assert ends_at == virtual(lambda: sleep_until(at)).at
    parked = Hand(sleep_until(at), clock=True).poll() is PENDING
    assert (at > 0) == parked


# -- yield_now and checkpoint ----------------------------------------------------------------------


def test_yield_now_lets_every_other_ready_task_run() -> None:
    """Two tasks that yield take turns."""
    log: list[str] = []

    async def worker(name: str) -> None:
        for step in range(2):
            log.append(f"{name}{step}")
            await yield_now()

    async def main() -> None:
        for task in [spawn(worker("a")), spawn(worker("b"))]:
            await task

    virtual(main)
    assert ["a0", "b0", "a1", "b1"] == log


def test_yield_now_by_hand_parks_once() -> None:
    """PENDING once, with a wake; then ready."""
    hand = Hand(yield_now())
    assert ([PENDING, Completed(None)], 1) == ([hand.poll(), hand.poll()], hand.wakes)


def test_checkpoint_passes_when_nobody_asked() -> None:
    """It does not park, nor let others run."""
    assert Completed(None) == Hand(checkpoint()).poll()


@pytest.mark.parametrize(("shield", "log"), [(False, []), (True, ["passed"])])
def test_checkpoint_delivers_a_request_unless_shielded(shield: bool, log: list[str]) -> None:
    """Asked to cancel while running: delivered at the checkpoint; held back by a shield (R6)."""
    passed: list[str] = []

    async def main() -> None:
        from rescind import current_task

        current_task().cancel("now")
        if shield:
            with shielded():
                await checkpoint()
                passed.append("passed")
        await checkpoint()
        passed.append("unreachable")

    assert (Canceled, log) == (type(virtual(main).outcome), passed)


# -- ready, never, poll_fn -------------------------------------------------------------------------


def test_ready_never_and_poll_fn() -> None:
    """A value at once; none ever; whatever the function says."""
    answers: list[Any] = [PENDING, 5]
    wakers: list[Any] = []

    def fn(cx: Any) -> Any:
        wakers.append(cx.waker)
        return answers.pop(0)

    hand = Hand(poll_fn(fn))
    assert [PENDING, Completed(5)] == [hand.poll(), hand.poll()]
    assert (Completed("x"), PENDING) == (Hand(ready("x")).poll(), Hand(never()).poll())


def test_poll_fn_is_not_called_again_after_a_cancellation() -> None:
    """Canceled: the function is left alone."""
    calls: list[Any] = []

    def fn(cx: Any) -> Any:
        calls.append(cx.waker)
        return PENDING

    hand = Hand(poll_fn(fn))
    hand.poll()
    assert (Canceled(BY_HAND), 1) == (hand.cancel(), len(calls))


# -- interval --------------------------------------------------------------------------------------


async def _ticks(count: int, period: float, works: dict[int, float], **options: Any) -> list[Any]:
    """Return, for each tick, the time it was due and the time it came."""
    found = []
    ticks = interval(period, **options)
    for index in range(count):
        found.append((await ticks.tick(), now()))
        await sleep(works.get(index, 0))
    return found


def test_interval_ticks_at_once_and_then_at_its_period() -> None:
    """The first tick at once, then each period, whatever the work between takes."""
    found = virtual(lambda: _ticks(4, 2, {0: 1.5, 2: 0.5})).outcome.unwrap()
    assert [(0.0, 0.0), (2.0, 2.0), (4.0, 4.0), (6.0, 6.0)] == found


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("burst", [(0, 0), (2, 7), (4, 7), (6, 7), (8, 8)]),
        ("delay", [(0, 0), (2, 7), (9, 9), (11, 11), (13, 13)]),
        ("skip", [(0, 0), (2, 7), (8, 8), (10, 10), (12, 12)]),
    ],
)
def test_interval_that_was_late(missed: Any, expected: list[tuple[float, float]]) -> None:
    """Period 2, seven seconds of work: burst catches up, delay counts anew, skip keeps rhythm."""
    assert expected == virtual(lambda: _ticks(5, 2, {0: 7}, missed=missed)).outcome.unwrap()


@pytest.mark.parametrize("missed", ["burst", "delay", "skip"])
def test_tick_that_is_due_right_now_is_not_missed(missed: Any) -> None:
    """Late by exactly one period: the next tick is due now, and is given now."""
    expected = [(0, 0), (2, 4), (4, 4), (6, 6)]
    assert expected == virtual(lambda: _ticks(4, 2, {0: 4}, missed=missed)).outcome.unwrap()


def test_reset_moves_the_tick_that_is_waited_for() -> None:
    """reset() at 1 while a tick of period 2 is awaited: it comes at 3, not at 2."""

    async def main() -> list[tuple[float, float]]:
        ticks = interval(2)
        await ticks.tick()

        async def wait() -> tuple[float, float]:
            return await ticks.tick(), now()

        async def reset() -> None:
            await sleep(1)
            ticks.reset()

        return [(await join(wait(), reset()))[0]]

    assert Completed([(3.0, 3.0)]) == virtual(main).outcome


def test_two_who_wait_get_one_tick_each() -> None:
    """Two await the same interval: one has the tick at 2, the other that at 4."""

    async def main() -> Any:
        ticks = interval(2)
        await ticks.tick()

        async def wait() -> tuple[float, float]:
            return await ticks.tick(), now()

        return await join(wait(), wait())

    assert Completed(((2.0, 2.0), (4.0, 4.0))) == virtual(main).outcome


def test_canceled_tick_is_not_taken() -> None:
    """A tick that was given up comes to the next who asks; no timer is left."""

    async def main() -> Any:
        ticks = interval(2)
        await ticks.tick()
        await race(ticks.tick(), sleep(1))
        return await ticks.tick(), now()

    assert Completed((2.0, 2.0)) == virtual(main).outcome


def test_interval_in_async_for() -> None:
    """``async for`` gives the due times."""

    async def main() -> list[float]:
        found: list[float] = []
        async for at in interval(0.5):
            found.append(at)
            if len(found) == 3:
                break
        return found

    assert Completed([0.0, 0.5, 1.0]) == virtual(main).outcome


# -- canceled at every park ------------------------------------------------------------------------


def test_everything_timed_canceled_at_every_park_leaves_no_timer() -> None:
    """sleep, sleep_until, yield_now, interval: canceled anywhere, no timer is left."""

    async def main(ledger: Ledger) -> str:
        with ledger.entry("all"):
            await sleep(1)
            await sleep_until(3)
            await yield_now()
            ticks = interval(2)
            await ticks.tick()
            await ticks.tick()
        return "done"

    assert [*["Canceled"] * 4, *["Canceled"] * 3, "Completed('done')"] == kinds(sweep(main))


# -- bad input -------------------------------------------------------------------------------------

NOT_NEGATIVE = "must be a number of seconds that is not negative and not NaN"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sleep(-1), ValueError, f"sleep {NOT_NEGATIVE}: -1"),
        (lambda: sleep(float("nan")), ValueError, f"sleep {NOT_NEGATIVE}: nan"),
        (lambda: sleep("1"), TypeError, "sleep must be a number of seconds, not str: '1'"),
        (lambda: sleep(True), TypeError, "sleep must be a number of seconds, not bool: True"),
        (
            lambda: sleep_until(float("nan")),
            ValueError,
            "sleep_until needs a host time in seconds, not NaN: nan",
        ),
        (
            lambda: sleep_until("x"),
            TypeError,
            "sleep_until needs a host time in seconds, not 'x'",
        ),
        (lambda: interval(0), ValueError, "the period must be more than 0 seconds: 0"),
        (lambda: interval(-1), ValueError, f"the period {NOT_NEGATIVE}: -1"),
        (
            lambda: interval(1, missed="later"),
            ValueError,
            "missed must be 'burst', 'delay' or 'skip': 'later'",
        ),
        (lambda: poll_fn(5), TypeError, "poll_fn needs a function of the context, not 5"),
    ],
)
def test_bad_input_is_refused_by_name(call: Any, error: type[Exception], message: str) -> None:
    """Each message names the value and what is wanted."""
    with pytest.raises(error) as caught:
        call()
    assert message == str(caught.value)


def test_sleep_by_hand_without_a_clock_says_what_to_do() -> None:
    """No runtime, no time: a UsageError with the remedy."""
    answer: Any = Hand(sleep(1)).poll()
    assert str(answer.exception).startswith("sleep needs a runtime's clock, but it is polled by")
