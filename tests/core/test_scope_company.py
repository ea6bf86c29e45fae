"""Company: futures that a coroutine polls beside its leaf, in its own steps (C4, C5)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, deadline, shielded, sleep
from rescind._core.company import Company
from rescind._core.scope import innermost
from rescind.lowlevel import PENDING, Context, CoroutineFuture, Waker, effective_deadline
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once
from tests.core.kit import Bench, Leaf, SlowLeaf


class Beside(Company):
    """Company that counts, and spends what budget it is told to."""

    def __init__(self, name: str = "beside", trace: list[str] | None = None) -> None:
        self.name = name
        self.trace: list[str] = [] if trace is None else trace
        self.drives = 0
        self.spends = 0
        self.budgets: list[int] = []
        self.waker: Waker | None = None
        self.error: BaseException | None = None
        self.drop_error: BaseException | None = None
        self.each: Any = None

    def drive(self, cx: Context) -> None:
        self.drives += 1
        self.waker = cx.waker
        self.trace.append(f"{self.name}: drive")
        if cx.executor is not None:
            self.budgets.append(cx.executor.budget)
            cx.executor.budget -= self.spends
        if self.each is not None:
            self.each()
        if self.error is not None:
            raise self.error

    def drop(self) -> None:
        self.trace.append(f"{self.name}: drop")
        if self.drop_error is not None:
            raise self.drop_error

    def __repr__(self) -> str:
        return self.name


def accompanied(*company: Company, leaf: Leaf) -> CoroutineFuture[Any]:
    """Return a coroutine that awaits one leaf in the company of these."""

    async def body() -> Any:
        stack = innermost("company")
        for beside in company:
            stack.invite(beside)
        try:
            return await leaf
        finally:
            for beside in company:
                stack.dismiss(beside)

    return CoroutineFuture(body())


# -- by hand ---------------------------------------------------------------------------------------


def test_company_is_driven_before_the_leaf_in_every_step() -> None:
    """It is polled while the leaf is pending, once per step, and no more after it was dismissed."""
    trace: list[str] = []
    leaf = Leaf("leaf", trace)
    beside = Beside(trace=trace)
    future = accompanied(beside, leaf=leaf)
    cx = context()
    answers = [poll_once(future, cx), poll_once(future, cx), poll_once(future, cx)]
    leaf.complete("value")
    answers.append(poll_once(future, cx))
    assert ([PENDING, PENDING, PENDING, Completed("value")], 3) == (answers, beside.drives)
    step = ["beside: drive", "leaf: poll"]
    assert ["leaf: poll", *step, *step, *step] == trace


def test_company_wakes_the_coroutine() -> None:
    """What it is given is the coroutine's own waker."""
    leaf = Leaf()
    beside = Beside()
    future = accompanied(beside, leaf=leaf)
    waker = CountingWaker()
    cx = context(waker)
    poll_once(future, cx)
    poll_once(future, cx)
    assert beside.waker is waker
    future.drop()


def test_a_coroutine_without_company_has_none_again() -> None:
    """After the last was dismissed the coroutine pays one test per step, as before (C4)."""
    first, second = Beside(), Beside()
    found: list[Any] = []

    async def body() -> None:
        stack = innermost("company")
        found.append(stack.company)
        stack.invite(first)
        stack.invite(second)
        stack.dismiss(first)
        stack.dismiss(first)
        found.append(list(stack.company or ()))
        stack.dismiss(second)
        found.append(stack.company)

    assert Completed(None) == poll_once(CoroutineFuture(body()))
    assert [None, [second], None] == found


def test_company_is_driven_during_the_leafs_cancellation() -> None:
    """A coroutine that is being canceled goes on driving it, until its block is left."""
    leaf = SlowLeaf()
    beside = Beside()
    future = accompanied(beside, leaf=leaf)
    cx = context()
    poll_once(future, cx)
    answers = [poll_cancel_once(future, cx, "stop"), poll_cancel_once(future, cx, "stop")]
    assert ([PENDING, PENDING], 2) == (answers, beside.drives)
    future.drop()


def test_company_may_change_while_it_is_driven() -> None:
    """What one adds or takes away is seen in the next step; the others have their turn."""
    trace: list[str] = []
    leaf = Leaf()
    first, second, third = (Beside(name, trace) for name in ("first", "second", "third"))
    future = accompanied(first, second, leaf=leaf)

    def change() -> None:
        first.each = None
        future.dismiss(first)
        future.invite(third)

    first.each = change
    cx = context()
    for _ in range(3):
        poll_once(future, cx)
    assert ["first: drive", "second: drive", "second: drive", "third: drive"] == trace
    future.drop()


def test_company_is_dropped_if_the_coroutine_ends_with_its_block_open() -> None:
    """However it ends: each is dropped, once, and driven no more."""
    trace: list[str] = []

    async def body() -> str:
        innermost("company").invite(Beside("a", trace))
        innermost("company").invite(Beside("b", trace))
        return "value"

    assert Completed("value") == poll_once(CoroutineFuture(body()))
    assert ["a: drop", "b: drop"] == trace


def test_an_error_while_company_is_dropped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It changes nothing of how the coroutine ended, and the others are dropped all the same."""
    trace: list[str] = []
    first, second = Beside("a", trace), Beside("b", trace)
    first.drop_error = BaseExceptionGroup("two", [ValueError(1), GeneratorExit()])

    async def body() -> str:
        innermost("company").invite(first)
        innermost("company").invite(second)
        return "value"

    with caplog.at_level(logging.ERROR, "rescind"):
        assert Completed("value") == poll_once(CoroutineFuture(body()))
    assert (["a: drop", "b: drop"], 1) == (trace, len(caplog.records))
    assert "a failed while it was dropped" in caplog.text


def test_an_interrupt_while_company_is_dropped_is_raised() -> None:
    """A KeyboardInterrupt is not swallowed; the others are dropped first."""
    trace: list[str] = []
    first, second = Beside("a", trace), Beside("b", trace)
    first.drop_error = KeyboardInterrupt()

    async def body() -> None:
        innermost("company").invite(first)
        innermost("company").invite(second)

    with pytest.raises(KeyboardInterrupt):
        CoroutineFuture(body()).poll(context())
    assert ["a: drop", "b: drop"] == trace


def test_dropping_the_coroutine_drops_leaf_body_then_company() -> None:
    """The body's own cleanup comes before what is left beside (R8); and that only if it is left."""
    trace: list[str] = []
    leaf = Leaf("leaf", trace)

    async def body() -> None:
        innermost("company").invite(Beside("beside", trace))
        try:
            await leaf
        finally:
            trace.append("body: cleanup")

    future = CoroutineFuture(body())
    poll_once(future, context())
    trace.clear()
    future.drop()
    assert ["leaf: drop", "body: cleanup", "beside: drop"] == trace


def test_an_interrupt_from_company_drops_the_coroutine() -> None:
    """A KeyboardInterrupt that comes out of it ends everything, leaf first (D8)."""
    trace: list[str] = []
    leaf = Leaf("leaf", trace)
    beside = Beside("beside", trace)
    future = accompanied(beside, leaf=leaf)
    cx = context()
    poll_once(future, cx)
    trace.clear()
    beside.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        future.poll(cx)
    assert ["beside: drive", "leaf: drop"] == trace
    assert (None, None) == (future.leaf, future.aside)


# -- budgets ---------------------------------------------------------------------------------------


async def hot(done: list[int]) -> None:
    """Complete one leaf after the other, for ever."""
    while True:
        await rescind.ready(None)
        done[0] += 1


def test_hot_company_leaves_the_body_its_share() -> None:
    """Company that spends the whole budget of each step does not keep the leaf from its poll."""
    beside = Beside()
    beside.spends = 1000
    polls = [0]
    with Bench() as bench:

        async def body() -> int:
            stack = innermost("company")
            stack.invite(beside)
            for _ in range(5):
                await rescind.yield_now()
                polls[0] += 1
            stack.dismiss(beside)
            return polls[0]

        task = bench.spawn(body())
        bench.advance(1)
        assert (Completed(5), True) == (task.outcome(), beside.drives >= 5)


def test_a_hot_body_leaves_company_its_share() -> None:
    """A body whose leaves are always ready parks when the budget is spent: company has its turn."""
    beside = Beside()
    done = [0]
    with Bench() as bench:

        async def body() -> None:
            innermost("company").invite(beside)
            await hot(done)

        task = bench.spawn(body())
        for _ in range(10):
            bench.executor.turn()
        assert (9, 10 * 128) == (beside.drives, done[0])
        assert {128} == set(beside.budgets)
        task.cancel("enough", grace=0)
        bench.idle()


def test_hot_company_leaves_other_company_its_share() -> None:
    """Each company has at least one poll per step, whatever those before it have spent (C4)."""
    greedy, modest = Beside("greedy"), Beside("modest")
    greedy.spends = 1000
    leaf = Leaf()
    with Bench() as bench:
        bench.spawn(accompanied(greedy, modest, leaf=leaf))
        for _ in range(3):
            bench.idle()
            leaf.wake()
        bench.idle()
        assert ([128, 128, 128], [1, 1, 1]) == (greedy.budgets, modest.budgets)
        leaf.complete()
        bench.idle()


# -- whose cancellation (C5) -----------------------------------------------------------------------


def asked_beside() -> tuple[Beside, list[Any]]:
    """Return company that notes what the code in it is told of cancellations and deadlines."""
    found: list[Any] = []
    beside = Beside()

    def ask() -> None:
        request = rescind.cancel_requested()
        found.append((request and request.kind.name, effective_deadline()))

    beside.each = ask
    return beside, found


def test_scopes_inside_the_block_do_not_concern_company() -> None:
    """A deadline around the block does, one that the body enters later does not (C5)."""
    beside, found = asked_beside()
    with Bench() as bench:

        async def body() -> None:
            stack = innermost("company")
            async with deadline(50):
                stack.invite(beside)
                try:
                    async with deadline(1):
                        try:
                            await sleep(10)
                        finally:
                            with shielded():
                                await sleep(2)
                except rescind.TimedOut:
                    pass
                await sleep(0)
                stack.dismiss(beside)

        task = bench.spawn(body())
        bench.advance(20)
        assert (Completed(None), {(None, 50.0)}) == (task.outcome(), set(found))


def test_company_is_told_that_its_coroutine_is_canceled() -> None:
    """It is going to be canceled when the block is left, and can know (P53)."""
    beside, found = asked_beside()
    with Bench() as bench:

        async def body() -> None:
            innermost("company").invite(beside)
            try:
                await sleep(10)
            finally:
                await sleep(1)
                innermost("company").dismiss(beside)

        task = bench.spawn(body())
        bench.advance(1)
        task.cancel("stop")
        bench.advance(5)
        assert isinstance(task.outcome(), Canceled)
        assert {("EXPLICIT", None)} == set(found)


def test_a_checkpoint_beside_does_not_wait_for_the_coroutines_cancellation() -> None:
    """The coroutine's pending request is not delivered there: to park for it would be to spin."""
    leaf = SlowLeaf()
    found: list[Any] = []
    beside = Beside()
    beside.each = lambda: found.append(poll_once(rescind.checkpoint()))
    future = accompanied(beside, leaf=leaf)
    cx = context()
    poll_once(future, cx)
    poll_cancel_once(future, cx, "stop")
    poll_cancel_once(future, cx, "stop")
    assert [Completed(None), Completed(None)] == found
    future.drop()
