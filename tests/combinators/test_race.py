"""`race`: the first to end wins, and nobody learns of it before the losers have ended."""

import logging
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    CancelReason,
    Completed,
    Error,
    TaskCanceled,
    never,
    race,
    ready,
    shield,
    sleep,
    spawn,
    timeout,
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


def racing(*names: str, **options: Any) -> tuple[Hand, list[Probe], list[str]]:
    """Return a race of probes that has been polled once, with an emptied log."""
    log: list[str] = []
    probes = [Probe(name, log, cleanup=name.isupper()) for name in names]
    hand = Hand(race(*probes, **options))
    assert hand.poll() is PENDING
    log.clear()
    return hand, probes, log


# -- by hand ---------------------------------------------------------------------------------------


def test_winner_is_held_until_the_losers_cleanup_has_ended() -> None:
    """The value is given out only after each loser was canceled and cleaned up (R19, P43)."""
    hand, (a, b, c), log = racing("a", "B", "C")
    a.give("won")
    answers = [hand.poll(), hand.poll()]
    c.clean()
    answers.append(hand.poll())
    b.clean()
    answers.append(hand.poll())
    assert [PENDING, PENDING, PENDING, Completed("won")] == answers
    assert ["B.cancel", "C.cancel", "C.cancel", "B.cancel"] == cancels(log)


def test_a_woken_loser_is_canceled_after_the_win() -> None:
    """From the win on a loser is canceled, whether or not it was woken; none is left alone (R4)."""
    hand, (a, b), _ = racing("a", "B")
    a.give(1)
    b.wake()
    hand.poll()
    hand.poll()
    assert [(2, 0, 0), (1, 0)] == [a.vector, b.vector[1:]]
    hand.drop()


def test_children_after_a_ready_one_are_never_polled() -> None:
    """One that is ready at its first poll wins before later ones start: they run nothing (R5)."""
    probe = Probe("late")
    hand = Hand(race(ready("now"), probe))
    first = hand.poll()
    answer = hand.poll() if first is PENDING else first
    assert (Completed("now"), 0, []) == (answer, probe.counts["poll"], probe.log[1:])


def test_losers_reason_names_the_winner() -> None:
    """A loser is canceled with kind RACE_LOST; the message says to whom it lost (P46)."""
    hand, (_a, b, c), _ = racing("a", "b", "C")
    b.give(1)
    hand.poll()
    hand.poll()
    assert [CancelReason(CancelKind.RACE_LOST, "lost to child 1")] == c.reasons
    hand.drop()


def test_exception_wins_too() -> None:
    """The first to end wins by value or exception; the losers are drained all the same (R19)."""
    hand, (a, b), _ = racing("a", "B")
    boom = KeyError("boom")
    a.end(Error(boom))
    answers = [hand.poll(), hand.poll()]
    b.clean()
    answers.append(hand.poll())
    assert ([PENDING, PENDING], Error(boom), boom) == (
        answers[:2],
        answers[2],
        getattr(answers[2], "exception", None),
    )


def test_second_finisher_goes_to_on_undelivered() -> None:
    """A loser that completes while it is drained loses nothing: it is handed back (R7, P47)."""
    back: list[object] = []
    hand, (a, b), _ = racing("a", "B", on_undelivered=back.append)
    a.give("first")
    hand.poll()
    hand.poll()
    b.clean(Completed("second"))
    assert (Completed("first"), ["second"]) == (hand.poll(), back)


def test_both_ready_in_one_turn_deliver_one_and_hand_back_the_other() -> None:
    """Two coroutines whose leaves are ready in the same turn: neither value is lost (P15, P47)."""
    back: list[object] = []
    leaves = [Probe("a"), Probe("b")]

    async def child(leaf: Probe) -> Any:
        return await leaf

    hand = Hand(race(*map(child, leaves), on_undelivered=back.append))
    hand.poll()
    leaves[1].give("b")
    leaves[0].give("a")
    answer = hand.poll()
    if answer is PENDING:
        answer = hand.poll()
    assert (Completed("b"), ["a"]) == (answer, back)


def test_drop_while_draining_hands_the_winners_value_back() -> None:
    """The race is dropped with the winner in hand: the value goes to on_undelivered (R7, P47)."""
    back: list[object] = []
    hand, (a, _b), _ = racing("a", "B", on_undelivered=back.append)
    a.give("held")
    hand.poll()
    hand.drop()
    assert ["held"] == back


def test_failing_on_undelivered_is_logged_and_the_winner_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What on_undelivered raises goes to the log; the result is the winner's."""

    def refuse(value: object) -> None:
        raise RuntimeError(f"no room for {value}")

    hand, (a, b), _ = racing("a", "B", on_undelivered=refuse)
    a.give(1)
    hand.poll()
    hand.poll()
    b.clean(Completed(2))
    with caplog.at_level(logging.ERROR, "rescind"):
        answer = hand.poll()
    [record] = caplog.records
    assert (Completed(1), True, "no room for 2") == (
        answer,
        record.message.startswith("on_undelivered of race of 2"),
        str(record.exc_info[1]) if record.exc_info else None,
    )


def test_parents_cancel_during_the_drain_delivers_the_known_winner() -> None:
    """Canceled with the winner known: the value is delivered, the cancellation comes later (R7)."""
    hand, (a, b), _ = racing("a", "B")
    a.give("won")
    hand.poll()
    request = by_hand()
    assert hand.cancel(request) is PENDING
    b.clean()
    assert Completed("won") == hand.cancel(request)
    assert ([CancelKind.RACE_LOST] * 2, (2, 0)) == ([r.kind for r in b.reasons], b.vector[1:])


def test_child_that_completes_despite_the_parents_cancel_delivers_its_value() -> None:
    """A child's value that was there when all were canceled is delivered, the rest drained (R7)."""
    back: list[object] = []
    hand, (a, b), _ = racing("A", "B", on_undelivered=back.append)
    request = by_hand()
    assert hand.cancel(request) is PENDING
    a.clean(Completed("a"))
    assert hand.cancel(request) is PENDING
    b.clean(Completed("b"))
    assert (Completed("a"), ["b"]) == (hand.cancel(request), back)


def test_parents_cancel_during_the_drain_delivers_the_winning_failure() -> None:
    """Canceled after a failure has won: the failure is delivered, with what else failed (R15)."""
    hand, probes, _ = racing("a", "B")
    fails_though_canceled(hand, *probes)


def test_a_canceled_child_does_not_win_under_the_parents_cancel() -> None:
    """Children that only follow the parent's cancellation win nothing: Canceled(reason) (P45)."""
    hand, _, _ = racing("a", "b")
    assert Canceled(BY_HAND) == hand.cancel()


def test_child_canceled_by_somebody_else_wins_as_task_canceled() -> None:
    """A child that ends canceled by itself ends the race: TaskCanceled, an Exception (R17)."""
    reason = CancelReason(CancelKind.EXPLICIT, "not by the race")
    hand, (a, _b), _ = racing("a", "b")
    a.end(Error(rescind.Cancellation(reason)))
    hand.poll()
    answer = hand.poll()
    assert isinstance(answer, Error)
    assert (TaskCanceled, reason) == (type(answer.exception), answer.exception.reason)  # type: ignore[attr-defined]


def test_failures_of_losers_are_noted_on_the_winning_exception() -> None:
    """The winner raised; a loser's failure in its cleanup is in also and in the notes (R15)."""
    first, second, third = KeyError("first"), ValueError("second"), OSError("third")
    hand, (a, b, c), _ = racing("a", "B", "C")
    a.end(Error(first))
    hand.poll()
    hand.poll()
    b.clean(Error(second))
    c.clean(Canceled(BY_HAND, (third,)))
    answer = hand.poll()
    assert Error(first, (second, third)) == answer
    assert [
        "race: child 1 failed too: ValueError('second')",
        "race: the cleanup of child 2 failed: OSError('third')",
    ] == first.__notes__


def test_failures_of_losers_are_logged_when_a_value_wins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The winner has a value: what failed in a loser's cleanup is logged, not lost (R15)."""
    hand, (a, b), _ = racing("a", "B")
    a.give(1)
    hand.poll()
    hand.poll()
    b.clean(Canceled(BY_HAND, (ValueError("cleanup"),)))
    with caplog.at_level(logging.ERROR, "rescind"):
        assert Completed(1) == hand.poll()
    [record] = caplog.records
    assert "cleanup" == str(record.exc_info[1] if record.exc_info else None)


def test_one_future_races_alone() -> None:
    """A race of one is that one."""
    hand, (a,), _ = racing("a")
    a.give(5)
    assert Completed(5) == hand.poll()


# -- virtual time ----------------------------------------------------------------------------------


def test_race_ends_at_the_earliest() -> None:
    """race(sleep 3, sleep 1, sleep 2) ends at 1, with no timer left (P59)."""
    assert Ended(Completed(None), 1.0) == virtual(lambda: race(sleep(3), sleep(1), sleep(2)))


def test_losers_are_drained_at_the_same_time() -> None:
    """Two cleanups of 2 s and 3 s take 3 s, not 5 (R19)."""
    ledger = Ledger()
    ended = virtual(
        lambda: race(
            ledger.work("a", 1, "a"),
            ledger.work("b", 9, cleanup=2),
            ledger.work("c", 9, cleanup=3),
        )
    )
    assert Ended(Completed("a"), 4.0) == ended
    assert ["+a", "+b", "+c", "-a", "-b", "-c"] == ledger.events


def test_grace_bounds_the_losers_cleanup(caplog: pytest.LogCaptureFixture) -> None:
    """A cleanup of 9 s with a grace of 2 s is dropped at 1 + 2, and the log says where (R10)."""
    ledger = Ledger()
    with caplog.at_level(logging.WARNING, "rescind"):
        ended = virtual(
            lambda: race(ledger.work("a", 1, "a"), ledger.work("b", 5, cleanup=9), grace=2)
        )
    assert (Ended(Completed("a"), 3.0), ["+a", "+b", "-a", "-b"]) == (ended, ledger.events)
    [message] = [record.getMessage() for record in caplog.records]
    assert "overran its grace and is dropped; it was stuck at " in message
    assert "kit.py" in message


def test_grace_zero_drops_the_losers_at_once() -> None:
    """grace=0 is Rust's cancellation: no cleanup that awaits, no time (R10)."""
    ledger = Ledger()

    async def with_handler() -> None:
        with ledger.entry("b"):
            try:
                await never()
            except rescind.Cancellation:
                ledger.events.append("handler")

    ended = virtual(lambda: race(ledger.work("a", 1, "a"), with_handler(), grace=0))
    assert (Ended(Completed("a"), 1.0), ["+a", "+b", "-a", "-b"]) == (ended, ledger.events)


def test_grace_of_a_loser_ends_no_later_than_the_parents() -> None:
    """The race allows 20 s, the task's request 3 s: the cleanup is dropped at the earlier (R10)."""
    ledger = Ledger()
    ended = virtual(
        lambda: race(ledger.work("a", 1, "a"), ledger.work("b", 50, cleanup=50), grace=20),
        cancel_at=2,
        cancel_grace=3,
    )
    assert (5.0, ["+a", "+b", "-a", "-b"]) == (ended.at, ledger.events)


def test_grace_of_a_race_inside_a_cleanup_is_bounded_by_what_is_left() -> None:
    """A race in a cleanup, begun 2 s into a grace of 5: its own 30 s end at 5 too (R10, P65)."""
    ledger = Ledger()

    async def main() -> None:
        try:
            await never()
        finally:
            await sleep(2)
            await race(ledger.work("a", 1), ledger.work("b", 50, cleanup=50), grace=30)
            ledger.events.append("unreachable")

    ended = virtual(main, cancel_at=1, cancel_grace=5)
    assert (6.0, ["+a", "+b", "-a", "-b"]) == (ended.at, ledger.events)


@pytest.mark.parametrize(("grace", "ends_at"), [(30, 6.0), (1, 4.0), (None, 6.0)])
def test_request_of_a_loser_carries_the_earlier_end_of_grace(
    grace: float | None, ends_at: float
) -> None:
    """In a cleanup whose grace ends at 6, a race lost at 3 gives until min(3 + grace, 6)."""
    given: list[float | None] = []

    class Loser(Probe):
        def poll_cancel(self, cx: Any, request: Any) -> Any:
            given.append(request.grace_at)
            return super().poll_cancel(cx, request)

    async def main() -> None:
        try:
            await never()
        finally:
            await race(sleep(2), Loser(), grace=grace)

    virtual(main, cancel_at=1, cancel_grace=5)
    assert [ends_at] == given


def test_loser_that_is_shielded_runs_to_its_end() -> None:
    """A shielded loser is awaited; its value is undelivered, not lost (R12, P23)."""
    back: list[object] = []

    async def slow() -> str:
        await sleep(4)
        return "late"

    ended = virtual(lambda: race(sleep(1), shield(slow()), on_undelivered=back.append))
    assert (Ended(Completed(None), 4.0), ["late"]) == (ended, back)


def test_losing_task_goes_on() -> None:
    """A task that loses is only no longer awaited: a canceled joiner never cancels (R17)."""

    async def main() -> tuple[Any, Any]:
        task = spawn(Ledger().work("task", 5, "kept"))
        return await race(task, sleep(1)), await task

    assert Ended(Completed((None, "kept")), 5.0) == virtual(main)


def test_race_works_inside_a_cleanup() -> None:
    """In a finally of a canceled task, a race behaves as anywhere (R9, P41)."""
    ledger = Ledger()

    async def main() -> None:
        try:
            await never()
        finally:
            ledger.events.append(await race(ledger.work("a", 2, "a"), ledger.work("b", 9)))

    ended = virtual(main, cancel_at=1)
    assert (3.0, ["+a", "+b", "-a", "-b", "a"]) == (ended.at, ledger.events)
    assert isinstance(ended.outcome, Canceled)


def test_reason_of_a_loser_says_who_where_and_when() -> None:
    """Inside the loser the reason names the task, the await of the race, and the time (R14)."""
    found: list[CancelReason] = []

    async def loser() -> None:
        try:
            await never()
        except rescind.Cancellation as exc:
            found.append(exc.reason)
            raise

    async def main() -> None:
        await race(sleep(2), loser())

    virtual(main)
    [reason] = found
    assert (CancelKind.RACE_LOST, "lost to child 0", 2.0, None) == (
        reason.kind,
        reason.message,
        reason.at,
        reason.cause,
    )
    assert reason.by is not None
    assert reason.by.endswith(" 'main'")
    assert reason.where is not None
    assert "test_race.py:" in reason.where


def test_outer_timeout_cancels_the_whole_race() -> None:
    """A timeout around a race cancels and drains every child, then raises (P45)."""
    ledger = Ledger()
    ended = virtual(
        lambda: timeout(
            race(ledger.work("a", 9, cleanup=1), ledger.work("b", 9, cleanup=2)), seconds=3
        )
    )
    assert (5.0, "timed out after 3 s") == (ended.at, str(getattr(ended.outcome, "exception", "")))
    assert ["+a", "+b", "-a", "-b"] == ledger.events


# -- canceled at every park ------------------------------------------------------------------------


def test_cancel_at_every_park_ends_everything_and_loses_no_value() -> None:
    """Each value is the result or handed back, wherever it is canceled; nothing runs on (P47)."""
    back: list[object] = []

    async def absorbs(ledger: Ledger) -> str:
        with ledger.entry("b"):
            try:
                await sleep(3)
            except rescind.Cancellation:
                await sleep(1)
            return "b"

    async def main(ledger: Ledger) -> Any:
        result = await race(ledger.work("a", 1, "a"), absorbs(ledger), on_undelivered=back.append)
        ledger.events.append(f"got {result}")
        return result

    found = sweep(main)
    # Parks: both wait; a has won and b is asked; b cleans up. Canceled at the first, b completes
    # first; canceled when its wake-up has come, a's value is there and wins (R7).
    assert ["Completed('b')", *["Completed('a')"] * 5] == kinds(found)
    assert ["b"] * 7 == back  # in the two runs that were not canceled, too
    assert [["+a", "+b", "-a", "-b", f"got {swept.outcome.unwrap()}"] for swept in found] == [
        swept.ledger.events for swept in found
    ]
