"""Canceling a coroutine: where the request arrives, what is never lost, what the cleanup may do."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Cancellation, Completed, Error, UsageError
from rescind.lowlevel import PENDING, CoroutineFuture
from rescind.testing import CountingWaker, context, poll_cancel_once
from tests.core.kit import Bench, Leaf, SlowLeaf, request


def parked(body: Callable[..., Any], *args: object) -> CoroutineFuture[Any]:
    """Return the future of a coroutine that was polled once."""
    fut: CoroutineFuture[Any] = CoroutineFuture(body(*args))
    assert PENDING is fut.poll(context())
    return fut


async def noting(leaf: Awaitable[object], trace: list[str]) -> str:
    """Await, note what came of it, and let it pass."""
    try:
        return f"value {await leaf}"
    except Cancellation as exc:
        trace.append(f"canceled: {exc.reason.message}")
        raise
    finally:
        trace.append("finally")


def test_cancel_before_the_first_poll_runs_nothing() -> None:
    """R5: the body is not entered, the outcome is Canceled."""
    trace: list[str] = []
    fut = CoroutineFuture(noting(Leaf(), trace))
    ask = request()
    assert (Canceled(ask.reason), []) == (poll_cancel_once(fut, request=ask), trace)


def test_cancellation_is_raised_at_the_parked_await() -> None:
    """R6: the leaf is polled once more, canceled, and then the coroutine is told."""
    trace: list[str] = []
    fut = parked(noting, Leaf("leaf", trace), trace)
    ask = request("why")
    assert Canceled(ask.reason) == poll_cancel_once(fut, request=ask)
    assert [
        *("leaf: poll", "leaf: poll", "leaf: cancel", "leaf: drop"),
        *("canceled: why", "finally"),
    ] == trace


def test_value_that_is_there_is_delivered() -> None:
    """R7, D2: ready before the request arrives: the value wins, and the future completes (R16)."""
    trace: list[str] = []
    leaf = Leaf("leaf", trace)
    fut = parked(noting, leaf, trace)
    leaf.complete(7)
    assert Completed("value 7") == poll_cancel_once(fut)
    assert ["leaf: poll", "leaf: poll", "finally"] == trace


def test_cancellation_arrives_at_the_park_after_the_delivered_value() -> None:
    """R7: the value is delivered at the first await, the cancellation at the second."""
    trace: list[str] = []
    first, second = Leaf("first", trace), Leaf("second", trace)

    async def main() -> None:
        trace.append(f"got {await first}")
        await noting(second, trace)

    fut = parked(main)
    first.complete(1)
    ask = request("why")
    assert Canceled(ask.reason) == poll_cancel_once(fut, request=ask)
    assert [
        *("first: poll", "first: poll", "got 1"),
        *("second: poll", "second: cancel", "second: drop", "canceled: why", "finally"),
    ] == trace


def test_error_that_is_there_is_delivered() -> None:
    """R7: a failure is an output too; handled, the cancellation waits for the next park."""
    trace: list[str] = []
    leaf, second = Leaf("leaf", trace), Leaf("second", trace)

    async def main() -> None:
        try:
            await leaf
        except ValueError as exc:
            trace.append(f"failed: {exc}")
        await noting(second, trace)

    fut = parked(main)
    leaf.error = ValueError("x")
    assert isinstance(poll_cancel_once(fut), Canceled)
    assert ["failed: x", "second: poll", "second: cancel", "second: drop"] == trace[2:6]


def test_unhandled_error_that_is_there_ends_the_future_as_an_error() -> None:
    """R16: the request was not delivered, so the failure is the outcome."""
    leaf = Leaf()
    fut = parked(noting, leaf, [])
    leaf.error = failure = ValueError("x")
    assert Error(failure) == poll_cancel_once(fut)


def test_value_that_appears_while_the_leaf_is_canceled_is_delivered() -> None:
    """R7: the leaf's poll_cancel ends in Completed: delivered, the request stays due."""
    trace: list[str] = []
    slow, second = SlowLeaf("slow", trace), Leaf("second", trace)

    async def main() -> None:
        trace.append(f"got {await slow}")
        await noting(second, trace)

    fut = parked(main)
    ask = request("why")
    assert PENDING is poll_cancel_once(fut, request=ask)
    slow.settle(Completed(5))
    assert Canceled(ask.reason) == poll_cancel_once(fut, request=ask)
    assert ["got 5", "second: poll", "second: cancel", "second: drop"] == trace[4:8]


def test_error_that_appears_while_the_leaf_is_canceled_is_raised_instead() -> None:
    """The leaf failed in truth: that is delivered, and the request stays due."""
    slow, failure = SlowLeaf(), ValueError("x")
    fut = parked(noting, slow, trace := [])
    assert PENDING is poll_cancel_once(fut)
    slow.settle(Error(failure))
    assert (Error(failure), ["finally"]) == (poll_cancel_once(fut), trace)


def test_cleanup_errors_of_the_leaf_travel_with_the_cancellation() -> None:
    """R15: what failed further in is in `also` of what is raised, and of the outcome."""
    slow, failure, seen = SlowLeaf(), ValueError("in the leaf"), []

    async def main() -> None:
        try:
            await slow
        except Cancellation as exc:
            seen.append(exc.also)
            raise

    fut = parked(main)
    ask = request()
    slow.settled = Canceled(ask.reason, (failure,))
    assert Canceled(ask.reason, (failure,)) == poll_cancel_once(fut, request=ask)
    assert [(failure,)] == seen


def test_leaf_ends_before_the_coroutine_cleans_up() -> None:
    """D3, R8: nothing of the coroutine runs while the leaf's cleanup is pending."""
    trace: list[str] = []
    slow, waker = SlowLeaf("slow", trace), CountingWaker()
    fut = parked(noting, slow, trace)
    ask = request("why")
    assert [PENDING] * 2 == [poll_cancel_once(fut, context(waker), ask) for _ in range(2)]
    before = list(trace)
    slow.settle(Canceled(ask.reason))
    assert (1, Canceled(ask.reason)) == (waker.wakes, poll_cancel_once(fut, request=ask))
    assert ["slow: poll", "slow: poll", "slow: cancel", "slow: cancel"] == before
    assert ["slow: cancel", "canceled: why", "finally"] == trace[4:]


def test_cleanups_run_inside_out() -> None:
    """R8: the leaf, the innermost frame, outwards; an inner future before its awaiter."""
    trace: list[str] = []

    async def frame(name: str, inner: Awaitable[object]) -> None:
        try:
            await inner
        finally:
            trace.append(name)

    leaf = Leaf("leaf", trace)
    driven = CoroutineFuture(frame("b", frame("a", leaf)))
    fut = parked(frame, "d", frame("c", driven))
    poll_cancel_once(fut)
    # Polled at first, and once more for each future around it that might have had its output.
    assert ["leaf: poll"] * 3 == trace[:3]
    assert ["leaf: cancel", "leaf: drop", "a", "b", "c", "d"] == trace[3:]


def test_children_end_before_their_parents_cleanup() -> None:
    """R8: a race's children are drained, whatever they await, before the parent's cleanup."""
    trace: list[str] = []

    async def child(name: str, seconds: float) -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(seconds)
            trace.append(f"{name} at {rescind.now():g}")

    async def main() -> None:
        try:
            await rescind.race(child("a", 3), child("b", 1))
        finally:
            trace.append(f"parent at {rescind.now():g}")

    with Bench() as bench:
        task = bench.spawn(main())
        bench.idle()
        task.cancel()
        bench.advance(5)
        assert ["b at 1", "a at 3", "parent at 3"] == trace


def test_cleanup_may_await_and_is_polled_like_anything_else() -> None:
    """R9, D4: awaits in the cleanup park and resume; the request is not raised again."""
    trace: list[str] = []
    cleanups = [Leaf(f"cleanup {n}", trace) for n in range(2)]

    async def main() -> None:
        try:
            await Leaf()
        finally:
            for cleanup in cleanups:
                trace.append(f"got {await cleanup}")

    fut = parked(main)
    ask = request()
    assert PENDING is poll_cancel_once(fut, request=ask)
    assert PENDING is poll_cancel_once(fut, request=ask)
    cleanups[0].complete(0)
    assert PENDING is poll_cancel_once(fut, request=ask)
    cleanups[1].complete(1)
    assert Canceled(ask.reason) == poll_cancel_once(fut, request=ask)
    assert [
        *("cleanup 0: poll", "cleanup 0: poll", "cleanup 0: poll", "got 0"),
        *("cleanup 1: poll", "cleanup 1: poll", "got 1"),
    ] == trace


def test_race_timeout_and_spawn_work_inside_a_cleanup() -> None:
    """R9, P41: they behave as in a fresh task: nobody in there is canceled by the old request."""

    async def value(seconds: float, result: str) -> str:
        await rescind.sleep(seconds)
        return result

    seen: list[object] = []

    async def main() -> None:
        try:
            await rescind.never()
        finally:
            seen.append(await rescind.race(value(2, "slow"), value(1, "quick")))
            seen.append(await rescind.join(value(1, "x"), value(2, "y")))
            seen.append(await rescind.timeout(value(1, "in time"), 2))
            with pytest.raises(rescind.TimedOut):
                await rescind.timeout(rescind.never(), 1)
            async with rescind.deadline(5):
                seen.append(await rescind.spawn(value(1, "spawned")))
            seen.append(await rescind.spawn(rescind.never()).cancel("inner"))
            seen.append(rescind.now())

    with Bench() as bench:
        task = bench.spawn(main())
        bench.idle()
        task.cancel("outer")
        bench.advance(20)
        assert ["quick", ("x", "y"), "in time", "spawned"] == seen[:4]
        inner, end = seen[4:]
        assert isinstance(inner, Canceled)
        assert ("inner", 6.0) == (inner.reason.message, end)
        assert isinstance(task.outcome(), Canceled)


def test_second_request_continues_the_same_cleanup() -> None:
    """R4: poll_cancel with another request drives on; the first reason stays."""
    trace: list[str] = []
    cleanup = Leaf("cleanup", trace)

    async def main() -> None:
        try:
            await Leaf()
        except Cancellation as exc:
            trace.append(str(exc.reason.message))
            await cleanup
            raise

    fut = parked(main)
    assert PENDING is poll_cancel_once(fut, request="first")
    assert PENDING is poll_cancel_once(fut, request="second")
    cleanup.complete()
    outcome = poll_cancel_once(fut, request="third")
    assert isinstance(outcome, Canceled)
    assert ["first", "cleanup: poll", "cleanup: poll", "cleanup: poll"] == trace
    assert "first" == outcome.reason.message


def test_poll_after_poll_cancel_is_refused() -> None:
    """R4: from then on only poll_cancel and drop."""

    async def main() -> None:
        try:
            await Leaf()
        finally:
            await Leaf()

    fut = parked(main)
    assert PENDING is poll_cancel_once(fut)
    with pytest.raises(UsageError, match=r"main> was polled after poll_cancel had begun \(R4\)$"):
        fut.poll(context())
    fut.drop()


def test_swallowed_cancellation_completes() -> None:
    """R11: a coroutine that catches it and returns a value is Completed; it was delivered."""

    async def main() -> str:
        try:
            await Leaf()
        except Cancellation:
            return "absorbed"
        return "unreachable"

    fut = parked(main)
    assert (Completed("absorbed"), True) == (poll_cancel_once(fut), fut.delivered())


def test_swallowing_and_carrying_on_is_still_the_cleanup() -> None:
    """R11: later awaits are polled on; nothing is raised a second time; the end is its own."""
    later = Leaf("later")

    async def main() -> str:
        try:
            await Leaf()
        except Cancellation:
            pass
        return f"carried on with {await later}"

    fut = parked(main)
    assert [PENDING] * 2 == [poll_cancel_once(fut) for _ in range(2)]
    later.complete("work")
    assert Completed("carried on with work") == poll_cancel_once(fut)


def test_error_after_swallowing_is_an_error() -> None:
    """The cancellation was absorbed; what fails then failed by itself."""
    failure = ValueError("later")

    async def main() -> None:
        try:
            await Leaf()
        except Cancellation:
            pass
        raise failure

    assert Error(failure) == poll_cancel_once(parked(main))


def test_error_in_the_cleanup_is_kept_with_canceled() -> None:
    """R15: it does not turn Canceled into Error, and is not lost."""
    failure = ValueError("in finally")

    async def main() -> None:
        try:
            await Leaf()
        finally:
            raise failure

    ask = request()
    assert Canceled(ask.reason, (failure,)) == poll_cancel_once(parked(main), request=ask)


def test_cancellation_of_a_pending_poll_needs_no_further_wake() -> None:
    """A request is delivered by poll_cancel itself: the parked leaf need not be ready."""
    waker = CountingWaker()
    fut = CoroutineFuture(noting(Leaf(), []))
    fut.poll(context(waker))
    assert isinstance(poll_cancel_once(fut, context(waker)), Canceled)
    assert 0 == waker.wakes


def test_traceback_of_a_canceled_coroutine_begins_in_its_code() -> None:
    """Our own frames do not clutter what a user sees."""
    frames: list[str] = []

    async def main() -> None:
        try:
            await Leaf()
        except Cancellation as exc:
            tb = exc.__traceback__
            while tb is not None:
                frames.append(tb.tb_frame.f_code.co_name)
                tb = tb.tb_next
            raise

    poll_cancel_once(parked(main))
    assert "main" == frames[0]
