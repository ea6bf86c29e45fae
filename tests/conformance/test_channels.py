"""What tokio's tests of its channels pin, case by case, in our own words.

Not here: what follows from Rust's ownership alone (``Send`` bounds, ``try_unwrap``), the blocking
variants, which block a thread, and ``Clone`` of what is broadcast, for values are shared here.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import rescind
from rescind import Canceled, Closed, Completed, PolledAfterCompletion, WouldBlock
from rescind.lowlevel import PENDING, Waker
from rescind.sync import Lagged, NotSent, broadcast, channel, oneshot, unbounded, watch
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once, run_virtual
from tests.sync.channel_kit import Polled, now, parked

# -- sync_mpsc -------------------------------------------------------------------------------------


def test_reserve_disarm_dropped_permit_wakes_the_next() -> None:
    """Tokio reserve_disarm: permits that are dropped go to those who wait, in order."""
    sender, receiver = channel[int](2)
    first, second = sender.reserve_nowait(), sender.reserve_nowait()
    third, fourth = parked(sender.reserve()), parked(sender.clone().reserve())
    second.release()
    woken = (third.wakes, fourth.wakes)
    first.release()
    assert ((1, 0), (1, 1)) == (woken, (third.wakes, fourth.wakes))
    third.drop()
    fourth.poll().send(1)
    assert 1 == receiver.recv_nowait()


def test_recv_close_waits_for_outstanding_permits() -> None:
    """Tokio recv_close_gets_none_reserved: a closed receiver ends when the permits are gone."""
    sender, receiver = channel[int](1)
    permit = sender.reserve_nowait()
    waiting_sender = parked(sender.clone().reserve())
    receiver.close()
    assert isinstance(waiting_sender.poll(), Closed)
    end = parked(receiver.recv())
    permit.release()
    assert (1, Closed) == (end.wakes, type(end.poll()))


def test_recv_close_with_nothing_reserved_ends_at_once() -> None:
    """Tokio recv_close_gets_none_idle."""
    sender, receiver = channel[int](1)
    receiver.close()
    assert isinstance(now(receiver.recv()), Closed)
    assert isinstance(now(sender.send(1)), NotSent)


@pytest.mark.parametrize("slots", [1, 2])
def test_failed_reserve_on_a_closed_channel_leaves_the_end_where_it_is(slots: int) -> None:
    """Tokio failed_reserve(_many)_wakes_closed_receiver: it takes no slot to fail."""
    sender, receiver = channel[int](3)
    permit = sender.reserve_nowait(2)
    waiting = parked(sender.reserve_many(slots + 1))
    receiver.close()
    end = parked(receiver.recv())
    assert isinstance(waiting.poll(), Closed)
    assert isinstance(now(sender.reserve_many(slots)), Closed)
    permit.release()
    assert isinstance(end.poll(), Closed)


@pytest.mark.parametrize("slots", [1, 2])
def test_canceled_reserve_that_was_granted_ends_a_closed_channel(slots: int) -> None:
    """Tokio cancelled_reserve(_many)_wakes_closed_receiver: giving back the last slot ends it."""
    sender, receiver = channel[int](2)
    first = sender.reserve_nowait(2)
    granted = parked(sender.reserve_many(slots))
    first.release()
    receiver.close()
    end = parked(receiver.recv())
    before = end.wakes
    granted.drop()
    assert (0, 1, Closed) == (before, end.wakes, type(end.poll()))


def test_drop_permit_releases_permit() -> None:
    """Tokio drop_permit_releases_permit (and the iterator's): the slot is free again."""
    sender, _receiver = channel[int](1)
    permit = sender.reserve_nowait()
    with pytest.raises(WouldBlock):
        sender.reserve_nowait()
    waiting = parked(sender.reserve())
    del permit
    assert (1, 1) == (waiting.wakes, waiting.poll().left)


@pytest.mark.parametrize("how", ["drop", "send", "release"])
def test_last_permit_ends_the_channel_when_the_senders_are_gone(how: str) -> None:
    """Tokio dropping_last_/sending_last/releasing_last: the permit was what kept it open."""
    sender, receiver = channel[int](1)
    permit = sender.reserve_nowait()
    sender.close()
    first = parked(receiver.recv())
    match how:
        case "send":
            permit.send(5)
            assert 5 == first.poll()
            first = Polled(receiver.recv())
        case "release":
            permit.release()
        case _:
            del permit
    assert isinstance(first.poll(), Closed)


def test_ready_close_cancel_bounded() -> None:
    """Tokio ready_close_cancel_bounded: a granted permit is good after close, or given back."""
    sender, receiver = channel[int](1)
    sender.send_nowait(0)
    granted = parked(sender.reserve())
    receiver.recv_nowait()
    receiver.close()
    end = parked(receiver.recv())
    granted.drop()
    assert (1, Closed) == (end.wakes, type(end.poll()))


def test_permit_available_not_acquired_close() -> None:
    """Tokio permit_available_not_acquired_close: a permit granted before close is delivered."""
    sender, receiver = channel[int](1)
    first = sender.reserve_nowait()
    waiting = parked(sender.reserve())
    first.release()
    receiver.close()
    permit = waiting.poll()
    permit.send(1)
    assert 1 == receiver.recv_nowait()
    assert isinstance(now(receiver.recv()), Closed)


def test_dropping_rx_closes_channel() -> None:
    """Tokio dropping_rx_closes_channel: senders know, and what was queued is let go of."""

    class Value:
        pass

    value = Value()
    known = weakref.ref(value)
    sender, receiver = channel[Value](100)
    sender.send_nowait(value)
    del value, receiver
    with pytest.raises(NotSent):
        sender.send_nowait(Value())
    assert isinstance(now(sender.reserve()), Closed)
    assert known() is None


def test_dropping_rx_wakes_those_who_wait_to_send() -> None:
    """Tokio dropping_rx_closes_channel_for_try, try_send_fail: each is told."""
    sender, receiver = channel[int](1)
    sender.send_nowait(1)
    waiting = [parked(sender.send(2)), parked(sender.reserve()), parked(sender.closed())]
    receiver.drop()
    assert [1, 1, 1] == [one.wakes for one in waiting]
    assert [NotSent, Closed, None] == [
        type(waiting[0].poll()),
        type(waiting[1].poll()),
        waiting[2].poll(),
    ]


@pytest.mark.parametrize("bounded", [True, False])
def test_unconsumed_messages_are_dropped(bounded: bool) -> None:
    """Tokio unconsumed_messages_are_dropped: nothing keeps them when both ends are gone."""

    class Value:
        pass

    value = Value()
    known = weakref.ref(value)
    sender, receiver = channel[Value](100) if bounded else unbounded[Value]()
    sender.send_nowait(value)
    del value, sender, receiver
    assert known() is None


def test_one_bad_element_does_not_stop_the_drain() -> None:
    """Tokio drop_all_elements_during_panic: the others are undelivered all the same."""
    seen: list[int] = []

    def picky(value: int) -> None:
        seen.append(value)
        raise ValueError(value)

    sender, receiver = unbounded[int](on_undelivered=picky)
    for n in range(3):
        sender.send_nowait(n)
    receiver.drop()
    assert [0, 1, 2] == seen


def test_release_waker_on_rx_drop() -> None:
    """Tokio release_waker_on_rx_drop: the channel keeps no waker of one who has gone."""
    sender, receiver = channel[int](1)
    waker = CountingWaker()
    known = weakref.ref(waker)
    waiting = receiver.recv()
    assert poll_once(waiting, context(waker)) is PENDING
    waiting.drop()
    receiver.drop()
    del waker
    gc.collect()
    assert known() is None
    assert sender.is_closed


def test_reserve_many_of_none_and_of_more_than_there_are() -> None:
    """Tokio reserve_many_zero, reserve_many_edge_cases: 0 is had, more than all is refused."""
    sender, _receiver = channel[int](2)
    assert 0 == now(sender.reserve_many(0)).left
    assert 2 == now(sender.reserve_many(2)).left
    with pytest.raises(ValueError, match="never has 3 slots"):
        sender.reserve_many(3)
    with pytest.raises(ValueError, match="never has 3 slots"):
        sender.reserve_nowait(3)
    closed, receiver = channel[int](2)
    receiver.close()
    assert isinstance(now(closed.reserve_many(0)), Closed)


def test_reserve_many_and_send() -> None:
    """Tokio reserve_many_and_send, reserve_many_on_closed_channel: as many as were asked for."""
    sender, receiver = channel[int](100)
    for count in range(0, 100, 9):
        permit = now(sender.reserve_many(count))
        for n in range(count):
            permit.send(n)
        assert (0, list(range(count))) == (permit.left, receiver.drain())


def test_start_send_past_capacity_waits_and_buffer_gteq_one() -> None:
    """Tokio start_send_past_cap: one slot each, and both waiters are let in by turns."""
    sender, receiver = channel[int](1)
    sender.send_nowait(1)
    second, third = parked(sender.send(2)), parked(sender.clone().send(3))
    assert (1, 1, 0) == (receiver.recv_nowait(), second.wakes, third.wakes)
    assert (2, 1) == (receiver.recv_nowait(), third.wakes)


def test_no_value_taken_unless_ready() -> None:
    """Row 37: a receive that lost a race has taken nothing."""

    async def main() -> tuple[str, list[int]]:
        sender, receiver = channel[int](1)
        winner = await rescind.race(receiver.recv(), rescind.ready("other"), biased=True)
        sender.send_nowait(1)
        return str(winner), receiver.drain()

    assert Completed(("other", [1])) == run_virtual(main)


def test_two_phase_send_loses_a_place_only() -> None:
    """Row 36: a reserve that is canceled has no value to lose; the value is made afterwards."""
    sender, receiver = channel[str](1)
    sender.send_nowait("a")
    waiting = parked(sender.reserve())
    assert isinstance(poll_cancel_once(waiting.future), Canceled)
    assert ["a"] == receiver.drain()
    now(sender.reserve()).send("b")
    assert ["b"] == receiver.drain()


# -- sync_mpsc_weak --------------------------------------------------------------------------------


def test_weak_sender_upgrades_while_a_sender_lives() -> None:
    """Tokio weak_sender, actor_weak_sender: and its upgrade sends."""
    sender, receiver = channel[int](1)
    weak = sender.downgrade()
    upgraded = weak.upgrade()
    assert upgraded is not None
    upgraded.send_nowait(1)
    assert 1 == receiver.recv_nowait()


def test_weak_sender_does_not_keep_the_channel_open() -> None:
    """Tokio downgrade_drop_upgrade, test_tx_count_weak_sender: weak ones are not counted."""
    sender, receiver = unbounded[int]()
    weak = [sender.downgrade() for _ in range(3)]
    before = receiver.statistics().senders
    del sender
    assert (1, [None] * 3) == (before, [one.upgrade() for one in weak])
    assert isinstance(now(receiver.recv()), Closed)


def test_upgrade_keeps_the_channel_open() -> None:
    """Tokio downgrade_upgrade_sender_...: what was upgraded counts."""
    sender, receiver = channel[int](1)
    upgraded = sender.downgrade().upgrade()
    sender.close()
    waiting = parked(receiver.recv())
    assert upgraded is not None
    upgraded.close()
    assert isinstance(waiting.poll(), Closed)


# -- tokio-util PollSender -------------------------------------------------------------------------


def test_aborted_send_idle_pending_and_reserved() -> None:
    """tokio-util abort_send: in each phase the slot is as if it had never been asked for."""
    sender, receiver = channel[int](1)
    sender.reserve().drop()  # idle
    held = sender.reserve_nowait()
    pending = parked(sender.reserve())
    pending.drop()
    held.release()
    sender.send_nowait(1)
    reserved = parked(sender.reserve())
    receiver.recv_nowait()
    reserved.drop()
    assert (0, 0) == (sender.statistics().reserved, sender.statistics().sending)
    sender.send_nowait(2)


@pytest.mark.parametrize("phase", ["idle", "pending", "reserved"])
def test_closed_sender_in_each_phase(phase: str) -> None:
    """tokio-util close_sender_...: the end comes when the phase is over."""
    sender, receiver = channel[int](1)
    held: Any = None
    if phase == "reserved":
        held = sender.reserve_nowait()
    elif phase == "pending":
        sender.send_nowait(1)
        held = parked(sender.reserve())
    sender.close()
    if phase == "pending":
        assert 1 == receiver.recv_nowait()
    end = Polled(receiver.recv())
    if held is not None:
        assert end.poll() is PENDING
        (held.release if phase == "reserved" else held.drop)()
    assert isinstance(end.poll(), Closed)


# -- sync_oneshot ----------------------------------------------------------------------------------


def test_send_recv() -> None:
    """Tokio send_recv, async_send_recv: one wake, one value."""
    sender, receiver = oneshot[int]()
    waiting = parked(receiver.recv())
    sender.send(1)
    assert (1, 1) == (waiting.wakes, waiting.poll())


def test_close_tx() -> None:
    """Tokio close_tx: the receiver gets an error."""
    sender, receiver = oneshot[int]()
    waiting = parked(receiver.recv())
    del sender
    assert (1, Closed) == (waiting.wakes, type(waiting.poll()))


def test_close_rx_before_and_during_the_wait_for_it() -> None:
    """Tokio close_rx, async_rx_closed, row 41: the sender side is woken."""
    sender, receiver = oneshot[int]()
    wanted = parked(sender.closed())
    del receiver
    assert (1, None, True) == (wanted.wakes, wanted.poll(), sender.is_closed)
    with pytest.raises(NotSent):
        sender.send(1)


def test_explicit_close_poll() -> None:
    """Tokio explicit_close_poll: after a close a value that was sent is received, once."""
    sender, receiver = oneshot[int]()
    sender.send(17)
    receiver.close()
    assert 17 == now(receiver.recv())
    sender, receiver = oneshot[int]()
    receiver.close()
    assert sender.is_closed
    assert isinstance(now(receiver.recv()), Closed)


def test_close_after_recv_and_try_recv_after_completion() -> None:
    """Tokio close_after_recv, try_recv_after_completion: it is over."""
    sender, receiver = oneshot[int]()
    sender.send(17)
    recv = receiver.recv()
    assert Completed(17) == poll_once(recv)
    receiver.close()
    with pytest.raises(Closed, match="received already"):
        receiver.recv_nowait()
    with pytest.raises(PolledAfterCompletion):
        recv.poll(context())


def test_drops_tasks() -> None:
    """Tokio drops_tasks: a waker of either side that is not needed any more is let go of."""
    sender, receiver = oneshot[int]()
    wakers = [CountingWaker(), CountingWaker()]
    known = [weakref.ref(waker) for waker in wakers]
    recv, closed = receiver.recv(), sender.closed()
    poll_once(recv, context(wakers[0]))
    poll_once(closed, context(wakers[1]))
    wakers.clear()
    del recv, closed
    del sender, receiver
    gc.collect()
    assert [None, None] == [ref() for ref in known]


@pytest.mark.parametrize("side", ["receiver", "sender"])
def test_either_side_changes_tasks(side: str) -> None:
    """Tokio receiver_changes_task, sender_changes_task: only the latest waker is woken."""
    sender, receiver = oneshot[int]()
    future: Any = receiver.recv() if side == "receiver" else sender.closed()
    wakers = [CountingWaker(), CountingWaker()]
    for waker in wakers:
        poll_once(future, context(waker))
    if side == "receiver":
        sender.send(1)
    else:
        receiver.close()
    assert [0, 1] == [waker.wakes for waker in wakers]


def test_terminated_and_empty() -> None:
    """Tokio's is_terminated and is_empty predicates, as `is_closed` and the statistics."""
    sender, receiver = oneshot[int]()
    states = [(receiver.is_closed, sender.statistics().sent)]
    sender.send(1)
    states.append((receiver.is_closed, sender.statistics().sent))
    receiver.recv_nowait()
    states.append((receiver.is_closed, sender.statistics().received))
    assert [(False, False), (False, True), (True, True)] == states


# -- sync_broadcast --------------------------------------------------------------------------------


def test_lagging_counts_and_resumes() -> None:
    """Tokio lagging_rx, lagging_receiver_recovers_after_wrap_*: count, then the oldest kept."""
    for capacity, sent in [(2, 3), (2, 5), (1, 4), (4, 9)]:
        sender, receiver = broadcast[int](capacity)
        for n in range(sent):
            sender.send(n)
        with pytest.raises(Lagged) as caught:
            receiver.recv_nowait()
        rest = [receiver.recv_nowait() for _ in range(len(receiver))]
        assert (sent - capacity, list(range(sent - capacity, sent))) == (caught.value.missed, rest)


def test_lag_after_the_senders_have_gone() -> None:
    """Tokio receiver_lagged...closed: the lag first, the rest, then the end."""
    sender, receiver = broadcast[int](1)
    sender.send(1)
    sender.send(2)
    sender.close()
    results = [now(receiver.recv()) for _ in range(3)]
    assert (Lagged, 2, Closed) == (type(results[0]), results[1], type(results[2]))


def test_send_in_waker_drop() -> None:
    """Tokio send_in_waker_drop: a waker's finalizer may send into the channel."""
    sender, receiver = broadcast[int](16)
    sent: list[int] = []

    class SendsWhenGone(Waker):
        def wake(self) -> None:
            pass

        def __del__(self) -> None:
            sent.append(sender.send(len(sent)))

    first, second = receiver.recv(), receiver.clone().recv()
    poll_once(first, context(SendsWhenGone()))
    poll_once(second, context(SendsWhenGone()))
    poll_once(first)  # replaces the waker
    second.drop()  # the waiter goes, and its waker with it
    gc.collect()
    assert [0, 1] == [receiver.recv_nowait(), receiver.recv_nowait()]


def test_dropping_sender_does_not_overwrite() -> None:
    """Tokio dropping_sender_does_not_overwrite: closing takes no value's place."""
    sender, receiver = broadcast[int](2)
    sender.send(1)
    sender.send(2)
    del sender
    assert [1, 2] == [receiver.recv_nowait(), receiver.recv_nowait()]
    with pytest.raises(Closed):
        receiver.recv_nowait()


def test_next_value_is_readable_after_a_failure() -> None:
    """Tokio panic_in_clone: what goes wrong with one value leaves the next one readable."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = object.__hash__

    sender, receiver = broadcast[Any](2)
    sender.send(Odd())
    sender.send(2)
    with pytest.raises(AssertionError):
        assert receiver.recv_nowait() == 1
    assert 2 == receiver.recv_nowait()


def hot(receive: Any) -> bool:
    """Does a task that receives without end let another one run?"""

    async def main() -> bool:
        ran: list[None] = []

        async def other() -> None:
            ran.append(None)

        rescind.spawn(other())
        for _ in range(2000):
            await receive()
            if ran:
                return True
        return False

    with rescind.Runtime() as runtime:
        return runtime.block_on(main())


def test_receiver_recv_is_cooperative() -> None:
    """Tokio receiver_recv_is_cooperative: a receiver that is always ready starves nobody."""
    sender, receiver = broadcast[int](1)

    def receive() -> Any:
        sender.send(1)
        return receiver.recv()

    assert hot(receive)


# -- sync_watch ------------------------------------------------------------------------------------


def test_single_rx_and_multi_rx_recv() -> None:
    """Tokio single_rx_recv, multi_rx: everyone is told, once, of the latest."""
    sender, first = watch("one")
    second = first.clone()
    waits = [parked(first.changed()), parked(second.changed())]
    sender.send("two")
    assert [(1, "two")] * 2 == [(one.wakes, one.poll()) for one in waits]
    assert parked(first.changed()).wakes == 0


def test_unseen_value_beats_closed() -> None:
    """Tokio rx_observes_final_value, multi_rx...: the last value, then the end."""
    sender, receiver = watch(0)
    waiting = parked(receiver.changed())
    sender.send(1)
    del sender
    assert (1, Closed) == (waiting.poll(), type(now(receiver.changed())))


def test_poll_close_and_reopened_after_subscribe() -> None:
    """Tokio poll_close, reopened_after_subscribe: closed is a matter of the receivers there are."""
    sender, receiver = watch(0)
    waiting = parked(sender.closed())
    del receiver
    assert (None, True) == (waiting.poll(), sender.is_closed)
    again = sender.subscribe()
    still = parked(sender.closed())
    assert (False, 0, 0) == (sender.is_closed, still.wakes, again.get())


def test_send_modify_panic_tells_no_change() -> None:
    """Tokio send_modify_panic: neither a false change nor a broken channel."""
    sender, receiver = watch(0)
    waiting = parked(receiver.changed())
    with pytest.raises(ZeroDivisionError):
        sender.modify(lambda value: 1 // 0)
    before = (waiting.wakes, receiver.has_changed, receiver.get())
    sender.modify(lambda value: value + 1)
    assert ((0, False, 0), 1) == (before, waiting.poll())


def test_wait_for_a_value_that_was_there_before() -> None:
    """Tokio wait_for_test, wait_for_with_closed_channel: the present value counts."""
    sender, receiver = watch(1)
    sender.close()
    assert 1 == now(receiver.wait_for(lambda value: value == 1))
    assert isinstance(now(receiver.wait_for(lambda value: value == 2)), Closed)


def test_changed_and_wait_for_are_cooperative() -> None:
    """Tokio *_is_cooperative: ready again and again, they starve nobody."""
    sender, receiver = watch(0)

    def changed() -> Any:
        sender.send(1)
        return receiver.changed()

    assert hot(changed)
    assert hot(lambda: receiver.wait_for(lambda value: True))
