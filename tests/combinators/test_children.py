"""What all combinators share: who is polled, in what order, how often; and what a drop does."""

from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    CancelReason,
    Completed,
    Error,
    join,
    outcomes,
    race,
    race_ok,
)
from rescind.lowlevel import PENDING
from tests.combinators.kit import BY_HAND, Hand, Probe, by_hand, cancels

PARENTS = [race, race_ok, join, outcomes]
parents = pytest.mark.parametrize("parent", PARENTS, ids=lambda parent: parent.__name__)


def probes(*names: str, **options: Any) -> tuple[list[Probe], list[str]]:
    """Return probes with these names, and the log that they share."""
    log: list[str] = []
    return [Probe(name, log, **options) for name in names], log


@parents
def test_nothing_is_polled_before_the_first_poll(parent: Any) -> None:
    """Creating a combinator polls no child (R1: futures are lazy)."""
    (a, b), log = probes("a", "b")
    hand = Hand(parent(a, b))
    assert [] == log
    hand.drop()


@parents
def test_first_polls_are_in_argument_order(parent: Any) -> None:
    """The first poll polls each child once, in argument order, and wakes nobody (R18)."""
    (a, b, c), log = probes("a", "b", "c")
    hand = Hand(parent(a, b, c))
    assert hand.poll() is PENDING
    assert (["a.poll", "b.poll", "c.poll"], 0) == (log, hand.wakes)
    hand.drop()


@parents
def test_only_woken_children_are_polled(parent: Any) -> None:
    """A wake-up of one child of three leads to one poll, of that child (R18)."""
    (a, b, c), log = probes("a", "b", "c")
    hand = Hand(parent(a, b, c))
    hand.poll()
    log.clear()
    b.wake()
    assert hand.poll() is PENDING
    assert (["b.poll"], [(1, 0, 0), (2, 0, 0), (1, 0, 0)]) == (log, [p.vector for p in (a, b, c)])
    hand.drop()


@parents
def test_spurious_polls_of_the_parent_poll_no_child(parent: Any) -> None:
    """A poll although nobody woke is legal and costs the children nothing (R1)."""
    (a, b), _ = probes("a", "b")
    hand = Hand(parent(a, b))
    assert [PENDING] * 4 == [hand.poll() for _ in range(4)]
    assert [(1, 0, 0), (1, 0, 0)] == [a.vector, b.vector]
    hand.drop()


@parents
def test_wakes_of_a_child_coalesce(parent: Any) -> None:
    """Three wake-ups of a child before the poll are one wake of the parent, and one poll (R2)."""
    (a, b), log = probes("a", "b")
    hand = Hand(parent(a, b))
    hand.poll()
    log.clear()
    for _ in range(3):
        a.wake()
    wakes = hand.wakes
    hand.poll()
    hand.poll()
    assert (1, ["a.poll"]) == (wakes, log)
    hand.drop()


@pytest.mark.parametrize(
    ("parent", "options", "order"),
    [
        (race, {}, ["c", "a", "b"]),
        (race, {"biased": True}, ["a", "b", "c"]),
        (race_ok, {}, ["c", "a", "b"]),
        (race_ok, {"biased": True}, ["a", "b", "c"]),
        (join, {}, ["c", "a", "b"]),
        (join, {"biased": True}, ["a", "b", "c"]),
        (outcomes, {}, ["c", "a", "b"]),
    ],
)
def test_later_polls_are_in_wake_order_or_in_argument_order_if_biased(
    parent: Any, options: dict[str, bool], order: list[str]
) -> None:
    """Woken as c, a, b: polled so, or as a, b, c with ``biased=True`` (R18)."""
    (a, b, c), log = probes("a", "b", "c")
    hand = Hand(parent(a, b, c, **options))
    hand.poll()
    log.clear()
    for probe in (c, a, b):
        probe.wake()
    hand.poll()
    assert [f"{name}.poll" for name in order] == log
    hand.drop()


@parents
def test_child_that_wakes_itself_is_polled_in_the_next_round(parent: Any) -> None:
    """A wake-up during the child's own poll requeues it once, at the back; no starving (R2)."""
    log: list[str] = []

    class Eager(Probe):
        def poll(self, cx: Any) -> Any:
            super().poll(cx)
            cx.waker.wake()
            return PENDING

    a, b = Eager("a", log), Probe("b", log)
    hand = Hand(parent(a, b))
    assert hand.poll() is PENDING
    assert (["a.poll", "b.poll"], True) == (log, hand.wakes > 0)
    hand.poll()
    assert ["a.poll", "b.poll", "a.poll"] == log
    hand.drop()


@parents
def test_the_latest_waker_of_the_parent_is_woken(parent: Any) -> None:
    """After a poll with another waker only that one counts (R1)."""
    from rescind.testing import CountingWaker, context, poll_once

    (a, b), _ = probes("a", "b")
    hand = Hand(parent(a, b))
    hand.poll()
    other = CountingWaker()
    assert poll_once(hand.future, context(other)) is PENDING
    b.wake()
    assert (0, 1) == (hand.wakes, other.wakes)
    hand.drop()


@parents
def test_wakes_after_the_end_reach_nobody(parent: Any) -> None:
    """A waker that outlives its child is a no-op (R2)."""
    (a, b), _ = probes("a", "b")
    hand = Hand(parent(a, b))
    hand.poll()
    hand.drop()
    wakes = hand.wakes
    a.wake()
    b.wake()
    assert wakes == hand.wakes


# -- canceling -------------------------------------------------------------------------------------


@parents
def test_cancel_before_the_first_poll_polls_no_child(parent: Any) -> None:
    """Canceled unpolled: the children are dropped, neither polled nor canceled (R5)."""
    (a, b), _ = probes("a", "b")
    hand = Hand(parent(a, b))
    assert Canceled(BY_HAND) == hand.cancel()
    assert [(0, 0, 1), (0, 0, 1)] == [a.vector, b.vector]


@parents
def test_cancel_reaches_every_child_with_the_cause(parent: Any) -> None:
    """The parent's request is forwarded to all, once, as kind PARENT because of it (P45)."""
    (a, b, c), log = probes("a", "b", "c")
    hand = Hand(parent(a, b, c))
    hand.poll()
    log.clear()
    assert Canceled(BY_HAND) == hand.cancel()
    assert ["a.cancel", "b.cancel", "c.cancel"] == cancels(log)
    reason = CancelReason(CancelKind.PARENT, cause=BY_HAND)
    assert [[reason]] * 3 == [a.reasons, b.reasons, c.reasons]


@parents
def test_cancel_waits_for_every_cleanup(parent: Any) -> None:
    """Cleanups run at the same time; the parent is canceled when the last is done (R19, P45)."""
    (a, b), log = probes("a", "b", cleanup=True)
    hand = Hand(parent(a, b))
    hand.poll()
    log.clear()
    request = by_hand()
    answers = [hand.cancel(request)]
    b.clean()
    answers.append(hand.cancel(request))
    a.clean()
    answers.append(hand.cancel(request))
    assert [PENDING, PENDING, Canceled(BY_HAND)] == answers
    assert ["a.cancel", "b.cancel", "b.cancel", "a.cancel"] == cancels(log)


@parents
def test_second_poll_cancel_continues_the_same_cleanup(parent: Any) -> None:
    """Further calls of poll_cancel cancel no child anew that did not wake (R4)."""
    (a, b), _ = probes("a", "b", cleanup=True)
    hand = Hand(parent(a, b))
    hand.poll()
    request = by_hand()
    assert [PENDING] * 3 == [hand.cancel(request) for _ in range(3)]
    assert [(1, 0), (1, 0)] == [a.vector[1:], b.vector[1:]]
    hand.drop()


@parents
def test_every_child_is_marked_before_any_is_canceled(parent: Any) -> None:
    """When the first child's cleanup runs, its siblings read as canceled already (R13, P53)."""
    seen: list[list[bool]] = []

    class Looks(Probe):
        def poll_cancel(self, cx: Any, request: Any) -> Any:
            cells = hand.future._children.cells  # type: ignore[attr-defined]
            seen.append([cell.request is not None for cell in cells])
            return super().poll_cancel(cx, request)

    hand = Hand(parent(Looks("a"), Looks("b"), Looks("c")))
    hand.poll()
    hand.cancel()
    assert [[True, True, True]] * 3 == seen


@parents
def test_errors_of_the_cleanups_are_kept_in_order(parent: Any) -> None:
    """Cleanup errors of several children are all in ``also``, in argument order (R15, P33)."""
    (a, b), _ = probes("a", "b", cleanup=True)
    one, two = KeyError("a"), ValueError("b")
    hand = Hand(parent(a, b))
    hand.poll()
    request = by_hand()
    hand.cancel(request)
    b.clean(Canceled(BY_HAND, (two,)))
    a.clean(Canceled(BY_HAND, (one,)))
    assert Canceled(BY_HAND, (one, two)) == hand.cancel(request)


# -- dropping --------------------------------------------------------------------------------------


@parents
@pytest.mark.parametrize("state", ["unpolled", "parked", "draining"])
def test_drop_drops_every_child_once(parent: Any, state: str) -> None:
    """Whatever the state, each child is dropped exactly once, in argument order (R3, B4)."""
    (a, b, c), log = probes("a", "b", "c", cleanup=True)
    hand = Hand(parent(a, b, c))
    if state != "unpolled":
        hand.poll()
    if state == "draining":
        hand.cancel()
    log.clear()
    hand.drop()
    assert ["a.drop", "b.drop", "c.drop"] == log


@parents
@pytest.mark.parametrize("state", ["unpolled", "parked", "draining"])
def test_drop_reports_the_errors_of_all_children(parent: Any, state: str) -> None:
    """Two of three drops fail: both errors come out, and the third child is dropped too (B4)."""
    log: list[str] = []
    one, two = KeyError("a"), ValueError("c")
    a = Probe("a", log, cleanup=True, drop_error=one)
    b = Probe("b", log, cleanup=True)
    c = Probe("c", log, cleanup=True, drop_error=two)
    hand = Hand(parent(a, b, c))
    if state != "unpolled":
        hand.poll()
    if state == "draining":
        hand.cancel()
    with pytest.raises(ExceptionGroup) as caught:
        hand.drop()
    assert ((one, two), [1, 1, 1]) == (
        caught.value.exceptions,
        [probe.counts["drop"] for probe in (a, b, c)],
    )


@parents
@pytest.mark.parametrize("state", ["unpolled", "parked"])
def test_drop_goes_on_past_an_exit(parent: Any, state: str) -> None:
    """SystemExit out of one drop is raised, after the other children are dropped (B4)."""
    log: list[str] = []
    leave = SystemExit(3)
    a, b = Probe("a", log, drop_error=leave), Probe("b", log)
    hand = Hand(parent(a, b))
    if state == "parked":
        hand.poll()
    with pytest.raises(SystemExit) as caught:
        hand.drop()
    assert (leave, 1, 1) == (caught.value, a.counts["drop"], b.counts["drop"])


@parents
def test_drop_leaves_ended_children_alone(parent: Any) -> None:
    """A child that has ended is not dropped."""
    (a, b), _ = probes("a", "b", cleanup=True)
    hand = Hand(parent(a, b))
    hand.poll()
    if parent is race_ok:
        a.end(Error(KeyError("a")))
    else:
        a.give(1)
    assert hand.poll() is PENDING
    hand.drop()
    assert (0, 1) == (a.counts["drop"], b.counts["drop"])


@parents
def test_second_drop_has_no_effect(parent: Any) -> None:
    """Drop is effective once (R3, F4)."""
    (a, b), _ = probes("a", "b")
    hand = Hand(parent(a, b))
    hand.poll()
    hand.drop()
    hand.drop()
    assert [1, 1] == [a.counts["drop"], b.counts["drop"]]


def test_drop_closes_coroutines_leaf_first() -> None:
    """The leaf of a dropped coroutine ends before its ``finally`` runs, in argument order (R3)."""
    log: list[str] = []

    async def child(name: str) -> None:
        try:
            await Probe(f"{name}-leaf", log)
        finally:
            log.append(f"{name} finally")

    hand = Hand(join(child("a"), child("b")))
    hand.poll()
    log.clear()
    hand.drop()
    assert ["a-leaf.drop", "a finally", "b-leaf.drop", "b finally"] == log


@parents
def test_children_named_in_the_repr(parent: Any) -> None:
    """The repr says how many children there are, and, once they run, whom it waits for."""
    (a, b, c, d), _ = probes("a", "b", "c", "d")
    hand = Hand(parent(a, b, c, d))
    what = parent.__name__
    before = repr(hand.future)
    hand.poll()
    assert (f"{what} of 4", f"{what} of 4, waiting for a, b, c, …") == (before, repr(hand.future))
    hand.drop()


def test_ended_children_are_reported_in_the_order_of_their_ends() -> None:
    """Woken as b, a: the first failure of a join is b's, whatever the argument order (B2)."""
    (a, b), _ = probes("a", "b")
    hand = Hand(join(a, b))
    hand.poll()
    first, second = KeyError("b"), ValueError("a")
    b.end(Error(first))
    a.end(Error(second))
    answer = hand.poll()
    if answer is PENDING:
        answer = hand.poll()
    assert isinstance(answer, Error)
    assert answer.exception is first


def test_value_none_and_falsy_values_are_values() -> None:
    """None, 0 and False are outputs like any other; only PENDING is not."""
    (a, b, c), _ = probes("a", "b", "c")
    hand = Hand(join(a, b, c))
    hand.poll()
    for probe, value in ((a, None), (b, 0), (c, False)):
        probe.give(value)
    assert Completed((None, 0, False)) == hand.poll()
