"""`race_ok`: the first success, or all failures."""

import logging

import pytest

import rescind
from rescind import (
    CancelKind,
    Cancellation,
    CancelReason,
    Completed,
    Error,
    TaskCanceled,
    race_ok,
    ready,
)
from rescind.lowlevel import PENDING
from rescind.testing import run_virtual
from tests.combinators.kit import (
    BY_HAND,
    Ended,
    Hand,
    Ledger,
    Probe,
    by_hand,
    kinds,
    sweep,
    virtual,
)


def racing(*names: str) -> tuple[Hand, list[Probe]]:
    """Return a race of probes that has been polled once."""
    probes = [Probe(name, cleanup=name.isupper()) for name in names]
    hand = Hand(race_ok(*probes))
    assert hand.poll() is PENDING
    return hand, probes


def test_failures_do_not_win() -> None:
    """A child that fails leaves the others running; the first success wins (R20)."""
    hand, (a, b, c) = racing("a", "b", "c")
    a.end(Error(KeyError("a")))
    answers = [hand.poll()]
    c.give("c")
    answers += [hand.poll(), hand.poll()]
    assert [PENDING, PENDING, Completed("c")] == answers
    assert [(2, 0, 0), (1, 0), (2, 0, 0)] == [a.vector, b.vector[1:], c.vector]


def test_success_is_held_until_the_losers_are_drained() -> None:
    """As in a race, the winner waits for the losers' cleanup (R19)."""
    hand, (a, b) = racing("a", "B")
    a.give(1)
    answers = [hand.poll(), hand.poll()]
    b.clean()
    answers.append(hand.poll())
    assert [PENDING, PENDING, Completed(1)] == answers
    assert [CancelReason(CancelKind.RACE_LOST, "lost to child 0")] * 2 == b.reasons


def test_all_failures_are_raised_in_argument_order() -> None:
    """With no success, an ExceptionGroup of all failures, in argument order (R20)."""
    errors = [KeyError("a"), ValueError("b"), OSError("c")]
    hand, probes = racing("a", "b", "c")
    for index in (2, 0, 1):
        probes[index].end(Error(errors[index]))
    answer = hand.poll()
    assert isinstance(answer, Error)
    assert isinstance(answer.exception, ExceptionGroup)
    assert ("none of the 3 raced futures succeeded", tuple(errors)) == (
        answer.exception.message,
        answer.exception.exceptions,
    )


def test_canceled_child_counts_as_a_failure() -> None:
    """A child that was canceled by somebody else appears as TaskCanceled with its reason (R17)."""
    reason = CancelReason(CancelKind.EXPLICIT, "not by us")
    hand, (a, b) = racing("a", "b")
    a.end(Error(Cancellation(reason)))
    b.end(Error(KeyError("b")))
    answer = hand.poll()
    assert isinstance(answer, Error)
    assert isinstance(answer.exception, ExceptionGroup)
    found = [(type(exc), getattr(exc, "reason", None)) for exc in answer.exception.exceptions]
    assert [(TaskCanceled, reason), (KeyError, None)] == found


def test_exception_that_is_no_ordinary_one_is_raised_bare() -> None:
    """A BaseException of a child is no failed attempt: it is raised itself."""

    class Stop(BaseException):
        pass

    stop = Stop()
    hand, (a, b) = racing("a", "b")
    a.end(Error(KeyError("a")))
    b.end(Error(stop))
    assert Error(stop) == hand.poll()


def test_failures_before_the_success_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Failed attempts are what race_ok is for: nothing is logged, nothing is noted."""
    hand, (a, b) = racing("a", "b")
    a.end(Error(KeyError("a")))
    hand.poll()
    b.give(2)
    with caplog.at_level(logging.DEBUG, "rescind"):
        assert Completed(2) == hand.poll()
    assert [] == caplog.records


def test_failure_under_the_parents_cancel_wins_nothing() -> None:
    """All canceled: Canceled(reason), with what had failed before in also (R15)."""
    failed = KeyError("a")
    hand, (a, _b) = racing("a", "b")
    a.end(Error(failed))
    hand.poll()
    outcome = hand.cancel()
    assert (BY_HAND, (failed,)) == (outcome.reason, outcome.also)  # type: ignore[union-attr]


def test_value_under_the_parents_cancel_is_delivered() -> None:
    """A child that completes although it was asked to cancel: its value is delivered (R7)."""
    hand, (a, _b) = racing("A", "b")
    request = by_hand()
    hand.cancel(request)
    a.clean(Completed("a"))
    assert Completed("a") == hand.cancel(request)


def test_hedged_attempts_end_with_the_first_success() -> None:
    """Fails at 1 s, succeeds at 3 s, would succeed at 4 s: ended at 3 s with all drained."""
    ledger = Ledger()
    ended = virtual(
        lambda: race_ok(
            ledger.work("a", 1, KeyError("a")), ledger.work("b", 3, "b"), ledger.work("c", 4, "c")
        )
    )
    assert Ended(Completed("b"), 3.0) == ended
    assert ["+a", "+b", "+c", "-a", "-b", "-c"] == ledger.events


def test_cancel_at_every_park_leaves_nothing() -> None:
    """Canceled at each park: drained; when the value is there, it is delivered (R7)."""

    async def main(ledger: Ledger) -> object:
        return await race_ok(
            ledger.work("a", 1, KeyError("a")), ledger.work("b", 2, "b"), ledger.work("c", 9)
        )

    assert [
        *["Canceled", "Canceled", "Completed('b')"],  # waiting; a has failed; b has won
        *["Canceled", "Completed('b')", "Completed('b')"],
    ] == kinds(sweep(main))


def test_ready_success_needs_no_drain() -> None:
    """A single ready child ends the race at the first poll."""
    assert Completed(1) == Hand(race_ok(ready(1))).poll()


def test_a_loser_that_fails_in_the_same_turn_is_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A child that fails has lost in any case; what its cleanup raises is logged all the same."""

    async def wins() -> str:
        await rescind.sleep(1)
        return "won"

    async def fails() -> str:
        await rescind.sleep(1)
        raise ValueError("503")

    async def cleans_badly() -> str:
        try:
            await rescind.sleep(2)
        finally:
            raise OSError("disk full")

    async def main() -> str:
        return await rescind.race_ok(wins(), fails(), cleans_badly())

    with caplog.at_level("ERROR", "rescind"):
        outcome = run_virtual(main)
    logged = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert (Completed("won"), ["disk full"]) == (outcome, logged)
