"""Dynamic sets: the cases of tokio's JoinSet and select!, futures-rs's unordered and ordered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    FutureSet,
    Outcome,
    UsageError,
    WouldBlock,
    concurrently,
    never,
    race,
    ready,
    select,
    sleep,
    timeout,
    yield_now,
)
from rescind.lowlevel import PENDING
from rescind.testing import run_virtual

from .support import Boom, Flag, by_hand


def outcome_of(main: Any) -> Any:
    """Run in virtual time, and return the value."""
    return run_virtual(main).unwrap()


class Guards:
    """How many of the futures that were begun have been torn down."""

    def __init__(self) -> None:
        self.alive = 0

    async def hold(self, value: object = None, seconds: float | None = None) -> object:
        """Hold a guard for a while, or for ever."""
        self.alive += 1
        try:
            await (never() if seconds is None else sleep(seconds))
            return value
        finally:
            self.alive -= 1


# -- tokio: JoinSet, JoinMap, JoinQueue ------------------------------------------------------------


def test_a_set_is_emptied_and_used_again() -> None:
    """Tokio join_set, with_sleep: len counts down, an empty set gives None, and takes more."""

    async def main() -> Any:
        found: list[Any] = []
        async with FutureSet[Any, Any]() as s:
            for _ in range(2):
                for n in range(10):
                    s.add(sleep(n))
                found.append(len(s))
                found.append(sum([1 async for _ in s]))
                found += [len(s), await s.next()]
        return found

    assert [10, 10, 0, None] * 2 == outcome_of(main)


def test_dropping_the_set_tears_all_its_members_down() -> None:
    """Tokio join_set, abort_on_drop: all sixteen guards are gone, without a turn in between."""
    guards = Guards()

    async def body() -> None:
        async with FutureSet[Any, Any]() as s:
            for _ in range(16):
                s.add(guards.hold())
            await never()

    with by_hand() as hand:
        task = hand.runtime.spawn(body())
        hand.settle()
        before = guards.alive
        task.cancel(grace=0)
        hand.turn()
        assert (16, 0) == (before, guards.alive)


def test_adding_and_fetching_in_turn_keeps_the_length() -> None:
    """Tokio join_set, alternating."""

    async def main() -> list[int]:
        lengths: list[int] = []
        async with FutureSet[Any, Any]() as s:
            s.add(ready(0))
            s.add(ready(0))
            for _ in range(16):
                await s.next()
                s.add(ready(0))
                lengths.append(len(s))
        return lengths

    assert [2] * 16 == outcome_of(main)


def test_members_are_canceled_one_by_one() -> None:
    """Tokio join_set, abort_tasks: the odd ones canceled by key, the even ones complete."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            keys = [s.add(sleep(1)) for _ in range(16)]
            await yield_now()
            asked = [s.cancel(key) for key in keys[1::2]]
            kinds = [type(outcome).__name__ async for _, outcome in s]
        return all(asked), kinds.count("Canceled"), kinds.count("Completed")

    assert (True, 8, 8) == outcome_of(main)


def test_cancel_all_with_some_that_have_ended() -> None:
    """Tokio join_set, abort_all: those that have ended keep their outcome, none leaves the set."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            for _ in range(5):
                s.add(never())
            for _ in range(5):
                s.add(sleep(1))
            await sleep(2)
            asked, length = s.cancel_all(), len(s)
            kinds = [type(outcome).__name__ async for _, outcome in s]
        return asked, length, kinds

    assert (5, 10, ["Completed"] * 5 + ["Canceled"] * 5) == outcome_of(main)


def test_fetching_costs_budget_and_loses_nothing() -> None:
    """Tokio join_set_coop, select_is_budget_aware: hot fetching parks in between (R23)."""
    many = 1000

    async def main() -> Any:
        others = [0]

        async def other() -> None:
            while True:
                others[0] += 1
                await yield_now()

        beside = rescind.spawn(other())
        async with FutureSet[Any, Any]() as s:
            for n in range(many):
                s.add(ready(n))
            keys = [key async for key, _ in s]
        await beside.cancel()
        return keys == list(range(many)), others[0] > many // 128

    assert (True, True) == outcome_of(main)


def test_looking_for_one_without_waiting() -> None:
    """Tokio try_join_next: nothing ended, one, and none left; no wake-up is used up."""

    async def main() -> Any:
        found: list[Any] = []
        async with FutureSet[Any, Any]() as s:
            s.add(sleep(1), "a")
            with pytest.raises(WouldBlock):
                s.next_nowait()
            found.append(await s.next())
            found.append(s.next_nowait())
        return found

    assert [("a", Completed(None)), None] == outcome_of(main)


def test_a_key_is_not_replaced() -> None:
    """Tokio join_map replaces and forgets; here no outcome is forgotten: the second is refused."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(sleep(1), "key")
            flag = Flag()
            with pytest.raises(UsageError, match="the key 'key' is taken"):
                s.add(flag, "key")
            return await s.next(), flag.polls, flag.drops

    assert (("key", Completed(None)), 0, 1) == outcome_of(main)


def test_a_queue_gives_results_in_the_order_of_starting() -> None:
    """Tokio join_queue, futures-rs FuturesOrdered: also if the last is the first to end."""

    async def work(n: int) -> int:
        await sleep(n)
        return n

    async def main() -> Any:
        async with concurrently(work, [5, 4, 3, 2, 1], limit=5, ordered=True) as results:
            return [(n, rescind.now()) async for n in results]

    assert [(n, 5.0) for n in (5, 4, 3, 2, 1)] == outcome_of(main)


# -- tokio: select! --------------------------------------------------------------------------------


def test_one_branch_ends_and_the_other_is_polled_no_more() -> None:
    """Tokio select, sync_two, one_ready: after the block the loser's count stands still."""
    flag = Flag()

    async def main() -> Any:
        async with select(flag, ready("now")) as s:
            name, outcome = await s.first()
        polls = flag.polls
        flag.nudge()
        await yield_now()
        return name, outcome, flag.polls - polls, flag.drops

    assert (1, Completed("now"), 0, 1) == outcome_of(main)


def test_losers_are_gone_before_the_statement_after_the_block() -> None:
    """Tokio select, drop_in_fut: what a loser held is free; here its cleanup is done, too."""
    guards = Guards()

    async def main() -> int:
        async with select(guards.hold(), ready(1)) as s:
            await s.first()
        return guards.alive

    assert 0 == outcome_of(main)


def test_a_loser_goes_on_in_the_handler() -> None:
    """Tokio select, move_uncompleted_futures: it is not handed over; it simply goes on."""

    async def main() -> Any:
        async with select(a=sleep(1), b=Guards().hold("kept", 3)) as s:
            await s.first()
            await sleep(1)
            return await s.first(), rescind.now()

    assert (("b", Completed("kept")), 3.0) == outcome_of(main)


def test_streams_in_a_select_are_taken_in_turn() -> None:
    """Tokio select, select_streams: two streams until both have ended, nothing lost."""

    async def stream(*delays: float) -> AsyncIterator[float]:
        for delay in delays:
            await sleep(delay)
            yield delay

    async def step(source: AsyncIterator[float]) -> Any:
        return await anext(source, None)

    async def main() -> list[Any]:
        sources = {"a": stream(2, 2, 2), "b": stream(3, 1)}
        seen: list[Any] = []
        async with select(**{name: step(source) for name, source in sources.items()}) as s:
            async for name, outcome in s:
                value = outcome.unwrap()
                if value is not None:
                    seen.append((name, rescind.now()))
                    s.add(step(sources[name]), name)
        return seen

    expected = [("a", 2.0), ("b", 3.0), ("a", 4.0), ("b", 4.0), ("a", 6.0)]
    assert expected == outcome_of(main)


def test_selects_nest() -> None:
    """Tokio select, nested: an inner one in a branch, and one in a handler."""

    async def inner() -> Any:
        async with select(ready("inner"), never()) as s:
            return await s.first()

    async def main() -> Any:
        async with select(inner(), never()) as s:
            return await s.first(), await inner()

    assert ((0, Completed((0, Completed("inner")))), (0, Completed("inner"))) == outcome_of(main)


def test_a_branch_that_raises_ends_alone() -> None:
    """Tokio select, future_panics_after_poll; FuturesUnordered removes one that panics."""

    async def fails() -> None:
        raise Boom

    async def main() -> Any:
        async with select(a=fails(), b=sleep(1)) as s:
            return [(name, type(outcome).__name__) async for name, outcome in s]

    assert [("a", "Error"), ("b", "Completed")] == outcome_of(main)


def test_many_branches() -> None:
    """Tokio select, many_branches: there is no limit of sixty-four."""

    async def main() -> Any:
        branches = {f"b{n}": sleep(100 - n) for n in range(100)}
        async with select(**branches) as s:
            return await s.first()

    assert ("b99", Completed(None)) == outcome_of(main)


def test_a_branch_that_never_ends_is_no_hindrance() -> None:
    """Tokio select, never_branch."""

    async def main() -> Any:
        async with select(never(), x=ready(1)) as s:
            return await s.first()

    assert ("x", Completed(1)) == outcome_of(main)


def test_a_branch_that_uses_up_the_budget_does_not_starve_another() -> None:
    """Tokio join, does_not_allow_tasks_to_starve, for sets: biased or not."""

    async def hot() -> None:
        while True:
            await ready(None)

    async def cold() -> None:
        for _ in range(200):
            await ready(None)
        await sleep(0.001)

    async def main(*, biased: bool) -> Any:
        async with FutureSet[Any, Any](biased=biased) as s:
            s.add(hot(), "hot")
            s.add(cold(), "cold")
            return await s.next()

    with rescind.Runtime() as runtime:
        for biased in (False, True):
            found = runtime.block_on(timeout(main(biased=biased), 20))
            assert ("cold", Completed(None)) == found


# -- futures-rs: FuturesUnordered ------------------------------------------------------------------


def test_an_empty_set_ends_and_goes_on_after_a_push() -> None:
    """futures-rs, is_terminated: the end of the stream is not for ever."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            empty = [item async for item in s]
            s.add(ready(1))
            one = [item async for item in s]
            return empty, one, [item async for item in s]

    assert ([], [(0, Completed(1))], []) == outcome_of(main)


def test_outcomes_come_out_of_order() -> None:
    """futures-rs, works_1, works_2: in the order in which they end."""
    flags = [Flag(), Flag(), Flag()]

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            for flag in flags:
                s.add(flag)
            await yield_now()
            flags[1].set("b")
            first = await s.next()
            flags[2].set("c")
            flags[0].set("a")
            return [first, *[item async for item in s]]

    expected = [(1, Completed("b")), (2, Completed("c")), (0, Completed("a"))]
    assert expected == outcome_of(main)


def test_a_member_is_polled_once_per_step() -> None:
    """futures-rs, polled_only_once_at_most_per_iteration: also if it wakes itself."""
    polls: list[int] = []

    async def main() -> Any:
        counts = [0, 0]

        def member(which: int) -> Any:
            def poll(cx: Any) -> Any:
                counts[which] += 1
                cx.waker.wake()
                return PENDING

            return rescind.poll_fn(poll)

        async with FutureSet[Any, Any]() as s:
            s.add(member(0))
            s.add(member(1))
            for _ in range(5):
                await yield_now()
                polls.append(counts[0] - counts[1])
            return max(counts)

    assert outcome_of(main) >= 5
    assert [0] * 5 == polls


def test_the_length_is_right_inside_a_poll() -> None:
    """futures-rs, len_valid_during_out_of_order_completion: also when asked by a member."""

    async def main() -> Any:
        lengths: list[int] = []
        async with FutureSet[Any, Any]() as s:

            async def member(seconds: float) -> None:
                await sleep(seconds)
                lengths.append(len(s))

            for seconds in (2, 1, 3):
                s.add(member(seconds))
            async for _ in s:
                lengths.append(len(s))
        return lengths

    assert [3, 2, 2, 1, 1, 0] == outcome_of(main)


def test_a_set_is_cleared_in_a_loop() -> None:
    """futures-rs, clear, clear_in_loop: here canceling all, and fetching what that gives."""

    async def main() -> int:
        count = 0
        async with FutureSet[Any, Any]() as s:
            for _ in range(100):
                for _ in range(10):
                    s.add(never())
                s.cancel_all()
                async for _, outcome in s:
                    count += isinstance(outcome, Canceled)
        return count

    assert 1000 == outcome_of(main)


def test_a_member_whose_drop_raises_hinders_no_other() -> None:
    """futures-rs, panic_on_drop_fut: all are dropped; the error is in the outcome."""

    class Raises(Flag):
        def drop(self) -> None:
            super().drop()
            raise Boom

    flags: list[Flag] = [Flag(), Raises(), Flag()]

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            for flag in flags:
                s.add(flag)
            await yield_now()
            s.cancel_all("clear")
            return [outcome async for _, outcome in s]

    outcomes: list[Outcome[Any]] = outcome_of(main)
    failures = [len(outcome.also) for outcome in outcomes if isinstance(outcome, Canceled)]
    assert ([0, 1, 0], [1, 1, 1]) == (failures, [flag.drops for flag in flags])


def test_waking_a_member_that_has_left_is_a_no_op() -> None:
    """futures-rs, finished_future: a late wake-up reaches nobody (R2)."""
    flag = Flag()

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(race(flag, sleep(1)))
            waker = None
            await yield_now()
            waker = flag.waker
            found = await s.next()
        assert waker is not None
        waker.wake()
        await yield_now()
        return found, flag.polls

    assert ((0, Completed(None)), 1) == outcome_of(main)


def test_the_set_of_a_canceled_parent_reads_why() -> None:
    """Ours alone: each member's reason leads to the request for the parent (R14)."""
    reasons: list[Any] = []

    async def member() -> None:
        try:
            await never()
        except rescind.Cancellation as exc:
            reasons.append([link.kind for link in exc.reason.chain()])
            raise

    async def body() -> None:
        async with FutureSet[Any, Any]() as s:
            s.add(member())
            await s.next()

    async def main() -> Any:
        task = rescind.spawn(body())
        await sleep(1)
        return type(await task.cancel("why")).__name__

    assert "Canceled" == outcome_of(main)
    assert [[CancelKind.GROUP_EXIT, CancelKind.EXPLICIT]] == reasons


def test_a_failed_fetch_is_an_error_outcome() -> None:
    """Rust's joins return an Err; so does ours, and `unwrap` raises the very exception."""
    boom = Boom()

    async def fails() -> None:
        raise boom

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(fails())
            item = await s.next()
            assert item is not None
            return item[1]

    assert Error(boom) == outcome_of(main)
