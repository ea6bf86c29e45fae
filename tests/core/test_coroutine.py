"""Driving a coroutine by its leaf: what resumes it, what it may await, who it is meanwhile."""

import types
from collections.abc import Generator
from typing import Any

import pytest

import rescind
from rescind import Completed, PolledAfterCompletion, UsageError
from rescind.lowlevel import PENDING, CoroutineFuture
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once
from tests.core.kit import Bench, Leaf


@types.coroutine
def trap(value: object) -> Generator[object, Any, Any]:
    """Yield something to whoever drives."""
    return (yield value)


async def echo(leaf: Leaf, trace: list[object]) -> str:
    """Note what the leaf gives, and return."""
    trace.append("start")
    trace.append(await leaf)
    return "end"


def test_nothing_runs_before_the_first_poll() -> None:
    """R1: a future is lazy."""
    trace: list[object] = []
    fut = CoroutineFuture(echo(Leaf(), trace))
    assert ([], None) == (trace, fut.leaf)
    fut.drop()


def test_coroutine_is_driven_by_its_leaf() -> None:
    """D1: polled to its leaf, parked there, resumed with the leaf's output, once."""
    leaf, trace, waker = Leaf(), [], CountingWaker()
    fut = CoroutineFuture(echo(leaf, trace))
    assert (PENDING, ["start"], 0) == (fut.poll(context(waker)), trace, waker.wakes)
    assert "<leaf>" == repr(fut.leaf)
    leaf.complete("output")
    assert (1, "end") == (waker.wakes, fut.poll(context(waker)))
    assert (["start", "output"], None) == (trace, fut.leaf)


def test_spurious_wake_polls_the_leaf_and_resumes_nobody() -> None:
    """D1: the coroutine runs only when there is something for it."""
    leaf, trace = Leaf(), []
    fut = CoroutineFuture(echo(leaf, trace))
    assert [PENDING] * 3 == [fut.poll(context()) for _ in range(3)]
    assert (["start"], ["leaf: poll"] * 3) == (trace, leaf.trace)
    fut.drop()


def test_latest_waker_is_the_one_that_counts() -> None:
    """R1: each poll hands its own waker to the leaf."""
    leaf, first, second = Leaf(), CountingWaker(), CountingWaker()
    fut = CoroutineFuture(echo(leaf, []))
    fut.poll(context(first))
    fut.poll(context(second))
    leaf.complete()
    assert (0, 1) == (first.wakes, second.wakes)
    fut.drop()


def test_ready_leaves_are_run_through_in_one_poll() -> None:
    """A leaf that has its output at once costs no park."""

    async def main() -> list[int]:
        return [await rescind.ready(n) for n in range(200)]

    assert Completed(list(range(200))) == poll_once(CoroutineFuture(main()), context())


def test_error_of_the_leaf_is_raised_at_the_await() -> None:
    """The coroutine can handle it, and go on to another leaf."""
    bad, good = Leaf("bad"), Leaf("good")

    async def main() -> str:
        try:
            await bad
        except ValueError as exc:
            return f"{exc} {await good}"
        return "unreachable"

    fut = CoroutineFuture(main())
    fut.poll(context())
    bad.fail(ValueError("bad news"))
    assert PENDING is fut.poll(context())
    good.complete("good news")
    assert "bad news good news" == fut.poll(context())


def test_error_of_the_coroutine_comes_out_of_the_poll() -> None:
    """The very exception, and afterwards there is no polling."""
    failure = ValueError("x")

    async def main() -> None:
        raise failure

    fut = CoroutineFuture(main())
    with pytest.raises(ValueError, match="x") as caught:
        fut.poll(context())
    assert failure is caught.value
    with pytest.raises(PolledAfterCompletion):
        fut.poll(context())


def test_polls_after_the_end_are_refused() -> None:
    """R1: both poll and poll_cancel, by the coroutine's name."""

    async def main() -> int:
        return 1

    fut = CoroutineFuture(main())
    fut.poll(context())
    name = main.__qualname__
    with pytest.raises(PolledAfterCompletion) as polled:
        fut.poll(context())
    with pytest.raises(PolledAfterCompletion) as canceled:
        poll_cancel_once(fut)
    expected = (
        f"<coroutine {name}> was polled after it had ended; its output was already given out: keep "
        "that, or use rescind.shared(...) to await one result several times"
    )
    assert (expected, expected) == (str(polled.value), str(canceled.value))


def test_poll_from_inside_the_coroutine_is_refused() -> None:
    """R1: re-entrant poll, cancel and drop raise inside; the outer poll goes on."""
    caught: list[str] = []

    async def main() -> str:
        for act in (lambda: fut.poll(context()), lambda: poll_cancel_once(fut), fut.drop):
            with pytest.raises(UsageError) as exc:
                act()
            caught.append(str(exc.value).partition("> ")[2])
        return "done"

    fut = CoroutineFuture(main())
    assert "done" == fut.poll(context())
    assert [
        "was polled from inside its own poll; to be polled again, call cx.waker.wake()",
        "was polled from inside its own poll; to be polled again, call cx.waker.wake()",
        "cannot be dropped while it is being polled",
    ] == caught


def test_unknown_yield_raises_at_the_await_by_hand() -> None:
    """R32: what rescind cannot wait for is a TypeError at the await, which can be handled."""

    async def main() -> str:
        with pytest.raises(TypeError) as caught:
            await trap(42)
        return str(caught.value).partition("> ")[2]

    assert (
        "awaited something that yielded 42, which rescind cannot wait for when it is polled by "
        "hand; await a rescind future, or run on an asyncio host for asyncio's awaitables"
    ) == CoroutineFuture(main()).poll(context())


def test_unknown_yield_names_the_host() -> None:
    """In a runtime the message says which host does not know it."""

    async def main() -> None:
        await trap("?")

    with Bench() as bench:
        task = bench.spawn(main())
        bench.idle()
        with pytest.raises(TypeError, match=r"yielded '\?', which .* on the host 'manual'; await"):
            task.unwrap()


def test_bare_yield_parks_until_the_host_had_its_turn() -> None:
    """R32: asyncio's sleep(0) and anyio's checkpoints."""

    async def main() -> object:
        return await trap(None)

    with Bench() as bench:
        task = bench.spawn(main())
        bench.host.advance()
        before = task.done()
        bench.idle()
        assert (False, Completed(None)) == (before, task.outcome())


def test_keyboard_interrupt_of_a_leaf_ends_the_coroutine_at_once() -> None:
    """It is no cancellation: the coroutine is closed, and the interrupt comes out."""
    trace: list[object] = []
    leaf = Leaf()

    async def main() -> None:
        try:
            await leaf
        except GeneratorExit:
            trace.append("closed")
            raise

    fut = CoroutineFuture(main())
    fut.poll(context())
    leaf.fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fut.poll(context())
    with pytest.raises(PolledAfterCompletion):
        fut.poll(context())
    assert (["closed"], ["leaf: poll"] * 2) == (trace, leaf.trace)


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(3)])
def test_interrupt_of_the_coroutine_comes_out_of_poll_cancel(failure: BaseException) -> None:
    """It is never turned into an outcome."""

    async def main() -> None:
        try:
            await Leaf()
        finally:
            raise failure

    fut = CoroutineFuture(main())
    fut.poll(context())
    with pytest.raises(type(failure)):
        poll_cancel_once(fut)


def test_spent_budget_parks_and_wakes_itself() -> None:
    """E3, D5: after the budget of leaf completions the step ends; the next one goes on."""
    with Bench(budget=3) as bench:
        trace: list[int] = []

        async def main() -> None:
            for n in range(7):
                trace.append(await rescind.ready(n))

        task = bench.spawn(main())
        seen = []
        while not task.done():
            bench.executor.turn()
            seen.append(len(trace))
        assert [3, 6, 7] == seen


def test_request_is_delivered_at_the_park_of_a_spent_budget() -> None:
    """D5, R7: a hot task parks, and there a leaf that was never polled is canceled unpolled."""
    with Bench(budget=3) as bench:
        trace: list[object] = []

        async def main() -> None:
            for n in range(99):
                trace.append(await Ready(n))
                if n == 1:
                    rescind.current_task().cancel("enough")

        class Ready(Leaf):
            def __init__(self, n: int) -> None:
                super().__init__(f"leaf {n}", trace)
                self.output = n

        task = bench.spawn(main())
        bench.idle()
        # The step in which it was asked for, then one whose leaves are ready too (R7).
        polled = [entry for n in range(6) for entry in (f"leaf {n}: poll", n)]
        assert [*polled, "leaf 6: cancel", "leaf 6: drop"] == trace
        assert task.done()
