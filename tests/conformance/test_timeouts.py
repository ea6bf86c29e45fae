"""Timeouts: the cases of tokio's `time_timeout` and `time_sleep`, on a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest

from rescind import (
    CancelKind,
    Cancellation,
    Completed,
    Error,
    TimedOut,
    now,
    ready,
    sleep,
    sleep_until,
    timeout,
)
from rescind.lowlevel import Context
from rescind.testing import run_virtual

from .support import Flag, by_hand


def test_a_ready_value_is_delivered_although_the_timeout_is_zero() -> None:
    """Tokio time_timeout, simultaneous_deadline_future_completion: the value is polled first."""
    assert Completed(7) == run_virtual(lambda: timed(ready(7), 0))


def test_a_future_is_polled_at_least_once_though_the_deadline_has_passed() -> None:
    """Tokio time_timeout, deadline in the past: one poll always happens."""
    flag = Flag()

    async def main() -> int:
        with pytest.raises(TimedOut):
            await timeout(flag, 0)
        return flag.polls

    outcome = run_virtual(main)
    assert isinstance(outcome, Completed)
    assert (True, 1) == (outcome.value >= 1, flag.drops)


def test_a_value_that_comes_at_the_deadline_wins() -> None:
    """Tokio time_timeout: a tie goes to the value."""
    assert Completed("value") == run_virtual(lambda: timed(after(5, "value"), 5))


def test_a_value_that_comes_later_is_too_late() -> None:
    """Tokio time_timeout, future_and_deadline_in_future: the deadline ends it at its time."""

    async def main() -> float:
        with pytest.raises(TimedOut):
            await timeout(after(6, "value"), 5)
        return now()

    assert Completed(5.0) == run_virtual(main)


def test_an_early_value_leaves_no_timer() -> None:
    """Tokio time_timeout: the timer goes with the timeout."""
    with by_hand() as rt:
        task = rt.runtime.spawn(timed(ready(7), 3600))
        rt.settle()
        assert (Completed(7), 0) == (task.outcome(), rt.runtime.statistics().timers)


def test_infinity_never_expires() -> None:
    """Tokio time_timeout, very_large_timeout: the largest timeout sets no timer at all."""
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(timed(flag, float("inf")))
        rt.settle()
        timers = rt.runtime.statistics().timers
        flag.set(7)
        rt.settle()
        assert (0, Completed(7)) == (timers, task.outcome())


@pytest.mark.parametrize("kind", ["future", "coroutine"])
def test_a_busy_future_cannot_keep_the_timer_from_being_seen(kind: str) -> None:
    """Tokio timeout_is_not_exhausted_by_future: a spent budget does not hide the deadline."""

    class Busy(Flag):
        def poll(self, cx: Context) -> Any:
            super().poll(cx)
            cx.waker.wake()
            assert cx.executor is not None
            cx.executor.budget = 0
            return super().poll(cx)

    async def busy() -> None:
        while True:
            await ready(None)

    with by_hand(budget=8) as rt:
        task = rt.runtime.spawn(timed(Busy() if kind == "future" else busy(), 5))
        rt.turn(10)
        before = task.done()
        rt.host._now = 5.0
        rt.turn(10)
        outcome = task.outcome()
        assert isinstance(outcome, Error)
        assert (False, "TimedOut") == (before, type(outcome.exception).__name__)


def test_the_future_sees_a_deadline_and_the_outside_a_timeout() -> None:
    """R21: inside it is a cancellation of kind DEADLINE; at its own boundary it becomes
    TimedOut.
    """
    seen: list[CancelKind] = []

    async def body() -> None:
        try:
            await sleep(10)
        except Cancellation as exc:
            seen.append(exc.reason.kind)
            raise

    async def main() -> str:
        try:
            await timeout(body(), 5)
        except TimeoutError as exc:
            return type(exc).__name__
        return "nothing"

    assert (Completed("TimedOut"), [CancelKind.DEADLINE]) == (run_virtual(main), seen)


@pytest.mark.parametrize(("outer", "inner", "who"), [(3, 5, "outer"), (5, 3, "inner")])
def test_the_shorter_of_two_timeouts_decides_and_raises_at_its_own_boundary(
    outer: float, inner: float, who: str
) -> None:
    """P61, P63: an inner deadline is not mistaken for the outer's, nor the other way round."""

    async def within() -> str:
        try:
            await timeout(sleep(10), inner)
        except TimedOut:
            return "inner"
        return "none"

    async def main() -> tuple[str, float]:
        try:
            return await timeout(within(), outer), now()
        except TimedOut:
            return "outer", now()

    assert Completed((who, 3.0)) == run_virtual(main)


def test_a_cleanup_after_the_deadline_is_waited_for() -> None:
    """R21: TimedOut is raised when the cleanup is over, not at the deadline."""

    async def body() -> None:
        try:
            await sleep(100)
        finally:
            await sleep(2)

    async def main() -> float:
        with pytest.raises(TimedOut):
            await timeout(body(), 5)
        return now()

    assert Completed(7.0) == run_virtual(main)


def test_a_canceled_timeout_leaves_neither_timer_nor_future() -> None:
    """Tokio time_timeout, dropped: both of its halves go."""
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(timed(flag, 5))
        rt.settle()
        before = rt.runtime.statistics().timers
        task.cancel(grace=None)
        rt.settle()
        assert (1, 0, 1) == (before, rt.runtime.statistics().timers, flag.drops)


def test_a_sleep_until_the_past_is_ready_at_once() -> None:
    """Tokio time_sleep, immediate_sleep: a deadline in the past does not park."""
    with by_hand() as rt:
        task = rt.runtime.spawn(sleep_until(-1.0))
        rt.turn()
        assert (Completed(None), 0) == (task.outcome(), rt.runtime.statistics().timers)


def test_a_sleep_dropped_from_a_wake_of_another_timer_is_harmless() -> None:
    """Tokio time_sleep, drop_from_wake: the timers change while they fire."""
    with by_hand() as rt:
        victims = [rt.runtime.spawn(sleep(5)) for _ in range(50)]

        async def canceller() -> None:
            await sleep(5)
            for victim in victims:
                victim.cancel(grace=0)

        task = rt.runtime.spawn(canceller())
        rt.settle()
        rt.pass_time(5)
        rt.settle()
        ended = sum(victim.done() for victim in victims)
        assert (50, Completed(None), 0) == (ended, task.outcome(), rt.runtime.statistics().timers)


async def timed(fut: Any, seconds: float) -> Any:
    """Await with a timeout."""
    return await timeout(fut, seconds)


async def after(seconds: float, value: str) -> str:
    """Return the value after some time."""
    await sleep(seconds)
    return value
