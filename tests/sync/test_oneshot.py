"""Oneshot channels, polled by hand: one value, given once, or back."""

from typing import Any

import pytest

from rescind import Canceled, Closed, Completed, UsageError, WouldBlock
from rescind.lowlevel import PENDING
from rescind.sync import NotSent, oneshot
from rescind.testing import context, poll_cancel_once, poll_once
from tests.sync.channel_kit import BadWaker, Polled, logged, now, parked


def test_value_is_received_whether_it_was_sent_before_or_after() -> None:
    """Sending never waits; receiving does."""
    sender, receiver = oneshot[int]()
    sender.send(1)
    later_sender, later_receiver = oneshot[int]()
    waiting = parked(later_receiver.recv())
    later_sender.send(2)
    assert (1, 1, 2) == (now(receiver.recv()), waiting.wakes, waiting.poll())


def test_receiver_itself_can_be_awaited() -> None:
    """It stands for a receive."""
    sender, receiver = oneshot[int]()
    sender.send(1)
    assert 1 == now(receiver.into_future())


def test_it_takes_one_value() -> None:
    """Another one is a mistake, before and after the first was received."""
    sender, receiver = oneshot[int]()
    sender.send(1)
    with pytest.raises(UsageError, match=r"was sent one already; use channel\(\)"):
        sender.send(2)
    receiver.recv_nowait()
    with pytest.raises(UsageError):
        sender.send(2)


def test_value_is_received_once() -> None:
    """Afterwards there is nothing to wait for."""
    sender, receiver = oneshot[int]()
    with pytest.raises(WouldBlock, match="has no value yet"):
        receiver.recv_nowait()
    sender.send(1)
    before = receiver.is_closed
    assert (False, 1, True) == (before, receiver.recv_nowait(), receiver.is_closed)
    with pytest.raises(Closed, match="was received already"):
        receiver.recv_nowait()


@pytest.mark.parametrize("how", ["close", "with", "forget"])
def test_sender_that_ends_without_sending_tells_the_receiver(how: str) -> None:
    """Closed, left by its with, or collected."""
    sender, receiver = oneshot[int]()
    waiting = parked(receiver.recv())
    match how:
        case "close":
            sender.close()
        case "with":
            with sender:
                pass
        case _:
            del sender
    assert (1, Closed, True) == (waiting.wakes, type(waiting.poll()), receiver.is_closed)


def test_closed_sender_gives_the_value_back() -> None:
    """It cannot send any more."""
    sender, _receiver = oneshot[int]()
    sender.close()
    with pytest.raises(NotSent, match="this sender was closed") as caught:
        sender.send(4)
    assert (4, True) == (caught.value.value, sender.is_closed)


def test_sender_that_has_sent_may_end() -> None:
    """The value stays."""
    sender, receiver = oneshot[int]()
    sender.send(1)
    del sender
    assert 1 == now(receiver.recv())


@pytest.mark.parametrize("how", ["close", "drop", "with", "forget"])
def test_receiver_that_is_gone_gives_the_value_back_to_its_sender(how: str) -> None:
    """And tells it, if it asks whether it is still wanted."""
    undelivered: list[int] = []
    sender, receiver = oneshot[int](on_undelivered=undelivered.append)
    wanted = parked(sender.closed())
    match how:
        case "close":
            receiver.close()
        case "drop":
            receiver.drop()
        case "with":
            with receiver:
                pass
        case _:
            del receiver
    with pytest.raises(NotSent, match="nobody waits for it any more") as caught:
        sender.send(3)
    assert (1, None, 3, []) == (wanted.wakes, wanted.poll(), caught.value.value, undelivered)
    assert (None, True) == (now(sender.closed()), sender.is_closed)


def test_closing_after_the_value_was_sent_loses_nothing() -> None:
    """It can be received; nothing is undelivered."""
    undelivered: list[int] = []
    sender, receiver = oneshot[int](on_undelivered=undelivered.append)
    sender.send(3)
    receiver.close()
    assert (3, []) == (receiver.recv_nowait(), undelivered)


def test_value_sent_and_not_received_is_undelivered() -> None:
    """When the receiver goes, once; not if it was received."""
    undelivered: list[int] = []
    sender, receiver = oneshot[int](on_undelivered=undelivered.append)
    sender.send(1)
    receiver.drop()
    receiver.drop()
    other_sender, other = oneshot[int](on_undelivered=undelivered.append)
    other_sender.send(2)
    other.recv_nowait()
    del other
    assert [1] == undelivered


def test_receiver_dropped_under_those_who_wait_tells_them() -> None:
    """Also those who were woken and have not looked yet: the value has gone elsewhere."""
    undelivered: list[int] = []
    sender, receiver = oneshot[int](on_undelivered=undelivered.append)
    waiting = parked(receiver.recv())
    sender.send(1)
    receiver.drop()
    assert ([1], Closed) == (undelivered, type(waiting.poll()))


def test_canceled_or_dropped_receive_leaves_the_value() -> None:
    """1S1: the next one has it; if it had come already it is delivered."""
    sender, receiver = oneshot[int]()
    canceled, dropped = parked(receiver.recv()), parked(receiver.recv())
    outcome = poll_cancel_once(canceled.future)
    sender.send(1)
    dropped.drop()
    waiting = receiver.recv()
    assert (True, 1) == (isinstance(outcome, Canceled), now(waiting))
    sender, receiver = oneshot[int]()
    woken = parked(receiver.recv())
    sender.send(2)
    assert Completed(2) == poll_cancel_once(woken.future)


def test_canceled_receive_that_was_woken_and_finds_nothing_is_canceled() -> None:
    """Its wake-up brought nothing by then, and an error is what it found."""
    sender, receiver = oneshot[int]()
    first, second = parked(receiver.recv()), parked(receiver.recv())
    sender.send(1)
    assert 1 == second.poll()
    outcome: Any = poll_cancel_once(first.future)
    assert isinstance(outcome.exception, Closed)


def test_only_the_latest_waker_is_woken() -> None:
    """A receive may move to another task."""
    sender, receiver = oneshot[int]()
    moved = receiver.recv()
    first = Polled(moved)
    first.poll()
    second = Polled(moved)
    second.poll()
    sender.send(1)
    assert (0, 1) == (first.wakes, second.wakes)


def test_waker_that_raises_is_logged() -> None:
    """The value was sent."""
    sender, receiver = oneshot[int]()
    bad = receiver.recv()
    poll_once(bad, context(BadWaker()))
    with logged() as messages:
        sender.send(1)
    assert (1, Completed(1)) == (len(messages), poll_once(bad))


def test_on_undelivered_must_be_callable() -> None:
    """And is said so."""
    with pytest.raises(TypeError, match="on_undelivered must be a function"):
        oneshot[int](on_undelivered="x")  # type: ignore[arg-type]


def test_representations_say_how_far_it_is() -> None:
    """Open, sent, received; closed from either side."""
    sender, receiver = oneshot[int](name="reply")
    seen = [repr(sender), repr(receiver), repr(receiver.recv()), repr(sender.closed())]
    sender.send(1)
    seen.append(repr(sender))
    receiver.recv_nowait()
    seen.append(repr(receiver))
    sender, receiver = oneshot[int]()
    sender.close()
    seen.append(repr(receiver))
    receiver.close()
    seen.append(repr(receiver))
    assert [
        "<OneshotSender of oneshot 'reply' (open)>",
        "<OneshotReceiver of oneshot 'reply' (open)>",
        "recv from oneshot 'reply' (open)",
        "end of those who receive from oneshot 'reply' (open)",
        "<OneshotSender of oneshot 'reply' (sent)>",
        "<OneshotReceiver of oneshot 'reply' (received)>",
        "<OneshotReceiver of oneshot (no sender)>",
        "<OneshotReceiver of oneshot (closed)>",
    ] == seen


def test_statistics_are_a_snapshot() -> None:
    """Each field, once."""
    sender, receiver = oneshot[int]()
    waiting = parked(receiver.recv())
    open_ = sender.statistics()
    sender.send(1)
    assert 1 == waiting.poll()
    del sender
    done = receiver.statistics()
    assert (False, False, True, False, 1) == (
        open_.sent,
        open_.received,
        open_.sender,
        open_.closed,
        open_.waiting,
    )
    assert (True, True, False, False, 0) == (
        done.sent,
        done.received,
        done.sender,
        done.closed,
        done.waiting,
    )


def test_poll_after_the_end_is_refused() -> None:
    """The output was given out."""
    sender, receiver = oneshot[int]()
    sender.send(1)
    recv = receiver.recv()
    assert (Completed(1), "PolledAfterCompletion") == (
        poll_once(recv),
        type(Polled(recv).poll()).__name__,
    )
    assert PENDING is not Polled(receiver.recv()).poll()
