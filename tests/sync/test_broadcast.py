"""Broadcast channels, polled by hand: everybody sees everything, or is told how much not."""

import gc
from typing import Any

import pytest

from rescind import Canceled, Closed, Completed, WouldBlock
from rescind.lowlevel import PENDING, Waker
from rescind.sync import Lagged, NotSent, broadcast
from rescind.testing import context, poll_cancel_once, poll_once
from tests.sync.channel_kit import BadWaker, logged, now, parked


def test_every_receiver_sees_every_value_in_order() -> None:
    """One that waits is woken, one that comes later finds them."""
    sender, first = broadcast[int](4)
    second = sender.subscribe()
    waiting = parked(first.recv())
    counts = [sender.send(n) for n in range(3)]
    assert ([2, 2, 2], 1, 0) == (counts, waiting.wakes, waiting.poll())
    assert [1, 2] == [first.recv_nowait() for _ in range(2)]
    assert [0, 1, 2] == [now(second.recv()) for _ in range(3)]


def test_subscriber_sees_what_is_sent_from_then_on() -> None:
    """What was before is not for it."""
    sender, first = broadcast[int](4)
    sender.send(1)
    second = sender.subscribe()
    sender.send(2)
    assert ([1, 2], [2]) == ([first.recv_nowait() for _ in range(2)], [second.recv_nowait()])


def test_clone_sees_what_its_original_has_not_seen() -> None:
    """Also what that one had missed already."""
    sender, first = broadcast[int](2)
    sender.send(1)
    sender.send(2)
    first.recv_nowait()
    second = first.clone()
    sender.send(3)
    sender.send(4)
    third = second.clone()
    for receiver in (first, second, third):
        with pytest.raises(Lagged) as caught:
            receiver.recv_nowait()
        assert (1, 3, 4) == (caught.value.missed, receiver.recv_nowait(), receiver.recv_nowait())


def test_slow_receiver_is_told_once_how_much_it_has_missed() -> None:
    """Then it goes on with the oldest value that was kept; the fast one has seen everything."""
    sender, slow = broadcast[int](2)
    fast = sender.subscribe()
    for n in range(5):
        sender.send(n)
        assert n == fast.recv_nowait()
    with pytest.raises(Lagged, match=r"was too slow and missed 3 values") as caught:
        slow.recv_nowait()
    assert (3, 3, 4) == (caught.value.missed, slow.recv_nowait(), slow.recv_nowait())
    with pytest.raises(WouldBlock, match="has nothing new"):
        slow.recv_nowait()


def test_receiver_that_lags_twice_is_told_twice() -> None:
    """Each time the values that it has missed since."""
    sender, slow = broadcast[int](1)
    missed: list[Any] = []
    for n in range(6):
        sender.send(n)
        if n in (2, 3, 5):
            try:
                missed.append(slow.recv_nowait())
            except Lagged as lagged:
                missed.append(f"missed {lagged.missed}")
    assert ["missed 2", "missed 1", "missed 2"] == missed
    assert 5 == slow.recv_nowait()


def test_waiting_receiver_that_lags_before_it_resumes_is_told() -> None:
    """A wake-up brings no value: it looks when it resumes."""
    sender, receiver = broadcast[int](1)
    waiting = parked(receiver.recv())
    sender.send(1)
    sender.send(2)
    lagged = waiting.poll()
    assert (1, Lagged, 1, 2) == (
        waiting.wakes,
        type(lagged),
        lagged.missed,
        now(receiver.recv()),
    )


def test_value_that_everybody_has_seen_is_not_kept() -> None:
    """Nor one that nobody is left to see."""
    alive: set[int] = set()

    class Value:
        def __init__(self, number: int) -> None:
            self.number = number
            alive.add(number)

        def __del__(self) -> None:
            alive.discard(self.number)

    sender, first = broadcast[Value](8)
    second = sender.subscribe()
    for n in range(3):
        sender.send(Value(n))
    first.recv_nowait()
    both = sorted(alive)
    second.recv_nowait()
    one = sorted(alive)
    second.drop()
    left = sorted(alive)
    first.drop()
    gc.collect()
    assert ([0, 1, 2], [1, 2], [1, 2], []) == (both, one, left, sorted(alive))


def test_value_goes_as_soon_as_the_slow_receiver_that_it_was_kept_for_goes() -> None:
    """The others have seen it."""
    sender, fast = broadcast[int](8)
    slow = sender.subscribe()
    sender.send(1)
    fast.recv_nowait()
    before = sender.statistics().kept
    slow.drop()
    assert (1, 0) == (before, sender.statistics().kept)


def test_when_the_senders_are_gone_receivers_see_the_rest_and_then_the_end() -> None:
    """Closing overwrites nothing."""
    sender, receiver = broadcast[int](2)
    other = sender.clone()
    sender.send(1)
    other.send(2)
    sender.close()
    sender.close()
    del other
    assert (True, [1, 2]) == (receiver.is_closed, [receiver.recv_nowait() for _ in range(2)])
    with pytest.raises(Closed, match="everything was received"):
        receiver.recv_nowait()


def test_receivers_that_wait_are_told_the_end() -> None:
    """Every one of them."""
    sender, receiver = broadcast[int](2)
    waiting = [parked(receiver.recv()), parked(receiver.clone().recv())]
    with sender:
        pass
    assert [(1, Closed)] * 2 == [(one.wakes, type(one.poll())) for one in waiting]


def test_without_a_receiver_the_value_is_given_back() -> None:
    """A later subscriber would not see it."""
    sender, receiver = broadcast[int](2)
    wanted = parked(sender.closed())
    with receiver:
        pass
    with pytest.raises(NotSent, match="has no receiver") as caught:
        sender.send(1)
    assert (1, True, 1, None) == (
        caught.value.value,
        sender.is_closed,
        wanted.wakes,
        wanted.poll(),
    )
    again = sender.subscribe()
    assert (1, False) == (sender.send(2), sender.is_closed)
    assert 2 == again.recv_nowait()


def test_ends_that_were_left_are_of_no_use() -> None:
    """Each says so."""
    sender, receiver = broadcast[int](2)
    other = receiver.clone()
    sender.close()
    receiver.drop()
    receiver.drop()
    with pytest.raises(NotSent, match=r"this sender of .* was closed"):
        sender.send(1)
    for use in (sender.subscribe, sender.clone, receiver.clone, receiver.recv_nowait):
        with pytest.raises(Closed):
            use()
    assert (True, True) == (sender.is_closed, other.is_closed)


def test_canceled_and_dropped_receives_have_missed_nothing() -> None:
    """B3: the receiver moves on when it gives a value out."""
    sender, receiver = broadcast[int](4)
    canceled, dropped, woken = (parked(receiver.recv()) for _ in range(3))
    outcome = poll_cancel_once(canceled.future)
    sender.send(1)
    dropped.drop()
    assert isinstance(outcome, Canceled)
    assert (Completed(1), 0) == (poll_cancel_once(woken.future), len(receiver))


def test_receives_on_one_receiver_share_its_values() -> None:
    """One takes the value, the other waits on, and is told of the next."""
    sender, receiver = broadcast[int](4)
    first, second = parked(receiver.recv()), parked(receiver.recv())
    sender.send(1)
    assert (1, PENDING) == (second.poll(), first.poll())
    canceled = poll_cancel_once(parked(receiver.recv()).future)
    sender.send(2)
    assert (2, True) == (first.poll(), isinstance(canceled, Canceled))


def test_canceled_receive_that_was_woken_for_nothing_is_canceled() -> None:
    """Another one has taken the value."""
    sender, receiver = broadcast[int](4)
    first, second = parked(receiver.recv()), parked(receiver.recv())
    sender.send(1)
    assert 1 == second.poll()
    outcome = poll_cancel_once(first.future)
    assert (True, 0) == (isinstance(outcome, Canceled), sender.statistics().receiving)


def test_wakers_may_raise_and_use_the_channel() -> None:
    """They are called when the lock is free; those after one that raises are served."""

    class Sends(Waker):
        def wake(self) -> None:
            if not again:
                again.append(sender.send(2))

    again: list[int] = []
    sender, receiver = broadcast[int](4)
    futures = [receiver.clone().recv() for _ in range(3)]
    for future, waker in zip(futures, (BadWaker(), Sends(), Sends()), strict=True):
        poll_once(future, context(waker))
    with logged() as messages:
        sender.send(1)
    assert (1, 1, [Completed(1)] * 3) == (
        len(messages),
        len(again),
        [poll_once(future) for future in futures],
    )


@pytest.mark.parametrize(
    ("capacity", "error"), [(0, ValueError), (1.0, TypeError), (True, TypeError)]
)
def test_bad_capacity_is_refused(capacity: Any, error: type[Exception]) -> None:
    """It keeps one value at least."""
    with pytest.raises(error, match="the capacity of a broadcast must be"):
        broadcast[int](capacity)


def test_representations_and_statistics() -> None:
    """They say how much is kept for whom."""
    sender, receiver = broadcast[int](4, name="news")
    sender.send(1)
    waiting = parked(sender.subscribe().recv())
    seen = receiver.statistics()
    assert seen == sender.statistics()
    assert (4, 1, 1, 2, 1, 1) == (
        seen.capacity,
        seen.kept,
        seen.senders,
        seen.receivers,
        seen.receiving,
        seen.sent,
    )
    shown = [repr(one) for one in (sender, receiver, waiting.future, sender.closed())]
    sender.close()
    receiver.drop()
    waiting.drop()
    shown += [repr(sender), repr(receiver)]
    assert [
        "<BroadcastSender of broadcast 'news' (1/4)>",
        "<BroadcastReceiver of broadcast 'news' (1/4)>",
        "recv from broadcast 'news' (1/4)",
        "end of those who receive from broadcast 'news' (1/4)",
        "<BroadcastSender of broadcast 'news' (0/4, no senders), left>",
        "<BroadcastReceiver of broadcast 'news' (0/4, no senders), left>",
    ] == shown
