"""Every primitive: nobody else's code runs under its lock, and nothing that gives waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from rescind import Completed, PolledAfterCompletion, UsageError
from rescind.lowlevel import PENDING, Future, Waker
from rescind.sync import (
    Barrier,
    Condition,
    Event,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    broadcast,
    channel,
    oneshot,
    watch,
)
from rescind.sync.section import Section
from rescind.testing import CountingWaker, context, poll_once
from tests.sync.channel_kit import logged


class Case(NamedTuple):
    """A primitive, who waits for it, what lets them go on, and a look at it."""

    section: Section
    wait: Callable[[], Future[Any]]
    give: Callable[[], object]
    look: Callable[[], object]


def mutex() -> Case:
    """Make one that is held."""
    lock = Mutex()
    lock.acquire_nowait()
    return Case(lock._section, lock.acquire, lock.release, lock.locked)


def semaphore() -> Case:
    """Make one that is empty."""
    permits = Semaphore(0)
    return Case(permits._section, permits.acquire, permits.release, permits.statistics)


def rwlock_write() -> Case:
    """Make one in which somebody writes."""
    lock = RwLock()
    lock.acquire_write_nowait()
    return Case(lock._section, lock.acquire_read, lock.release_write, lock.locked)


def rwlock_read() -> Case:
    """Make one in which somebody reads."""
    lock = RwLock()
    lock.acquire_read_nowait()
    return Case(lock._section, lock.acquire_write, lock.release_read, lock.statistics)


def event() -> Case:
    """Make one that is not set."""
    happened = Event()
    return Case(happened._section, happened.wait, happened.set, happened.is_set)


def notify_one() -> Case:
    """Make one with nothing stored."""
    news = Notify()
    return Case(news._section, news.notified, news.notify_one, news.statistics)


def notify_waiters() -> Case:
    """Make one with nothing stored."""
    news = Notify()
    return Case(news._section, news.notified, news.notify_waiters, news.statistics)


def barrier() -> Case:
    """Make one at which others are missing."""
    meeting = Barrier(9)
    return Case(meeting._section, meeting.wait, meeting.close, meeting.statistics)


def closed_semaphore() -> Case:
    """Make one that is to be closed."""
    permits = Semaphore(0)
    return Case(permits._section, permits.acquire, permits.close, lambda: permits.closed)


def condition() -> Case:
    """Make one whose mutex is held until it is waited for."""
    changed = Condition()

    def wait() -> Future[None]:
        if not changed.locked():
            changed.acquire_nowait()
        return changed.wait()

    return Case(changed.mutex._section, wait, changed.notify, changed.statistics)


def received() -> Case:
    """Make a channel in which nothing is."""
    sender, receiver = channel[int](1)
    permit = sender.reserve_nowait()
    other = sender.clone()

    def give() -> None:
        permit.release()
        sender.close()
        other.close()

    return Case(sender._section, receiver.recv, give, lambda: receiver.is_closed)


def sent() -> Case:
    """Make a channel that is full."""
    sender, receiver = channel[int](1)
    sender.send_nowait(0)
    return Case(sender._section, lambda: sender.send(1), receiver.drop, lambda: sender.is_closed)


def reserved() -> Case:
    """Make a channel whose slot is reserved."""
    sender, receiver = channel[int](1)
    permit = sender.reserve_nowait()
    return Case(sender._section, sender.reserve, permit.release, receiver.statistics)


def unwanted() -> Case:
    """Make a channel with a receiver."""
    sender, receiver = channel[int](1)
    return Case(sender._section, sender.closed, receiver.close, sender.statistics)


def answered() -> Case:
    """Make a oneshot with a sender."""
    sender, receiver = oneshot[int]()
    return Case(sender._section, receiver.recv, sender.close, lambda: receiver.is_closed)


def refused() -> Case:
    """Make a oneshot with a receiver."""
    sender, receiver = oneshot[int]()
    return Case(sender._section, sender.closed, receiver.close, lambda: sender.is_closed)


def heard() -> Case:
    """Make a broadcast with a sender."""
    sender, receiver = broadcast[int](1)
    return Case(sender._section, receiver.recv, sender.close, lambda: receiver.is_closed)


def changed() -> Case:
    """Make a watch with a sender."""
    sender, receiver = watch(0)
    return Case(sender._section, receiver.changed, sender.close, lambda: receiver.is_closed)


def waited_for() -> Case:
    """Make a watch with a sender, and wait for a value."""
    sender, receiver = watch(0)
    return Case(
        sender._section, lambda: receiver.wait_for(bool), sender.close, lambda: receiver.is_closed
    )


CASES = pytest.mark.parametrize(
    "make",
    [
        mutex,
        semaphore,
        closed_semaphore,
        rwlock_write,
        rwlock_read,
        event,
        notify_one,
        notify_waiters,
        barrier,
        condition,
        received,
        sent,
        reserved,
        unwanted,
        answered,
        refused,
        heard,
        changed,
        waited_for,
    ],
    ids=lambda make: make.__name__,
)


def in_thread(function: Callable[[], object]) -> None:
    """Run it in another thread, to the end; raise what it raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for a lock"
    if errors:
        raise errors[0]


@contextmanager
def held_by_another_thread(section: Section) -> Iterator[None]:
    """Let another thread be in the middle of a step."""
    inside, go = threading.Event(), threading.Event()

    def hold() -> None:
        with section, section.lock:
            inside.set()
            go.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    try:
        yield
    finally:
        go.set()
        thread.join(60)


@CASES
def test_wakers_run_when_the_lock_is_free(make: Callable[[], Case]) -> None:
    """S1: another thread can use the primitive while a waker runs, and so does the waker itself."""
    case = make()

    class Uses(Waker):
        woken = 0

        def wake(self) -> None:
            self.woken += 1
            in_thread(case.look)
            case.look()

    waker = Uses()
    waiting = case.wait()
    assert PENDING is poll_once(waiting, context(waker))
    case.give()
    assert 1 == waker.woken


@CASES
def test_waker_that_is_replaced_goes_when_the_lock_is_free(make: Callable[[], Case]) -> None:
    """S1: its finalizer is not ours."""
    case = make()
    gone: list[str] = []

    class Looks(Waker):
        def wake(self) -> None:
            raise AssertionError("it was replaced")

        def __del__(self) -> None:
            in_thread(case.look)
            gone.append("gone")

    waiting = case.wait()
    assert PENDING is poll_once(waiting, context(Looks()))
    assert PENDING is poll_once(waiting)
    assert ["gone"] == gone


@CASES
def test_giving_waits_for_no_other_thread(make: Callable[[], Case]) -> None:
    """S2: whoever is inside does it, and wakes; it is done for whoever looks later (S3)."""
    case = make()
    waker = CountingWaker()
    waiting = case.wait()
    assert PENDING is poll_once(waiting, context(waker))
    with held_by_another_thread(case.section):
        case.give()
        assert 0 == waker.wakes
    assert 1 == waker.wakes
    assert PENDING is not poll_once(waiting)


@CASES
@pytest.mark.parametrize("how", ["drop", "forget"])
@pytest.mark.parametrize("woken", [False, True], ids=["parked", "woken"])
def test_dropping_waits_for_no_other_thread(
    make: Callable[[], Case], how: str, woken: bool
) -> None:
    """S2, O5: the operation has left when whoever is inside has."""
    case = make()
    waiting: Future[Any] | None = case.wait()
    assert waiting is not None
    assert PENDING is poll_once(waiting)
    if woken:
        case.give()
    with held_by_another_thread(case.section):
        if how == "drop":
            waiting.drop()
        waiting = None
    assert ([], 0) == (case.section.posted, len(case.section.due))


@CASES
def test_giving_in_the_middle_of_a_step_happens_after_it(make: Callable[[], Case]) -> None:
    """S3: what a finalizer gives there cuts no step in two."""
    case = make()
    waker = CountingWaker()
    waiting = case.wait()
    assert PENDING is poll_once(waiting, context(waker))
    with case.section, case.section.lock:
        case.give()
        with case.section, case.section.lock:
            case.look()
        assert waiting._waiter is not None  # type: ignore[attr-defined]
        assert not waiting._waiter.woken  # type: ignore[attr-defined]
    assert 1 == waker.wakes


def test_what_a_thread_has_given_it_finds_given() -> None:
    """S3: although another thread was inside, and has not done it when it looks."""
    happened, permits, lock = Event(), Semaphore(0), Mutex()
    lock.acquire_nowait()
    for section, give, look in (
        (happened._section, happened.set, happened.is_set),
        (permits._section, permits.release, lambda: permits.available == 1),
        (lock._section, lock.release, lambda: not lock.locked()),
    ):
        section.posted.append(give)  # as `post` has, when it could not have the lock
        assert look()


def test_cell_whose_maker_is_dropped_waits_for_no_other_thread() -> None:
    """S2, I2: the collector closes initialisers anywhere."""
    cell = OnceCell[int]()
    gate = Event()

    async def slow() -> int:
        await gate.wait()
        return 1

    async def make() -> int:
        return 2

    maker = cell.get_or_init(slow)
    heir = cell.get_or_init(make)
    assert [PENDING, PENDING] == [poll_once(maker), poll_once(heir)]
    with held_by_another_thread(cell._section):
        maker.drop()
    assert Completed(2) == poll_once(heir)


@pytest.mark.parametrize("held", [False, True], ids=["alone", "in company"])
def test_release_of_what_is_not_held_is_refused(held: bool) -> None:
    """Also if another thread is inside: the caller is told, not the log."""
    lock, bounded, shared = Mutex(), Semaphore(1, max=1), RwLock()
    for section, release in (
        (lock._section, lock.release),
        (bounded._section, bounded.release),
        (shared._section, shared.release_read),
        (shared._section, shared.release_write),
    ):
        if held:
            with held_by_another_thread(section), pytest.raises(UsageError):
                release()
        else:
            with pytest.raises(UsageError):
                release()


def test_permits_that_two_threads_release_at_once_beyond_the_max_are_refused() -> None:
    """S2: the one who could not be told is told in the log."""
    bounded = Semaphore(0, max=1)
    with logged() as messages:
        with held_by_another_thread(bounded._section):
            bounded.release()
            bounded.release()
        assert 1 == bounded.available
    assert 1 == len(messages)
    assert "more than 1 would be free" in messages[0]


def test_ten_thousand_wakers_that_use_the_primitive_do_not_nest() -> None:
    """S1: each is called when the one before has returned, as deep in the stack."""
    happened = Event()
    depth = 0
    deepest = 0

    class Uses(Waker):
        def wake(self) -> None:
            nonlocal depth, deepest
            depth += 1
            deepest = max(deepest, depth)
            happened.set()
            depth -= 1

    waiting = [happened.wait() for _ in range(10_000)]
    for one in waiting:
        poll_once(one, context(Uses()))
    happened.set()
    assert 1 == deepest
    assert all(poll_once(one) == Completed(None) for one in waiting)


def test_posted_step_is_taken_although_all_threads_try_at_the_same_time() -> None:
    """S2: it is never left to somebody who has looked already."""
    section, done = Section(), list[int]()
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait(60)
        for n in range(2000):
            section.post(done.append, number * 2000 + n)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert list(range(8000)) == sorted(done)
    assert ([], 0) == (section.posted, len(section.due))


@CASES
def test_dropped_twice_it_has_left_once_and_is_not_polled_again(make: Callable[[], Case]) -> None:
    """R1, R3: parked, woken, or never polled; whoever is behind gets what it had."""
    case = make()
    waker, never, waiting = CountingWaker(), case.wait(), list[Future[Any]]()
    for _ in range(3):
        waiting.append(case.wait())
        assert PENDING is poll_once(waiting[-1], context(waker))
    left, woken, behind = waiting
    left.drop()
    case.give()
    for one in (never, left, woken):
        one.drop()
        one.drop()
        with pytest.raises(PolledAfterCompletion):
            poll_once(one).unwrap()  # type: ignore[union-attr]
    if make is not condition:  # C1: there, whoever is dropped holds the mutex
        assert PENDING is not poll_once(behind)


@CASES
def test_operation_that_nobody_awaits_does_nothing(make: Callable[[], Case]) -> None:
    """It is lazy: made and forgotten, it has neither queued nor taken anything."""
    case = make()
    forgotten = case.wait()
    behind = case.wait()
    assert PENDING is poll_once(behind)
    del forgotten
    case.give()
    assert PENDING is not poll_once(behind)
