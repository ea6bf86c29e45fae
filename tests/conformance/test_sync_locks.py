"""Locks and signals: what tokio, trio and CPython pin, and what they once got wrong."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable
from typing import Any

import pytest

from rescind import (
    Canceled,
    Cancellation,
    Closed,
    Completed,
    Error,
    TimedOut,
    UsageError,
    WouldBlock,
    join,
    never,
    sleep,
    spawn,
    timeout,
    yield_now,
)
from rescind.lowlevel import PENDING, Future, Waker
from rescind.sync import Barrier, Condition, Event, Mutex, Notify, OnceCell, RwLock, Semaphore
from rescind.testing import CountingWaker, context, poll_once, run_virtual

from .support import logged


class Spawned:
    """A future that is moved by hand, with its waker."""

    def __init__(self, future: Future[Any]) -> None:
        self.future = future
        self.waker = CountingWaker()

    def poll(self) -> Any:
        return poll_once(self.future, context(self.waker))

    @property
    def woken(self) -> bool:
        return self.waker.wakes > 0

    def drop(self) -> None:
        self.future.drop()


def spawned(*futures: Future[Any]) -> list[Spawned]:
    """Poll each once; each is pending."""
    made = [Spawned(future) for future in futures]
    assert all(one.poll() is PENDING for one in made)
    return made


def value(main: Any) -> Any:
    """Run on the virtual clock, and return the value."""
    return run_virtual(main).unwrap()


# -- tokio sync_mutex ------------------------------------------------------------------------------


def test_a_holder_that_times_out_releases_the_mutex() -> None:
    """Tokio sync_mutex, aborted_future_1."""

    async def main() -> bool:
        mutex = Mutex()

        async def hold() -> None:
            async with mutex:
                await never()

        with pytest.raises(TimedOut):
            await timeout(hold(), 1)
        await timeout(mutex.acquire(), 1)
        return mutex.locked()

    assert value(main) is True


def test_a_waiter_that_times_out_leaves_no_ghost() -> None:
    """Tokio sync_mutex, aborted_future_2."""

    async def main() -> bool:
        mutex = Mutex()

        async def hold() -> None:
            async with mutex:
                await sleep(2)

        async def take() -> None:
            async with mutex:
                pass

        holder = spawn(hold())
        await yield_now()
        with pytest.raises(TimedOut):
            await timeout(take(), 1)
        await holder
        await timeout(take(), 1)
        return mutex.locked()

    assert value(main) is False


def test_a_released_mutex_wakes_the_next_and_only_that_one() -> None:
    """Tokio sync_mutex, readiness and straight_execution."""
    mutex = Mutex()
    mutex.acquire_nowait()
    first, second = spawned(mutex.acquire(), mutex.acquire())
    mutex.release()
    assert (True, False) == (first.woken, second.woken)
    assert Completed(None) == first.poll()
    mutex.release()
    assert second.woken


# -- tokio sync_semaphore, semaphore_batch ---------------------------------------------------------


def test_permits_that_are_there_are_had_without_waiting() -> None:
    """Tokio semaphore_batch, poll_acquire_one_available, poll_acquire_many_available."""
    semaphore = Semaphore(100)
    outcomes = [poll_once(semaphore.acquire(n)) for n in (1, 5, 94)]
    assert ([Completed(None)] * 3, 0) == (outcomes, semaphore.available)


def test_those_who_want_many_and_one_go_in_their_order() -> None:
    """Tokio semaphore_batch, poll_acquire_many_unavailable."""
    semaphore = Semaphore(5)
    semaphore.acquire_nowait(1)
    five, one, three = spawned(semaphore.acquire(5), semaphore.acquire(1), semaphore.acquire(3))
    semaphore.release(1)
    assert (True, False) == (five.woken, one.woken)
    assert Completed(None) == five.poll()
    semaphore.release(1)
    assert (True, False) == (one.woken, three.woken)
    semaphore.release(2)
    assert not three.woken
    semaphore.release(1)
    assert three.woken


def test_a_release_wakes_whoever_waits_for_the_first_permit() -> None:
    """Tokio semaphore_batch, poll_acquire_one_zero_permits, and sync_semaphore, add_permits."""
    semaphore = Semaphore(0)
    (waiting,) = spawned(semaphore.acquire())
    semaphore.release()
    assert (True, Completed(None)) == (waiting.woken, waiting.poll())


def test_a_canceled_acquire_gives_back_what_it_had() -> None:
    """Tokio semaphore_batch, cancel_acquire_releases_permits: row 39."""
    semaphore = Semaphore(10)
    semaphore.acquire_nowait(4)
    (waiting,) = spawned(semaphore.acquire(8))
    assert 0 == semaphore.available
    waiting.drop()
    assert 6 == semaphore.available
    semaphore.acquire_nowait(6)


class ReleaseAtDrop(Waker):
    """A waker that gives a permit back when it is no longer referred to."""

    def __init__(self, semaphore: Semaphore) -> None:
        self.semaphore = semaphore

    def wake(self) -> None:
        pass

    def __del__(self) -> None:
        self.semaphore.release()


def test_a_waker_whose_end_releases_a_permit_does_not_deadlock() -> None:
    """Tokio semaphore_batch, release_permits_at_drop; the next waiter has the permit."""
    semaphore = Semaphore(1)
    semaphore.acquire_nowait()
    first, second = semaphore.acquire(), semaphore.acquire()
    poll_once(first, context(ReleaseAtDrop(semaphore)))
    poll_once(second)
    poll_once(first, context())  # replaces the waker, which ends here, inside the lock
    gc.collect()
    assert (Completed(None), PENDING) == (poll_once(first), poll_once(second))
    second.drop()


def test_closing_a_semaphore_fails_all() -> None:
    """Tokio semaphore_batch, close_semaphore_prevents_acquire, close_semaphore_notifies_permit."""
    semaphore = Semaphore(1)
    semaphore.acquire_nowait()
    first, second = spawned(semaphore.acquire(), semaphore.acquire())
    semaphore.close()
    assert (True, True) == (first.woken, second.woken)
    for outcome in (first.poll(), second.poll(), poll_once(semaphore.acquire())):
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, Closed)


def test_forgotten_permits_are_not_given_again() -> None:
    """Tokio sync_semaphore, forget, and semaphore_batch, forget_permits_basic."""
    semaphore = Semaphore(10)
    assert [4, 6] == [semaphore.forget_permits(4), semaphore.available]
    assert 6 == semaphore.forget_permits(10)
    with pytest.raises(WouldBlock):
        semaphore.acquire_nowait()


def test_many_tasks_leave_as_many_permits_as_there_were() -> None:
    """Tokio sync_semaphore, stresstest, update_permits_many_times; some of them canceled."""

    async def main() -> int:
        semaphore = Semaphore(5, max=5)

        async def use(n: int) -> None:
            async with semaphore.permits(n):
                await sleep(1)

        tasks = [spawn(use(1 + index % 5)) for index in range(200)]
        await sleep(1.5)
        for task in tasks[::3]:
            task.cancel()
        for task in tasks:
            await task.join()
        return semaphore.available

    assert 5 == value(main)


# -- tokio sync_notify -----------------------------------------------------------------------------


def test_a_permit_is_stored_and_then_not() -> None:
    """Tokio sync_notify, notify_notified_one, notified_one_notify, notify_notified_multi."""
    notify = Notify()
    notify.notify_one()
    assert Completed(None) == poll_once(notify.notified())
    (first,) = spawned(notify.notified())
    notify.notify_one()
    assert (True, Completed(None)) == (first.woken, first.poll())
    spawned(notify.notified())


def test_a_dropped_waiter_leaves_the_line() -> None:
    """Tokio sync_notify, notified_drop_notified_notify."""
    notify = Notify()
    first, second = spawned(notify.notified(), notify.notified())
    first.drop()
    notify.notify_one()
    assert (False, True) == (first.woken, second.woken)


@pytest.mark.parametrize(("send", "heir"), [("notify_one", 1), ("notify_last", 0)])
def test_a_notified_waiter_that_is_dropped_passes_it_on(send: str, heir: int) -> None:
    """Tokio sync_notify, notified_multi_notify_drop_one, _one_drop, _last_drop: row 38."""
    notify = Notify()
    waiting = spawned(notify.notified(), notify.notified())
    getattr(notify, send)()
    told = waiting[1 - heir]
    assert (True, False) == (told.woken, waiting[heir].woken)
    told.drop()
    assert (True, Completed(None)) == (waiting[heir].woken, waiting[heir].poll())


class NotifyAtDrop(Waker):
    """A waker that notifies when it is no longer referred to."""

    def __init__(self, notify: Notify) -> None:
        self.notify = notify

    def wake(self) -> None:
        pass

    def __del__(self) -> None:
        self.notify.notify_waiters()


def test_a_waker_whose_end_notifies_does_not_deadlock() -> None:
    """Tokio sync_notify, notify_in_drop_after_wake, drop_waker_…: inside the lock, and after."""
    notify = Notify()
    future = notify.notified()
    poll_once(future, context(NotifyAtDrop(notify)))
    notify.notify_waiters()
    assert Completed(None) == poll_once(future)
    gc.collect()


def test_a_permit_outlives_all_who_were_dropped() -> None:
    """Tokio sync_notify, notify_one_after_dropped_all."""
    notify = Notify()
    (waiting,) = spawned(notify.notified())
    notify.notify_waiters()
    notify.notify_one()
    waiting.drop()
    assert Completed(None) == poll_once(notify.notified())


def test_a_future_stands_in_line_once_it_is_enabled() -> None:
    """Tokio sync_notify, test_notify_one_not_enabled, _after_enable, enable_consumes_permit."""
    notify = Notify()
    enabled, other = notify.notified(), notify.notified()
    notify.notify_one()
    assert Completed(None) == poll_once(other)  # nobody was in line
    assert not enabled.enable()
    notify.notify_one()
    third = notify.notified()
    assert PENDING is poll_once(third)
    assert Completed(None) == poll_once(enabled)
    notify.notify_one()
    fourth = notify.notified()
    assert (Completed(None), False) == (poll_once(third), fourth.enable())
    fourth.drop()


def test_the_latest_waker_is_woken() -> None:
    """Tokio sync_notify, test_waker_update, test_enable_and_waker_update."""
    notify = Notify()
    future = notify.notified()
    future.enable()
    old, new = CountingWaker(), CountingWaker()
    poll_once(future, context(old))
    poll_once(future, context(new))
    notify.notify_one()
    assert (0, 1) == (old.wakes, new.wakes)


def test_an_unpolled_future_hears_notify_waiters_and_leaves_the_stored_permit() -> None:
    """Tokio sync_notify, unpolled_future_completed_by_notify_waiters_preserves_notify_one."""
    notify = Notify()
    before = notify.notified()
    notify.notify_waiters()
    notify.notify_one()
    after = notify.notified()
    assert [Completed(None), Completed(None)] == [poll_once(before), poll_once(after)]
    spawned(notify.notified())


class PanickingWaker(Waker):
    """A waker with a fault."""

    def wake(self) -> None:
        raise RuntimeError("panic")


@pytest.mark.parametrize("kind", ["notify", "event", "barrier", "semaphore", "condition"])
def test_a_panicking_waker_takes_nobody_elses_wake_up(kind: str) -> None:
    """Tokio sync_notify, notify_waiters_handles_panicking_waker; ours logs it and goes on."""
    notify, event, barrier = Notify(), Event(), Barrier(4)
    semaphore, condition = Semaphore(0), Condition()

    def wait() -> Future[Any]:
        if kind == "condition":
            condition.acquire_nowait()
        return {
            "notify": notify.notified,
            "event": event.wait,
            "barrier": barrier.wait,
            "semaphore": semaphore.acquire,
            "condition": condition.wait,
        }[kind]()

    wakers = [CountingWaker(), PanickingWaker(), CountingWaker()]
    futures = []
    for waker in wakers:
        future = wait()
        assert PENDING is poll_once(future, context(waker))
        futures.append(future)
    with logged() as log:
        {
            "notify": notify.notify_waiters,
            "event": event.set,
            "barrier": barrier.wait_nowait,
            "semaphore": lambda: semaphore.release(3),
            "condition": condition.notify_all,
        }[kind]()
        for future in futures:
            assert isinstance(poll_once(future), Completed)
            if kind == "condition":
                condition.release()
    assert [1, 1] == [w.wakes for w in wakers if isinstance(w, CountingWaker)]
    assert 1 == len(log.messages)


# -- tokio sync_once_cell --------------------------------------------------------------------------


def test_after_a_failed_initialiser_the_next_one_initialises() -> None:
    """Tokio sync_once_cell, get_or_init_panic and get_or_try_init: row 42."""

    async def main() -> tuple[Any, int]:
        cell: OnceCell[int] = OnceCell()

        async def broken() -> int:
            await sleep(1)
            raise LookupError

        async def good() -> int:
            await sleep(1)
            return 10

        first = spawn(cell.get_or_init(broken))
        second = spawn(cell.get_or_init(good))
        outcome = await first.join()
        return type(outcome.exception), await second  # type: ignore[union-attr]

    assert (LookupError, 10) == value(main)


def test_a_cell_that_is_being_initialised_is_not_set() -> None:
    """Tokio sync_once_cell, set_while_initializing, set_twice, get_uninit."""

    async def main() -> int:
        cell: OnceCell[int] = OnceCell()
        with pytest.raises(WouldBlock):
            cell.get()

        async def slow() -> int:
            await sleep(1)
            return 5

        task = spawn(cell.get_or_init(slow))
        await yield_now()
        with pytest.raises(UsageError):
            cell.set(10)
        await task
        with pytest.raises(UsageError):
            cell.set(10)
        return cell.get()

    assert 5 == value(main)


# -- tokio sync_rwlock -----------------------------------------------------------------------------


def test_a_dropped_queued_writer_lets_the_readers_behind_it_through() -> None:
    """Tokio sync_rwlock, write_read_shared_drop_pending."""
    lock = RwLock()
    lock.acquire_read_nowait()
    (reader,) = [Spawned(lock.acquire_read())]
    assert Completed(None) == reader.poll()
    writer, behind = spawned(lock.acquire_write(), lock.acquire_read())
    lock.release_read()
    assert not writer.woken
    writer.drop()
    assert (True, Completed(None)) == (behind.woken, behind.poll())


def test_readers_share_and_writers_do_not() -> None:
    """Tokio sync_rwlock, read_shared, write_shared_pending, read_exclusive_pending, write_order."""
    lock = RwLock()
    lock.acquire_read_nowait()
    lock.acquire_read_nowait()
    first, second = spawned(lock.acquire_write(), lock.acquire_write())
    lock.release_read()
    assert not first.woken
    lock.release_read()
    assert (True, False) == (first.woken, second.woken)
    lock.release_write()
    assert second.woken


def test_a_downgrade_lets_no_writer_in_between() -> None:
    """Tokio sync_rwlock, downgrade."""
    lock = RwLock()
    lock.acquire_write_nowait()
    reader, writer = spawned(lock.acquire_read(), lock.acquire_write())
    lock.downgrade()
    assert (True, False) == (reader.woken, writer.woken)


# -- tokio sync_barrier ----------------------------------------------------------------------------


def test_a_barrier_for_none_is_refused() -> None:
    """Tokio sync_barrier, zero_does_not_block: there it is one for one; ours says so."""
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Barrier(0)


def test_one_in_each_round_is_the_leader() -> None:
    """Tokio sync_barrier, single, tango, lots."""
    for parties in (1, 2, 100):
        barrier = Barrier(parties)
        for _ in range(3):
            futures = [barrier.wait() for _ in range(parties)]
            outcomes = [poll_once(future) for future in futures]
            places = [
                (outcome if isinstance(outcome, Completed) else poll_once(future)).unwrap()  # type: ignore[union-attr]
                for future, outcome in zip(futures, outcomes, strict=True)
            ]
            assert list(range(parties)) == places


# -- trio ------------------------------------------------------------------------------------------


async def _use(lock: Any, order: list[int], index: int) -> None:
    async with lock:
        order.append(index)
        await yield_now()


@pytest.mark.parametrize("kind", ["mutex", "semaphore", "condition", "writers"])
def test_locks_are_fair_to_those_who_come_again(kind: str) -> None:
    """Trio test_generic_lock_fifo_fairness: each gets as many turns as the others."""

    async def main() -> list[int]:
        lock = {
            "mutex": Mutex,
            "semaphore": lambda: Semaphore(1),
            "condition": Condition,
            "writers": RwLock,
        }[kind]()
        order: list[int] = []

        async def loop(index: int) -> None:
            for _ in range(20):
                await _use(lock.write() if isinstance(lock, RwLock) else lock, order, index)

        await join(*[loop(index) for index in range(3)])
        return order

    order = value(main)
    assert [0, 1, 2] * 20 == order


@pytest.mark.parametrize("kind", ["mutex", "semaphore"])
def test_taken_without_waiting_it_makes_others_wait(kind: str) -> None:
    """Trio test_generic_lock_acquire_nowait_blocks_acquire."""
    lock: Any = Mutex() if kind == "mutex" else Semaphore(1)
    lock.acquire_nowait()
    (waiting,) = spawned(lock.acquire())
    lock.release()
    assert Completed(None) == waiting.poll()


def test_a_lock_is_its_tasks_own() -> None:
    """Trio test_Lock_and_StrictFIFOLock: not re-entrant, not released by others, owner is told."""

    async def main() -> None:
        mutex = Mutex()

        async def other() -> None:
            with pytest.raises(UsageError):
                mutex.release()
            with pytest.raises(WouldBlock):
                mutex.acquire_nowait()

        async with mutex:
            with pytest.raises(UsageError):
                mutex.acquire_nowait()
            with pytest.raises(UsageError):
                await mutex.acquire()
            assert mutex.statistics().owner is not None
            await spawn(other())
        with pytest.raises(UsageError):
            mutex.release()

    run_virtual(main).unwrap()


def test_a_canceled_condition_wait_holds_the_lock_again() -> None:
    """Trio test_Condition: the wait is canceled twice, notified or not; the lock is held after."""

    async def main() -> list[bool]:
        condition = Condition()
        held: list[bool] = []

        async def wait() -> None:
            async with condition:
                try:
                    await condition.wait()
                finally:
                    held.append(condition.mutex.statistics().owner is not None)

        for notified in (False, True):
            task = spawn(wait())
            await yield_now()
            async with condition:
                if notified:
                    condition.notify()
                task.cancel()
                await yield_now()
                task.cancel()
                await yield_now()
                assert not task.done()
            await task.join()
        return held

    assert [True, True] == value(main)


def test_a_semaphore_with_a_bound_is_not_released_beyond_it() -> None:
    """Trio test_Semaphore_bounded, test_Semaphore."""
    bounded = Semaphore(1, max=1)
    with pytest.raises(UsageError):
        bounded.release()
    assert 1 == bounded.available
    free = Semaphore(1)
    free.release()
    assert 2 == free.available


@pytest.mark.parametrize("kind", ["mutex", "semaphore", "rwlock", "event", "notify", "barrier"])
def test_canceled_waiters_leave_nothing_behind(kind: str) -> None:
    """Trio test_CapacityLimiter_memleak_548: neither in the line nor in memory."""
    mutex, semaphore, lock, event = Mutex(), Semaphore(0), RwLock(), Event()
    notify, barrier = Notify(), Barrier(2)
    mutex.acquire_nowait()
    lock.acquire_write_nowait()
    make = {
        "mutex": mutex.acquire,
        "semaphore": semaphore.acquire,
        "rwlock": lock.acquire_read,
        "event": event.wait,
        "notify": notify.notified,
        "barrier": barrier.wait,
    }[kind]

    class Kept(CountingWaker):
        """A waker that can be referred to weakly."""

    gone = []
    for _ in range(10):
        waker = Kept()
        gone.append(weakref.ref(waker))
        future = make()
        poll_once(future, context(waker))
        future.drop()
        del waker, future
    gc.collect()
    assert [None] * 10 == [ref() for ref in gone]


# -- CPython ---------------------------------------------------------------------------------------


async def _settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


def test_a_waiter_canceled_as_the_lock_is_released_passes_it_on() -> None:
    """Cpython bpo-27585, bpo-32734: the next in line is not left waiting for ever."""

    async def main() -> list[str]:
        mutex = Mutex()
        got: list[str] = []

        async def take(name: str) -> None:
            async with mutex:
                got.append(name)

        await mutex.acquire()
        tasks = [asyncio.ensure_future(take(name)) for name in "ab"]
        await _settle()
        mutex.release()
        tasks[0].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        return got

    assert "b" == asyncio.run(main())[-1]


def test_a_semaphore_is_not_taken_by_those_who_come_late() -> None:
    """Cpython #90155: FIFO is not broken by a release just before a cancellation."""

    async def main() -> list[str]:
        semaphore = Semaphore(1)
        got: list[str] = []

        async def use(name: str) -> None:
            async with semaphore:
                got.append(name)
                await asyncio.sleep(0)

        await semaphore.acquire()
        tasks = [asyncio.ensure_future(use(name)) for name in "abc"]
        await _settle()
        tasks[0].cancel()
        semaphore.release()
        with pytest.raises(WouldBlock):
            semaphore.acquire_nowait()
        tasks.append(asyncio.ensure_future(use("late")))
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert 1 == semaphore.available
        return got

    got = asyncio.run(main())
    assert ["b", "c", "late"] == [name for name in got if name != "a"]


def test_several_permits_wake_several_waiters_although_one_is_canceled() -> None:
    """Cpython #97545: a release for a canceled waiter is not the end of the line."""

    async def main() -> int:
        semaphore = Semaphore(0)
        tasks = [asyncio.ensure_future(_hold(semaphore.acquire())) for _ in range(4)]
        await _settle()
        tasks[1].cancel()
        semaphore.release(3)
        await _settle()
        tasks[3].cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        return semaphore.available + sum(1 for outcome in outcomes if outcome is None)

    assert 3 == asyncio.run(main())


async def _hold(awaitable: Awaitable[Any]) -> None:
    await awaitable


def test_a_notification_is_not_lost_with_a_canceled_waiter() -> None:
    """Cpython #112202: notified, then canceled; the next in line would wait for ever."""

    async def main() -> list[str]:
        condition = Condition()
        items = ["item"]
        got: list[str] = []

        async def consume(name: str) -> None:
            async with condition:
                while not (items and got.count("go")):
                    await condition.wait()
                items.pop()
                got.append(name)

        first, second = spawn(consume("first")), spawn(consume("second"))
        await yield_now()
        async with condition:
            got.append("go")
            condition.notify()
            first.cancel(grace=0)  # dropped: it cannot use the notification
        assert isinstance(await first.join(), Canceled)
        await timeout(second, 10)
        return got

    assert ["go", "second"] == value(main)


def test_a_wait_canceled_again_and_again_raises_one_cancellation_with_the_lock_held() -> None:
    """Cpython #111693: the cancellation that arrives is the one that was asked for."""

    async def main() -> list[Any]:
        condition = Condition()
        seen: list[Any] = []

        async def wait() -> None:
            async with condition:
                try:
                    await condition.wait()
                except Cancellation as exc:
                    seen.append((exc.reason.message, condition.locked()))
                    raise

        task = spawn(wait())
        await yield_now()
        async with condition:
            for index in range(3):
                task.cancel(f"request {index}")
                await yield_now()
        await task.join()
        return [*seen, condition.locked()]

    assert [("request 0", True), False] == value(main)


def test_an_event_that_is_cleared_at_once_wakes_all_who_waited() -> None:
    """Cpython test_locks, clear_with_waiters."""

    async def main() -> int:
        event = Event()
        tasks = [asyncio.ensure_future(_hold(event.wait())) for _ in range(5)]
        await _settle()
        event.set()
        event.clear()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        return event.statistics().waiting

    assert 0 == asyncio.run(main())


def test_threads_that_release_all_at_once_lose_no_permit() -> None:
    """Loom concurrent_cancel, by threads: releases race with cancellations in another."""
    semaphore = Semaphore(0)
    stop = threading.Event()

    def give() -> None:
        for _ in range(500):
            semaphore.release()
        stop.set()

    thread = threading.Thread(target=give)
    taken = 0
    thread.start()
    while not stop.is_set() or semaphore.available:
        future = semaphore.acquire()
        if poll_once(future) is PENDING:
            future.drop()  # it may just have been granted
        else:
            taken += 1
    thread.join()
    assert (500, 0) == (taken, semaphore.available)
