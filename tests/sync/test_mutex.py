"""`Mutex`: one at a time, in order, handed over; owned by a task; poisoned if asked to be."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    CancelReason,
    Completed,
    Error,
    TaskCanceled,
    UsageError,
    WouldBlock,
    current_task,
    join,
    never,
    race,
    shared,
    shield,
    sleep,
    spawn,
    timeout,
    yield_now,
)
from rescind.lowlevel import PENDING, as_future
from rescind.sync import Mutex, MutexStatistics, Poisoned
from rescind.testing import poll_once, run_virtual
from tests.conftest import HostFactory
from tests.core.kit import Bench
from tests.sync.kit import Party, Victim, error, in_threads, parked, sweep, value, wakes

BY_HAND = CancelReason(CancelKind.EXPLICIT, "canceled by hand")


# -- by hand ---------------------------------------------------------------------------------------


def test_free_mutex_is_had_at_once() -> None:
    """No wait, no wake."""
    mutex = Mutex()
    party = Party(mutex.acquire())

    assert (Completed(None), True, 0) == (party.poll(), mutex.locked(), party.wakes)


def test_acquire_does_nothing_before_it_is_polled() -> None:
    """Futures are lazy: making one, or dropping it unpolled, takes nothing."""
    mutex = Mutex()
    mutex.acquire().drop()
    first, second = mutex.acquire(), mutex.acquire()

    assert ([Completed(None), PENDING], 1) == (
        [poll_once(second), poll_once(first)],
        mutex.statistics().waiting,
    )


def test_release_hands_over_in_order_of_arrival() -> None:
    """FIFO: each release wakes one, who has it."""
    mutex = Mutex()
    mutex.acquire_nowait()
    waiting = parked(*[mutex.acquire() for _ in range(3)])
    seen = []
    for party in waiting:
        mutex.release()
        seen.append((wakes(waiting), party.poll(), mutex.locked()))

    assert [
        ([1, 0, 0], Completed(None), True),
        ([1, 1, 0], Completed(None), True),
        ([1, 1, 1], Completed(None), True),
    ] == seen
    mutex.release()
    assert not mutex.locked()


def test_nobody_barges_in_between_release_and_the_first_in_line() -> None:
    """M1: released, it belongs to the waiter before that has run."""
    mutex = Mutex()
    mutex.acquire_nowait()
    (first,) = parked(mutex.acquire())
    mutex.release()
    with pytest.raises(WouldBlock):
        mutex.acquire_nowait()
    (second,) = parked(mutex.acquire())

    assert (Completed(None), PENDING) == (first.poll(), second.poll())


@pytest.mark.parametrize("end", ["cancel", "drop"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_who_leaves_the_line_keeps_the_order_of_the_others(end: str, index: int) -> None:
    """O2: whoever goes, first, last or between, is skipped; no ghost stays."""
    mutex = Mutex()
    mutex.acquire_nowait()
    waiting = parked(*[mutex.acquire() for _ in range(3)])
    gone = waiting.pop(index)
    outcome = getattr(gone, end)()
    assert outcome is None or isinstance(outcome, Canceled)
    assert 2 == mutex.statistics().waiting

    for party in waiting:
        mutex.release()
        assert Completed(None) == party.poll()
    mutex.release()

    assert (False, 0) == (mutex.locked(), gone.wakes)


def test_drop_after_the_hand_over_passes_it_to_the_next() -> None:
    """M2: it was given the mutex, and never saw it."""
    mutex = Mutex()
    mutex.acquire_nowait()
    first, second = parked(mutex.acquire(), mutex.acquire())
    mutex.release()
    first.drop()

    assert (1, Completed(None)) == (second.wakes, second.poll())


def test_drop_after_the_hand_over_sets_it_free_if_nobody_waits() -> None:
    """M2."""
    mutex = Mutex()
    mutex.acquire_nowait()
    (only,) = parked(mutex.acquire())
    mutex.release()
    only.drop()

    assert not mutex.locked()


def test_cancel_after_the_hand_over_delivers_it() -> None:
    """R7: it has the mutex; the cancellation is for the next park."""
    mutex = Mutex()
    mutex.acquire_nowait()
    first, second = parked(mutex.acquire(), mutex.acquire())
    mutex.release()

    assert (Completed(None), 0, True) == (first.cancel(), second.wakes, mutex.locked())


def test_acquire_nowait_takes_it_or_says_who_has_it() -> None:
    """The error names the holder, and what to do."""
    mutex = Mutex(name="state")
    mutex.acquire_nowait()
    with pytest.raises(WouldBlock, match=r"<Mutex 'state', held by code outside every task> cann"):
        mutex.acquire_nowait()


def test_releasing_what_nobody_holds_is_refused() -> None:
    """And changes nothing."""
    mutex = Mutex(name="state")
    with pytest.raises(UsageError, match=r"<Mutex 'state', free> cannot be released: nobody hol"):
        mutex.release()
    mutex.acquire_nowait()


# -- whose it is -----------------------------------------------------------------------------------


def test_another_task_may_not_release_it() -> None:
    """It is its holder's; the error names both."""

    async def main() -> str:
        mutex = Mutex()
        await mutex.acquire()

        async def intruder() -> None:
            mutex.release()

        with pytest.raises(UsageError) as caught:
            await spawn(intruder(), name="intruder")
        mutex.release()
        return str(caught.value)

    message = value(run_virtual(main))
    assert "held by task" in message
    assert "'main'> cannot be released by task" in message
    assert "'intruder': only the task that holds it may do so" in message


def test_whoever_waits_for_itself_is_refused() -> None:
    """A second acquire in the same code would never end."""

    async def main() -> str:
        mutex = Mutex()
        async with mutex:
            for take in (mutex.acquire, mutex.__aenter__):
                with pytest.raises(UsageError) as caught:
                    await take()
            with pytest.raises(UsageError):
                mutex.acquire_nowait()
            assert mutex.statistics().waiting == 0
        assert not mutex.locked()
        return str(caught.value)

    assert "'main' holds <Mutex, held by task" in value(run_virtual(main))


def test_branches_of_a_join_wait_for_each_other() -> None:
    """They are one task, but two that wait: neither is refused, and one goes after the other."""
    mutex = Mutex()
    seen: list[str] = []

    async def branch(name: str) -> None:
        async with mutex:
            seen.append(f"+{name}")
            await sleep(1)
            seen.append(f"-{name}")

    run_virtual(lambda: join(branch("a"), branch("b"), branch("c"))).unwrap()

    assert ["+a", "-a", "+b", "-b", "+c", "-c"] == seen


def test_the_same_branch_is_refused_a_second_time() -> None:
    """Also inside a `join`, and the error names the branch."""

    async def branch(mutex: Mutex) -> str:
        async with mutex:
            with pytest.raises(UsageError) as caught:
                await mutex.acquire()
            return str(caught.value)

    async def main() -> str:
        first, _ = await join(branch(Mutex()), sleep(0))
        return first

    assert "child 0 <coroutine " in value(run_virtual(main))


def test_another_branch_of_the_task_may_release_it() -> None:
    """The task owns it, not the branch."""
    mutex = Mutex()

    async def take() -> None:
        await mutex.acquire()

    async def give() -> None:
        await yield_now()
        mutex.release()

    run_virtual(lambda: join(take(), give())).unwrap()
    assert not mutex.locked()


def test_acquired_by_a_race_it_is_held_by_the_task() -> None:
    """Combinators around the acquire do not change whose it is."""

    async def main() -> tuple[bool, bool]:
        mutex = Mutex()
        await race(mutex.acquire(), never())
        await_held = mutex.locked()
        with pytest.raises(UsageError):
            await mutex.acquire()
        mutex.release()
        await timeout(shield(mutex.acquire()), 5)
        mutex.release()
        return await_held, mutex.locked()

    assert (True, False) == value(run_virtual(main))


def test_shared_coroutine_releases_where_it_is_driven_to_its_end() -> None:
    """One task began it, and left; another drives it on: what it holds is still its own."""

    async def main() -> bool:
        mutex = Mutex()

        async def guarded() -> None:
            async with mutex:
                await sleep(10)

        work = shared(guarded())

        async def follower() -> None:
            await work

        first = spawn(follower())
        second = spawn(follower())
        await sleep(1)
        await first.cancel()
        await second
        return mutex.locked()

    assert value(run_virtual(main)) is False


def test_detached_cleanup_releases_in_its_own_task() -> None:
    """A cleanup that overran and goes on as another task leaves its block there."""

    async def main() -> tuple[bool, bool]:
        mutex = Mutex()

        async def guarded() -> None:
            async with mutex:
                try:
                    await never()
                finally:
                    await sleep(5)

        with pytest.raises(TimeoutError):
            await timeout(guarded(), 1, grace=1, on_overrun="detach")
        before = mutex.locked()
        await sleep(10)
        return before, mutex.locked()

    assert (True, False) == value(run_virtual(main))


# -- ending inside, or while it waits --------------------------------------------------------------


def test_canceled_at_every_park_it_stays_usable_and_fair() -> None:
    """One of three is canceled or dropped at each park: the others have it in their order."""

    async def scenario(victim: Victim) -> None:
        mutex = Mutex()
        order: list[str] = []

        async def use(name: str) -> None:
            async with mutex:
                order.append(name)
                await sleep(1)
                async with Mutex():
                    await yield_now()

        async def both() -> None:
            await use("v")
            await use("v again")

        await mutex.acquire()
        first = spawn(use("a"))
        await yield_now()
        middle = spawn(victim(both()))
        await yield_now()
        last = spawn(use("b"))
        await yield_now()
        mutex.release()
        await join(first.join(), middle.join(), last.join())
        assert ["a", "b"] == [name for name in order if not name.startswith("v")]
        assert (False, 0) == (mutex.locked(), mutex.statistics().waiting)
        async with mutex:
            pass

    assert sweep(scenario) >= 6


def test_leaving_the_block_never_suspends() -> None:
    """The exit runs to its end in one step, whatever way the block is left."""
    mutex = Mutex()
    for exc in (None, ValueError("x"), GeneratorExit()):
        mutex.acquire_nowait()
        leave = mutex.__aexit__(None if exc is None else type(exc), exc, None)
        with pytest.raises(StopIteration):
            next(leave.__await__())
        assert not mutex.locked()


def test_dropped_holder_releases_it() -> None:
    """R3: the block of a dropped frame is left, and the next in line has it."""
    mutex = Mutex()

    async def hold() -> None:
        async with mutex:
            await never()

    (holder,) = parked(hold())
    (waiting,) = parked(mutex.acquire())
    holder.drop()

    assert (1, Completed(None)) == (waiting.wakes, waiting.poll())


def test_holder_collected_elsewhere_releases_it() -> None:
    """M3: the collector closes the frame in the middle of another task."""
    mutex = Mutex()

    async def hold(keep: list[Any]) -> None:
        async with mutex:
            await never()

    async def begin() -> None:
        cycle: list[Any] = []
        frame = as_future(hold(cycle))
        cycle.append(frame)
        assert poll_once(frame) is PENDING

    async def main() -> bool:
        await spawn(begin())
        before = mutex.locked()
        gc.collect()
        assert before
        return mutex.locked()

    assert value(run_virtual(main)) is False


def test_asyncio_coroutine_that_is_closed_outside_its_task_releases_it() -> None:
    """M3: nobody drives it any more, and so it is nobody's task that closes it."""
    mutex = Mutex()

    async def hold() -> None:
        async with mutex:
            await asyncio.Event().wait()

    async def main() -> None:
        coro = hold()
        task = asyncio.ensure_future(coro)
        await asyncio.sleep(0)
        assert mutex.locked()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stepped = hold()
        stepped.send(None)  # driven by hand inside this task
        stepped.close()

    asyncio.run(main())
    assert not mutex.locked()


def test_async_generator_that_is_closed_elsewhere_releases_it() -> None:
    """M3: it was begun in one task, and is closed in another."""
    mutex = Mutex()

    async def items() -> AsyncIterator[int]:
        async with mutex:
            yield 1

    async def main() -> bool:
        generator = items()

        async def begin() -> None:
            assert 1 == await anext(generator)

        await spawn(begin())
        await generator.aclose()  # type: ignore[attr-defined]
        return mutex.locked()

    assert value(run_virtual(main)) is False


# -- poison ----------------------------------------------------------------------------------------


def test_holder_canceled_inside_poisons_it_for_all_who_wait() -> None:
    """Each in line is refused, in order; nobody hangs, nobody holds it."""

    async def main() -> tuple[Any, ...]:
        mutex = Mutex(name="ledger", poison=True)

        async def hold() -> None:
            async with mutex:
                await never()

        holder = spawn(hold())
        await yield_now()
        waiting = [spawn(hold()) for _ in range(2)]
        await yield_now()
        await holder.cancel("half done")
        outcomes = [await task.join() for task in waiting]
        with pytest.raises(Poisoned):
            mutex.acquire_nowait()
        reason = mutex.poisoned
        mutex.clear_poison()
        async with mutex:
            pass
        return outcomes, reason, mutex.locked(), mutex.poisoned

    outcomes, reason, locked, poisoned = value(run_virtual(main))
    errors = [outcome.exception for outcome in outcomes]
    assert ["half done"] * 3 == [reason.message, *[exc.reason.message for exc in errors]]
    assert (False, None) == (locked, poisoned)
    assert "its last holder was canceled inside (explicit: half done" in str(errors[0])
    assert "call clear_poison()" in str(errors[0])


@pytest.mark.parametrize("how", ["error", "return"])
def test_other_ends_do_not_poison(how: str) -> None:
    """Only a cancellation leaves what is protected at an unforeseen place."""

    async def main() -> object:
        mutex = Mutex(poison=True)
        try:
            async with mutex:
                if how == "error":
                    raise ValueError(how)
        except ValueError:
            pass
        return mutex.poisoned

    assert value(run_virtual(main)) is None


def test_nothing_is_poisoned_unless_asked_for() -> None:
    """By default a canceled holder just releases it."""

    async def main() -> tuple[object, bool]:
        mutex = Mutex()

        async def hold() -> None:
            async with mutex:
                await never()

        holder = spawn(hold())
        await yield_now()
        await holder.cancel()
        return mutex.poisoned, mutex.locked()

    assert (None, False) == value(run_virtual(main))


def test_holder_that_is_dropped_inside_poisons_it_with_the_reason_of_the_drop() -> None:
    """GeneratorExit: grace was zero; the reason is the request's."""

    async def main() -> object:
        mutex = Mutex(poison=True)

        async def hold() -> None:
            async with mutex:
                await never()

        holder = spawn(hold())
        await yield_now()
        await holder.cancel("no time", grace=0)
        return mutex.poisoned.message if mutex.poisoned else None

    assert "no time" == value(run_virtual(main))


def test_holder_that_is_dropped_without_a_request_poisons_it() -> None:
    """GeneratorExit by hand: there is no request to tell of."""
    mutex = Mutex(poison=True)

    async def hold() -> None:
        async with mutex:
            await never()

    (holder,) = parked(hold())
    holder.drop()

    assert mutex.poisoned is not None
    assert "dropped" == mutex.poisoned.message


def test_asyncio_cancellation_inside_poisons_it() -> None:
    """A stock task is canceled by asyncio, which knows no reasons: the kind is FOREIGN."""
    mutex = Mutex(poison=True)

    async def hold() -> None:
        async with mutex:
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.ensure_future(hold())
        await asyncio.sleep(0)
        task.cancel("by asyncio")
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert mutex.poisoned is not None
    assert (CancelKind.FOREIGN, "by asyncio") == (mutex.poisoned.kind, mutex.poisoned.message)


def test_canceled_waiter_of_a_poisoned_mutex_is_told_so() -> None:
    """It was handed the mutex, then canceled: the output that it has is the refusal (R7)."""
    mutex = Mutex(poison=True)

    async def hold() -> None:
        async with mutex:
            await never()

    (holder,) = parked(hold())
    first, second = parked(mutex.acquire(), mutex.acquire())
    holder.drop()
    outcome = first.cancel()

    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, Poisoned)
    assert isinstance(error(second.poll()), Poisoned)
    assert not mutex.locked()


# -- what it says ----------------------------------------------------------------------------------


def test_statistics_and_repr_say_who_holds_it_and_how_many_wait() -> None:
    """A frozen snapshot; the future that waits tells whom it waits for."""

    async def main() -> tuple[MutexStatistics, str, str]:
        mutex = Mutex(name="m")
        task = current_task()
        waiting = mutex.acquire()

        async def other() -> None:
            assert poll_once(waiting) is PENDING

        async with mutex:
            await spawn(other())
            told = f"task {task.id} 'main'"
            stats = mutex.statistics()
            assert stats == MutexStatistics(locked=True, owner=told, waiting=1)
            text = repr(waiting)
            assert text == f"acquire of <Mutex 'm', held by {told}>"
            waiting.drop()
        return mutex.statistics(), repr(mutex), repr(Mutex())

    assert (MutexStatistics(False, None, 0), "<Mutex 'm', free>", "<Mutex, free>") == value(
        run_virtual(main)
    )


def test_repr_of_a_mutex_held_by_the_branch_that_just_got_it_ends() -> None:
    """The holder is named by what it awaits, which is the acquire of this mutex."""
    texts: list[str] = []

    async def main() -> None:
        mutex = Mutex()

        async def second() -> None:
            await yield_now()
            mutex.release()
            texts.append(repr(mutex))

        await mutex.acquire()

        async def first() -> None:
            await race(shield(mutex.acquire()), never())

        await join(first(), second())
        assert mutex.locked()

    run_virtual(main).unwrap()
    assert "<Mutex …>" in texts[0] or "held by" in texts[0]


def test_repr_tells_poison() -> None:
    """In a dump one sees why others are refused."""
    mutex = Mutex(poison=True)
    mutex._poisoned = BY_HAND
    assert "<Mutex, free, poisoned>" == repr(mutex)


# -- hosts, asyncio, threads -----------------------------------------------------------------------


def test_it_works_on_every_host(host: HostFactory) -> None:
    """Ten tasks, one at a time, in order."""
    order: list[int] = []

    async def main() -> bool:
        mutex = Mutex()

        async def use(index: int) -> None:
            async with mutex:
                before = len(order)
                await yield_now()
                assert before == len(order)
                order.append(index)

        tasks = [spawn(use(index)) for index in range(10)]
        for task in tasks:
            await task
        return mutex.locked()

    with host() as runtime:
        assert runtime.block_on(main()) is False
    assert list(range(10)) == order


def test_plain_asyncio_tasks_may_use_it() -> None:
    """Owned by the asyncio task: named, refused to itself and to others."""
    order: list[int] = []
    mutex = Mutex()

    async def use(index: int) -> None:
        async with mutex:
            await asyncio.sleep(0)
            order.append(index)

    async def main() -> str:
        await asyncio.gather(*[use(index) for index in range(5)])
        async with mutex:
            with pytest.raises(UsageError):
                await mutex.acquire()
            with pytest.raises(UsageError, match="cannot be released by asyncio task 'other'"):
                await asyncio.get_running_loop().create_task(release(), name="other")
            return repr(mutex)

    async def release() -> None:
        mutex.release()

    text = asyncio.run(main())
    assert list(range(5)) == order
    assert "held by asyncio task 'Task-" in text


def test_branches_in_a_plain_asyncio_task_are_told_apart_and_are_one_owner() -> None:
    """As in a task of rescind's: they wait for each other, and may release for each other."""
    mutex = Mutex()
    order: list[str] = []

    async def branch(name: str) -> None:
        async with mutex:
            order.append(name)
            await yield_now()

    async def take() -> None:
        await mutex.acquire()

    async def give() -> None:
        await yield_now()
        mutex.release()

    async def main() -> None:
        await join(branch("a"), branch("b"))
        await join(take(), give())

    asyncio.run(main())
    assert (["a", "b"], False) == (order, mutex.locked())


def test_asyncio_task_that_took_it_inside_a_combinator_is_refused_a_second_time() -> None:
    """The branch is the task's own, whatever was around the first acquire."""
    mutex = Mutex()

    async def take() -> None:
        await mutex.acquire()

    async def main() -> None:
        await timeout(take(), 5)
        with pytest.raises(UsageError, match="it would wait for itself"):
            await timeout(take(), 5)
        mutex.release()

    asyncio.run(main())
    assert not mutex.locked()


def test_canceled_asyncio_waiter_leaves_no_ghost() -> None:
    """Cpython's lost wake-ups: canceled just as it was released, it passes it on or has it."""

    async def main() -> tuple[bool, list[str]]:
        mutex = Mutex()
        order: list[str] = []

        async def use(name: str) -> None:
            async with mutex:
                order.append(name)

        await mutex.acquire()
        tasks = [asyncio.ensure_future(use(name)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        mutex.release()
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return mutex.locked(), order

    locked, order = asyncio.run(main())
    assert (False, "c") == (locked, order[-1])
    assert "b" not in order


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_asyncio_task_is_its_own_owner() -> None:
    """It begins inside our poll, but is not our task: neither is taken for the other."""
    mutex = Mutex()

    async def inside() -> None:
        mutex.acquire_nowait()
        await asyncio.sleep(0.001)
        mutex.release()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        eager = asyncio.Task(inside(), loop=loop, eager_start=True, name="eager")  # type: ignore[call-arg]
        assert "<Mutex, held by asyncio task 'eager'>" == repr(mutex)
        async with mutex:
            pass
        await eager

    import rescind

    rescind.run(main)
    assert not mutex.locked()


def test_stock_task_entered_inside_our_poll_is_its_own_owner() -> None:
    """Who runs is what asyncio says, on any version, by whatever means it came about."""
    mutex = Mutex()

    async def main() -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        own: Any = asyncio.current_task()
        stock = loop.create_task(asyncio.sleep(0), name="stock")
        asyncio.tasks._leave_task(loop, own)
        asyncio.tasks._enter_task(loop, stock)
        try:
            mutex.acquire_nowait()
            held = repr(mutex)
            mutex.release()
        finally:
            asyncio.tasks._leave_task(loop, stock)
            asyncio.tasks._enter_task(loop, own)
        await stock
        async with mutex:
            return held, repr(mutex)

    import rescind

    held, again = rescind.run(main)
    assert "<Mutex, held by asyncio task 'stock'>" == held
    assert again.startswith("<Mutex, held by task ")


@pytest.mark.parametrize("host", ["rescind", "asyncio"])
def test_runtimes_in_two_threads_exclude_each_other(host: str) -> None:
    """A counter that is read, left alone for a while, and written, is never wrong."""
    mutex = Mutex()
    count = 0

    async def work() -> None:
        nonlocal count
        for _ in range(50):
            async with mutex:
                before = count
                await yield_now()
                count = before + 1

    async def main() -> None:
        await join(work(), work())

    in_threads(main, main, host=host)
    assert (200, False) == (count, mutex.locked())


def test_threads_outside_every_runtime_can_take_and_give_it() -> None:
    """Code outside every task is one owner: it hands over to a task of a runtime."""
    mutex = Mutex()
    mutex.acquire_nowait()
    parked_now = threading.Event()

    async def main() -> str:
        waiting = spawn(holder())
        await yield_now()
        parked_now.set()
        return await waiting

    async def holder() -> str:
        async with mutex:
            return repr(mutex)

    def give() -> None:
        parked_now.wait(60)
        mutex.release()

    thread = threading.Thread(target=give)
    thread.start()
    (text,) = in_threads(main)
    thread.join(60)
    assert "held by task" in text
    assert not mutex.locked()


def test_shutdown_sets_it_free() -> None:
    """The runtime that held it goes; another may have it."""
    mutex = Mutex()

    async def hold() -> None:
        async with mutex:
            await never()

    with Bench() as bench:
        bench.spawn(hold())
        bench.idle()
        assert mutex.locked()
    assert not mutex.locked()


def test_awaiting_a_task_that_was_canceled_inside_does_not_poison() -> None:
    """`TaskCanceled` is an ordinary error: it is another one that was canceled (R17)."""

    async def main() -> object:
        mutex = Mutex(poison=True)
        other = spawn(never())
        await yield_now()
        other.cancel()
        with pytest.raises(TaskCanceled):
            async with mutex:
                await other
        return mutex.poisoned

    assert value(run_virtual(main)) is None


class Guarded:
    """Wraps a mutex in a context manager of its own."""

    def __init__(self, mutex: Mutex) -> None:
        self.mutex = mutex

    async def __aenter__(self) -> None:
        await self.mutex.__aenter__()

    async def __aexit__(self, *exc: Any) -> None:
        await self.mutex.__aexit__(*exc)


@pytest.mark.parametrize("how", ["wrapped", "stacked"])
@pytest.mark.parametrize("driver", ["rescind", "asyncio"])
def test_dropped_holder_releases_it_through_other_context_managers(how: str, driver: str) -> None:
    """M3: the frame that leaves is another one than entered; then the task tells."""
    mutex = Mutex()

    async def hold() -> None:
        if how == "wrapped":
            async with Guarded(mutex):
                await never()
        else:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(mutex)
                await never()

    async def generate() -> AsyncIterator[None]:
        if how == "wrapped":
            async with Guarded(mutex):
                yield
        else:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(mutex)
                yield

    async def in_rescind() -> None:
        holder = spawn(hold())
        await yield_now()
        assert mutex.locked()
        await holder.cancel(grace=0)

    async def in_asyncio() -> None:
        generator = generate()
        await anext(generator)
        assert mutex.locked()
        await generator.aclose()  # type: ignore[attr-defined]

    if driver == "rescind":
        run_virtual(in_rescind).unwrap()
    else:
        asyncio.run(in_asyncio())
    assert not mutex.locked()


def test_collected_holder_leaves_alone_what_another_task_holds_by_now() -> None:
    """M3: it had released the mutex itself; its exit runs inside the block of another."""
    mutex = Mutex()

    async def hold(keep: list[Any]) -> None:
        async with mutex:
            mutex.release()
            await never()

    async def begin() -> None:
        cycle: list[Any] = []
        frame = as_future(hold(cycle))
        cycle.append(frame)
        assert poll_once(frame) is PENDING

    async def main() -> bool:
        await spawn(begin())
        async with mutex:
            gc.collect()
            return mutex.locked()

    assert value(run_virtual(main)) is True
