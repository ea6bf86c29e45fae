"""`Notify`: a notification for one reaches one, and is not lost with it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rescind import Canceled, Completed, UsageError, WouldBlock, join, spawn, yield_now
from rescind.lowlevel import PENDING
from rescind.sync import Notify, NotifyStatistics
from rescind.testing import run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, in_threads, parked, sweep, value, wakes

STORED = NotifyStatistics(stored=True, waiting=0)
EMPTY = NotifyStatistics(stored=False, waiting=0)


def test_notification_that_nobody_waits_for_is_kept_for_one() -> None:
    """N1: two of them are one."""
    notify = Notify()
    notify.notify_one()
    notify.notify_last()
    first, second = Party(notify.notified()), Party(notify.notified())

    assert [Completed(None), PENDING] == [first.poll(), second.poll()]


def test_one_is_notified_the_first_or_the_last() -> None:
    """N1: each notification reaches another one."""
    notify = Notify()
    parties = parked(*[notify.notified() for _ in range(3)])
    seen = []
    for tell in (notify.notify_one, notify.notify_last, notify.notify_one):
        tell()
        seen.append(wakes(parties))

    assert [[1, 0, 0], [1, 0, 1], [1, 1, 1]] == seen
    assert [Completed(None)] * 3 == [party.poll() for party in parties]
    assert EMPTY == notify.statistics()


def test_all_are_notified_and_nothing_is_stored() -> None:
    """N3: polled or not; whoever asks later waits."""
    notify = Notify()
    (polled,) = parked(notify.notified())
    unpolled = Party(notify.notified())
    notify.notify_waiters()
    later = Party(notify.notified())

    assert [Completed(None), Completed(None), PENDING] == [
        polled.poll(),
        unpolled.poll(),
        later.poll(),
    ]


def test_notified_by_all_takes_no_stored_one() -> None:
    """That is for another."""
    notify = Notify()
    unpolled = Party(notify.notified())
    notify.notify_waiters()
    notify.notify_one()

    assert (Completed(None), STORED) == (unpolled.poll(), notify.statistics())


def test_dropped_after_notify_one_the_next_in_line_gets_it() -> None:
    """N2: first in, first out."""
    notify = Notify()
    parties = parked(*[notify.notified() for _ in range(3)])
    notify.notify_one()
    parties[0].drop()
    assert [1, 1, 0] == wakes(parties)


def test_dropped_after_notify_last_the_one_who_is_last_now_gets_it() -> None:
    """N2: the same end of the line."""
    notify = Notify()
    parties = parked(*[notify.notified() for _ in range(3)])
    notify.notify_last()
    parties[2].drop()
    assert [0, 1, 1] == wakes(parties)


def test_dropped_with_nobody_left_it_is_stored() -> None:
    """N2: for whoever comes."""
    notify = Notify()
    (only,) = parked(notify.notified())
    notify.notify_one()
    only.drop()
    assert STORED == notify.statistics()


def test_dropped_after_all_were_notified_nothing_is_passed_on() -> None:
    """N3: the others got it too."""
    notify = Notify()
    (gone,) = parked(notify.notified())
    notify.notify_waiters()
    (late,) = parked(notify.notified())
    gone.drop()
    assert ([0], NotifyStatistics(False, 1)) == (wakes([late]), notify.statistics())


def test_cancel_after_the_notification_delivers_it() -> None:
    """R7: it was notified."""
    notify = Notify()
    first, second = parked(notify.notified(), notify.notified())
    notify.notify_one()
    assert (Completed(None), PENDING) == (first.cancel(), second.poll())


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_one_who_leaves_unnotified_takes_nothing(end: str) -> None:
    """O2."""
    notify = Notify()
    gone, stays = parked(notify.notified(), notify.notified())
    outcome = getattr(gone, end)()
    notify.notify_one()
    assert outcome is None or isinstance(outcome, Canceled)
    assert [0, 1] == wakes([gone, stays])


def test_unpolled_future_takes_no_place_in_the_line() -> None:
    """A notification for one goes to those who are polled or enabled."""
    notify = Notify()
    unpolled = Party(notify.notified())
    notify.notify_one()
    (other,) = [Party(notify.notified())]
    assert [Completed(None), PENDING] == [other.poll(), unpolled.poll()]


def test_enabled_future_stands_in_line() -> None:
    """Between `enable` and the await nothing is missed."""
    notify = Notify()
    future = notify.notified()
    assert [False, False] == [future.enable(), future.enable()]
    notify.notify_one()

    assert (EMPTY, True) == (notify.statistics(), future.enable())
    assert Completed(None) == Party(future).poll()


def test_enable_takes_what_is_stored() -> None:
    """It is its own; a second one finds none."""
    notify = Notify()
    notify.notify_one()
    first, second = notify.notified(), notify.notified()
    assert [True, False] == [first.enable(), second.enable()]
    assert Completed(None) == Party(first).poll()


def test_enabled_future_that_is_dropped_passes_on_what_it_took() -> None:
    """N2: tokio loses it here."""
    notify = Notify()
    notify.notify_one()
    future = notify.notified()
    assert future.enable()
    future.drop()
    assert STORED == notify.statistics()


def test_enable_hears_of_a_notification_to_all_before_it() -> None:
    """N3: since it existed."""
    notify = Notify()
    future = notify.notified()
    notify.notify_waiters()
    assert future.enable() is True


def test_enabled_future_wakes_whoever_polls_it_later() -> None:
    """R1: the latest waker."""
    notify = Notify()
    future = notify.notified()
    future.enable()
    (party,) = parked(future)
    notify.notify_one()
    assert 1 == party.wakes


def test_ended_future_is_not_enabled() -> None:
    """It needs another one."""
    notify = Notify()
    notify.notify_one()
    future = notify.notified()
    Party(future).poll()
    with pytest.raises(UsageError, match=r"has ended; call notify.notified\(\) for another"):
        future.enable()


def test_nowait_takes_what_is_stored_or_says_so() -> None:
    """Once."""
    notify = Notify(name="news")
    notify.notify_one()
    notify.notified_nowait()
    with pytest.raises(WouldBlock, match="<Notify 'news', 0 waiting> has none stored"):
        notify.notified_nowait()


def test_reprs() -> None:
    """They stand in dumps."""
    notify = Notify(name="news")
    notify.notify_one()
    assert [
        "<Notify 'news', 0 waiting, one stored>",
        "notified of <Notify, 0 waiting>",
    ] == [repr(notify), repr(Notify().notified())]


def test_canceled_at_every_park_no_notification_is_lost() -> None:
    """As many as are sent, to those who live, reach somebody or are stored."""

    async def scenario(victim: Victim) -> None:
        notify = Notify()
        seen: list[str] = []

        async def use(name: str) -> None:
            await notify.notified()
            seen.append(name)

        async def twice() -> None:
            await use("v")
            await use("v")

        tasks = [spawn(victim(twice())), spawn(use("a")), spawn(use("b"))]
        await yield_now()
        for _ in range(4):
            notify.notify_one()
            await yield_now()
            await yield_now()
        for task in tasks:
            await task.join()
        assert ["a", "b"] == [name for name in seen if name != "v"]
        stats = notify.statistics()
        assert 0 == stats.waiting
        assert stats.stored or seen.count("v") == 2

    assert sweep(scenario) >= 2


def test_it_works_on_every_host(host: HostFactory) -> None:
    """One after the other."""
    order: list[int] = []

    async def main() -> NotifyStatistics:
        notify = Notify()

        async def use(index: int) -> None:
            await notify.notified()
            order.append(index)
            notify.notify_one()

        tasks = [spawn(use(index)) for index in range(5)]
        await yield_now()
        notify.notify_one()
        for task in tasks:
            await task
        return notify.statistics()

    with host() as runtime:
        assert STORED == runtime.block_on(main())
    assert list(range(5)) == order


def test_threads_notify_tasks_of_several_loops() -> None:
    """A counter that threads move; whoever looks, then waits, misses nothing."""
    notify = Notify()
    count = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal count
        for _ in range(100):
            with lock:
                count += 1
            notify.notify_waiters()

    async def main() -> int:
        while True:
            news = notify.notified()
            if count == 200:
                return count
            await news

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert [200, 200] == in_threads(main, main)
        assert 200 == asyncio.run(main())
    finally:
        for thread in threads:
            thread.join()


def test_join_of_two_waits_in_one_task() -> None:
    """Branches of one task are two that wait."""

    async def main() -> NotifyStatistics:
        notify = Notify()

        async def tell() -> None:
            notify.notify_one()
            notify.notify_one()

        await join(notify.notified(), notify.notified(), tell())
        return notify.statistics()

    assert EMPTY == value(run_virtual(main))
