"""What the models do not say: who is served first, and what the end of a primitive leaves."""

from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import sync
from rescind.lowlevel import PENDING, Future
from rescind.testing import context, poll_cancel_once, poll_once


def _parked(*futures: Future[Any]) -> tuple[Future[Any], ...]:
    for future in futures:
        assert poll_once(future, context()) is PENDING
    return futures


def _done(future: Future[Any]) -> bool:
    return poll_once(future, context()) is not PENDING


@pytest.mark.parametrize("leaves", [None, 0, 1, 2])
def test_a_big_request_is_not_overtaken(leaves: int | None) -> None:
    """A semaphore serves in order of arrival, whatever each wants and whoever leaves (P71)."""
    semaphore = sync.Semaphore(0)
    waiting = list(_parked(*[semaphore.acquire(n) for n in (3, 1, 2)]))
    wants = [3, 1, 2]
    semaphore.release(2)
    if leaves is not None:
        waiting.pop(leaves).drop()
        given = wants.pop(leaves)
        assert given != 3 or semaphore.available == 0
    semaphore.release(4)
    assert 0 == semaphore.available or leaves is not None
    assert [True] * len(waiting) == [_done(one) for one in waiting]
    assert 6 - sum(wants) == semaphore.available


def test_small_requests_wait_behind_a_big_one() -> None:
    """As long as the first in line has not all of its permits, nobody gets any (S2)."""
    semaphore = sync.Semaphore(2)
    big, small = _parked(semaphore.acquire(3), semaphore.acquire(1))
    assert 0 == semaphore.available
    with pytest.raises(rescind.WouldBlock):
        semaphore.acquire_nowait()
    assert not _done(small)
    semaphore.release()
    assert [True, False] == [_done(big), _done(small)]


def test_closing_a_semaphore_gives_back_what_was_gathered() -> None:
    """Permits are conserved (S1)."""
    semaphore = sync.Semaphore(2)
    (big,) = _parked(semaphore.acquire(3))
    semaphore.close()
    with pytest.raises(rescind.Closed):
        poll_once(big, context()).unwrap()  # type: ignore[union-attr]
    assert 2 == semaphore.available


def test_readers_do_not_overtake_a_writer() -> None:
    """Who comes after a writer that waits, waits too; and goes on when that gives up (K2, K4)."""
    lock = sync.RwLock()
    lock.acquire_read_nowait()
    writer, reader = _parked(lock.acquire_write(), lock.acquire_read())
    assert not _done(reader)
    writer.drop()
    assert _done(reader)


def test_readers_go_on_when_the_writer_becomes_one() -> None:
    """Those at the head of the line, and no writer behind them (K3)."""
    lock = sync.RwLock()
    lock.acquire_write_nowait()
    first, second, writer = _parked(lock.acquire_read(), lock.acquire_read(), lock.acquire_write())
    lock.downgrade()
    assert [True, True, False] == [_done(first), _done(second), _done(writer)]


def test_notify_waiters_is_heard_by_those_that_exist() -> None:
    """Polled or not; and not by those that are made later (N3)."""
    notify = sync.Notify()
    early = notify.notified()
    (parked,) = _parked(notify.notified())
    notify.notify_waiters()
    late = notify.notified()
    assert [True, True, False] == [_done(early), _done(parked), _done(late)]


def test_a_stored_notification_is_for_who_comes_next() -> None:
    """And not for those whom all were told by: they have theirs, polled or not (N1, N3)."""
    notify = sync.Notify()
    early = notify.notified()
    notify.notify_one()
    notify.notify_waiters()
    late = notify.notified()
    assert [True, True] == [_done(early), _done(late)]
    assert not notify.statistics().stored


@pytest.mark.parametrize("held", [True, False])
def test_a_notification_of_one_that_is_dropped_goes_to_the_next(held: bool) -> None:
    """Whether it had been given the mutex already, or waited for it still (C2)."""
    condition = sync.Condition()
    waiting: list[Future[Any]] = []
    for _ in range(2):
        condition.acquire_nowait()
        waiting += _parked(condition.wait())
    first, second = waiting
    if held:
        condition.acquire_nowait()
    condition.notify()
    first.drop()  # with the mutex, if that was free: as its block would, we release it
    condition.release()
    assert _done(second)
    condition.release()
    assert not condition.locked()


def test_senders_do_not_overtake() -> None:
    """Where somebody waits for several slots, a single one is not given to who comes later (C2)."""
    sender, receiver = sync.channel[int](2)
    sender.send_nowait(1)
    (many,) = _parked(sender.reserve_many(2))
    with pytest.raises(sync.Full):
        sender.send_nowait(2)
    (single,) = _parked(sender.send(3))
    many.drop()
    assert _done(single)
    assert [1, 3] == receiver.drain()


def test_what_is_handed_over_takes_up_room() -> None:
    """Until its receiver has taken it, it counts: it may come back (C1)."""
    sender, receiver = sync.channel[int](1)
    (waits,) = _parked(receiver.recv())
    sender.send_nowait(1)
    with pytest.raises(sync.Full):
        sender.send_nowait(2)
    waits.drop()
    assert 1 == len(receiver)
    assert 1 == receiver.recv_nowait()
    sender.send_nowait(2)


def test_with_the_last_receiver_everything_is_handed_back() -> None:
    """What was queued, in order; and what waits to be sent stays with its sender (C5)."""
    back: list[int] = []
    sender, receiver = sync.channel[int](2, on_undelivered=back.append)
    sender.send_nowait(1)
    sender.send_nowait(2)
    (third,) = _parked(sender.send(3))
    receiver.drop()
    assert [1, 2] == back
    with pytest.raises(sync.NotSent) as caught:
        poll_once(third, context()).unwrap()  # type: ignore[union-attr]
    assert 3 == caught.value.value


def test_senders_are_told_when_the_channel_is_closed() -> None:
    """They have their values still; receivers get what was accepted (C4)."""
    sender, receiver = sync.channel[int](1)
    sender.send_nowait(1)
    (second,) = _parked(sender.send(2))
    receiver.close()
    with pytest.raises(sync.NotSent):
        poll_once(second, context()).unwrap()  # type: ignore[union-attr]
    assert 1 == receiver.recv_nowait()
    with pytest.raises(rescind.Closed):
        receiver.recv_nowait()


def test_a_permit_keeps_the_channel_open() -> None:
    """The end is told when it is used or given back, not before (C4)."""
    for use in (True, False):
        sender, receiver = sync.channel[int](1)
        (waits,) = _parked(receiver.recv())
        permit = sender.reserve_nowait()
        sender.close()
        assert not _done(waits)
        if use:
            permit.send(1)
            assert 1 == poll_once(waits, context()).unwrap()  # type: ignore[union-attr]
        else:
            permit.release()
            with pytest.raises(rescind.Closed):
                poll_once(waits, context()).unwrap()  # type: ignore[union-attr]


def test_who_waits_for_a_oneshot_learns_that_nothing_comes() -> None:
    """When its sender goes without having sent."""
    sender, receiver = sync.oneshot[int]()
    (waits,) = _parked(receiver.recv())
    sender.close()
    with pytest.raises(rescind.Closed):
        poll_once(waits, context()).unwrap()  # type: ignore[union-attr]


def test_a_receiver_that_lags_goes_on_with_the_oldest_kept() -> None:
    """It is told once how many it missed, in their place (B2)."""
    sender, receiver = sync.broadcast[int](2)
    for number in range(5):
        sender.send(number)
    with pytest.raises(sync.Lagged) as caught:
        receiver.recv_nowait()
    assert 3 == caught.value.missed
    assert [3, 4] == [receiver.recv_nowait(), receiver.recv_nowait()]


#: An operation that waits, what lets it go on, and what says that it has what it waited for.
GIVEN: dict[str, Callable[[], tuple[Future[Any], Callable[[], object]]]] = {}


def _given(make: Any) -> Any:
    GIVEN[make.__name__] = make
    return make


@_given
def mutex() -> Any:
    """A mutex that is released."""
    lock = sync.Mutex()
    lock.acquire_nowait()
    return lock.acquire(), lock.release


@_given
def semaphore() -> Any:
    """A permit that is released."""
    permits = sync.Semaphore(0)
    return permits.acquire(), permits.release


@_given
def recv() -> Any:
    """A value that is sent."""
    sender, receiver = sync.channel[int](1)
    return receiver.recv(), lambda: sender.send_nowait(1)


@_given
def send() -> Any:
    """A slot that is free."""
    sender, receiver = sync.channel[int](1)
    sender.send_nowait(1)
    return sender.send(2), receiver.recv_nowait


@_given
def oneshot() -> Any:
    """The value that is sent."""
    sender, receiver = sync.oneshot[int]()
    return receiver.recv(), lambda: sender.send(1)


@_given
def notify() -> Any:
    """A notification."""
    notify = sync.Notify()
    return notify.notified(), notify.notify_one


@_given
def barrier() -> Any:
    """The party that is complete."""
    barrier = sync.Barrier(2)
    return barrier.wait(), barrier.wait_nowait


@pytest.mark.parametrize("name", GIVEN)
def test_what_was_given_is_delivered_though_it_is_canceled_then(name: str) -> None:
    """The cancellation comes later: who was given something has it (R7, O1)."""
    operation, give = GIVEN[name]()
    _parked(operation)
    give()
    assert isinstance(poll_cancel_once(operation, context()), rescind.Completed)


def test_what_goes_out_of_scope_leaves_the_line() -> None:
    """An operation that nobody polls any more is given nothing (O5)."""
    lock = sync.Mutex()
    lock.acquire_nowait()
    first, second = _parked(lock.acquire(), lock.acquire())
    del first
    lock.release()
    assert _done(second)
