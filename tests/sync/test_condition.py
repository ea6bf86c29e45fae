"""`Condition`: the mutex is held on every way out; no notification is lost."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from rescind import (
    Canceled,
    Completed,
    TimedOut,
    UsageError,
    join,
    never,
    race,
    sleep,
    spawn,
    timeout,
    yield_now,
)
from rescind.lowlevel import PENDING, as_future
from rescind.sync import Condition, ConditionStatistics, Mutex, Poisoned
from rescind.testing import poll_once, run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, in_threads, parked, sweep, value, wakes


def waiting(condition: Condition, count: int) -> list[Party]:
    """Let so many wait, one after the other, each inside the mutex; it is free then."""
    parties = []
    for _ in range(count):
        condition.acquire_nowait()
        parties += parked(condition.wait())
    assert not condition.locked()
    return parties


def left_over(condition: Condition) -> list[object]:
    """Return what the mutex still remembers of those who waited: nothing, in the end."""
    return [*condition.mutex._away, *condition.mutex._forfeits]


# -- by hand ---------------------------------------------------------------------------------------


def test_wait_releases_the_mutex_and_takes_it_again() -> None:
    """Notified by the holder, it goes on when that one has left."""
    condition = Condition()
    (party,) = waiting(condition, 1)
    condition.acquire_nowait()
    condition.notify()
    assert (0, PENDING) == (party.wakes, party.poll())
    condition.release()

    assert (1, True, Completed(None)) == (party.wakes, condition.locked(), party.poll())
    condition.release()


def test_whoever_waits_for_the_mutex_gets_it_when_somebody_begins_to_wait() -> None:
    """M1: the release inside `wait` hands over."""
    condition = Condition()
    condition.acquire_nowait()
    (other,) = parked(condition.acquire())
    (party,) = parked(condition.wait())
    assert (1, Completed(None)) == (other.wakes, other.poll())
    party.drop()


def test_as_many_as_are_notified_go_on_one_after_the_other_in_order() -> None:
    """No thundering herd: the next is woken when it gets the mutex."""
    condition = Condition()
    parties = waiting(condition, 4)
    condition.notify(2)
    seen = []
    for party in parties[:2]:
        seen.append((wakes(parties), party.poll()))
        condition.release()

    assert [([1, 0, 0, 0], Completed(None)), ([1, 1, 0, 0], Completed(None))] == seen
    assert 2 == condition.statistics().waiting
    condition.notify_all()
    for party in parties[2:]:
        assert Completed(None) == party.poll()
        condition.release()
    assert not condition.locked()


def test_notified_ones_queue_behind_those_who_wait_for_the_mutex() -> None:
    """One line, in order of arrival."""
    condition = Condition()
    (party,) = waiting(condition, 1)
    condition.acquire_nowait()
    (other,) = parked(condition.acquire())
    condition.notify()
    condition.release()
    assert ([1, 0], Completed(None)) == (wakes([other, party]), other.poll())
    condition.release()
    assert Completed(None) == party.poll()


def test_notification_that_nobody_waits_for_is_nothing() -> None:
    """A condition stores none: what it is about is the state."""
    condition = Condition()
    condition.notify()
    condition.notify_all()
    (party,) = waiting(condition, 1)
    assert 0 == party.wakes
    party.drop()


def test_cancel_before_a_notification_waits_for_the_mutex() -> None:
    """C1: held again, and only then is it canceled; a notification goes to another."""
    condition = Condition()
    gone, stays = waiting(condition, 2)
    condition.acquire_nowait()
    assert (PENDING, 1) == (gone.cancel(), condition.statistics().waiting)
    condition.notify()
    condition.release()

    assert [1, 0] == wakes([gone, stays])
    assert (True, True) == (isinstance(gone.cancel(), Canceled), condition.locked())
    condition.release()
    assert Completed(None) == stays.poll()


def test_cancel_takes_a_free_mutex_at_once() -> None:
    """C1: nothing has to be waited for."""
    condition = Condition()
    (party,) = waiting(condition, 1)
    assert isinstance(party.cancel(), Canceled)
    assert condition.locked()


def test_cancel_after_the_notification_delivers_it() -> None:
    """C2, R7: it was notified, and ends as such, with the mutex."""
    condition = Condition()
    first, second = waiting(condition, 2)
    condition.acquire_nowait()
    condition.notify()
    assert PENDING is first.cancel()
    condition.release()

    assert (Completed(None), 0, True) == (first.cancel(), second.wakes, condition.locked())


def test_drop_before_a_notification_takes_no_notification() -> None:
    """The next one is for the next in line."""
    condition = Condition()
    gone, stays = waiting(condition, 2)
    condition.acquire_nowait()
    gone.drop()
    condition.notify()
    condition.release()
    assert Completed(None) == stays.poll()
    condition.release()
    assert [] == left_over(condition)


@pytest.mark.parametrize("woken", [False, True])
def test_drop_after_the_notification_passes_it_on(woken: bool) -> None:
    """C2: whether it had the mutex already or not."""
    condition = Condition()
    gone, stays = waiting(condition, 2)
    condition.acquire_nowait()
    condition.notify()
    if woken:
        condition.release()
    gone.drop()
    condition.release()

    assert (1, Completed(None)) == (stays.wakes, stays.poll())


def test_wait_without_the_mutex_is_refused() -> None:
    """Whether it is free or somebody else's; the message says how to."""
    condition = Condition(name="items")

    async def main() -> str:
        async def other() -> None:
            with pytest.raises(UsageError, match=r"by task .* 'other': it must hold the mutex"):
                await condition.wait()

        async with condition:
            await spawn(other(), name="other")
        with pytest.raises(UsageError) as caught:
            await condition.wait()
        return str(caught.value)

    assert "wait inside 'async with condition:'" in value(run_virtual(main))
    assert condition.statistics().waiting == 0


# -- in tasks --------------------------------------------------------------------------------------


def test_wait_for_looks_first_and_after_each_notification() -> None:
    """It returns what the predicate returned."""

    async def main() -> tuple[Any, list[int]]:
        condition = Condition()
        items: list[int] = []
        looked: list[int] = []

        def predicate() -> list[int] | None:
            looked.append(len(items))
            return items if len(items) > 1 else None

        async def produce() -> None:
            for index in range(2):
                async with condition:
                    items.append(index)
                    condition.notify()
                await yield_now()

        task = spawn(produce())
        async with condition:
            found = await condition.wait_for(predicate)
            assert found is await condition.wait_for(predicate)
        await task
        return found, looked

    assert ([0, 1], [0, 1, 2, 2]) == value(run_virtual(main))


def test_wait_for_refuses_what_it_cannot_call_or_await() -> None:
    """An async predicate would always be true."""

    async def predicate() -> bool:
        return True

    async def main() -> None:
        condition = Condition()
        with pytest.raises(TypeError, match="needs a function without arguments, not True"):
            condition.wait_for(True)  # type: ignore[arg-type]
        async with condition:
            with pytest.raises(TypeError, match=r"needs a plain function, but .* is async"):
                await condition.wait_for(predicate)

    run_virtual(main).unwrap()


def test_timed_out_wait_holds_the_mutex() -> None:
    """C1: the timeout waits for whoever has it."""

    async def main() -> list[Any]:
        condition = Condition()
        seen: list[Any] = []

        async def other() -> None:
            async with condition:
                seen.append("other")
                await sleep(10)

        async with condition:
            task = spawn(other())
            with pytest.raises(TimedOut):
                await timeout(condition.wait(), 1)
            seen.append(condition.mutex.statistics().owner)
            assert not (await race(condition.wait(), sleep(1)))
            seen.append(condition.locked())
        await task
        return seen

    seen = value(run_virtual(main))
    assert ("other", True, True) == (seen[0], "'main'" in seen[1], seen[2])


def test_canceled_waiter_leaves_its_block_with_the_mutex() -> None:
    """The block's exit releases what it holds; no error, no second owner."""

    async def main() -> list[str]:
        condition = Condition()
        seen: list[str] = []

        async def wait() -> None:
            async with condition:
                try:
                    await condition.wait()
                finally:
                    seen.append(f"held: {'wait' in str(condition.mutex.statistics().owner)}")

        task = spawn(wait(), name="wait")
        await yield_now()
        async with condition:
            request = task.cancel()
            await sleep(1)
            seen.append("other")
        outcome = await request
        assert isinstance(outcome, Canceled)
        assert not outcome.also
        return [*seen, repr(condition.locked())]

    assert ["other", "held: True", "False"] == value(run_virtual(main))


@pytest.mark.parametrize("grace", [0, 5])
@pytest.mark.parametrize("free", [False, True])
def test_dropped_waiter_leaves_its_block_without_harm(grace: float, free: bool) -> None:
    """C1: the mutex may be another's; the exit of the dropped block releases nothing then."""

    async def main() -> list[Any]:
        condition = Condition()

        async def wait() -> None:
            async with condition:
                await condition.wait()

        task = spawn(wait())
        await yield_now()
        if free:
            outcome = await task.cancel(grace=0)
            return [outcome.also, condition.locked(), left_over(condition)]
        async with condition:
            task.cancel(grace=grace)
            await sleep(10)
            assert task.done()
            assert condition.locked()
            await yield_now()
        outcome = await task.join()
        return [outcome.also, condition.locked(), left_over(condition)]

    assert [(), False, []] == value(run_virtual(main))


def test_dropped_branch_does_not_release_what_another_branch_of_its_task_holds() -> None:
    """Both are the same owner; the block that was dropped has nothing to release."""

    async def main() -> bool:
        condition = Condition()

        async def wait() -> None:
            async with condition:
                await condition.wait()

        async def hold() -> bool:
            await yield_now()
            async with condition:
                with pytest.raises(TimedOut):
                    await timeout(sleep(60), 2)
                return condition.locked()

        async def bounded() -> None:
            with pytest.raises(TimedOut):
                await timeout(wait(), 1, grace=0)

        _, locked = await join(bounded(), hold())
        return locked

    assert value(run_virtual(main)) is True


def test_branch_that_holds_it_releases_it_although_another_has_lost_it() -> None:
    """The one that lost it in a drop is still in its block; each has its own exit."""

    async def main() -> list[Any]:
        condition = Condition()
        seen: list[Any] = []

        async def lose() -> None:
            async with condition:
                with pytest.raises(TimedOut):
                    await timeout(condition.wait(), 1, grace=0)
                await sleep(5)
                seen.append(condition.locked())

        async def hold() -> None:
            await yield_now()
            async with condition:
                await sleep(2)
            seen.append(condition.locked())

        await join(lose(), hold())
        return [*seen, *left_over(condition)]

    assert [False, False] == value(run_virtual(main))


def test_dropped_waiter_whose_block_goes_on_holds_the_mutex_if_it_was_free() -> None:
    """C1: a timeout without grace drops it."""

    async def main() -> list[Any]:
        condition = Condition()
        async with condition:
            with pytest.raises(TimedOut):
                await timeout(condition.wait(), 1, grace=0)
            owner = condition.mutex.statistics().owner
        return ["'main'" in str(owner), condition.locked(), *left_over(condition)]

    assert [True, False] == value(run_virtual(main))


def test_wait_that_is_dropped_after_its_block_was_closed_gives_the_mutex_back() -> None:
    """The collector may close a coroutine before its future learns of it."""
    condition = Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    (party,) = parked(wait())
    condition.notify()
    assert condition.locked()
    party.future.coroutine.close()  # type: ignore[attr-defined]
    assert condition.locked()
    party.drop()
    assert ([], False) == (left_over(condition), condition.locked())


def test_waiter_that_the_collector_ends_leaves_its_block_without_harm() -> None:
    """The frame goes out of scope; its exit runs in the middle of another task."""
    condition = Condition()

    async def wait(keep: list[Any]) -> None:
        async with condition:
            await condition.wait()

    async def begin() -> None:
        cycle: list[Any] = []
        frame = as_future(wait(cycle))
        cycle.append(frame)
        assert poll_once(frame) is PENDING

    async def main() -> list[Any]:
        await spawn(begin())
        async with condition:
            gc.collect()
            held = condition.locked()
        stats = condition.statistics()
        return [held, condition.locked(), stats.waiting, left_over(condition)]

    assert [True, False, 0, []] == value(run_virtual(main))


def test_release_by_hand_in_a_dropped_frame_finds_nothing_to_release() -> None:
    """C1: not only blocks; a second release is refused as ever."""

    async def main() -> list[Any]:
        condition = Condition()
        seen: list[Any] = []

        async def wait() -> None:
            await condition.acquire()
            try:
                await condition.wait()
            finally:
                condition.release()
                with pytest.raises(UsageError):
                    condition.release()
                seen.append("released")

        task = spawn(wait())
        await yield_now()
        async with condition:
            await task.cancel(grace=0)
            seen.append(condition.locked())
        return seen

    assert ["released", True] == value(run_virtual(main))


def test_several_conditions_share_a_mutex() -> None:
    """Full and empty, for one."""

    async def main() -> list[int]:
        mutex = Mutex()
        empty, full = Condition(mutex), Condition(mutex)
        box: list[int] = []
        got: list[int] = []

        async def produce() -> None:
            for index in range(5):
                async with mutex:
                    await empty.wait_for(lambda: not box)
                    box.append(index)
                    full.notify()

        async def consume() -> None:
            for _ in range(5):
                async with full:
                    await full.wait_for(lambda: box)
                    got.append(box.pop())
                    empty.notify()

        await join(produce(), consume())
        return got

    assert list(range(5)) == value(run_virtual(main))


def test_poisoned_meanwhile_the_waiter_is_told_inside_the_mutex() -> None:
    """It holds it, so its block can be left."""

    async def main() -> bool:
        condition = Condition(Mutex(poison=True))

        async def hold() -> None:
            async with condition:
                condition.notify()
                await never()

        async def wait() -> None:
            async with condition:
                try:
                    await condition.wait()
                except Poisoned:
                    assert condition.locked()
                    raise

        waiter = spawn(wait())
        await yield_now()
        holder = spawn(hold())
        await yield_now()
        await holder.cancel()
        with pytest.raises(Poisoned):
            await waiter
        return condition.locked()

    assert value(run_virtual(main)) is False


@pytest.mark.parametrize("bad", [0, -2])
def test_less_than_one_notification_is_refused(bad: int) -> None:
    """With the number in the message."""
    with pytest.raises(ValueError, match=f"the waiters to notify must be at least 1, not {bad}"):
        Condition().notify(bad)


@pytest.mark.parametrize("bad", [True, 1.5, None], ids=repr)
def test_what_is_no_number_is_refused(bad: Any) -> None:
    """True is no number of waiters."""
    with pytest.raises(TypeError, match="the waiters to notify must be an int"):
        Condition().notify(bad)


def test_only_a_mutex_of_ours_will_do() -> None:
    """Asyncio's locks are not handed over."""
    for bad in (asyncio.Lock(), "mutex", Mutex):
        with pytest.raises(TypeError, match=r"a condition needs a rescind.sync.Mutex, not"):
            Condition(bad)  # type: ignore[arg-type]


def test_reprs_and_statistics() -> None:
    """In a dump one sees whether it waits for news or for the mutex."""
    condition = Condition(name="items")
    (party,) = waiting(condition, 1)
    assert [
        "<Condition 'items' of <Mutex 'items', free>, 1 waiting>",
        "wait of <Condition 'items' of <Mutex 'items', free>, 1 waiting>",
    ] == [repr(condition), repr(party.future)]
    assert ConditionStatistics(1, condition.mutex.statistics()) == condition.statistics()
    condition.acquire_nowait()
    condition.notify()
    assert repr(party.future).startswith("wait, about to end, of <Condition 'items' of <Mutex")
    assert (0, 1) == (condition.statistics().waiting, condition.statistics().mutex.waiting)
    party.drop()


def test_canceled_at_every_park_no_notification_is_lost() -> None:
    """Three consumers, one of them ended at each park: the others get every item."""

    async def scenario(victim: Victim) -> None:
        condition = Condition()
        items: list[int] = []
        got: list[tuple[str, int]] = []

        async def consume(name: str) -> None:
            async with condition:
                await condition.wait_for(lambda: items)
                await yield_now()
                got.append((name, items.pop(0)))

        async def twice() -> None:
            await consume("v")
            await consume("v")

        tasks = [spawn(victim(twice())), spawn(consume("a")), spawn(consume("b"))]
        await yield_now()
        for index in range(4):
            async with condition:
                items.append(index)
                condition.notify()
            await yield_now()
        await tasks[1]
        await tasks[2]
        await tasks[0].join()
        assert ["a", "b"] == sorted(name for name, _ in got if name != "v")
        assert sorted(items + [item for _, item in got]) == list(range(4))
        assert ([], 0) == (left_over(condition), condition.statistics().waiting)
        assert not condition.locked()

    assert sweep(scenario) >= 4


# -- hosts, asyncio, threads -----------------------------------------------------------------------


def test_it_works_on_every_host(host: HostFactory) -> None:
    """A bounded buffer."""

    async def main() -> list[int]:
        condition = Condition()
        box: list[int] = []
        got: list[int] = []

        async def produce() -> None:
            for index in range(10):
                async with condition:
                    await condition.wait_for(lambda: len(box) < 2)
                    box.append(index)
                    condition.notify_all()

        async def consume() -> None:
            for _ in range(5):
                async with condition:
                    await condition.wait_for(lambda: box)
                    got.append(box.pop(0))
                    condition.notify_all()

        for task in [spawn(produce()), spawn(consume()), spawn(consume())]:
            await task
        return got

    with host() as runtime:
        assert list(range(10)) == sorted(runtime.block_on(main()))


def test_asyncio_waiter_that_is_canceled_as_it_is_notified_loses_no_notification() -> None:
    """Cpython #112202 and #90155: either it has it, or the next one."""

    async def main() -> list[str]:
        condition = Condition()
        seen: list[str] = []

        async def wait(name: str) -> None:
            async with condition:
                await condition.wait()
                seen.append(name)

        tasks = [asyncio.ensure_future(wait(name)) for name in "ab"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        async with condition:
            condition.notify()
            tasks[0].cancel()
        await asyncio.sleep(0.001)
        if not seen:
            await asyncio.sleep(0.01)
        async with condition:
            condition.notify_all()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not condition.locked()
        return seen

    assert ["a", "b"] == asyncio.run(main())


def test_asyncio_frame_closed_in_its_wait_leaves_without_harm() -> None:
    """Nobody drives it any more; the mutex is another's by now."""

    async def main() -> list[Any]:
        condition = Condition()

        async def wait() -> None:
            async with condition:
                await condition.wait()

        frame = wait()
        frame.send(None)
        async with condition:
            frame.close()
            held = condition.locked()
        return [held, condition.locked(), left_over(condition)]

    assert [True, False, []] == asyncio.run(main())


@pytest.mark.parametrize("kind", ["rescind", "asyncio"])
def test_tasks_of_two_threads_hand_items_over(kind: str) -> None:
    """All items arrive, once each."""
    condition = Condition()
    items: list[int] = []
    got: list[int] = []

    async def produce() -> None:
        for index in range(100):
            async with condition:
                items.append(index)
                condition.notify()

    async def consume() -> None:
        for _ in range(100):
            async with condition:
                await condition.wait_for(lambda: items)
                got.append(items.pop(0))

    in_threads(produce, consume, host=kind)
    assert list(range(100)) == got


def test_threads_may_notify() -> None:
    """Without the mutex, which a plain thread cannot wait for."""
    condition = Condition()
    waiting = ["a", "b"]

    async def main() -> str:
        async with condition:
            await condition.wait()
            waiting.pop()
            return "notified"

    def tell() -> None:
        while waiting:
            condition.notify_all()
            threading.Event().wait(0.001)

    thread = threading.Thread(target=tell)
    thread.start()
    assert ["notified"] * 2 == in_threads(main, main)
    thread.join(60)
