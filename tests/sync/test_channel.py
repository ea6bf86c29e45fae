"""Channels, polled by hand: who gets which value, in which order, and what a drop gives back."""

import asyncio
import copy
import gc
import pickle
from typing import Any

import pytest

from rescind import Canceled, Closed, Completed, Error, UsageError, WouldBlock
from rescind.lowlevel import PENDING
from rescind.sync import Full, NotSent, channel, unbounded
from rescind.testing import context, poll_cancel_once, poll_once
from tests.sync.channel_kit import BadWaker, NoEquals, Polled, logged, now, parked

# -- order and room --------------------------------------------------------------------------------


def test_values_come_out_in_the_order_in_which_they_went_in() -> None:
    """FIFO, nothing waits while there is room."""
    sender, receiver = channel[int](3)
    assert [None] * 3 == [now(sender.send(n)) for n in range(3)]
    assert [0, 1, 2] == [now(receiver.recv()) for _ in range(3)]


def test_full_channel_makes_senders_wait_in_line() -> None:
    """The slot that one value leaves goes to the first who waits, whose value goes in with it."""
    sender, receiver = channel[str](1)
    sender.send_nowait("a")
    second, third = parked(sender.send("b")), parked(sender.send("c"))
    got = receiver.recv_nowait()
    assert ("a", 1, 0, 1) == (got, second.wakes, third.wakes, len(receiver))
    assert (None, PENDING) == (second.poll(), third.poll())
    assert ["b", "c"] == [receiver.recv_nowait(), receiver.recv_nowait()]
    assert (1, None) == (third.wakes, third.poll())


def test_nobody_barges_in_before_those_who_wait() -> None:
    """Room that was promised to the first in line is nobody else's, in every form of sending."""
    sender, receiver = channel[int](2)
    sender.send_nowait(0)
    many = parked(sender.reserve_many(2))
    with pytest.raises(Full):
        sender.send_nowait(1)
    with pytest.raises(WouldBlock):
        sender.reserve_nowait()
    later = parked(sender.send(2))
    assert 0 == receiver.recv_nowait()
    permit = many.poll()
    permit.send(10)
    permit.send(11)
    assert ([10, 11], 1) == (receiver.drain(), later.wakes)


def test_values_granted_and_not_yet_taken_keep_their_slots() -> None:
    """C1: what a receiver was handed counts until it has resumed."""
    sender, receiver = channel[int](1)
    waiting = parked(receiver.recv())
    sender.send_nowait(1)
    with pytest.raises(Full):
        sender.send_nowait(2)
    held = sender.statistics()
    assert (1, 1, 0) == (waiting.poll(), held.granted, held.queued)
    sender.send_nowait(2)


def test_full_gives_the_value_back() -> None:
    """The exception has what was not sent."""
    sender, _receiver = channel[str](1)
    sender.send_nowait("a")
    with pytest.raises(Full, match="no room now") as caught:
        sender.send_nowait("b")
    assert "b" == caught.value.value


def test_empty_channel_would_block() -> None:
    """recv_nowait does not wait."""
    _sender, receiver = channel[int](1)
    with pytest.raises(WouldBlock, match="is empty now"):
        receiver.recv_nowait()


def test_receivers_are_served_in_line() -> None:
    """The first who waits gets the first value."""
    sender, receiver = channel[int](5)
    first, second = parked(receiver.recv()), parked(receiver.clone().recv())
    sender.send_nowait(1)
    assert (1, 0) == (first.wakes, second.wakes)
    sender.send_nowait(2)
    assert (2, 1) == (second.poll(), first.poll())


def test_recv_many_takes_what_is_there_and_lets_as_many_in() -> None:
    """One call frees several slots, and wakes that many senders, once each."""
    sender, receiver = channel[int](3)
    for n in range(3):
        sender.send_nowait(n)
    waiting = [parked(sender.send(n)) for n in range(3, 8)]
    assert [0, 1, 2] == now(receiver.recv_many(10))
    assert [1, 1, 1, 0, 0] == [one.wakes for one in waiting]
    assert [3, 4] == now(receiver.recv_many(2))
    assert [1, 1, 1, 1, 1] == [one.wakes for one in waiting]


def test_recv_many_that_waited_also_takes_what_came_meanwhile() -> None:
    """It was granted one value; the others are there when it resumes."""
    sender, receiver = channel[int](3)
    many = parked(receiver.recv_many(2))
    for n in range(3):
        sender.send_nowait(n)
    assert (1, [0, 1], 2) == (many.wakes, many.poll(), receiver.recv_nowait())


def test_drain_takes_all_that_is_queued_and_never_waits() -> None:
    """Empty, full and closed."""
    sender, receiver = channel[int](3)
    empty = receiver.drain()
    sender.send_nowait(1)
    sender.send_nowait(2)
    sender.close()
    assert ([], [1, 2], []) == (empty, receiver.drain(), receiver.drain())


def test_unbounded_channel_takes_everything_at_once() -> None:
    """Nobody waits to send, not even for many slots."""
    sender, receiver = unbounded[int]()
    for n in range(1000):
        assert now(sender.send(n)) is None
    permit = now(sender.reserve_many(10_000))
    assert (10_000, None, list(range(1000))) == (
        permit.left,
        sender.statistics().capacity,
        receiver.drain(),
    )


def test_values_are_not_compared_nor_asked_anything() -> None:
    """Not even when they are put back, or None."""
    sender, receiver = channel[Any](3)
    odd = NoEquals()
    waiting = parked(receiver.recv())
    sender.send_nowait(odd)
    sender.send_nowait(None)
    waiting.drop()
    assert receiver.recv_nowait() is odd
    assert receiver.recv_nowait() is None


# -- rendezvous ------------------------------------------------------------------------------------


def test_capacity_0_makes_a_sender_wait_for_a_receiver() -> None:
    """The receiver takes it from the sender's hand."""
    sender, receiver = channel[str](0)
    with pytest.raises(Full):
        sender.send_nowait("x")
    sending = parked(sender.send("a"))
    assert ("a", 1, None) == (receiver.recv_nowait(), sending.wakes, sending.poll())


def test_capacity_0_has_as_many_slots_as_receivers_wait() -> None:
    """A receiver that waits can be sent to at once, by one sender."""
    sender, receiver = channel[str](0)
    waiting = parked(receiver.recv())
    sender.send_nowait("a")
    with pytest.raises(Full):
        sender.send_nowait("b")
    assert "a" == waiting.poll()


def test_capacity_0_permit_is_the_promise_of_a_receiver() -> None:
    """It is had when a receiver waits, and given up its receiver is anybody's."""
    sender, receiver = channel[str](0)
    reserving = parked(sender.reserve())
    sending = parked(sender.send("b"))
    waiting = parked(receiver.recv())
    permit = reserving.poll()
    assert (1, 0, 0) == (permit.left, waiting.wakes, sending.wakes)
    permit.release()
    assert ("b", None) == (waiting.poll(), sending.poll())


def test_capacity_0_value_of_a_dropped_receiver_waits_for_the_next_one() -> None:
    """It was sent, so it is not lost; and it comes first."""
    sender, receiver = channel[str](0)
    waiting = parked(receiver.recv())
    sender.send_nowait("a")
    second = parked(sender.send("b"))
    waiting.drop()
    assert ["a", "b"] == [receiver.recv_nowait(), receiver.recv_nowait()]
    assert second.poll() is None


# -- permits ---------------------------------------------------------------------------------------


def test_permit_sends_without_waiting() -> None:
    """The slot was had before the value."""
    sender, receiver = channel[str](1)
    permit = now(sender.reserve())
    with pytest.raises(Full):
        sender.send_nowait("no room")
    permit.send("a")
    assert ("a", 0) == (receiver.recv_nowait(), permit.left)


def test_permit_without_a_slot_left_refuses() -> None:
    """It is used once."""
    sender, _receiver = channel[str](1)
    permit = sender.reserve_nowait()
    permit.send("a")
    with pytest.raises(UsageError, match="no slot left"):
        permit.send("b")


@pytest.mark.parametrize("how", ["release", "with", "forget"])
def test_unused_permit_goes_to_the_next_sender(how: str) -> None:
    """By release, on leaving its with, or when nobody refers to it."""
    sender, receiver = channel[str](1)
    permit = sender.reserve_nowait()
    waiting = parked(sender.send("next"))
    match how:
        case "release":
            permit.release()
            permit.release()
        case "with":
            with permit:
                pass
        case _:
            del permit
    assert (1, None, "next") == (waiting.wakes, waiting.poll(), receiver.recv_nowait())
    assert 0 == sender.statistics().reserved


def test_permit_wakes_the_receiver_that_waits() -> None:
    """Reserving wakes nobody, sending does."""
    sender, receiver = channel[str](1)
    waiting = parked(receiver.recv())
    permit = sender.reserve_nowait()
    before = waiting.wakes
    permit.send("a")
    assert (0, 1, "a") == (before, waiting.wakes, waiting.poll())


def test_reserve_that_was_granted_and_dropped_passes_the_slots_on() -> None:
    """O1: between grant and resume."""
    sender, receiver = channel[str](2)
    sender.send_nowait("a")
    sender.send_nowait("b")
    many, single = parked(sender.reserve_many(2)), parked(sender.send("c"))
    receiver.drain()
    assert (1, 0) == (many.wakes, single.wakes)
    many.drop()
    assert (1, ["c"]) == (single.wakes, receiver.drain())


def test_waiting_reserve_that_leaves_lets_those_behind_it_go() -> None:
    """O2: it wanted two slots, and one was free all the time."""
    sender, _receiver = channel[str](2)
    sender.send_nowait("a")
    many, single = parked(sender.reserve_many(2)), parked(sender.send("b"))
    many.drop()
    assert (0, 1, None) == (many.wakes, single.wakes, single.poll())


# -- what is dropped -------------------------------------------------------------------------------


def test_value_of_a_dropped_receiver_goes_back_to_the_front() -> None:
    """It was granted, not taken; the next to come gets it before what is queued."""
    sender, receiver = channel[int](3)
    waiting = parked(receiver.recv())
    for n in range(3):
        sender.send_nowait(n)
    waiting.drop()
    assert [0, 1, 2] == receiver.drain()


def test_values_of_several_dropped_receivers_keep_their_order() -> None:
    """C3: whichever is dropped first."""
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        sender, receiver = channel[int](4)
        waiting = [parked(receiver.recv()) for _ in range(3)]
        for n in range(4):
            sender.send_nowait(n)
        for index in order:
            waiting[index].drop()
        assert [0, 1, 2, 3] == receiver.drain()


def test_value_of_a_dropped_receiver_goes_to_the_next_that_waits() -> None:
    """It need not be queued first."""
    sender, receiver = channel[int](3)
    first, second = parked(receiver.recv()), parked(receiver.recv())
    sender.send_nowait(1)
    first.drop()
    assert (1, 1, 0) == (second.wakes, second.poll(), len(receiver))


def test_operation_that_is_forgotten_is_dropped() -> None:
    """R3: what goes out of scope unfinished gives back what it was given."""
    sender, receiver = channel[int](1)
    waiting = parked(receiver.recv())
    sender.send_nowait(1)
    del waiting
    sending = parked(sender.send(2))
    del sending
    assert ([1], []) == (receiver.drain(), receiver.drain())


def test_canceled_recv_that_was_granted_a_value_delivers_it() -> None:
    """R7: it has it already."""
    sender, receiver = channel[int](1)
    waiting = parked(receiver.recv())
    sender.send_nowait(7)
    assert Completed(7) == poll_cancel_once(waiting.future)


def test_canceled_recv_that_waited_took_nothing() -> None:
    """It is gone from the line."""
    sender, receiver = channel[int](1)
    waiting = parked(receiver.recv())
    outcome = poll_cancel_once(waiting.future)
    sender.send_nowait(7)
    assert (True, 0, [7]) == (isinstance(outcome, Canceled), waiting.wakes, receiver.drain())


def test_canceled_send_has_not_sent() -> None:
    """The value is the caller's still; nothing is reported to on_undelivered."""
    undelivered: list[str] = []
    sender, receiver = channel[str](1, on_undelivered=undelivered.append)
    sender.send_nowait("a")
    waiting = parked(sender.send("b"))
    outcome = poll_cancel_once(waiting.future)
    assert isinstance(outcome, Canceled)
    assert (["a"], [], []) == (receiver.drain(), receiver.drain(), undelivered)


def test_canceled_send_whose_value_was_accepted_says_so() -> None:
    """R7: it is sent, and that is delivered."""
    sender, receiver = channel[str](1)
    sender.send_nowait("a")
    waiting = parked(sender.send("b"))
    receiver.recv_nowait()
    assert (Completed(None), ["b"]) == (poll_cancel_once(waiting.future), receiver.drain())


def test_canceled_send_to_a_closed_channel_says_so() -> None:
    """What its wake-up brought is delivered, be it an error."""
    sender, receiver = channel[str](1)
    sender.send_nowait("a")
    waiting = parked(sender.send("b"))
    receiver.close()
    outcome = poll_cancel_once(waiting.future)
    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, NotSent)
    assert "b" == outcome.exception.value


# -- closing, from the sender's side ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "with", "forget"])
def test_when_the_last_sender_is_gone_receivers_get_what_is_left_and_then_the_end(how: str) -> None:
    """Closed, left by its with, or collected."""
    sender, receiver = channel[int](3)
    other = sender.clone()
    sender.send_nowait(1)
    other.close()
    match how:
        case "close":
            sender.close()
            sender.close()
        case "with":
            with sender:
                pass
        case _:
            del sender
    assert 1 == now(receiver.recv())
    assert isinstance(now(receiver.recv()), Closed)
    assert isinstance(now(receiver.recv_many(3)), Closed)
    with pytest.raises(Closed, match="closed and empty"):
        receiver.recv_nowait()


def test_receivers_that_wait_are_told_the_end() -> None:
    """All of them, once."""
    sender, receiver = channel[int](3)
    waiting = [parked(receiver.recv()), parked(receiver.recv_many(2))]
    sender.close()
    assert [1, 1] == [one.wakes for one in waiting]
    assert [Closed, Closed] == [type(one.poll()) for one in waiting]


def test_end_is_final() -> None:
    """C4: while a value is granted it may come back, so that nobody is told the end yet."""
    sender, receiver = channel[int](3)
    granted, behind = parked(receiver.recv()), parked(receiver.recv())
    sender.send_nowait(1)
    sender.close()
    assert (0, PENDING) == (behind.wakes, Polled(receiver.recv()).poll())
    granted.drop()
    assert (1, 1) == (behind.wakes, behind.poll())
    assert isinstance(now(receiver.recv()), Closed)


def test_end_is_told_when_the_last_granted_value_was_taken() -> None:
    """C4: then it cannot come back any more."""
    sender, receiver = channel[int](3)
    granted, behind = parked(receiver.recv()), parked(receiver.recv())
    sender.send_nowait(1)
    sender.close()
    assert (1, 1) == (granted.poll(), behind.wakes)
    assert isinstance(behind.poll(), Closed)


def test_send_under_way_ends_although_its_sender_is_closed() -> None:
    """C4: what was begun goes on, and the end waits for it."""
    sender, receiver = channel[int](1)
    sender.send_nowait(1)
    waiting = parked(sender.send(2))
    sender.close()
    assert [1, 2] == [receiver.recv_nowait(), receiver.recv_nowait()]
    assert waiting.poll() is None
    assert isinstance(now(receiver.recv()), Closed)


def test_end_waits_for_permits() -> None:
    """C4: without a sender, but with a permit, something may come yet."""
    sender, receiver = channel[int](2)
    permit = sender.reserve_nowait(2)
    sender.close()
    first, second = parked(receiver.recv()), parked(receiver.recv())
    permit.send(1)
    assert (1, 0) == (first.poll(), second.wakes)
    permit.release()
    assert isinstance(second.poll(), Closed)


def test_closed_sender_is_of_no_use() -> None:
    """Everything it does says so, and a send gives the value back."""
    sender, _receiver = channel[int](1)
    other = sender.clone()
    sender.close()
    with pytest.raises(NotSent, match=r"this sender of .* was closed") as caught:
        sender.send_nowait(5)
    assert (5, 6) == (caught.value.value, now(sender.send(6)).value)
    assert isinstance(now(sender.reserve()), Closed)
    with pytest.raises(Closed):
        sender.reserve_nowait()
    with pytest.raises(Closed):
        sender.clone()
    assert (True, False) == (sender.is_closed, other.is_closed)


def test_weak_sender_keeps_nothing_open() -> None:
    """It gives a sender as long as there is one."""
    sender, receiver = channel[int](1)
    weak = sender.downgrade()
    other = weak.upgrade()
    assert other is not None
    sender.close()
    other.send_nowait(1)
    other.close()
    assert (1, None) == (receiver.recv_nowait(), weak.upgrade())
    assert isinstance(now(receiver.recv()), Closed)


# -- closing, from the receiver's side -------------------------------------------------------------


def test_receiver_that_closes_gets_what_is_queued_and_senders_their_values_back() -> None:
    """Nothing is accepted any more; nothing that was is lost; on_undelivered has no part in it."""
    undelivered: list[int] = []
    sender, receiver = channel[int](1, on_undelivered=undelivered.append)
    sender.send_nowait(1)
    waiting, reserving = parked(sender.send(2)), parked(sender.reserve())
    receiver.close()
    receiver.close()
    back = waiting.poll()
    assert (NotSent, 2, 3) == (type(back), back.value, now(sender.send(3)).value)
    assert [Closed, 1] == [type(reserving.poll()), now(receiver.recv())]
    assert isinstance(now(receiver.recv()), Closed)
    assert (True, True, []) == (sender.is_closed, receiver.is_closed, undelivered)


def test_permit_is_good_after_the_receiver_has_closed() -> None:
    """Close waits for outstanding permits."""
    sender, receiver = channel[int](2)
    permit = sender.reserve_nowait(2)
    receiver.close()
    waiting = parked(receiver.recv())
    permit.send(1)
    assert 1 == waiting.poll()
    end = parked(receiver.recv())
    permit.release()
    assert isinstance(end.poll(), Closed)


@pytest.mark.parametrize("how", ["drop", "with", "forget"])
def test_when_the_last_receiver_is_gone_queued_values_are_undelivered(how: str) -> None:
    """In order, each once; a sender that waits has its value back, and not there as well."""
    undelivered: list[int] = []
    sender, receiver = channel[int](2, on_undelivered=undelivered.append)
    other = receiver.clone()
    sender.send_nowait(1)
    sender.send_nowait(2)
    waiting = parked(sender.send(3))
    other.drop()
    before = list(undelivered)
    match how:
        case "drop":
            receiver.drop()
            receiver.drop()
        case "with":
            with receiver:
                pass
        case _:
            del receiver
    assert ([], [1, 2], 3) == (before, undelivered, waiting.poll().value)
    assert (True, 2) == (sender.is_closed, sender.statistics().undelivered)


def test_value_sent_by_a_permit_when_no_receiver_is_left_is_undelivered() -> None:
    """The permit cannot fail."""
    undelivered: list[int] = []
    sender, receiver = channel[int](2, on_undelivered=undelivered.append)
    permit = sender.reserve_nowait()
    receiver.drop()
    permit.send(9)
    assert [9] == undelivered


def test_value_granted_to_a_recv_that_is_dropped_after_the_last_receiver_is_undelivered() -> None:
    """Nobody is left to have it."""
    undelivered: list[int] = []
    sender, receiver = channel[int](2, on_undelivered=undelivered.append)
    waiting = parked(receiver.recv())
    sender.send_nowait(1)
    receiver.drop()
    before = list(undelivered)
    waiting.drop()
    assert ([], [1]) == (before, undelivered)


def test_value_granted_before_the_last_receiver_went_is_delivered() -> None:
    """What was begun goes on."""
    sender, receiver = channel[int](2)
    waiting, empty = parked(receiver.recv()), parked(receiver.recv())
    sender.send_nowait(1)
    receiver.drop()
    assert 1 == waiting.poll()
    assert isinstance(empty.poll(), Closed)


def test_dropped_receiver_is_of_no_use() -> None:
    """Everything it does says so."""
    sender, receiver = channel[int](1)
    other = receiver.clone()
    sender.send_nowait(1)
    receiver.drop()
    for use in (receiver.recv_nowait, receiver.drain, receiver.clone):
        with pytest.raises(Closed, match=r"this receiver of .* was dropped"):
            use()
    assert isinstance(now(receiver.recv()), Closed)
    assert 1 == other.recv_nowait()


def test_closed_tells_a_sender_that_it_is_not_wanted_any_more() -> None:
    """Whether the channel is closed or the last receiver goes; also if that was long ago."""
    for end in ("close", "drop"):
        sender, receiver = channel[int](1)
        waiting = parked(sender.closed())
        gone = parked(sender.closed())
        gone.drop()
        getattr(receiver, end)()
        assert (1, 0, None) == (waiting.wakes, gone.wakes, waiting.poll())
        assert now(sender.closed()) is None


# -- what others do wrong --------------------------------------------------------------------------


def test_on_undelivered_that_raises_is_logged_and_the_others_are_served() -> None:
    """Also if it raises a CancelledError, which is no Exception."""
    seen: list[int] = []

    def grumble(value: int) -> None:
        seen.append(value)
        if value == 1:
            raise ValueError("no")
        if value == 2:
            raise asyncio.CancelledError

    sender, receiver = channel[int](3, on_undelivered=grumble, name="jobs")
    for n in (1, 2, 3):
        sender.send_nowait(n)
    with logged() as messages:
        receiver.drop()
    assert [1, 2, 3] == seen
    assert [
        "on_undelivered of channel 'jobs' (0/3, closed) failed for 1 [ValueError('no')]",
        "on_undelivered of channel 'jobs' (0/3, closed) failed for 2 [CancelledError()]",
    ] == messages


def test_interrupt_from_on_undelivered_passes_when_all_are_served() -> None:
    """KeyboardInterrupt is nobody's to swallow."""
    seen: list[int] = []

    def interrupt(value: int) -> None:
        seen.append(value)
        if value == 1:
            raise KeyboardInterrupt

    sender, receiver = channel[int](3, on_undelivered=interrupt)
    sender.send_nowait(1)
    sender.send_nowait(2)
    with pytest.raises(KeyboardInterrupt):
        receiver.drop()
    assert [1, 2] == seen


def test_on_undelivered_may_use_the_channel() -> None:
    """It is called when the lock is free, and the channel is what it says."""
    states: list[Any] = []
    sender, receiver = channel[int](
        2, on_undelivered=lambda value: states.append((value, sender.statistics().queued))
    )
    sender.send_nowait(1)
    sender.send_nowait(2)
    receiver.drop()
    assert [(1, 0), (2, 0)] == states


def test_waker_that_raises_harms_nobody_else() -> None:
    """It is logged; the value was sent, and the next one is woken."""
    sender, receiver = channel[int](3)
    bad = receiver.recv()
    assert poll_once(bad, context(BadWaker())) is PENDING
    good = parked(receiver.recv())
    with logged() as messages:
        sender.send_nowait(1)
        sender.close()
    assert (1, True) == (len(messages), "this waker is broken" in messages[0])
    bad.drop()
    assert (1, 1) == (good.wakes, good.poll())


def test_waker_may_use_the_channel() -> None:
    """It is called when the lock is free."""

    class Sends(BadWaker):
        def wake(self) -> None:
            sender.send_nowait(2)

    sender, receiver = channel[int](3)
    first = receiver.recv()
    poll_once(first, context(Sends()))
    sender.send_nowait(1)
    assert (Completed(1), [2]) == (poll_once(first), receiver.drain())


def test_value_whose_finalizer_uses_the_channel_finds_it_whole() -> None:
    """Values that nobody wants go when the lock is free; all of them, even if one raises."""
    seen: list[Any] = []

    class Noisy:
        def __del__(self) -> None:
            seen.append((sender.statistics().queued, sender.is_closed))

    sender, receiver = channel[Noisy](3)
    for _ in range(3):
        sender.send_nowait(Noisy())
    receiver.drop()
    assert [(0, True)] * 3 == seen


def test_finalizers_inside_a_step_are_put_off_until_it_is_over() -> None:
    """S2: the collector may run them anywhere."""
    sender, receiver = channel[int](1)
    other = sender.clone()
    waiting = parked(receiver.recv())
    sender.send_nowait(1)
    with sender._section, sender._section.lock:
        del waiting, other
        inside = (sender.statistics().senders, sender.statistics().granted)
    after = (sender.statistics().senders, sender.statistics().granted)
    assert ((2, 1), (1, 0), [1]) == (inside, after, receiver.drain())


def test_nothing_is_kept_that_was_delivered_or_given_back() -> None:
    """The operations that have ended let the values go."""
    alive: set[int] = set()

    class Value:
        def __init__(self, number: int) -> None:
            self.number = number
            alive.add(number)

        def __del__(self) -> None:
            alive.discard(self.number)

    sender, receiver = channel[Value](1)
    sending = [Polled(sender.send(Value(n))) for n in range(3)]
    polled = [one.poll() for one in sending]
    for _ in range(3):
        receiver.recv_nowait()
    polled = [one.poll() for one in sending[1:]]
    gc.collect()
    assert ([None, None], set()) == (polled, alive)


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1.0, True, "1", None, float("inf")])
def test_capacity_that_is_no_int_is_refused_with_a_hint(capacity: Any) -> None:
    """For a channel without a limit there is another function."""
    with pytest.raises(TypeError, match=r"must be an int, not .*use unbounded\(\)"):
        channel[int](capacity)


def test_negative_capacity_is_refused() -> None:
    """0 is the least."""
    with pytest.raises(ValueError, match="must be at least 0, not -1"):
        channel[int](-1)


def test_other_bad_arguments_are_refused() -> None:
    """The message says what was wrong."""
    sender, receiver = channel[int](2)
    with pytest.raises(TypeError, match="on_undelivered must be a function"):
        channel[int](1, on_undelivered=3)  # type: ignore[arg-type]
    for limit in (True, 1.5):
        with pytest.raises(TypeError, match="the limit of recv_many must be an int"):
            receiver.recv_many(limit)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="number of slots must be an int"):
            sender.reserve_many(limit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1, not 0"):
        receiver.recv_many(0)
    for slots in (-1, 3):
        with pytest.raises(ValueError, match=f"never has {slots} slots at once"):
            sender.reserve_many(slots)


def test_reserving_no_slot_gives_an_empty_permit() -> None:
    """It waits for nothing, but for its place in the line."""
    sender, _receiver = channel[int](1)
    assert 0 == now(sender.reserve_many(0)).left
    sender, receiver = channel[int](0)
    promised = parked(receiver.recv())
    permit = sender.reserve_nowait()
    promised.drop()
    assert (0, 1) == (now(sender.reserve_many(0)).left, permit.left)


def test_ends_can_be_neither_copied_nor_pickled() -> None:
    """A copy would be an end that nobody has counted."""
    sender, receiver = channel[int](1)
    for end in (sender, receiver):
        with pytest.raises(TypeError, match=r"clone\(\) makes another end"):
            copy.copy(end)
        with pytest.raises(TypeError, match=r"clone\(\) makes another end"):
            pickle.dumps(end)


# -- what it looks like ----------------------------------------------------------------------------


def test_representations_say_which_channel_and_how_full() -> None:
    """They stand in dumps and messages."""
    sender, receiver = channel[int](2, name="jobs")
    sender.send_nowait(1)
    shown = [
        sender,
        receiver,
        sender.downgrade(),
        sender.reserve_nowait(),
        sender.send(1),
        sender.reserve(),
        receiver.recv(),
        sender.closed(),
    ]
    assert [
        "<Sender of channel 'jobs' (1/2)>",
        "<Receiver of channel 'jobs' (1/2)>",
        "<WeakSender of channel 'jobs' (1/2)>",
        "<Permit of channel 'jobs' (1/2), 1 left>",
        "send to channel 'jobs' (1/2)",
        "reserve of channel 'jobs' (1/2)",
        "recv from channel 'jobs' (1/2)",
        "end of those who receive from channel 'jobs' (1/2)",
    ] == [repr(one) for one in shown]


def test_representations_tell_the_end() -> None:
    """From which side it was closed, and whether this end was left."""
    sender, receiver = channel[int](2)
    sender.close()
    first = repr(sender)
    receiver.close()
    assert (
        "<Sender of channel (0/2, no senders), left>",
        "<Receiver of channel (0/2, closed)>",
    ) == (
        first,
        repr(receiver),
    )
    assert "<Sender of channel (0)>" == repr(unbounded[int]()[0]).replace(", closed", "")


def test_statistics_are_a_snapshot() -> None:
    """Each count, once."""
    sender, receiver = channel[int](2)
    empty = parked(receiver.recv())
    sender.send_nowait(1)
    permit = sender.reserve_nowait()
    waiting = parked(sender.send(2))
    seen = sender.statistics()
    assert seen == receiver.statistics()
    assert (2, 0, 1, 1, 1, 1, 1, 0, False, 0) == (
        seen.capacity,
        seen.queued,
        seen.granted,
        seen.reserved,
        seen.senders,
        seen.receivers,
        seen.sending,
        seen.receiving,
        seen.closed,
        seen.undelivered,
    )
    del permit, waiting, empty


def test_reserve_of_no_slot_behind_a_rendezvous_is_let_in_with_it() -> None:
    """C2: whoever takes what the first in line has looks who can go now."""
    sender, receiver = channel[int](0)
    sending, nothing = parked(sender.send(1)), parked(sender.reserve_many(0))
    assert (1, 1, 1) == (receiver.recv_nowait(), sending.wakes, nothing.wakes)


def test_recv_many_meets_as_many_senders_as_it_wants() -> None:
    """A rendezvous with each of them, in order."""
    sender, receiver = channel[int](0)
    sending = [parked(sender.send(n)) for n in range(3)]
    assert [0, 1] == now(receiver.recv_many(2))
    assert [1, 1, 0] == [one.wakes for one in sending]
