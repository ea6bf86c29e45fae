"""`Barrier`: all go on when enough are there; one that is canceled was not there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rescind import Canceled, Closed, Completed, WouldBlock, join, spawn, yield_now
from rescind.lowlevel import PENDING
from rescind.sync import Barrier, BarrierStatistics
from rescind.testing import run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, error, in_threads, parked, sweep, value, wakes


def test_the_last_to_come_lets_all_go_on() -> None:
    """Each learns its place in the order of arrival."""
    barrier = Barrier(3)
    early = parked(barrier.wait(), barrier.wait())
    last = Party(barrier.wait())

    assert Completed(2) == last.poll()
    assert ([1, 1], [Completed(0), Completed(1)]) == (wakes(early), [p.poll() for p in early])


def test_barrier_for_one_holds_nobody() -> None:
    """It is the first and the last."""
    barrier = Barrier(1)
    assert [Completed(0)] * 2 == [Party(barrier.wait()).poll() for _ in range(2)]


def test_generations_follow_each_other() -> None:
    """G1: who comes while the others have not run yet belongs to the next."""
    barrier = Barrier(2)
    (first,) = parked(barrier.wait())
    Party(barrier.wait()).poll()
    (next_first,) = parked(barrier.wait())

    assert (Completed(0), PENDING) == (first.poll(), next_first.poll())
    assert BarrierStatistics(2, 1, 1, False) == barrier.statistics()
    Party(barrier.wait()).poll()
    assert Completed(0) == next_first.poll()


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_one_who_leaves_has_not_arrived(end: str) -> None:
    """G2: nothing breaks; the others wait for somebody else, and move up."""
    barrier = Barrier(3)
    gone, stays = parked(barrier.wait(), barrier.wait())
    outcome = getattr(gone, end)()
    assert outcome is None or isinstance(outcome, Canceled)
    (other,) = parked(barrier.wait())
    last = Party(barrier.wait())

    assert [Completed(2), Completed(0), Completed(1)] == [
        last.poll(),
        stays.poll(),
        other.poll(),
    ]


def test_cancel_after_all_have_come_delivers_the_place() -> None:
    """R7, G3: it has taken part."""
    barrier = Barrier(2)
    (first,) = parked(barrier.wait())
    Party(barrier.wait()).poll()
    assert Completed(0) == first.cancel()


def test_drop_after_all_have_come_holds_nobody_back() -> None:
    """G3: nor does it count for the next generation."""
    barrier = Barrier(3)
    first, second = parked(barrier.wait(), barrier.wait())
    Party(barrier.wait()).poll()
    first.drop()
    assert (Completed(1), 0) == (second.poll(), barrier.statistics().waiting)


def test_nowait_arrives_only_as_the_last() -> None:
    """Else it would have to wait."""
    barrier = Barrier(2, name="start")
    with pytest.raises(WouldBlock, match="<Barrier 'start', 0 of 2 there> waits for others"):
        barrier.wait_nowait()
    (first,) = parked(barrier.wait())
    assert (1, Completed(0)) == (barrier.wait_nowait(), first.poll())


def test_close_fails_those_who_wait_and_those_who_come() -> None:
    """It is final; those who were let go on before are not concerned."""
    barrier = Barrier(2, name="start")
    (let_go,) = parked(barrier.wait())
    barrier.wait_nowait()
    (waiting,) = parked(barrier.wait())
    barrier.close()
    barrier.close()

    assert Completed(0) == let_go.poll()
    assert "was closed while others were waited for" in str(error(waiting.poll()))
    assert isinstance(error(Party(barrier.wait()).poll()), Closed)
    with pytest.raises(Closed, match="<Barrier 'start', 0 of 2 there, closed> lets nobody wait"):
        barrier.wait_nowait()
    assert (True, 2) == (barrier.closed, barrier.parties)
    assert BarrierStatistics(2, 0, 1, True) == barrier.statistics()


@pytest.mark.parametrize(
    ("bad", "kind"), [(0, ValueError), (-1, ValueError), (True, TypeError), (2.0, TypeError)]
)
def test_parties_must_be_a_number_of_at_least_one(bad: Any, kind: type[Exception]) -> None:
    """With the number in the message."""
    with pytest.raises(kind, match=f"the parties of a barrier must be .*{bad}"):
        Barrier(bad)


def test_reprs() -> None:
    """They stand in dumps."""
    barrier = Barrier(2)
    assert ["<Barrier, 0 of 2 there>", "wait of <Barrier, 0 of 2 there>"] == [
        repr(barrier),
        repr(barrier.wait()),
    ]


def test_canceled_at_every_park_the_others_still_meet() -> None:
    """Whoever is lost is replaced; then all three go on."""

    async def scenario(victim: Victim) -> None:
        barrier = Barrier(3)
        places: list[int] = []

        async def use() -> None:
            places.append(await barrier.wait())

        async def twice() -> None:
            await barrier.wait()
            await barrier.wait()

        tasks = [spawn(use()), spawn(victim(twice())), spawn(use())]
        while not all(task.done() for task in (tasks[0], tasks[2])):
            await yield_now()
            tasks.append(spawn(use()))
            await yield_now()
        barrier.close()
        for task in tasks:
            await task.join()
        assert [0, 2] == sorted(places)[:1] + sorted(places)[-1:]
        assert 0 == barrier.statistics().waiting

    assert sweep(scenario) >= 2


def test_it_works_on_every_host(host: HostFactory) -> None:
    """Three rounds of four."""

    async def main() -> list[int]:
        barrier = Barrier(4)
        leaders: list[int] = []

        async def use(index: int) -> None:
            for _ in range(3):
                if await barrier.wait() == 0:
                    leaders.append(index)

        for task in [spawn(use(index)) for index in range(4)]:
            await task
        return [len(leaders), barrier.statistics().generation]

    with host() as runtime:
        assert [3, 3] == runtime.block_on(main())


@pytest.mark.parametrize("kind", ["rescind", "asyncio"])
def test_tasks_of_two_threads_meet(kind: str) -> None:
    """A hundred times."""
    barrier = Barrier(4)

    async def work() -> int:
        return sum([await barrier.wait() for _ in range(100)])

    async def main() -> int:
        return sum(await join(work(), work()))

    assert 100 * (0 + 1 + 2 + 3) == sum(in_threads(main, main, host=kind))


def test_canceled_asyncio_waiter_breaks_nothing() -> None:
    """Asyncio's barrier breaks for all; this one waits for somebody else."""

    async def main() -> list[int]:
        barrier = Barrier(3)
        tasks = [asyncio.ensure_future(_wait(barrier)) for _ in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        tasks += [asyncio.ensure_future(_wait(barrier)) for _ in range(2)]
        return await asyncio.gather(*tasks[1:])

    assert [0, 1, 2] == asyncio.run(main())


async def _wait(barrier: Barrier) -> int:
    return await barrier.wait()


def test_join_in_one_task_meets_itself() -> None:
    """Branches of one task are parties."""
    barrier = Barrier(2)
    assert (0, 1) == value(run_virtual(lambda: join(barrier.wait(), barrier.wait())))
