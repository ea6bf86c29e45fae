"""A finalizer may end or release something in the middle of a locked step: nothing is lost (O3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rescind import Canceled, Closed, Completed, Error
from rescind.lowlevel import PENDING, Waiter, WaitList, Waker
from rescind.sync import Barrier, Condition, Event, Mutex, Notify, OnceCell, RwLock, Semaphore
from rescind.testing import context, poll_once
from tests.sync.kit import Party, parked


class Interrupted(WaitList):
    """A queue in which something happens, once, just before one joins or is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.before_join: Callable[[], object] | None = None
        self.before_wake: Callable[[], object] | None = None

    def join(self, waker: Waker, wants: Any = None, given: Any = None) -> Waiter:
        happens, self.before_join = self.before_join, None
        if happens is not None:
            happens()
        return super().join(waker, wants, given)

    def pick(self, waiter: Waiter, given: Any = None) -> Waker | None:
        happens, self.before_wake = self.before_wake, None
        if happens is not None:
            happens()
        return super().pick(waiter, given)

    def move(self, waiter: Waiter, to: WaitList) -> bool:
        happens, self.before_wake = self.before_wake, None
        if happens is not None:
            happens()
        return super().move(waiter, to)


def soon(fut: Awaitable[Any]) -> Any:
    """Return the outcome of a poll, or, if it has been woken by its end, of the next one."""
    party = Party(fut)
    outcome = party.poll()
    if outcome is PENDING:
        assert 1 == party.wakes
        outcome = party.poll()
    return outcome


def interrupted(primitive: Any) -> Any:
    """Give the primitive such a queue."""
    primitive._waiting = Interrupted()
    return primitive


LEAVES = pytest.mark.parametrize("leaves", ["cancel", "drop"])
"""A cancellation is answered at once; a drop happens after the step (S3), and gives back."""


async def never_called() -> str:
    """Be the function of one who has to wait."""
    raise AssertionError("a second initialiser ran")


async def make() -> str:
    """Make a value."""
    return "value"


def test_mutex_released_just_before_one_queues() -> None:
    """O4."""
    mutex = interrupted(Mutex())
    mutex.acquire_nowait()
    mutex._waiting.before_join = mutex.release
    assert Completed(None) == soon(mutex.acquire())


@pytest.mark.parametrize("event", ["release", "close"])
def test_semaphore_released_or_closed_just_before_one_queues(event: str) -> None:
    """O4."""
    semaphore = interrupted(Semaphore(0))
    semaphore._waiting.before_join = getattr(semaphore, event)
    outcome = soon(semaphore.acquire())
    if event == "release":
        assert Completed(None) == outcome
    else:
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, Closed)


def test_rwlock_released_just_before_one_queues() -> None:
    """O4."""
    lock = interrupted(RwLock())
    lock.acquire_write_nowait()
    lock._waiting.before_join = lock.release_write
    assert Completed(None) == soon(lock.acquire_read())


def test_event_set_just_before_one_queues() -> None:
    """O4."""
    event = interrupted(Event())
    event._waiting.before_join = event.set
    assert Completed(None) == soon(event.wait())


@pytest.mark.parametrize("how", ["notify_one", "notify_last", "notify_waiters"])
def test_notification_just_before_one_queues(how: str) -> None:
    """O4: and it is taken, not stored for another as well."""
    notify = interrupted(Notify())
    notify._waiting.before_join = getattr(notify, how)
    assert (Completed(None), False) == (soon(notify.notified()), notify.statistics().stored)


@pytest.mark.parametrize("event", ["wait", "close"])
def test_barrier_completed_or_closed_just_before_one_queues(event: str) -> None:
    """O4."""
    barrier = interrupted(Barrier(2))
    other = Party(barrier.wait())
    barrier._waiting.before_join = other.poll if event == "wait" else barrier.close
    outcome = soon(barrier.wait())
    if event == "wait":
        assert (Completed(1), Completed(0)) == (outcome, other.poll())
    else:
        assert isinstance(outcome, Error)


@pytest.mark.parametrize("event", ["drop", "set"])
def test_cell_given_up_or_set_just_before_one_queues(event: str) -> None:
    """O4."""
    cell: Any = interrupted(OnceCell())
    gate = Event()

    async def slow() -> str:
        await gate.wait()
        return "slow"

    (maker,) = parked(cell.get_or_init(slow))
    gate.set()
    cell._waiting.before_join = maker.drop if event == "drop" else maker.poll
    assert Completed("value" if event == "drop" else "slow") == soon(cell.get_or_init(make))


@LEAVES
def test_first_in_line_that_leaves_as_it_is_given_the_mutex(leaves: str) -> None:
    """W4: the next one has it, or nobody."""
    mutex = interrupted(Mutex())
    mutex.acquire_nowait()
    first, second = parked(mutex.acquire(), mutex.acquire())
    mutex._waiting.before_wake = getattr(first, leaves)
    mutex.release()
    assert (1, Completed(None)) == (second.wakes, second.poll())

    (last,) = parked(mutex.acquire())
    mutex._waiting.before_wake = getattr(last, leaves)
    mutex.release()
    assert not mutex.locked()


@LEAVES
def test_first_in_line_that_leaves_as_it_is_given_permits(leaves: str) -> None:
    """W4: all that it had gathered goes on."""
    semaphore = interrupted(Semaphore(0))
    first, second = parked(semaphore.acquire(2), semaphore.acquire(2))
    semaphore.release()
    semaphore._waiting.before_wake = getattr(first, leaves)
    semaphore.release()
    assert (1, 0) == (second.wakes, semaphore.available)
    (last,) = parked(semaphore.acquire())
    semaphore._waiting.before_wake = getattr(last, leaves)
    semaphore.release()
    assert 1 == semaphore.available


@pytest.mark.parametrize("form", ["read", "write"])
@LEAVES
def test_first_in_line_that_leaves_as_it_is_let_in(form: str, leaves: str) -> None:
    """W4: the next one is let in, or nobody."""
    lock = interrupted(RwLock())
    lock.acquire_write_nowait()
    first, second = parked(getattr(lock, f"acquire_{form}")(), lock.acquire_write())
    lock._waiting.before_wake = getattr(first, leaves)
    lock.release_write()
    assert (1, Completed(None)) == (second.wakes, second.poll())
    lock.release_write()
    assert not lock.locked()


@LEAVES
def test_first_in_line_that_leaves_as_it_is_notified(leaves: str) -> None:
    """W4: the next one is, or it is stored."""
    notify = interrupted(Notify())
    first, second = parked(notify.notified(), notify.notified())
    notify._waiting.before_wake = getattr(first, leaves)
    notify.notify_one()
    assert 1 == second.wakes
    (last,) = parked(notify.notified())
    notify._waiting.before_wake = getattr(last, leaves)
    notify.notify_one()
    assert notify.statistics().stored


@LEAVES
def test_first_in_line_that_leaves_as_its_condition_is_notified(leaves: str) -> None:
    """W4: the next one is."""
    condition = Condition()
    condition._waiting = Interrupted()
    parties = []
    for _ in range(2):
        condition.acquire_nowait()
        parties += parked(condition.wait())
    condition.acquire_nowait()
    condition._waiting.before_wake = getattr(parties[0], leaves)
    condition.notify()
    condition.release()
    if leaves == "cancel":  # it was not notified, and waits for the mutex, which it gets first
        assert isinstance(parties[0].cancel(), Canceled)
        condition.release()
    assert Completed(None) == parties[1].poll()


@LEAVES
def test_first_in_line_that_leaves_as_the_barrier_opens(leaves: str) -> None:
    """W4, G3: the others go on, each with another place; dropped after it, it took part."""
    barrier = interrupted(Barrier(3))
    first, second = parked(barrier.wait(), barrier.wait())
    barrier._waiting.before_wake = getattr(first, leaves)
    last = 2 if leaves == "drop" else 1
    assert (Completed(last), Completed(last - 1)) == (poll_once(barrier.wait()), second.poll())


@LEAVES
def test_first_in_line_that_leaves_as_it_is_to_make_the_value(leaves: str) -> None:
    """W4: the next one makes it; with nobody in line, whoever comes."""
    cell: Any = interrupted(OnceCell())
    gate = Event()

    async def slow() -> str:
        await gate.wait()
        return "slow"

    maker, first, second = parked(
        cell.get_or_init(slow), cell.get_or_init(never_called), cell.get_or_init(slow)
    )
    cell._waiting.before_wake = getattr(first, leaves)
    maker.drop()
    assert 1 == second.wakes
    second.poll()
    (last,) = parked(cell.get_or_init(never_called))
    cell._waiting.before_wake = getattr(last, leaves)
    second.drop()
    assert Completed("value") == poll_once(cell.get_or_init(make))


class Arrive(Waker):
    """Comes again as soon as it is woken, before the others are."""

    def __init__(self, again: Callable[[], Any]) -> None:
        self.again = again
        self.future: Any = None

    def wake(self) -> None:
        self.future = self.again()
        assert PENDING is poll_once(self.future)


def test_one_who_comes_again_while_the_barrier_opens_is_in_the_next_generation() -> None:
    """G1: waking runs code."""
    barrier = Barrier(3)
    waker = Arrive(barrier.wait)
    first, second = barrier.wait(), barrier.wait()
    poll_once(first, context(waker))
    poll_once(second)
    assert Completed(2) == poll_once(barrier.wait())
    assert (1, PENDING) == (barrier.statistics().waiting, poll_once(waker.future))
