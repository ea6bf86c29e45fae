"""`Event`: who waited when it was set goes on, whatever follows."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rescind import Canceled, Completed, join, spawn, yield_now
from rescind.lowlevel import PENDING
from rescind.sync import Event, EventStatistics
from rescind.testing import run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, in_threads, parked, sweep, value, wakes


def test_set_event_is_not_waited_for() -> None:
    """It has happened."""
    event = Event()
    event.set()
    assert (Completed(None), True) == (Party(event.wait()).poll(), event.is_set())


def test_set_wakes_all_once_in_order() -> None:
    """A second set wakes nobody."""
    event = Event()
    parties = parked(*[event.wait() for _ in range(3)])
    event.set()
    event.set()

    assert [1, 1, 1] == wakes(parties)
    assert [Completed(None)] * 3 == [party.poll() for party in parties]


def test_clear_that_follows_at_once_holds_nobody_back_who_waited() -> None:
    """V1: and whoever comes after it waits."""
    event = Event()
    (early,) = parked(event.wait())
    event.set()
    event.clear()
    (late,) = parked(event.wait())

    assert (Completed(None), PENDING, False) == (early.poll(), late.poll(), event.is_set())


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_one_who_leaves_is_not_woken(end: str) -> None:
    """Nothing of it stays."""
    event = Event()
    gone, stays = parked(event.wait(), event.wait())
    outcome = getattr(gone, end)()
    event.set()

    assert outcome is None or isinstance(outcome, Canceled)
    assert ([0, 1], 0) == (wakes([gone, stays]), event.statistics().waiting)


def test_cancel_after_the_set_delivers_it() -> None:
    """R7: and takes it from nobody."""
    event = Event()
    first, second = parked(event.wait(), event.wait())
    event.set()
    assert [Completed(None)] * 2 == [first.cancel(), second.poll()]


def test_reprs_and_statistics() -> None:
    """They stand in dumps."""
    event = Event(name="ready")
    waiting = event.wait()
    (party,) = parked(waiting)
    seen = [repr(event), repr(waiting), event.statistics()]
    event.set()

    assert [
        "<Event 'ready', not set>",
        "wait of <Event 'ready', not set>",
        EventStatistics(set=False, waiting=1),
    ] == seen
    assert ("<Event 'ready', set>", "<Event, not set>") == (repr(event), repr(Event()))
    party.drop()


def test_canceled_at_every_park_the_others_go_on() -> None:
    """The victim waits twice."""

    async def scenario(victim: Victim) -> None:
        event = Event()
        seen: list[str] = []

        async def use(name: str) -> None:
            await event.wait()
            seen.append(name)

        async def twice() -> None:
            await use("v")
            event.clear()
            await use("v")

        tasks = [spawn(use("a")), spawn(victim(twice())), spawn(use("b"))]
        for _ in range(3):
            await yield_now()
            event.set()
            await yield_now()
        for task in tasks:
            await task.join()
        assert ["a", "b"] == [name for name in seen if name != "v"]
        assert 0 == event.statistics().waiting

    assert sweep(scenario) >= 2


def test_it_works_on_every_host(host: HostFactory) -> None:
    """Ten wait for one."""

    async def main() -> int:
        event = Event()
        tasks = [spawn(event.wait()) for _ in range(10)]
        await yield_now()
        event.set()
        for task in tasks:
            await task
        return event.statistics().waiting

    with host() as runtime:
        assert 0 == runtime.block_on(main())


def test_tasks_of_two_loops_and_a_thread_meet() -> None:
    """Set by a plain thread: a runtime's task and an asyncio task go on."""
    event, ready = Event(), threading.Semaphore(0)

    async def main() -> bool:
        waiting = event.wait()
        await join(waiting, _tell())
        return True

    async def _tell() -> None:
        await yield_now()
        ready.release()

    def set_it() -> None:
        ready.acquire()
        ready.acquire()
        event.set()

    thread = threading.Thread(target=set_it)
    thread.start()
    values: list[bool] = []
    other = threading.Thread(target=lambda: values.append(asyncio.run(main())))
    other.start()
    values += in_threads(main)
    other.join(60)
    thread.join(60)
    assert [True, True] == values


def test_canceled_asyncio_waiter_is_gone() -> None:
    """From plain asyncio."""

    async def main() -> int:
        event = Event()
        task = asyncio.ensure_future(asyncio.wait_for(event.wait(), 60))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return event.statistics().waiting

    assert 0 == asyncio.run(main())


def test_main_may_set_it_before_anybody_waits() -> None:
    """The state is kept."""

    async def main() -> bool:
        event = Event()
        event.set()
        await event.wait()
        return event.is_set()

    assert value(run_virtual(main)) is True
