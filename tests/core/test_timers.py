"""The timer heap: order, cancellation, pruning."""

import random
import sys
from typing import Any

import pytest

from rescind._core.timers import _PRUNE_MIN, Timer, Timers
from rescind.lowlevel import Waker
from rescind.testing import CountingWaker


class Note(Waker):
    """Appends its name to a list when it is woken, then does what it was told to."""

    def __init__(self, name: str, trace: list[str], then: object = None) -> None:
        self.name, self.trace, self.then = name, trace, then

    def wake(self) -> None:
        self.trace.append(self.name)
        if callable(self.then):
            self.then()


def test_timers_fire_in_order_of_time_then_of_making() -> None:
    """T2: by time; those of equal time in the order in which they were made."""
    timers, trace = Timers(), []
    for at, name in ((2.0, "c"), (1.0, "a"), (2.0, "d"), (1.0, "b"), (3.0, "e")):
        timers.add(at, Note(name, trace))
    assert 4 == timers.fire(2.0)
    assert ["a", "b", "c", "d"] == trace
    assert 3.0 == timers.next_at()


def test_fire_leaves_what_is_not_due() -> None:
    """A timer fires at its time, not before; then it is gone."""
    timers, waker = Timers(), CountingWaker()
    timer = timers.add(5.0, waker)
    assert (0, False, 1) == (timers.fire(4.999), timer.fired, len(timers))
    assert (1, True, 0) == (timers.fire(5.0), timer.fired, len(timers))
    assert (0, 1, None) == (timers.fire(9.0), waker.wakes, timers.next_at())


def test_cancel_lets_go_of_the_waker_at_once() -> None:
    """T1: after a cancel the heap entry may stay, but refers to nobody's waker."""
    timers = Timers()
    timer = timers.add(1.0, CountingWaker())
    timer.cancel()
    assert (None, False, 0, 1) == (timer.waker, timer.fired, len(timers), timers.entries)


def test_cancel_twice_and_after_firing_changes_nothing() -> None:
    """Canceling is idempotent: the count of timers is not taken down a second time."""
    timers = Timers()
    fired, canceled, kept = (timers.add(at, CountingWaker()) for at in (1.0, 2.0, 3.0))
    timers.fire(1.0)
    fired.cancel()
    canceled.cancel()
    canceled.cancel()
    assert (1, True, kept.at) == (len(timers), fired.fired, timers.next_at())


def test_canceled_timers_at_the_top_are_passed_over() -> None:
    """Neither `next_at` nor `fire` see a canceled timer."""
    timers, waker = Timers(), CountingWaker()
    first, second = timers.add(1.0, CountingWaker()), timers.add(2.0, CountingWaker())
    timers.add(3.0, waker)
    first.cancel()
    assert (2.0, 2) == (timers.next_at(), timers.entries)
    second.cancel()
    assert (1, 1, 0) == (timers.fire(3.0), waker.wakes, timers.entries)


def test_pruning_starts_when_more_than_half_are_canceled() -> None:
    """T1: the heap is rebuilt once canceled entries are more than a minimum, and than half."""
    timers, trace = Timers(), []
    kept = [timers.add(float(at), Note(str(at), trace)) for at in range(_PRUNE_MIN)]
    dead = [timers.add(0.5, CountingWaker()) for _ in range(_PRUNE_MIN + 1)]
    for timer in dead[:-1]:
        timer.cancel()
    assert (len(kept) + 1, len(kept) + len(dead)) == (len(timers), timers.entries)
    dead[-1].cancel()
    assert (len(kept), len(kept)) == (len(timers), timers.entries)
    timers.fire(float(_PRUNE_MIN))
    assert [str(at) for at in range(_PRUNE_MIN)] == trace


def test_few_canceled_timers_are_not_pruned() -> None:
    """T1: below the minimum nothing is rebuilt, however large the share."""
    timers = Timers()
    for timer in [timers.add(1.0, CountingWaker()) for _ in range(_PRUNE_MIN)]:
        timer.cancel()
    assert (0, _PRUNE_MIN) == (len(timers), timers.entries)


def test_canceled_share_stays_bounded_under_churn() -> None:
    """T1: a hundred thousand sleeps that are canceled leave a small heap."""
    timers = Timers()
    for at in range(100_000):
        timers.add(float(at), CountingWaker()).cancel()
    assert (0, True) == (len(timers), timers.entries <= 2 * _PRUNE_MIN)


def test_timer_canceled_by_an_earlier_one_of_the_same_fire_stays_silent() -> None:
    """Waking runs code: what it cancels is not woken any more, though it was due."""
    timers, trace = Timers(), []
    first = Note("first", trace)
    timers.add(1.0, first)
    first.then = timers.add(1.0, Note("second", trace)).cancel
    timers.add(1.0, Note("third", trace))
    assert (2, ["first", "third"]) == (timers.fire(1.0), trace)
    assert (0, 0) == (len(timers), timers.entries)


def test_timer_added_while_firing_fires_in_the_same_round_if_due() -> None:
    """A timer made by a waker is due like any other."""
    timers, trace = Timers(), []
    timers.add(1.0, Note("a", trace, lambda: timers.add(0.5, Note("b", trace))))
    timers.add(1.0, Note("c", trace, lambda: timers.add(2.0, Note("d", trace))))
    assert (3, ["a", "b", "c"], 2.0) == (timers.fire(1.0), trace, timers.next_at())


def test_prune_while_firing_loses_no_due_timer() -> None:
    """A waker that cancels very many timers makes the heap be rebuilt in the middle of `fire`."""
    timers, trace = Timers(), []

    def cancel_all() -> None:
        for timer in others:
            timer.cancel()

    timers.add(1.0, Note("first", trace, cancel_all))
    others = [timers.add(5.0, CountingWaker()) for _ in range(3 * _PRUNE_MIN)]
    timers.add(1.0, Note("second", trace))
    assert (2, ["first", "second"]) == (timers.fire(1.0), trace)
    assert (0, 0) == (timers.fire(9.0), len(timers))
    assert ["first", "second"] == trace


def test_replaced_waker_is_the_one_woken() -> None:
    """Only the latest waker counts: a future that moved to another owner replaces it (R1)."""
    timers, old, new = Timers(), CountingWaker(), CountingWaker()
    timer = timers.add(1.0, old)
    timer.waker = new
    timers.fire(1.0)
    assert (0, 1, None) == (old.wakes, new.wakes, timer.waker)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_adding_canceling_and_firing_is_as_of_a_sorted_list(seed: int) -> None:
    """T1, T2: with many entries, of which some are equal in time and many canceled and pruned."""
    choose = random.Random(seed)
    timers, trace = Timers(), []
    alive: dict[Timer, tuple[float, int]] = {}
    for made in range(1500):
        what = choose.choices(("add", "cancel", "fire"), (6, 4 if seed % 2 else 6, 0.2))[0]
        if what == "add":
            at = float(choose.randrange(200))
            alive[timers.add(at, Note(str(made), trace))] = (at, made)
        elif what == "cancel" and alive:
            timer = choose.choice(list(alive))
            del alive[timer]
            timer.cancel()
        elif what == "fire":
            now = float(choose.randrange(50))
            due = sorted(when for when in alive.values() if when[0] <= now)
            alive = {timer: when for timer, when in alive.items() if when[0] > now}
            trace.clear()
            assert len(due) == timers.fire(now)
            assert [str(made) for _, made in due] == trace
        first = min(alive.values(), default=None)
        assert (len(alive), first and first[0]) == (len(timers), timers.next_at())
    left = [timer for timer in timers.in_order() if timer in alive]
    assert sorted(alive, key=alive.__getitem__) == left


class Cancels(Waker):
    """Cancels timers when it is finalized: in the midst of whatever lets go of it."""

    def __init__(self, *timers: Timer) -> None:
        self.timers = timers

    def wake(self) -> None:
        """Do nothing."""

    def __del__(self) -> None:
        for timer in self.timers:
            timer.cancel()


def test_timers_canceled_by_finalizers_are_counted_off_once() -> None:
    """T3: letting go of a timer's waker, canceled or fired, cancels and prunes others."""
    for fires in (False, True):
        timers = Timers()
        others = [timers.add(2.0, CountingWaker()) for _ in range(2 * _PRUNE_MIN)]
        first = timers.add(1.0, Cancels(*others))
        if fires:
            assert 1 == timers.fire(1.0)
        else:
            first.cancel()
        kept = timers.add(3.0, CountingWaker())
        assert (1, 3.0) == (len(timers), timers.next_at())
        kept.cancel()
        assert (0, None) == (len(timers), timers.next_at())


def _interrupting(line: int, others: list[Timer]) -> Any:
    """Return a trace function that cancels timers before the line with this number."""
    left = [line]

    def trace(frame: Any, event: str, _arg: Any) -> Any:
        if frame.f_globals["__name__"] != "rescind._core.timers":
            return None
        left[0] -= event in ("line", "return")
        if left[0] == 0:
            sys.settrace(None)
            for timer in others:
                timer.cancel()
        return trace

    return trace


def test_timers_canceled_between_any_two_lines_are_counted_right() -> None:
    """T3: the collector may run a finalizer between any two operations of `next_at` and `fire`."""
    for line in range(60):
        timers = Timers()
        dead = [timers.add(0.5, CountingWaker()) for _ in range(_PRUNE_MIN)]
        others = [timers.add(2.0, CountingWaker()) for _ in range(_PRUNE_MIN)]
        kept = timers.add(1.5, CountingWaker())
        for timer in dead:
            timer.cancel()
        before = sys.gettrace()
        sys.settrace(_interrupting(line, others))
        try:
            timers.next_at()
            timers.fire(1.0)
        finally:
            sys.settrace(before)
        for timer in others:
            timer.cancel()
        assert (line, 1, 1.5) == (line, len(timers), timers.next_at())
        kept.cancel()
        assert (line, 0, None) == (line, len(timers), timers.next_at())
