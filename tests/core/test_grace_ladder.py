"""The grace ladder: request, grace, drop, abandon; in virtual time."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Cancellation
from rescind._core.errors import Abandoned
from tests.core.kit import Bench, Leaf, SlowLeaf


def cleanup_of(seconds: float, trace: list[str]) -> Callable[[], Any]:
    """Return the body of a task whose cleanup takes this long."""

    async def body() -> None:
        try:
            await rescind.never()
        except Cancellation:
            trace.append(f"cleanup begins at {rescind.now():g}")
            try:
                await rescind.sleep(seconds)
                trace.append(f"cleanup done at {rescind.now():g}")
            except GeneratorExit:
                trace.append(f"dropped at {rescind.now():g}")
                raise
            raise

    return body


def run_ladder(
    seconds: float, requests: list[tuple[float, Any]], *, grace: Any = 30.0
) -> tuple[list[str], str, list[tuple[str, float, bool]]]:
    """Cancel at these times with these graces; return the trace, the outcome, the overruns."""
    trace: list[str] = []
    with Bench(grace=grace) as bench:
        task = bench.spawn(cleanup_of(seconds, trace)(), name="slow")
        bench.idle()
        for at, own in requests:
            bench.advance(at - bench.host.now())
            task.cancel(f"at {at:g}", **({} if own == "default" else {"grace": own}))
        bench.advance(100)
        outcome = task.outcome()
        how = (
            repr(outcome)
            if not isinstance(outcome, Canceled)
            else (f"canceled, dropped={outcome.dropped}, because {outcome.reason.message}")
        )
        overruns = [(late.task, late.seconds, late.abandoned) for late in bench.executor.overruns]
        assert 0 == bench.runtime.statistics().timers
    return trace, how, overruns


def test_cleanup_within_its_grace_is_left_alone() -> None:
    """R10: and its timer is gone."""
    assert (
        ["cleanup begins at 0", "cleanup done at 5"],
        "canceled, dropped=False, because at 0",
        [],
    ) == run_ladder(5, [(0, "default")])


def test_cleanup_that_overruns_the_runtimes_grace_is_dropped() -> None:
    """R10, R24: at the end of the grace, noted with how late it was."""
    assert (
        ["cleanup begins at 0", "dropped at 30"],
        "canceled, dropped=True, because at 0",
        [("slow", 30.0, False)],
    ) == run_ladder(99, [(0, "default")])


def test_second_request_shortens_the_grace() -> None:
    """Q2: the cleanup under way ends earlier; the first reason stays."""
    assert (
        ["cleanup begins at 0", "dropped at 3"],
        "canceled, dropped=True, because at 0",
        [("slow", 3.0, False)],
    ) == run_ladder(99, [(0, "default"), (2, 1.0)])


def test_second_request_does_not_lengthen_the_grace() -> None:
    """Q2: neither with a longer one, nor with none, nor without a word about it."""
    expected = (["cleanup begins at 0", "dropped at 3"], [("slow", 3.0, False)])
    for later in (50.0, None, "default"):
        trace, _, overruns = run_ladder(99, [(0, 3.0), (2, later)])
        assert expected == (trace, overruns)


def test_unbounded_grace_waits_for_ever() -> None:
    """grace=None: nobody drops it."""
    assert (
        ["cleanup begins at 0", "cleanup done at 90"],
        "canceled, dropped=False, because at 0",
        [],
    ) == run_ladder(90, [(0, None)])


def test_unbounded_grace_can_be_bounded_later() -> None:
    """Q2: None is the longest of all."""
    assert (
        ["cleanup begins at 0", "dropped at 5"],
        "canceled, dropped=True, because at 0",
        [("slow", 5.0, False)],
    ) == run_ladder(90, [(0, None), (5, 0)])


def test_zero_grace_drops_without_a_cleanup() -> None:
    """R10: Rust's cancellation: closed where it is parked; no overrun to report."""
    assert ([], "canceled, dropped=True, because at 1", []) == run_ladder(9, [(1, 0)])


def test_overrun_is_warned_of_with_the_await_that_was_stuck(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R10: the warning names task, place and reason."""
    with caplog.at_level(logging.WARNING, "rescind"):
        run_ladder(99, [(0, 1.0)])
    code = cleanup_of(1, []).__code__
    (message,) = caplog.messages
    first, _, reason = message.partition(". Canceled: ")
    assert (
        "the cleanup of slow overran its grace and is dropped; it was stuck at "
        f"{__file__}:{code.co_firstlineno + 6} in {code.co_qualname}"
    ) == first
    assert reason.startswith("explicit: at 0, at ")


def test_resisting_even_the_drop_is_abandoned() -> None:
    """R10: the last rung: never polled again, kept, reported, and its joiners are told."""

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.never()

    with Bench() as bench:
        coro = body()
        task = bench.spawn(coro, name="resisting")
        bench.idle()
        task.cancel(grace=1)
        bench.advance(2)
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        # Dropped in the midst of `finally` it ends; dropped before it, the `finally` resists.
        assert (True, False) == (outcome.dropped, outcome.abandoned)

        coro = body()
        task = bench.spawn(coro, name="resisting")
        bench.idle()
        task.cancel(grace=0)
        bench.idle()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (True, True, 1, [True]) == (
            outcome.dropped,
            outcome.abandoned,
            bench.runtime.statistics().abandoned,
            [isinstance(exc, Abandoned) for exc in outcome.also],
        )
        coro.close()


def test_a_cleanup_that_ends_at_once_has_no_timer() -> None:
    """A timer for each would be most of what a cancellation costs."""
    with Bench(grace=5) as bench:
        leaf = Leaf()
        task = bench.spawn(leaf)
        bench.idle()
        task.cancel()
        assert 0 == bench.executor.statistics().timers
        bench.idle()
        assert (True, 0) == (task.done(), bench.executor.statistics().timers)


@pytest.mark.parametrize("parked", [False, True])
def test_the_grace_counts_from_the_request(parked: bool) -> None:
    """R10: not from the step in which the cleanup begins, nor from that in which it first waits."""
    with Bench(grace=5) as bench:
        leaf = SlowLeaf()
        task = bench.spawn(leaf)
        bench.idle()
        task.cancel()
        if parked:
            bench.idle()
        bench.host._now += 4.0
        bench.idle()
        assert (False, 1) == (task.done(), bench.executor.statistics().timers)
        bench.advance(0.5)
        assert not task.done()
        bench.advance(0.5)
        assert Canceled(task.cancel_reasons[0], dropped=True) == task.outcome()


def test_a_grace_that_is_over_before_the_cleanup_waits_ends_it_then() -> None:
    """R10: it began in time, and waits too late."""
    with Bench(grace=5) as bench:
        leaf = SlowLeaf()
        task = bench.spawn(leaf)
        bench.idle()
        task.cancel()
        bench.host._now += 6.0
        bench.idle()
        assert ["leaf: poll", "leaf: cancel", "leaf: drop"] == leaf.trace
        assert Canceled(task.cancel_reasons[0], dropped=True) == task.outcome()


def test_a_second_request_shortens_a_grace_that_has_no_timer_yet() -> None:
    """R10, Q2: before the cleanup has begun, and so before there is a timer."""
    with Bench(grace=5) as bench:
        task = bench.spawn(SlowLeaf())
        bench.idle()
        task.cancel()
        task.cancel(grace=1)
        bench.idle()
        bench.advance(1)
        assert Canceled(task.cancel_reasons[0], dropped=True) == task.outcome()
