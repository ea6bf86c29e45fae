"""`FutureSet`: futures that come and go, driven as long as the block is open."""

from __future__ import annotations

import contextlib
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable
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
    TimedOut,
    UsageError,
    WouldBlock,
    never,
    race,
    ready,
    shield,
    sleep,
    timeout,
)
from rescind.lowlevel import PENDING
from rescind.testing import run_virtual
from tests.combinators.kit import Ended, Hand, Ledger, Probe, cancels, kinds, sweep, virtual


def opened(
    *futures: Any, body: Callable[[FutureSet[Any, Any]], Any] | None = None, **options: Any
) -> tuple[Hand, list[FutureSet[Any, Any]]]:
    """Return a coroutine with these in a set, polled once, and the set; the body never ends."""
    sets: list[FutureSet[Any, Any]] = []

    async def main() -> Any:
        async with FutureSet[Any, Any](**options) as s:
            sets.append(s)
            for future in futures:
                s.add(future)
            if body is not None:
                return await body(s)
            await never()

    hand = Hand(main())
    assert hand.poll() is PENDING
    return hand, sets


def probes(*names: str, **options: Any) -> tuple[list[Probe], list[str]]:
    """Return probes with these names, in capitals if their cleanup awaits, and their log."""
    log: list[str] = []
    return [Probe(name, log, cleanup=name.isupper(), **options) for name in names], log


async def fetched(s: FutureSet[Any, Any]) -> list[tuple[Any, Outcome[Any]]]:
    """Fetch everything."""
    return [item async for item in s]


# -- by hand: who is polled ------------------------------------------------------------------------


def test_nothing_is_polled_by_adding() -> None:
    """Adding only queues; the first polls come in the next step, in the order of adding (M1)."""
    (a, b, c), log = probes("a", "b", "c")
    hand, _ = opened(a, b, c)
    before, wakes = list(log), hand.wakes
    hand.poll()
    assert ([], 1, ["a.poll", "b.poll", "c.poll"]) == (before, wakes, log)
    hand.drop()


def test_only_woken_members_are_polled_in_wake_order() -> None:
    """A step polls those that were woken since the last, each once, in that order (M1, R18)."""
    (a, b, c), log = probes("a", "b", "c")
    hand, _ = opened(a, b, c)
    hand.poll()
    log.clear()
    c.wake()
    a.wake()
    c.wake()
    wakes = hand.wakes
    hand.poll()
    hand.poll()
    assert (["c.poll", "a.poll"], 2) == (log, wakes)
    assert [(2, 0, 0), (1, 0, 0), (2, 0, 0)] == [p.vector for p in (a, b, c)]
    hand.drop()


def test_biased_polls_in_the_order_of_adding() -> None:
    """With ``biased`` the order of waking does not matter (M1)."""
    (a, b, c), log = probes("a", "b", "c")
    hand, _ = opened(a, b, c, biased=True)
    hand.poll()
    log.clear()
    c.wake()
    a.wake()
    hand.poll()
    assert ["a.poll", "c.poll"] == log
    hand.drop()


def test_members_are_driven_while_the_body_awaits_something_else() -> None:
    """No futurelock: the body's own leaf is never ready, and the members end all the same (R22)."""
    (a, b), _ = probes("a", "b")
    hand, [s] = opened(a, b)
    hand.poll()
    a.give(1)
    hand.poll()
    first = s.statistics()
    b.give(2)
    hand.poll()
    assert [(1, 1), (0, 2)] == [(x.running, x.unfetched) for x in (first, s.statistics())]
    assert [(0, Completed(1)), (1, Completed(2)), None] == [s.next_nowait() for _ in range(3)]
    hand.drop()


def test_a_member_that_wakes_itself_waits_for_the_next_step() -> None:
    """A hot member has one poll per step, and the coroutine is woken for the next."""
    polls = [0]

    def hot(cx: Any) -> Any:
        polls[0] += 1
        cx.waker.wake()
        return PENDING

    hand, _ = opened(rescind.poll_fn(hot))
    counts: list[tuple[int, int]] = []
    for _ in range(3):
        wakes = hand.wakes
        hand.poll()
        counts.append((polls[0], hand.wakes - wakes))
    assert [(1, 1), (2, 1), (3, 1)] == counts
    hand.drop()


def test_an_end_costs_one_poll_and_one_wake() -> None:
    """Woken, polled, ended and fetched in one step of the coroutine; nobody is woken twice."""
    (a, b), log = probes("a", "b")
    hand, _ = opened(a, b, body=fetched)
    hand.poll()
    log.clear()
    wakes = hand.wakes
    a.give(1)
    assert hand.poll() is PENDING
    assert (["a.poll"], 1) == (log, hand.wakes - wakes)
    b.give(2)
    assert Completed([(0, Completed(1)), (1, Completed(2))]) == hand.poll()
    assert (["a.poll", "b.poll"], 2) == (log, hand.wakes - wakes)


# -- the limit -------------------------------------------------------------------------------------


def test_limit_lets_others_wait_unpolled_in_line() -> None:
    """At most ``limit`` have begun; one that ends lets the one added first begin (M2)."""
    (a, b, c, d), log = probes("a", "b", "c", "d")
    hand, [s] = opened(a, b, c, d, limit=2)
    hand.poll()
    shown = [(list(log), s.statistics().waiting, s.statistics().running)]
    for probe in (b, c):
        log.clear()
        probe.give(1)
        hand.poll()
        hand.poll()
        shown.append((list(log), s.statistics().waiting, s.statistics().running))
    assert [
        (["a.poll", "b.poll"], 2, 2),
        (["b.poll", "c.poll"], 1, 2),
        (["c.poll", "d.poll"], 0, 2),
    ] == shown
    hand.drop()


def test_a_waiting_member_that_is_canceled_never_begins() -> None:
    """Its body does not run (R5), it frees no place, and those behind it keep theirs (M2)."""
    log: list[str] = []
    (a, c), _ = probes("a", "c")

    async def body() -> None:
        log.append("begun")

    hand, [s] = opened(a, body(), c, limit=1)
    hand.poll()
    asked = s.cancel(1, "changed my mind")
    hand.poll()
    key, outcome = s.next_nowait() or (None, None)
    assert isinstance(outcome, Canceled)
    assert (True, 1, "changed my mind", []) == (asked, key, outcome.reason.message, log)
    assert ((1, 1), (1, 0, 0), (0, 0, 0)) == (
        (s.statistics().waiting, s.statistics().running),
        a.vector,
        c.vector,
    )
    hand.drop()


def test_a_canceled_member_keeps_its_place_until_it_has_cleaned_up() -> None:
    """The limit counts cleanups too: what they still hold is not handed to the next (M2)."""
    (a, b), log = probes("A", "b")
    hand, [s] = opened(a, b, limit=1)
    hand.poll()
    s.cancel(0)
    hand.poll()
    hand.poll()
    before = list(log)
    a.clean()
    hand.poll()
    hand.poll()
    assert (["A.poll", "A.cancel"], "b.poll") == (before, log[-1])
    hand.drop()


# -- keys ------------------------------------------------------------------------------------------


def test_default_keys_count_past_those_that_are_taken() -> None:
    """Running numbers; one that somebody chose already is left out."""

    async def body(s: FutureSet[Any, Any]) -> Any:
        return [
            s.add(never()),
            s.add(never(), 1),
            s.add(never(), "x"),
            s.add(never()),
            s.add(never()),
        ], (s.keys(), len(s), "x" in s, "y" in s)

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            return await body(s)

    expected = ([0, 1, "x", 2, 3], ((0, 1, "x", 2, 3), 5, True, False))
    assert Completed(expected) == virtual(main).outcome


def test_a_key_is_taken_until_its_outcome_is_fetched() -> None:
    """A second future under it is refused, and dropped unpolled; afterwards the key is free."""
    (a, second), _ = probes("a", "second")
    hand, [s] = opened()
    s.add(a, "key")
    with pytest.raises(UsageError, match="the key 'key' is taken"):
        s.add(second, "key")
    hand.poll()
    a.give(1)
    hand.poll()
    with pytest.raises(UsageError, match="fetch its outcome"):
        s.add(never(), "key")
    taken = s.next_nowait()
    s.add(ready(2), "key")
    hand.poll()
    assert (("key", Completed(1)), ("key", Completed(2))) == (taken, s.next_nowait())
    assert ((0, 0, 1), 0) == (second.vector, len(s))
    hand.drop()


@pytest.mark.parametrize("wrong", [[], {}], ids=["list", "dict"])
def test_a_key_that_cannot_be_hashed_is_refused(wrong: Any) -> None:
    """The future is dropped, and the set stays as it was."""
    hand, [s] = opened()
    probe = Probe()
    with pytest.raises(TypeError, match="unhashable"):
        s.add(probe, wrong)
    assert ((0, 0, 1), 0) == (probe.vector, len(s))
    hand.drop()


# -- misuse ----------------------------------------------------------------------------------------


def test_a_limit_that_lets_nothing_run_is_refused() -> None:
    """Zero, negative, a bool, a float."""
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            FutureSet(limit=wrong)
    for odd in (True, 1.5, "2"):
        with pytest.raises(TypeError, match="must be an int"):
            FutureSet(limit=odd)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grace"):
        FutureSet(grace=-1)


def test_what_is_no_awaitable_is_refused() -> None:
    """With the message that every combinator has."""
    hand, [s] = opened()
    with pytest.raises(TypeError, match="expected an awaitable"):
        s.add(3)  # type: ignore[call-overload]
    hand.drop()


def test_outside_of_the_block_everything_is_refused() -> None:
    """Before it, and after it; what is added is dropped; what can be read can be read."""

    async def main() -> Any:
        s = FutureSet[Any, Any]()
        found: list[str] = []
        for when in ("before its block", "after its block was left"):
            probe = Probe()
            for call in (lambda p=probe: s.add(p), s.next_nowait, s.cancel_all):
                with pytest.raises(UsageError, match=when):
                    call()
            with pytest.raises(UsageError, match=when):
                s.cancel(0)
            with pytest.raises(UsageError, match="outside of its block"):
                await s.next()
            with pytest.raises(UsageError, match="outside of its block"):
                await s.__anext__()
            found.append(f"{probe.vector} {len(s)} {s.keys()}")
            if when.startswith("before"):
                async with s:
                    pass
        with pytest.raises(UsageError, match="already entered"):
            await s.__aenter__()
        return found

    assert Completed(["(0, 0, 1) 0 ()"] * 2) == Hand(main()).poll()


def test_entering_twice_is_refused() -> None:
    """The block that is open goes on."""

    async def body(s: FutureSet[Any, Any]) -> Any:
        with pytest.raises(UsageError, match="already entered"):
            async with s:
                pass
        s.add(ready(1))
        return await s.next()

    hand, _ = opened(body=body)
    assert Completed((0, Completed(1))) == hand.poll()


def test_a_member_that_awaits_its_own_set_is_told() -> None:
    """It would wait for itself: an error instead of a hang, also from further inside (W2)."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:

            async def direct() -> Any:
                return await s.next()

            async def nested() -> Any:
                return await race(timeout(s.__anext__(), 5), never())

            s.add(direct())
            s.add(nested())
            return [(key, str(getattr(o, "exception", o))[:50]) async for key, o in s]

    ended = virtual(main)
    assert isinstance(ended.outcome, Completed)
    assert [
        (0, "next() of a FutureSet was awaited by child 0 <coro"),
        (1, "iterating of a FutureSet was awaited by child 1 <c"),
    ] == ended.outcome.value


def test_two_cannot_fetch_at_once() -> None:
    """The second is told; the first is not disturbed. One after the other is fine (W1)."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(sleep(1))
            first = rescind.spawn(s.next())
            await sleep(0)
            with pytest.raises(UsageError, match="while somebody else awaits the same"):
                await s.next()
            return await first, await s.next()

    assert Ended(Completed(((0, Completed(None)), None)), 1.0) == virtual(main)


def test_a_fetch_of_another_task_ends_with_the_block() -> None:
    """A task that still waits when the block is left is told so, and does not hang."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(never())
            other = rescind.spawn(s.next())
            await sleep(1)
        outcome = await other.join()
        assert isinstance(outcome, Error)
        return str(outcome.exception)

    ended = virtual(main)
    assert isinstance(ended.outcome, Completed)
    assert "outside of its block" in ended.outcome.value


def test_another_runtime_cannot_fetch() -> None:
    """It would be woken by what runs elsewhere."""
    hand, [s] = opened(never())
    outcome = virtual(s.next).outcome
    assert isinstance(outcome, Error)
    assert "was awaited in another runtime" in str(outcome.exception)
    hand.drop()


def test_without_a_runtime_it_cannot_be_entered() -> None:
    """Driven by hand, with neither a runtime nor a loop, there is nobody to poll."""
    with pytest.raises(UsageError, match="no runtime and no asyncio loop"):
        FutureSet[Any, Any]().__aenter__().send(None)


# -- fetching --------------------------------------------------------------------------------------


def test_outcomes_come_in_the_order_of_ends() -> None:
    """Values, errors and cancellations alike; iterating ends when the set is empty."""
    boom = ValueError("boom")

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(Ledger().work("a", 3, "a"), "a")
            s.add(Ledger().work("b", 1, boom), "b")
            s.add(never(), "c")
            seen: list[Any] = []
            async for key, outcome in s:
                seen.append((key, type(outcome).__name__, rescind.now()))
                if key == "b":
                    s.cancel("c")
            return seen, await s.next()

    expected = [("b", "Error", 1.0), ("c", "Canceled", 1.0), ("a", "Completed", 3.0)]
    assert Ended(Completed((expected, None)), 3.0) == virtual(main)


def test_more_may_be_added_while_iterating_and_after_it() -> None:
    """From the loop's body, and from a member; iterating may be begun anew."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:

            async def parent(n: int) -> int:
                await sleep(1)
                if n:
                    s.add(parent(n - 1))
                return n

            s.add(parent(2))
            seen: list[Any] = []
            async for key, outcome in s:
                seen.append((key, outcome.unwrap()))
                if key == 1:
                    s.add(ready("from the body"), "x")
            s.add(ready("again"))
            return seen, [item async for item in s]

    assert (
        Completed(
            (
                [(0, 2), (1, 1), ("x", "from the body"), (2, 0)],
                [(3, Completed("again"))],
            )
        )
        == virtual(main).outcome
    )


def test_next_nowait_never_waits() -> None:
    """`WouldBlock` if all are under way; None if the set is empty; the first end otherwise."""
    probe = Probe()
    hand, [s] = opened()
    found: list[Any] = [s.next_nowait()]
    s.add(probe)
    with pytest.raises(WouldBlock, match="none of the 1 futures"):
        s.next_nowait()
    hand.poll()
    probe.give(1)
    hand.poll()
    found += [s.next_nowait(), s.next_nowait()]
    assert [None, (0, Completed(1)), None] == found
    hand.drop()


def test_a_fetch_that_is_dropped_takes_nothing() -> None:
    """A canceled, timed out or beaten `next` leaves every outcome in the set (R7, W1)."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(sleep(2))
            with pytest.raises(TimedOut):
                await timeout(s.next(), 1)
            lost = await race(ready("won"), s.next(), biased=True)
            both = await race(sleep(1), s.next(), biased=True)  # both are ready at 2
            return lost, both, await s.next()

    assert Ended(Completed(("won", None, (0, Completed(None)))), 2.0) == virtual(main)


def test_a_fetch_can_be_polled_only_to_its_end() -> None:
    """As every future (R1)."""
    hand, [s] = opened(ready(1))
    hand.poll()
    fetch = Hand(s.next())
    assert fetch.poll() == Completed((0, Completed(1)))
    assert isinstance(fetch.poll(), Error)
    hand.drop()


# -- canceling -------------------------------------------------------------------------------------


def test_cancel_says_whether_it_asked() -> None:
    """False for a key that is not there, and for one that has ended (P13)."""
    (a, b), _ = probes("A", "b")
    hand, [s] = opened(a, b)
    hand.poll()
    b.give(1)
    hand.poll()
    asked = [s.cancel(0, "first"), s.cancel(0, "second"), s.cancel(1), s.cancel("nobody")]
    hand.poll()
    a.clean()
    hand.poll()
    hand.poll()
    s.next_nowait()
    _, outcome = s.next_nowait() or (None, None)
    assert isinstance(outcome, Canceled)
    assert ([True, True, False, False], "first", CancelKind.EXPLICIT) == (
        asked,
        outcome.reason.message,
        outcome.reason.kind,
    )
    hand.drop()


def test_cancel_all_leaves_the_set_open() -> None:
    """Those that wait for the limit are asked too; then it can be used as before."""
    (a, b, c), log = probes("a", "b", "c")
    hand, [s] = opened(a, b, c, limit=1)
    hand.poll()
    count = s.cancel_all("all of you")
    hand.poll()
    outcomes = [s.next_nowait() for _ in range(3)]
    s.add(ready("next"))
    hand.poll()
    assert (3, [0, 1, 2]) == (count, [item and item[0] for item in outcomes])
    assert (["a.poll", "a.cancel", "b.cancel", "c.cancel"], 0) == (log, s.cancel_all())
    assert (3, Completed("next")) == s.next_nowait()
    hand.drop()


def test_marked_before_one_is_stepped() -> None:
    """When the first cleanup runs, every other member reads canceled already (R13, P53)."""
    seen: list[Any] = []

    async def main() -> None:
        async with FutureSet[Any, Any]() as s:

            async def member() -> None:
                try:
                    await never()
                finally:
                    states = [m.request is not None for m in s._members.by_key.values()]
                    seen.append(states)

            for _ in range(3):
                s.add(member())
            await sleep(1)

    virtual(main)
    assert [True, True, True] == seen[0]


# -- leaving the block -----------------------------------------------------------------------------


def test_leaving_drains_every_member() -> None:
    """Canceled with kind GROUP_EXIT, each cleaned up, concurrently, before the block is over."""
    (a, b, c), log = probes("a", "B", "C")

    async def main() -> str:
        async with FutureSet[Any, Any]() as s:
            for probe in (a, b, c):
                s.add(probe)
            await rescind.poll_fn(once())
        log.append("left")
        return "value"

    hand = Hand(main())
    answers = [hand.poll() for _ in range(3)]
    c.clean()
    answers.append(hand.poll())
    b.clean()
    assert [PENDING] * 4 + [Completed("value")] == [*answers, hand.poll()]
    expected = ["a.cancel", "B.cancel", "C.cancel", "C.cancel", "B.cancel", "left"]
    assert expected == cancels(log)
    reason = b.reasons[0]
    assert (CancelKind.GROUP_EXIT, "the block of the FutureSet was left", None) == (
        reason.kind,
        reason.message,
        reason.cause,
    )


def once() -> Callable[[Any], Any]:
    """Return a poll that parks once."""
    parked: list[bool] = []

    def poll(cx: Any) -> Any:
        if parked:
            return None
        parked.append(True)
        cx.waker.wake()
        return PENDING

    return poll


@pytest.mark.parametrize("way", ["end", "return", "break", "raise", "cancel"])
def test_every_way_out_drains(way: str) -> None:
    """Falling off the end, return, break, an exception, a cancellation: all wait for cleanups."""
    ledger = Ledger()

    async def main() -> Any:
        for _ in range(1):
            async with FutureSet[Any, Any]() as s:
                s.add(ledger.work("a", 100, cleanup=2))
                s.add(ledger.work("b", 100, cleanup=3))
                await sleep(1)
                if way == "return":
                    return "returned"
                if way == "break":
                    break
                if way == "raise":
                    raise ValueError(way)
                if way == "cancel":
                    await never()
        return "after"

    ended = virtual(main, cancel_at=1 if way == "cancel" else None)
    assert (4.0, [], ["+a", "+b", "-a", "-b"]) == (ended.at, ledger.open, ledger.events)


def test_the_reason_to_leave_tells_what_caused_it() -> None:
    """If the body was canceled, that is the cause of the members' cancellation (R14)."""
    probe = Probe()

    async def main() -> None:
        async with FutureSet[Any, Any]() as s:
            s.add(probe)
            await never()

    virtual(main, cancel_at=1)
    chain = probe.reasons[0].chain()
    assert [CancelKind.GROUP_EXIT, CancelKind.EXPLICIT] == [link.kind for link in chain]
    assert "test_future_set.py" in str(chain[0].where)


def test_what_is_added_while_leaving_never_runs() -> None:
    """A member's cleanup may add: that is canceled before its first poll, as in a group (R26)."""
    log: list[str] = []

    async def late() -> None:
        log.append("late runs")

    async def main() -> str:
        async with FutureSet[Any, Any]() as s:

            async def member() -> None:
                try:
                    await never()
                finally:
                    log.append(f"added {s.add(late())}")

            s.add(member())
            await sleep(1)
        return "left"

    assert (Completed("left"), ["added 1"]) == (virtual(main).outcome, log)


def test_dropping_the_block_drops_every_member_at_once() -> None:
    """Nothing can be awaited under GeneratorExit: members are dropped, in the order of adding."""
    (a, b), log = probes("a", "B")
    hand, [s] = opened(a, b)
    hand.poll()
    log.clear()
    hand.drop()
    assert (["a.drop", "B.drop"], 0) == (log, len(s))


def test_dropping_while_leaving_drops_those_that_still_clean_up() -> None:
    """The parent's grace may end during the drain: the rest of the cleanups is cut short (R10)."""
    ledger = Ledger()

    async def main() -> None:
        async with FutureSet[Any, Any]() as s:
            s.add(ledger.work("quick", 100, cleanup=1))
            s.add(ledger.work("slow", 100, cleanup=100))
            await never()

    logging.getLogger("rescind").setLevel(logging.CRITICAL)
    try:
        ended = virtual(main, cancel_at=1, cancel_grace=5)
    finally:
        logging.getLogger("rescind").setLevel(logging.NOTSET)
    assert isinstance(ended.outcome, Canceled)
    assert (6.0, ["+quick", "+slow", "-quick", "-slow"]) == (ended.at, ledger.events)


def test_closing_an_async_generator_drains_the_block_inside() -> None:
    """Its ``aclose`` may await, unlike a coroutine's ``close``: cleanups are not cut short."""
    ledger = Ledger()

    async def pages() -> AsyncIterator[Any]:
        async with FutureSet[Any, Any]() as s:
            s.add(ledger.work("a", 1, "a"))
            s.add(ledger.work("b", 100, cleanup=2))
            async for _, outcome in s:
                yield outcome.unwrap()

    async def main() -> Any:
        async with contextlib.aclosing(pages()) as found:
            page = await anext(found)
        return page, rescind.now(), len(ledger.open)

    assert Completed(("a", 3.0, 0)) == virtual(main).outcome


def test_errors_while_dropping_are_raised_once_all_are_dropped() -> None:
    """Every member is dropped even if one raises, and what it raised is not lost (B4, R15)."""
    boom = ValueError("boom")
    (a, b), log = probes("a", "b", drop_error=boom)
    hand, _ = opened(a, b)
    hand.poll()
    log.clear()
    with pytest.raises(BaseExceptionGroup, match="while a future was dropped"):
        hand.drop()
    assert ["a.drop", "b.drop"] == log


def test_grace_of_the_set_bounds_its_members() -> None:
    """``grace=`` is that of a canceled member, on leaving too; 0 drops at once (R10)."""
    (a,), log = probes("A")

    async def main() -> Any:
        async with FutureSet[Any, Any](grace=0) as s:
            s.add(a)
            await sleep(1)
        return rescind.now()

    assert (Completed(1.0), ["A.poll", "A.drop"]) == (virtual(main).outcome, log)


def test_a_second_cancellation_does_not_cut_the_drain_short() -> None:
    """Canceled while it leaves, the coroutine drains first, and is canceled then (R8)."""
    ledger = Ledger()

    async def main() -> str:
        async with FutureSet[Any, Any]() as s:
            s.add(ledger.work("a", 100, cleanup=5))
            await sleep(1)
        return "not reached"

    ended = virtual(main, cancel_at=2)
    assert isinstance(ended.outcome, Canceled)
    assert (6.0, ["+a", "-a"]) == (ended.at, ledger.events)


# -- what nobody fetched ---------------------------------------------------------------------------


def test_values_that_nobody_fetched_are_handed_back() -> None:
    """Once each, on leaving, in the order of ends; also one that came in spite of its cancel."""
    back: list[Any] = []

    async def stubborn() -> str:
        try:
            await never()
        except rescind.Cancellation:
            pass
        return "after all"

    async def main() -> Any:
        async with FutureSet[Any, Any](on_undelivered=back.append) as s:
            s.add(stubborn())
            s.add(ready("a"))
            s.add(ready("b"))
            return await s.next()

    assert (Completed((1, Completed("a"))), ["b", "after all"]) == (virtual(main).outcome, back)


def test_failures_that_nobody_fetched_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Each once, cleanup errors too; those that were fetched are the fetcher's."""

    async def fails(name: str, *, late: bool = False) -> None:
        try:
            if late:
                await never()
        finally:
            raise ValueError(name)

    async def main() -> None:
        async with FutureSet[Any, Any]() as s:
            s.add(fails("fetched"), "f")
            s.add(fails("early"), "e")
            s.add(fails("cleanup", late=True), "c")
            await s.next()

    with caplog.at_level(logging.ERROR, "rescind"):
        virtual(main)
    assert [("e", "early"), ("c", "cleanup")] == [
        (record.args[0], str(record.exc_info[1]))  # type: ignore[index]
        for record in caplog.records
    ]


def test_on_undelivered_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The others have their turn, and the block is left as if nothing had been."""
    back: list[Any] = []

    def receive(value: Any) -> None:
        back.append(value)
        raise ValueError(value)

    async def main() -> str:
        async with FutureSet[Any, Any](on_undelivered=receive) as s:
            s.add(ready(1))
            s.add(ready(2))
            await sleep(0)
            await sleep(0)
        return "left"

    with caplog.at_level(logging.ERROR, "rescind"):
        assert Completed("left") == virtual(main).outcome
    assert ([1, 2], 2) == (back, len(caplog.records))


def test_a_coroutine_that_ends_inside_the_block_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """A block that was entered by hand and not left: dropped, with an error that tells how."""
    probe = Probe()
    kept: list[Any] = []

    async def main() -> str:
        s = FutureSet[Any, Any]()
        kept.append(s)
        await s.__aenter__()
        s.add(probe)
        return "value"

    with caplog.at_level(logging.ERROR, "rescind"):
        assert Completed("value") == Hand(main()).poll()
    assert ((0, 0, 1), 1) == (probe.vector, len(caplog.records))
    assert "close async generators" in caplog.text
    with pytest.raises(UsageError, match="after its block was left"):
        kept[0].add(never())


def test_an_interrupt_from_a_member_ends_everything(caplog: pytest.LogCaptureFixture) -> None:
    """A KeyboardInterrupt passes through at once; the other members are dropped, none is logged."""
    (a, b), log = probes("a", "b")
    hand, _ = opened(a, b)
    hand.poll()
    log.clear()
    a.end(Error(KeyboardInterrupt()))
    with caplog.at_level(logging.ERROR, "rescind"), pytest.raises(KeyboardInterrupt):
        hand.poll()
    assert (["a.poll", "b.drop"], []) == (log[:1] + log[-1:], caplog.records)


# -- canceled at every park ------------------------------------------------------------------------


async def crawl(ledger: Ledger) -> Any:
    """Run a representative program: a limit, handlers that await, a member that adds, a drain."""
    seen: list[Any] = []
    async with FutureSet[Any, Any](limit=2) as s:

        async def page(name: str, *links: str) -> str:
            with ledger.entry(name):
                try:
                    await sleep(1)
                finally:
                    await sleep(0.25)
            for link in links:
                s.add(page(link), link)
            return name

        s.add(page("root", "a", "b"), "root")
        s.add(ledger.work("slow", 50, cleanup=1), "slow")
        async for key, outcome in s:
            with ledger.entry("handler"):
                await sleep(0.5)
            seen.append((key, type(outcome).__name__))
            if len(seen) == 3:
                break
    return seen


def test_canceled_at_every_park_nothing_is_left() -> None:
    """All that was begun has ended, at whichever park the cancellation comes (P45, P52)."""
    found = sweep(crawl)
    ways = kinds(found)
    assert (True, "Canceled", True) == (len(ways) > 10, ways[0], ways.count("Canceled") > 10)


def test_canceled_at_every_park_no_outcome_is_lost() -> None:
    """R7: each value is either fetched or handed back, once, wherever `next` is canceled."""
    books: list[tuple[list[Any], list[Any], list[Any]]] = []

    async def program(ledger: Ledger) -> Any:
        made: list[Any] = []
        got: list[Any] = []
        back: list[Any] = []
        books.append((made, got, back))

        async def make(n: int) -> int:
            await sleep(n)
            made.append(n)
            return n

        async with FutureSet[Any, Any](on_undelivered=back.append) as s:
            for n in (1, 1, 2, 3):
                s.add(make(n))
            while True:
                item = await s.next()
                if item is None:
                    return got
                got.append(item[1].unwrap())
                await sleep(0.5)

    found = sweep(program)
    assert len(found) > 8
    for made, got, back in books:
        assert sorted(made) == sorted([*got, *back])


# -- where it may be opened ------------------------------------------------------------------------


async def three(s: FutureSet[Any, Any], ledger: Ledger) -> list[Any]:
    """Run three and fetch them."""
    for n in (3, 1, 2):
        s.add(ledger.work(str(n), n, n), n)
    return [key async for key, _ in s]


def test_nested_in_everything() -> None:
    """In a child, in another set, in a shield, under a deadline, in a timeout."""
    ledger = Ledger()

    async def inner() -> list[Any]:
        async with FutureSet[Any, Any]() as s:
            return await three(s, ledger)

    async def main() -> Any:
        async with FutureSet[Any, Any]() as outer, rescind.deadline(60):
            outer.add(inner(), "inner")
            shielded = await shield(inner())
            raced = await timeout(race(inner(), never()), 30)
            async with FutureSet[Any, Any]() as second:
                both = await three(second, ledger)
            return shielded, raced, both, (await outer.next())

    expected = [1, 2, 3]
    ended = virtual(main)
    assert (
        Completed((expected, expected, expected, ("inner", Completed(expected)))) == ended.outcome
    )
    assert (9.0, []) == (ended.at, ledger.open)


def test_in_the_cleanup_of_a_canceled_task() -> None:
    """R9: opened in a ``finally``, it works as in a fresh task (P41)."""
    ledger = Ledger()
    seen: list[Any] = []

    async def main() -> None:
        try:
            await never()
        finally:
            async with FutureSet[Any, Any]() as s:
                seen.extend(await three(s, ledger))

    ended = virtual(main, cancel_at=1)
    assert isinstance(ended.outcome, Canceled)
    assert ([1, 2, 3], 4.0) == (seen, ended.at)


def test_a_deadline_around_the_block_drains_it() -> None:
    """Inside it is a cancellation, at its boundary TimedOut; the cleanup is waited for (R21)."""
    ledger = Ledger()

    async def main() -> Any:
        try:
            async with rescind.deadline(5):
                async with FutureSet[Any, Any]() as s:
                    s.add(ledger.work("a", 100, cleanup=2))
                    await s.next()
        except TimedOut:
            return rescind.now(), len(ledger.open)

    assert Completed((7.0, 0)) == virtual(main).outcome


def test_a_deadline_inside_the_block_concerns_the_body_alone() -> None:
    """The members go on: the deadline is the body's (C5)."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(Ledger().work("a", 3, "a"))
            with pytest.raises(TimedOut):
                async with rescind.deadline(1):
                    await s.next()
            return await s.next(), rescind.now()

    assert Completed(((0, Completed("a")), 3.0)) == virtual(main).outcome


def test_what_members_wait_for_is_told() -> None:
    """In the message of a hang, whether the body awaits the set or something else."""

    async def main(*, fetch: bool) -> None:
        async with FutureSet[Any, Any]() as s:
            s.add(sleep(1), "ends")
            s.add(Ledger().work("hangs", float("inf")), "key")
            await (fetched(s) if fetch else never())

    for fetch in (True, False):
        with pytest.raises(rescind.Deadlock) as caught:
            run_virtual(main(fetch=fetch))
        words = " ".join(str(caught.value).split())
        assert "child 'key': Ledger.work sleep(inf) at" in words
        assert ("'ends'" in words, "next() of" in words or "iterating" in words) == (False, fetch)


# -- size ------------------------------------------------------------------------------------------


def test_many_members_cost_their_own_polls_only() -> None:
    """R18, B1: a hundred thousand: each is polled once to begin, once when woken, no more."""
    many = 100_000
    polls = [0]
    wakers: list[Any] = []

    def poll(cx: Any) -> Any:
        polls[0] += 1
        if len(wakers) < many:
            wakers.append(cx.waker)
            return PENDING
        return None

    async def body(s: FutureSet[Any, Any]) -> int:
        for _ in range(many):
            s.add(rescind.poll_fn(poll))
        count = 0
        async for _ in s:
            count += 1
        return count

    hand, [s] = opened(body=body)
    hand.poll()
    begun = polls[0]
    for index in range(0, many, 1000):
        wakers[index].wake()
    hand.poll()
    woken = polls[0] - begun
    for waker in wakers:
        waker.wake()
    assert Completed(many) == hand.poll()
    assert (many, 100, 2 * many) == (begun, woken, polls[0])
    assert (1 + 1 + 100 // 100, 0) == (hand.wakes, len(s))


def test_a_set_used_for_long_does_not_grow() -> None:
    """What was fetched leaves no trace: a hundred thousand pass through, none is kept (M3)."""

    async def main() -> Any:
        refs: list[weakref.ref[Any]] = []
        async with FutureSet[int, int](limit=10) as s:
            for n in range(10):
                s.add(ready(n))
            async for key, _ in s:
                if key < 100_000:
                    fut = ready(key)
                    s.add(fut)
                if key % 20_000 == 0:
                    members = s._members
                    sizes = (len(members.by_key), len(members.ended), len(members._ready))
                    refs.append(weakref.ref(next(iter(members.by_key.values()))))
                    assert max(sizes) <= 10
            assert s.statistics().fetched == s.statistics().added
            return [ref() for ref in refs], len(s)

    assert Completed(([None] * 6, 0)) == virtual(main).outcome


def test_no_cycle_is_left_behind() -> None:
    """After the block, reference counts alone free members, their futures and the set."""
    gc.collect()
    gc.disable()
    try:
        refs: list[weakref.ref[Any]] = []

        async def work(n: int) -> int:
            await sleep(n)
            if n == 2:
                raise ValueError(n)
            return n

        async def main() -> None:
            async with FutureSet[Any, Any](limit=2) as s:
                for n in (1, 2, 3, 100):
                    s.add(work(n))
                refs.append(weakref.ref(s))
                refs.extend(weakref.ref(m) for m in s._members.by_key.values())
                async for key, outcome in s:
                    del outcome
                    if key == 2:
                        break

        virtual(main)
        assert [None] * 5 == [ref() for ref in refs]
    finally:
        gc.enable()
