"""`join` and `outcomes`: all children; failing fast, or never."""

from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancelReason,
    Completed,
    Error,
    TaskCanceled,
    join,
    never,
    outcomes,
    ready,
    sleep,
    spawn,
)
from rescind.lowlevel import PENDING
from tests.combinators.kit import (
    BY_HAND,
    Ended,
    Hand,
    Ledger,
    Probe,
    by_hand,
    cancels,
    fails_though_canceled,
    kinds,
    sweep,
    virtual,
)


def joining(*names: str, parent: Any = join) -> tuple[Hand, list[Probe], list[str]]:
    """Return a join of probes that has been polled once, with an emptied log."""
    log: list[str] = []
    probes = [Probe(name, log, cleanup=name.isupper()) for name in names]
    hand = Hand(parent(*probes))
    assert hand.poll() is PENDING
    log.clear()
    return hand, probes, log


# -- join by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", [join, outcomes])
def test_none_at_all_is_the_empty_tuple(parent: Any) -> None:
    """No children: () at the first poll."""
    assert Completed(()) == Hand(parent()).poll()


def test_values_are_in_argument_order_whatever_the_order_of_ends() -> None:
    """Ended as c, a, b; given as (a, b, c) (P48)."""
    hand, probes, _ = joining("a", "b", "c")
    answers = []
    for index in (2, 0, 1):
        probes[index].give(index)
        answers.append(hand.poll())
    assert [PENDING, PENDING, Completed((0, 1, 2))] == answers
    assert [(2, 0, 0)] * 3 == [probe.vector for probe in probes]


def test_all_ready_ends_at_the_first_poll() -> None:
    """Children that never park cost one poll."""
    assert Completed((1, 2)) == Hand(join(ready(1), ready(2))).poll()


def test_first_failure_cancels_and_drains_the_siblings() -> None:
    """A failing child: the others are canceled, and the exception waits for their cleanup (R20)."""
    hand, (a, b, c), log = joining("a", "B", "C")
    boom = KeyError("boom")
    a.end(Error(boom))
    answers = [hand.poll(), hand.poll()]
    b.clean()
    answers.append(hand.poll())
    c.clean()
    answers.append(hand.poll())
    assert [PENDING, PENDING, PENDING, Error(boom)] == answers
    assert ["B.cancel", "C.cancel", "B.cancel", "C.cancel"] == cancels(log)
    reason = CancelReason(CancelKind.SIBLING_FAILED, "child 0 failed: KeyError('boom')")
    assert [reason, reason] == [b.reasons[0], c.reasons[0]]


def test_completed_siblings_are_not_canceled() -> None:
    """A child that has its value already is left alone when another fails."""
    hand, (a, b), _ = joining("a", "b")
    a.give(1)
    hand.poll()
    b.end(Error(KeyError("b")))
    hand.poll()
    assert [(2, 0, 0), (2, 0, 0)] == [a.vector, b.vector]


def test_other_failures_are_in_the_notes_of_the_first() -> None:
    """Failures of siblings' cleanups are in the first exception's notes and in also (R15, R20)."""
    first, second, third = KeyError("first"), ValueError("second"), OSError("third")
    hand, (a, b, c), _ = joining("a", "B", "C")
    a.end(Error(first))
    hand.poll()
    hand.poll()
    c.clean(Canceled(BY_HAND, (third,)))
    b.clean(Error(second))
    assert Error(first, (second, third)) == hand.poll()
    assert [
        "join: another child failed too: ValueError('second')",
        "join: another child failed too: OSError('third')",
    ] == first.__notes__


@pytest.mark.parametrize("order", ["error first", "canceled first"])
def test_error_outranks_canceled_whatever_the_order(order: str) -> None:
    """One child canceled by somebody else, one failed: the failure is raised (P48)."""
    boom = KeyError("boom")
    foreign = Cancellation(CancelReason(CancelKind.EXPLICIT, "not by us"))
    hand, (a, b), _ = joining("A", "B")
    if order == "error first":
        a.end(Error(boom))
        hand.poll()
        hand.poll()
        b.clean(Canceled(BY_HAND))
    else:
        a.end(Error(foreign))
        hand.poll()
        hand.poll()
        b.clean(Error(boom))
    answer = hand.poll()
    assert (Error, boom) == (type(answer), getattr(answer, "exception", None))


def test_child_canceled_by_somebody_else_raises_task_canceled() -> None:
    """Nobody raised, one was canceled by itself: TaskCanceled, siblings drained (R17)."""
    reason = CancelReason(CancelKind.EXPLICIT, "not by us")
    hand, (a, b), _ = joining("a", "b")
    a.end(Error(Cancellation(reason)))
    hand.poll()
    answer = hand.poll()
    assert isinstance(answer, Error)
    assert (TaskCanceled, reason) == (type(answer.exception), answer.exception.reason)  # type: ignore[attr-defined]
    assert [CancelReason(CancelKind.SIBLING_FAILED, "child 0 failed: it was canceled")] == b.reasons


def test_parents_cancel_during_the_drain_keeps_the_failure_and_what_else_failed() -> None:
    """Canceled while siblings are drained: the failure is delivered with its also (R7, R15)."""
    hand, probes, _ = joining("a", "B")
    fails_though_canceled(hand, *probes)


def test_all_values_despite_the_parents_cancel_are_delivered() -> None:
    """Every child completes although asked to cancel: the tuple is delivered (R7)."""
    hand, (a, b), _ = joining("A", "B")
    request = by_hand()
    hand.cancel(request)
    a.clean(Completed(1))
    b.clean(Completed(2))
    assert Completed((1, 2)) == hand.cancel(request)


def test_one_value_missing_under_the_parents_cancel_is_canceled() -> None:
    """One child completed, one was canceled: the join is Canceled, as documented."""
    hand, (a, _b), _ = joining("a", "b")
    a.give(1)
    hand.poll()
    assert Canceled(BY_HAND) == hand.cancel()


# -- outcomes by hand ------------------------------------------------------------------------------


def test_outcomes_of_every_kind_in_argument_order() -> None:
    """A value, a failure, a cancellation by somebody else: all three, nobody is canceled (R20)."""
    boom, reason = KeyError("boom"), CancelReason(CancelKind.EXPLICIT, "not by us")
    hand, (a, b, c), _ = joining("a", "b", "c", parent=outcomes)
    c.end(Error(Cancellation(reason)))
    b.end(Error(boom))
    answers = [hand.poll()]
    a.give(1)
    answers.append(hand.poll())
    assert [PENDING, Completed((Completed(1), Error(boom), Canceled(reason)))] == answers
    assert [(2, 0, 0)] * 3 == [a.vector, b.vector, c.vector]


def test_outcomes_that_all_ended_by_themselves_survive_the_cancel() -> None:
    """All children ended in spite of the request: the outcomes are delivered (R7)."""
    boom = KeyError("boom")
    hand, (a, b), _ = joining("a", "B", parent=outcomes)
    a.give(1)
    hand.poll()
    request = by_hand()
    hand.cancel(request)
    b.clean(Error(boom))
    assert Completed((Completed(1), Error(boom))) == hand.cancel(request)


# -- virtual time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", [join, outcomes])
def test_ends_at_the_latest(parent: Any) -> None:
    """Both of 2 s and 5 s end at 5 (P60)."""
    assert 5.0 == virtual(lambda: parent(sleep(2), sleep(5))).at


def test_failure_is_raised_when_the_siblings_cleanup_is_done() -> None:
    """Fails at 1, siblings clean up 2 s and 3 s at the same time: raised at 4 (R20)."""
    ledger = Ledger()
    boom = KeyError("boom")
    ended = virtual(
        lambda: join(
            ledger.work("a", 1, boom),
            ledger.work("b", 9, cleanup=2),
            ledger.work("c", 9, cleanup=3),
        )
    )
    assert Ended(Error(boom), 4.0) == ended
    assert ["+a", "+b", "+c", "-a", "-b", "-c"] == ledger.events


def test_children_end_before_the_parents_own_cleanup() -> None:
    """On cancel both children end, then the parent's finally runs: inside out (R8, P37)."""
    ledger = Ledger()

    async def main() -> None:
        with ledger.entry("parent"):
            await join(ledger.work("a", 9, cleanup=1), ledger.work("b", 9, cleanup=2))

    ended = virtual(main, cancel_at=1)
    assert (3.0, ["+parent", "+a", "+b", "-a", "-b", "-parent"]) == (ended.at, ledger.events)


def test_joined_task_goes_on_when_a_sibling_fails() -> None:
    """A task as a child is only left, not canceled, when the join fails (R17)."""

    async def main() -> Any:
        task = spawn(Ledger().work("task", 5, "kept"))
        with pytest.raises(KeyError):
            await join(task, Ledger().work("b", 1, KeyError("b")))
        return await task

    assert Ended(Completed("kept"), 5.0) == virtual(main)


def test_nested_joins_mark_and_drain_the_whole_tree() -> None:
    """Canceled above a tree of joins: every leaf is canceled at once, and drained (P45, P54)."""
    ledger = Ledger()

    async def branch(name: str) -> None:
        with ledger.entry(name):
            await join(ledger.work(f"{name}1", 9, cleanup=1), ledger.work(f"{name}2", 9, cleanup=2))

    ended = virtual(lambda: join(branch("a"), branch("b")), cancel_at=1)
    assert (3.0, Canceled) == (ended.at, type(ended.outcome))
    assert [
        *["+a", "+a1", "+a2", "+b", "+b1", "+b2"],
        *["-a1", "-b1", "-a2", "-a", "-b2", "-b"],
    ] == ledger.events


def test_budget_of_the_parent_is_shared_by_the_children() -> None:
    """A child that never parks by itself parks when the step's budget is spent (R23)."""
    log: list[str] = []

    async def hot() -> None:
        for _ in range(300):
            await ready(None)
        log.append("hot")

    async def main() -> None:
        await join(hot(), never())

    ended = virtual(main, cancel_at=1)
    assert (1.0, ["hot"]) == (ended.at, log)


# -- canceled at every park ------------------------------------------------------------------------


def test_join_canceled_at_every_park_leaves_nothing() -> None:
    """Waiting for both, then for one; at the last wake-up both values are there (R7)."""

    async def main(ledger: Ledger) -> Any:
        return await join(ledger.work("a", 1, 1, cleanup=1), ledger.work("b", 3, 2))

    assert [
        *["Canceled", "Canceled", "Canceled"],
        *["Canceled", "Canceled", "Completed((1, 2))"],
    ] == kinds(sweep(main))


def test_failing_join_canceled_at_every_park_leaves_nothing() -> None:
    """From the failure on, the failure is what comes out."""
    boom = KeyError("boom")

    async def main(ledger: Ledger) -> Any:
        return await join(ledger.work("a", 1, boom), ledger.work("b", 9, cleanup=2))

    found = sweep(main)
    assert ["Canceled", "Error", "Error", "Error", "Error", "Error"] == kinds(found)


def test_outcomes_canceled_at_every_park_leaves_nothing() -> None:
    """Only at the last wake-up are all outcomes there; then they are delivered (R7)."""

    async def main(ledger: Ledger) -> Any:
        return await outcomes(ledger.work("a", 1, "a"), ledger.work("b", 2, "b"))

    assert [
        *["Canceled", "Canceled"],
        *["Canceled", "Completed((Completed(value='a'), Completed(value='b')))"],
    ] == kinds(sweep(main))
