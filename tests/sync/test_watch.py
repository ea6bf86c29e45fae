"""Watch channels, polled by hand: the latest value, seen or not."""

from typing import Any

import pytest

from rescind import Canceled, Closed, Completed
from rescind.lowlevel import PENDING
from rescind.sync import NotSent, watch
from rescind.testing import context, poll_cancel_once, poll_once
from tests.sync.channel_kit import BadWaker, NoEquals, logged, now, parked


def test_the_latest_value_is_there_at_any_time() -> None:
    """For senders and receivers, before and after the end."""
    sender, receiver = watch("a")
    first = receiver.get()
    sender.send("b")
    second = (sender.get(), receiver.get())
    sender.close()
    assert ("a", ("b", "b"), "b") == (first, second, receiver.get())


def test_change_is_told_once_and_with_the_latest_value() -> None:
    """Those in between are nobody's."""
    sender, receiver = watch(0)
    waiting = parked(receiver.changed())
    sender.send(1)
    sender.send(2)
    assert (1, 2, PENDING) == (waiting.wakes, waiting.poll(), parked(receiver.changed()).poll())


def test_each_receiver_has_its_own_idea_of_what_is_new() -> None:
    """A subscriber has seen the present value, a clone what its original has."""
    sender, receiver = watch(0)
    sender.send(1)
    clone, subscriber = receiver.clone(), sender.subscribe()
    assert (True, True, False) == (
        receiver.has_changed,
        clone.has_changed,
        subscriber.has_changed,
    )
    assert 1 == now(receiver.changed())
    assert (False, True) == (receiver.has_changed, clone.has_changed)


def test_getting_does_not_mark_unless_asked() -> None:
    """So a change is not lost to a look."""
    sender, receiver = watch(0)
    sender.send(1)
    looked = (receiver.get(), receiver.has_changed)
    marked = (receiver.get(mark=True), receiver.has_changed)
    receiver.mark_changed()
    assert ((1, True), (1, False), 1) == (looked, marked, now(receiver.changed()))


def test_unseen_value_beats_closed() -> None:
    """W1: first the value, then the end."""
    sender, receiver = watch(0)
    sender.send(1)
    with sender:
        pass
    assert (True, 1) == (receiver.is_closed, now(receiver.changed()))
    assert isinstance(now(receiver.changed()), Closed)


def test_those_who_wait_are_told_the_end() -> None:
    """When the last sender goes."""
    sender, receiver = watch(0)
    other = sender.clone()
    waiting, until = parked(receiver.changed()), parked(receiver.wait_for(bool))
    sender.close()
    before = (waiting.wakes, until.wakes)
    del other
    assert ((0, 0), Closed, Closed) == (before, type(waiting.poll()), type(until.poll()))


def test_sending_needs_no_receiver() -> None:
    """The next one to subscribe finds it; the sender can see that nobody watches."""
    sender, receiver = watch(0)
    wanted = parked(sender.closed())
    with receiver:
        pass
    sender.send(1)
    assert (1, None, True) == (wanted.wakes, wanted.poll(), sender.is_closed)
    assert (1, False) == (sender.subscribe().get(), sender.is_closed is False)


def test_modify_replaces_the_value_in_one_step() -> None:
    """It gives the new one."""
    sender, receiver = watch(1)
    assert (6, 6) == (sender.modify(lambda value: value + 5), now(receiver.changed()))


def test_change_that_raises_has_not_happened() -> None:
    """W2: nobody is told, the value is what it was, and the next change goes through."""
    sender, receiver = watch([1])
    waiting = parked(receiver.changed())

    def fails(value: list[int]) -> Any:
        raise ValueError("no")

    for change in (sender.modify, sender.send_if_modified):
        with pytest.raises(ValueError, match="no"):
            change(fails)
    before = (waiting.wakes, receiver.has_changed)
    sender.send([2])
    assert ((0, False), [2]) == (before, waiting.poll())


def test_send_if_modified_tells_only_if_it_was() -> None:
    """The function changes the value in place, and says so."""
    sender, receiver = watch([1])

    def append(value: list[int]) -> bool:
        if len(value) < 2:
            value.append(2)
            return True
        return False

    first = (sender.send_if_modified(append), receiver.get(mark=True))
    second = (sender.send_if_modified(append), receiver.has_changed)
    assert ((True, [1, 2]), (False, False)) == (first, second)


def test_functions_may_use_the_channel() -> None:
    """W3: nothing is locked while they run."""
    sender, receiver = watch(1)
    assert 2 == sender.modify(lambda value: value + receiver.get())
    assert 2 == now(receiver.wait_for(lambda value: receiver.get() == value == sender.get()))


def test_wait_for_looks_at_the_present_value_first() -> None:
    """Seen or not; and marks it."""
    sender, receiver = watch(3)
    sender.send(4)
    assert (4, False) == (now(receiver.wait_for(lambda value: value == 4)), receiver.has_changed)
    assert 4 == now(receiver.wait_for(lambda value: value == 4))


def test_wait_for_waits_through_values_that_will_not_do() -> None:
    """It is woken for each, and looks at the latest."""
    sender, receiver = watch(0)
    looked: list[int] = []

    def wanted(value: int) -> bool:
        looked.append(value)
        return value >= 3

    waiting = parked(receiver.wait_for(wanted))
    sender.send(1)
    first = waiting.poll()
    sender.send(2)
    sender.send(3)
    assert (PENDING, 3, [0, 1, 3], 2) == (first, waiting.poll(), looked, waiting.wakes)


def test_wait_for_takes_a_last_value_that_will_do_and_else_tells_the_end() -> None:
    """W1 again."""
    sender, receiver = watch(0)
    sender.send(1)
    sender.close()
    assert 1 == now(receiver.wait_for(lambda value: value == 1))
    assert isinstance(now(receiver.wait_for(lambda value: value == 2)), Closed)


def test_predicate_that_raises_ends_its_wait_and_nothing_else() -> None:
    """The receiver is usable, the others are told."""
    sender, receiver = watch(0)

    def picky(value: int) -> bool:
        if value == 1:
            raise ValueError("not 1")
        return value == 2

    waiting, other = parked(receiver.wait_for(picky)), parked(receiver.changed())
    sender.send(1)
    error = waiting.poll()
    sender.send(2)
    assert (ValueError, 2, 2) == (type(error), other.poll(), now(receiver.wait_for(picky)))


def test_predicate_that_sends_is_asked_again() -> None:
    """A value that came while it looked is looked at too."""
    sender, receiver = watch(0)

    def push(value: int) -> bool:
        if value < 3:
            sender.send(value + 1)
        return value == 3

    assert 3 == now(receiver.wait_for(push))


def test_canceled_and_dropped_waits_have_seen_nothing() -> None:
    """But what they were woken for is delivered."""
    sender, receiver = watch(0)
    canceled, dropped, woken = (parked(receiver.changed()) for _ in range(3))
    outcome = poll_cancel_once(canceled.future)
    sender.send(1)
    dropped.drop()
    assert isinstance(outcome, Canceled)
    assert (Completed(1), False) == (poll_cancel_once(woken.future), receiver.has_changed)


def test_canceled_wait_for_that_was_woken_looks_once_more() -> None:
    """It is delivered if it will do, canceled if not; and what the predicate raises is not lost."""
    sender, receiver = watch(0)
    good, bad = (
        parked(receiver.wait_for(lambda v: v == 1)),
        parked(receiver.wait_for(lambda v: v == 2)),
    )
    odd = parked(receiver.wait_for(lambda v: 1 // (1 - v) == 5))
    sender.send(1)
    outcomes: list[Any] = [poll_cancel_once(one.future) for one in (good, bad, odd)]
    assert (Completed(1), True) == (outcomes[0], isinstance(outcomes[1], Canceled))
    assert isinstance(outcomes[2].exception, ZeroDivisionError)
    assert 0 == sender.statistics().waiting


def test_values_are_not_compared_nor_asked_anything() -> None:
    """What is new is a matter of versions."""
    sender, receiver = watch[Any](NoEquals())
    odd = NoEquals()
    sender.send(odd)
    assert now(receiver.changed()) is odd


def test_waker_that_raises_is_logged() -> None:
    """The others are told."""
    sender, receiver = watch(0)
    poll_once(bad := receiver.changed(), context(BadWaker()))
    good = parked(receiver.clone().changed())
    with logged() as messages:
        sender.send(1)
    assert (1, 1, Completed(1)) == (len(messages), good.poll(), poll_once(bad))


def test_ends_that_were_left_are_of_no_use() -> None:
    """Each says so; the value can be read all the same."""
    sender, receiver = watch(0)
    sender.close()
    receiver.drop()
    with pytest.raises(NotSent) as caught:
        sender.send(1)
    for use in (sender.subscribe, sender.clone, receiver.clone):
        with pytest.raises(Closed):
            use()
    for change in (sender.modify, sender.send_if_modified):
        with pytest.raises(Closed):
            change(lambda value: value)
    for future in (receiver.changed(), receiver.wait_for(lambda value: True)):
        assert isinstance(now(future), Closed)
    assert (1, 0, True, True) == (
        caught.value.value,
        receiver.get(),
        sender.is_closed,
        receiver.is_closed,
    )


def test_predicate_must_be_callable() -> None:
    """And is said so."""
    _sender, receiver = watch(0)
    with pytest.raises(TypeError, match="wait_for needs a function of the value, not 3"):
        receiver.wait_for(3)  # type: ignore[arg-type]


def test_representations_and_statistics() -> None:
    """They say which version it is."""
    sender, receiver = watch(0, name="config")
    sender.send(1)
    waiting = parked(sender.subscribe().changed())
    seen = sender.statistics()
    assert seen == receiver.statistics()
    assert (1, 1, 2, 1) == (seen.version, seen.senders, seen.receivers, seen.waiting)
    shown = [
        repr(one)
        for one in (sender, receiver, waiting.future, receiver.wait_for(bool), sender.closed())
    ]
    sender.close()
    shown.append(repr(sender))
    assert [
        "<WatchSender of watch 'config' (version 1)>",
        "<WatchReceiver of watch 'config' (version 1)>",
        "change of watch 'config' (version 1)",
        "wait_for on watch 'config' (version 1)",
        "end of those who receive from watch 'config' (version 1)",
        "<WatchSender of watch 'config' (version 1, no senders), left>",
    ] == shown
