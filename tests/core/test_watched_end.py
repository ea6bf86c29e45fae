"""The guard around hand-written futures: what may follow what, to the end."""

from typing import Any

import pytest

from rescind import Canceled, Completed, Error, PolledAfterCompletion, UsageError
from rescind._core.watched import Watched
from rescind.lowlevel import CancelRequest, Context
from rescind.testing import CountingWaker, context, poll_cancel_once
from tests.core.kit import Leaf, SlowLeaf, request


def test_poll_after_the_output_is_refused() -> None:
    """R1: both poll and poll_cancel, with the future's name."""
    leaf = Leaf()
    leaf.complete(3)
    guard = Watched(leaf)
    assert 3 == guard.poll(context())
    with pytest.raises(PolledAfterCompletion, match=r"^<leaf> was polled after it had ended; its"):
        guard.poll(context())
    with pytest.raises(
        PolledAfterCompletion, match=r"^<leaf> was canceled after it had ended; keep"
    ):
        poll_cancel_once(guard)
    guard.drop()
    assert ["leaf: poll"] == leaf.trace


def test_poll_after_an_error_is_refused() -> None:
    """An exception is an end like a value: no drop follows it."""
    leaf = Leaf()
    leaf.fail(ValueError("x"))
    guard = Watched(leaf)
    with pytest.raises(ValueError, match="x"):
        guard.poll(context())
    with pytest.raises(PolledAfterCompletion):
        guard.poll(context())
    guard.drop()
    assert ["leaf: poll"] == leaf.trace


def test_poll_after_the_cancellation_began_is_refused() -> None:
    """R4: from then on only poll_cancel and drop."""
    slow = SlowLeaf()
    guard = Watched(slow)
    poll_cancel_once(guard)
    with pytest.raises(UsageError, match=r"^<leaf> was polled after poll_cancel had begun \(R4\)$"):
        guard.poll(context())
    guard.drop()
    assert ["leaf: cancel", "leaf: drop"] == slow.trace


def test_error_of_poll_cancel_is_a_failure_of_the_cleanup() -> None:
    """R15: it does not turn Canceled into Error, it is in `also`; and nothing may follow."""
    slow = SlowLeaf()
    slow.failure = ValueError("in cleanup")
    guard = Watched(slow)
    ask = request()
    assert Canceled(ask.reason, (slow.failure,)) == poll_cancel_once(guard, request=ask)
    with pytest.raises(PolledAfterCompletion):
        poll_cancel_once(guard)


def test_interrupt_of_poll_cancel_comes_out() -> None:
    """KeyboardInterrupt is no failure of a cleanup; the future has ended all the same."""
    slow = SlowLeaf()
    slow.failure = KeyboardInterrupt()
    guard = Watched(slow)
    with pytest.raises(KeyboardInterrupt):
        poll_cancel_once(guard)
    with pytest.raises(PolledAfterCompletion):
        poll_cancel_once(guard)


def test_poll_cancel_that_returns_no_outcome_is_refused() -> None:
    """A plain value instead of an Outcome: the message names both."""

    class Wrong(Leaf):
        def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
            return "canceled"

    with pytest.raises(UsageError) as caught:
        poll_cancel_once(Watched(Wrong()))
    name = Wrong.__qualname__
    expected = (
        f"{name}.poll_cancel must return PENDING, Completed, Error or Canceled, not 'canceled'"
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize("outcome", [Completed(1), Error(ValueError())])
def test_poll_cancel_may_tell_that_the_future_had_ended(outcome: Any) -> None:
    """R7: any Outcome passes."""
    slow = SlowLeaf()
    slow.settled = outcome
    assert outcome == poll_cancel_once(Watched(slow))


def test_drop_happens_once_and_not_after_the_end() -> None:
    """F4, R3: effective once."""
    leaf = Leaf()
    guard = Watched(leaf)
    guard.drop()
    guard.drop()
    assert ["leaf: drop"] == leaf.trace


def test_drop_that_raises_is_not_repeated() -> None:
    """The error comes out of the first drop; the second has nothing to do."""

    class Bad(Leaf):
        def drop(self) -> None:
            super().drop()
            raise ValueError("in drop")

    leaf = Bad()
    guard = Watched(leaf)
    with pytest.raises(ValueError, match="in drop"):
        guard.drop()
    guard.drop()
    assert ["leaf: drop"] == leaf.trace


@pytest.mark.parametrize("end", ["value", "drop", "cancel"])
def test_late_wakes_reach_nobody(end: str) -> None:
    """R2: after the end, whoever still holds the waker calls into the void."""
    leaf, waker = Leaf(), CountingWaker()
    guard = Watched(leaf)
    guard.poll(context(waker))
    if end == "value":
        leaf.complete(1, wake=False)
        guard.poll(context(waker))
    elif end == "drop":
        guard.drop()
    else:
        poll_cancel_once(guard, context(waker))
    leaf.wake()
    assert 0 == waker.wakes
