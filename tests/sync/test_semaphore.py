"""`Semaphore`: permits in order of arrival, whatever each asks for; none is lost, none is made."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from rescind import (
    Canceled,
    Closed,
    Completed,
    UsageError,
    WouldBlock,
    join,
    never,
    race,
    sleep,
    spawn,
    timeout,
    yield_now,
)
from rescind.lowlevel import PENDING
from rescind.sync import Semaphore, SemaphoreStatistics
from rescind.testing import run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, error, in_threads, parked, sweep, value, wakes

# -- by hand ---------------------------------------------------------------------------------------


def test_free_permits_are_had_at_once() -> None:
    """No wait, no wake; what is asked for is taken."""
    semaphore = Semaphore(5)
    outcomes = [Party(semaphore.acquire(n)).poll() for n in (1, 3)]

    assert ([Completed(None)] * 2, 1) == (outcomes, semaphore.available)


def test_acquire_does_nothing_before_it_is_polled() -> None:
    """Futures are lazy."""
    semaphore = Semaphore(1)
    future = semaphore.acquire()
    assert 1 == semaphore.available
    future.drop()
    assert 1 == semaphore.available


def test_permits_go_to_those_in_line_in_order() -> None:
    """Each release wakes as many as it is enough for, the first first."""
    semaphore = Semaphore(0)
    waiting = parked(*[semaphore.acquire(n) for n in (1, 2, 1)])
    seen = []
    for n in (1, 1, 1, 1):
        semaphore.release(n)
        seen.append((wakes(waiting), semaphore.statistics().gathered, semaphore.available))

    assert [
        ([1, 0, 0], 0, 0),
        ([1, 0, 0], 1, 0),
        ([1, 1, 0], 0, 0),
        ([1, 1, 1], 0, 0),
    ] == seen
    assert [Completed(None)] * 3 == [party.poll() for party in waiting]


def test_big_request_at_the_head_is_not_overtaken() -> None:
    """S2: what is free goes to it piece by piece; a small request behind waits."""
    semaphore = Semaphore(2)
    big, small = parked(semaphore.acquire(3), semaphore.acquire(1))
    with pytest.raises(WouldBlock):
        semaphore.acquire_nowait()
    assert (0, 2) == (semaphore.available, semaphore.statistics().gathered)
    semaphore.release()

    assert (Completed(None), PENDING) == (big.poll(), small.poll())


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_one_who_leaves_gives_back_what_it_was_given_so_far(end: str) -> None:
    """S3: to the next in line, or else it is free again."""
    semaphore = Semaphore(6)
    (big,) = parked(semaphore.acquire(8))
    assert (0, 6) == (semaphore.available, semaphore.statistics().gathered)
    small, smaller = parked(semaphore.acquire(4), semaphore.acquire(1))
    outcome = getattr(big, end)()

    assert outcome is None or isinstance(outcome, Canceled)
    assert [Completed(None)] * 2 == [small.poll(), smaller.poll()]
    assert 1 == semaphore.available


@pytest.mark.parametrize("end", ["cancel", "drop"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_who_leaves_the_line_keeps_the_order_of_the_others(end: str, index: int) -> None:
    """O2: whoever goes is skipped, no ghost stays."""
    semaphore = Semaphore(0)
    waiting = parked(*[semaphore.acquire() for _ in range(3)])
    getattr(waiting.pop(index), end)()
    for party in waiting:
        semaphore.release()
        assert Completed(None) == party.poll()
    assert SemaphoreStatistics(0, None, 0, 0, False) == semaphore.statistics()


def test_drop_after_the_grant_passes_all_permits_on() -> None:
    """O1: it had them, and never saw them."""
    semaphore = Semaphore(0)
    first, second, third = parked(*[semaphore.acquire(n) for n in (3, 2, 1)])
    semaphore.release(3)
    first.drop()

    assert [Completed(None)] * 2 == [second.poll(), third.poll()]


def test_cancel_after_the_grant_delivers_the_permits() -> None:
    """R7: it has them."""
    semaphore = Semaphore(0)
    first, second = parked(semaphore.acquire(2), semaphore.acquire())
    semaphore.release(2)

    assert (Completed(None), PENDING) == (first.cancel(), second.poll())


def test_leaving_block_gives_back_as_many_as_it_took() -> None:
    """One by default; `permits(n)` as many; the same block object can be used again."""

    async def main() -> list[int]:
        semaphore = Semaphore(5, max=5)
        three = semaphore.permits(3)
        seen = []
        for _ in range(2):
            async with semaphore:
                seen.append(semaphore.available)
                async with three:
                    seen.append(semaphore.available)
        return [*seen, semaphore.available]

    assert [4, 1, 4, 1, 5] == value(run_virtual(main))


def test_leaving_the_block_never_suspends() -> None:
    """The exit runs to its end in one step."""
    semaphore = Semaphore(4)
    for block, n in ((semaphore, 1), (semaphore.permits(3), 3)):
        semaphore.acquire_nowait(n)
        with pytest.raises(StopIteration):
            next(block.__aexit__(GeneratorExit, GeneratorExit(), None).__await__())
        assert 4 == semaphore.available


def test_acquire_nowait_takes_or_says_what_is_missing() -> None:
    """The message tells how many were wanted, and what there is."""
    semaphore = Semaphore(2, max=4, name="pool")
    semaphore.acquire_nowait()
    with pytest.raises(WouldBlock, match=r"^2 of <Semaphore 'pool', 1 of 4 free> cannot be had at"):
        semaphore.acquire_nowait(2)
    assert 1 == semaphore.available


# -- bounds, forgetting, closing -------------------------------------------------------------------


def test_releasing_more_than_the_bound_is_refused_and_changes_nothing() -> None:
    """What the first in line has gathered counts as not acquired."""
    semaphore = Semaphore(2, max=3, name="pool")
    with pytest.raises(UsageError, match=r"2 more cannot be released to <Semaphore 'pool', 2 of 3"):
        semaphore.release(2)
    (waiting,) = parked(semaphore.acquire(3))
    with pytest.raises(UsageError, match="more than 3 would be free"):
        semaphore.release(2)
    assert 2 == semaphore.statistics().gathered
    semaphore.release()
    assert Completed(None) == waiting.poll()


def test_without_a_bound_new_permits_may_be_put_in() -> None:
    """As tokio's `add_permits`."""
    semaphore = Semaphore(0)
    semaphore.release(1000)
    assert 1000 == semaphore.available


def test_more_than_there_can_ever_be_is_refused_at_once() -> None:
    """It would wait for ever; without a bound there is no telling."""
    semaphore = Semaphore(1, max=3)
    for ask in (semaphore.acquire, semaphore.acquire_nowait, semaphore.permits):
        with pytest.raises(ValueError, match=r"4 permits of .* would be waited for .*: .* 3$"):
            ask(4)
    Semaphore(1).acquire(10**9).drop()


def test_forgotten_permits_are_gone() -> None:
    """Free ones only, as many as there are; the bound goes down with them."""
    semaphore = Semaphore(5, max=5)
    semaphore.acquire_nowait(2)

    assert [2, 1, 0, 0] == [semaphore.forget_permits(n) for n in (2, 7, 1, 0)]
    assert 2 == semaphore.statistics().maximum
    semaphore.release(2)
    with pytest.raises(UsageError):
        semaphore.release()


def test_permits_on_their_way_to_a_waiter_are_not_forgotten() -> None:
    """They are its own already."""
    semaphore = Semaphore(2)
    (waiting,) = parked(semaphore.acquire(3))
    assert 0 == semaphore.forget_permits(5)
    semaphore.release()
    assert Completed(None) == waiting.poll()


def test_closing_fails_those_who_wait_and_those_who_come() -> None:
    """What they had gathered is free; those who hold may release."""
    semaphore = Semaphore(3, name="pool")
    semaphore.acquire_nowait()
    waiting = parked(semaphore.acquire(3), semaphore.acquire())
    semaphore.close()
    semaphore.close()
    late = Party(semaphore.acquire())

    errors = [error(party.poll()) for party in (*waiting, late)]
    assert [Closed] * 3 == [type(exc) for exc in errors]
    assert "was closed while 3 were waited for" in str(errors[0])
    assert str(errors[2]) == "<Semaphore 'pool', 2 free, closed> gives no more permits"
    with pytest.raises(Closed):
        semaphore.acquire_nowait()
    semaphore.release()
    assert SemaphoreStatistics(3, None, 0, 0, True) == semaphore.statistics()
    assert semaphore.closed


def test_one_who_had_its_permits_when_it_was_closed_has_them() -> None:
    """It was granted before; the close concerns the others."""
    semaphore = Semaphore(0)
    first, second = parked(semaphore.acquire(), semaphore.acquire())
    semaphore.release()
    semaphore.close()

    assert Completed(None) == first.poll()
    assert isinstance(error(second.poll()), Closed)


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_one_who_is_told_of_the_close_and_ends_gives_back_nothing_twice(end: str) -> None:
    """What it had gathered was given back by the close."""
    semaphore = Semaphore(2)
    (waiting,) = parked(semaphore.acquire(3))
    semaphore.close()
    getattr(waiting, end)()
    assert 2 == semaphore.available


# -- bad arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, -1])
def test_less_than_one_permit_is_refused(bad: int) -> None:
    """Each call names what it counts, and the number."""
    semaphore = Semaphore(5)
    for call in (semaphore.acquire, semaphore.acquire_nowait, semaphore.permits, semaphore.release):
        with pytest.raises(ValueError, match=f"permits to .* must be at least 1, not {bad}"):
            call(bad)
    with pytest.raises(ValueError, match="the max of a semaphore must be at least 1"):
        Semaphore(0, max=bad)
    assert 5 == semaphore.available


@pytest.mark.parametrize("bad", [True, 1.0, None, "1"], ids=repr)
def test_what_is_no_number_is_refused(bad: Any) -> None:
    """True is no number of permits, and 1.0 neither."""
    semaphore = Semaphore(5)
    for call in (
        semaphore.acquire,
        semaphore.acquire_nowait,
        semaphore.permits,
        semaphore.release,
        semaphore.forget_permits,
        Semaphore,
    ):
        with pytest.raises(TypeError, match=f"must be an int, not {type(bad).__name__}: "):
            call(bad)


def test_numbers_that_do_not_fit_are_refused() -> None:
    """Negative to begin with, negative to forget, more than the bound."""
    with pytest.raises(ValueError, match="the permits of a semaphore must be at least 0, not -1"):
        Semaphore(-1)
    with pytest.raises(ValueError, match="with at most 2 permits cannot begin with 3"):
        Semaphore(3, max=2)
    with pytest.raises(ValueError, match="the permits to forget must be at least 0"):
        Semaphore(1).forget_permits(-1)


# -- what it says ----------------------------------------------------------------------------------


def test_reprs_say_what_is_there_and_what_is_wanted() -> None:
    """They stand in dumps."""
    semaphore = Semaphore(2, max=4, name="pool")
    assert [
        "<Semaphore, 0 free>",
        "<Semaphore 'pool', 2 of 4 free>",
        "acquire of <Semaphore 'pool', 2 of 4 free>",
        "acquire of 3 of <Semaphore 'pool', 2 of 4 free>",
        "3 of <Semaphore 'pool', 2 of 4 free>",
    ] == [
        repr(thing)
        for thing in (
            Semaphore(0),
            semaphore,
            semaphore.acquire(),
            semaphore.acquire(3),
            semaphore.permits(3),
        )
    ]


def test_statistics_are_a_snapshot() -> None:
    """Frozen, and complete."""
    semaphore = Semaphore(2, max=4)
    parties = parked(semaphore.acquire(3), semaphore.acquire())
    stats = semaphore.statistics()
    for party in parties:
        party.drop()
    assert SemaphoreStatistics(0, 4, 2, 2, False) == stats


# -- tasks, hosts, threads -------------------------------------------------------------------------


def test_canceled_at_every_park_it_stays_usable_and_fair() -> None:
    """One of three is canceled or dropped at each park: all permits come back."""

    async def scenario(victim: Victim) -> None:
        semaphore = Semaphore(0, max=4)
        order: list[str] = []

        async def use(name: str, n: int) -> None:
            async with semaphore.permits(n):
                order.append(name)
                await sleep(1)

        async def twice() -> None:
            await use("v", 3)
            async with semaphore:
                await use("v", 2)

        tasks = []
        for coro in (use("a", 2), victim(twice()), use("b", 4), use("c", 1)):
            tasks.append(spawn(coro))
            await yield_now()
        for _ in range(4):
            await yield_now()
            semaphore.release()
        for task in tasks:
            await task.join()
        assert ["a", "b", "c"] == [name for name in order if name != "v"]
        assert SemaphoreStatistics(4, 4, 0, 0, False) == semaphore.statistics()

    assert sweep(scenario) >= 4


def test_timed_out_waiter_leaves_what_it_had_gathered() -> None:
    """A timeout around the acquire."""

    async def main() -> int:
        semaphore = Semaphore(2)
        with pytest.raises(TimeoutError):
            await timeout(semaphore.acquire(3), 1)
        await race(semaphore.acquire(2), never())
        return semaphore.available

    assert 0 == value(run_virtual(main))


def test_it_works_on_every_host(host: HostFactory) -> None:
    """At most three at a time, in order of arrival."""
    inside: list[int] = []
    order: list[int] = []

    async def main() -> int:
        semaphore = Semaphore(3, max=3)

        async def use(index: int) -> None:
            async with semaphore:
                order.append(index)
                inside.append(3 - semaphore.available)
                await yield_now()

        for task in [spawn(use(index)) for index in range(12)]:
            await task
        return semaphore.available

    with host() as runtime:
        assert 3 == runtime.block_on(main())
    assert (list(range(12)), 3) == (order, max(inside))


def test_plain_asyncio_tasks_may_wait_and_be_canceled() -> None:
    """Cpython's lost wake-ups: a waiter canceled as it was granted keeps nothing."""

    async def main() -> tuple[int, list[str]]:
        semaphore = Semaphore(0)
        order: list[str] = []

        async def use(name: str) -> None:
            async with semaphore:
                order.append(name)
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(use(name)) for name in "abc"]
        await asyncio.sleep(0)
        semaphore.release()
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return semaphore.available, order

    available, order = asyncio.run(main())
    assert (1, "c") == (available, order[-1])


@pytest.mark.parametrize("kind", ["rescind", "asyncio"])
def test_runtimes_in_two_threads_share_the_permits(kind: str) -> None:
    """Never more inside than there are permits."""
    semaphore = Semaphore(2, max=2)
    inside = 0
    most = 0
    lock = threading.Lock()

    async def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            async with semaphore:
                with lock:
                    inside += 1
                    most = max(most, inside)
                await yield_now()
                with lock:
                    inside -= 1

    async def main() -> None:
        await join(work(), work(), work())

    in_threads(main, main, host=kind)
    assert (2, SemaphoreStatistics(2, 2, 0, 0, False)) == (most, semaphore.statistics())


def test_threads_may_release() -> None:
    """Permits that come from plain threads reach tasks that wait."""
    semaphore = Semaphore(0)

    def give() -> None:
        for _ in range(100):
            semaphore.release()

    async def main() -> int:
        threads = [threading.Thread(target=give) for _ in range(3)]
        for thread in threads:
            thread.start()
        for n in (1, 2, 97, 200):
            await semaphore.acquire(n)
        for thread in threads:
            thread.join()
        return semaphore.available

    assert [0] == in_threads(main)
