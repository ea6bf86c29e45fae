"""What asyncio's code awaits is resumed in the order in which a stock task would be."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rescind
from rescind._host.ticks import LoopTick, Queue
from rescind.lowlevel import PENDING, Context
from rescind.sync import Event
from rescind.testing import CountingWaker
from tests.conftest import HOSTS, HostFactory

#: What a worker does next: yields, waits for a future, passes through a lock.
STEPS = ("yield", "future", "lock", "anyio")

Spawn = Callable[[Coroutine[Any, Any, None]], Any]


async def program(spawn: Spawn, plans: list[list[str]]) -> list[str]:
    """Run a worker for each plan, beside a callback in each iteration; tell the order."""
    loop = asyncio.get_running_loop()
    lock, other = asyncio.Lock(), anyio.Lock()
    log: list[str] = []
    left = len(plans)

    def iterate() -> None:
        if left:
            log.append("loop")
            loop.call_soon(iterate)

    async def work(number: int, plan: list[str]) -> None:
        nonlocal left
        await begin  # a task of ours has begun earlier than a stock task has
        for step in plan:
            if step == "yield":
                await asyncio.sleep(0)
            elif step == "future":
                future = loop.create_future()
                loop.call_soon(future.set_result, None)
                await future
            elif step == "lock":
                async with lock:
                    await asyncio.sleep(0)
            else:
                async with other:
                    await asyncio.sleep(0)
            log.append(f"{number}: {step}")
        left -= 1

    begin = loop.create_future()
    workers = [spawn(work(number, plan)) for number, plan in enumerate(plans)]
    for _ in range(3):
        await asyncio.sleep(0)
    iterate()
    begin.set_result(None)
    for worker in workers:
        await worker
    return log


@given(st.lists(st.lists(st.sampled_from(STEPS), max_size=8), min_size=1, max_size=4))
def test_tasks_that_await_asyncio_alone_go_on_in_the_order_of_stock_tasks(
    plans: list[list[str]],
) -> None:
    """Among each other, and among the other callbacks of the loop: iteration for iteration."""
    expected = asyncio.run(program(asyncio.create_task, plans))

    assert rescind.run(program(rescind.spawn, plans)) == expected


@pytest.mark.parametrize("host", [name for name in HOSTS if name != "manual"])
def test_who_yields_goes_on_after_what_stands_in_the_loop_and_before_what_comes_later(
    host: str,
) -> None:
    """A bare yield has a place of its own in the loop's queue."""
    if host == "uvloop":
        pytest.importorskip("uvloop")

    async def worker(name: str, log: list[str]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(log.append, f"before {name}")
        await asyncio.sleep(0)
        log.append(name)

    async def main() -> list[str]:
        log: list[str] = []
        for task in [rescind.spawn(worker(name, log)) for name in "ab"]:
            await task
        return log

    with HostFactory(host)() as runtime:
        log = runtime.block_on(main())

    assert log == ["before a", "a", "before b", "b"]


def test_a_tick_that_was_dropped_wakes_nobody_when_the_loop_comes_to_it() -> None:
    """Its place in the queue is left; it is counted until then, and no longer."""
    loop = asyncio.new_event_loop()
    queue = Queue(loop)
    dropped, waited = CountingWaker(), CountingWaker()
    tick, other = LoopTick(queue), LoopTick(queue)

    assert tick.poll(Context(dropped)) is PENDING
    assert other.poll(Context(waited)) is PENDING
    assert queue.length == 2
    tick.drop()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    assert (dropped.wakes, waited.wakes, queue.length) == (0, 1, 0)
    assert other.poll(Context(waited)) is None


def test_a_spurious_poll_of_a_tick_neither_shortens_it_nor_queues_it_again() -> None:
    """It stands there once, and wakes whoever polled it last."""
    loop = asyncio.new_event_loop()
    queue = Queue(loop)
    first, last = CountingWaker(), CountingWaker()
    tick = LoopTick(queue)

    assert [tick.poll(Context(waker)) for waker in (first, last)] == [PENDING, PENDING]
    assert queue.length == 1
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    assert (first.wakes, last.wakes) == (0, 1)
    assert tick.poll(Context(last)) is None
    with pytest.raises(rescind.PolledAfterCompletion):
        tick.poll(Context(last))


def test_who_yields_is_canceled_without_waiting_for_the_loop_to_come_to_it() -> None:
    """Nothing can be lost, so it does not go on first."""

    async def yields(log: list[str]) -> None:
        try:
            await asyncio.sleep(0)
        except rescind.Cancellation:
            log.append("canceled")
            raise
        log.append("resumed")

    async def main() -> list[str]:
        log: list[str] = []
        task = rescind.spawn(yields(log))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task.join()
        return log

    assert rescind.run(main) == ["canceled"]


@given(st.lists(st.lists(st.sampled_from(STEPS), max_size=8), min_size=1, max_size=4))
def test_what_stock_tasks_await_in_a_future_of_ours_takes_no_longer_than_without(
    plans: list[list[str]],
) -> None:
    """A timeout of ours around it changes nothing in the order, iteration for iteration."""
    expected = asyncio.run(program(asyncio.create_task, plans))

    def within(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def timed() -> None:
            await rescind.timeout(work, 3600)

        return asyncio.create_task(timed())

    assert asyncio.run(program(within, plans)) == expected


@pytest.mark.parametrize("setter", ["stock task", "task of ours", "callback"])
def test_a_stock_task_is_resumed_after_what_has_woken_it_and_not_within(setter: str) -> None:
    """Whoever ends its wait goes on undisturbed to its own next await."""

    async def main() -> list[str]:
        log: list[str] = []
        event = Event()

        async def waits() -> None:
            await event.wait()
            log.append("resumed")

        async def sets() -> None:
            await asyncio.sleep(0)
            wake()
            await asyncio.sleep(0)

        def wake() -> None:
            event.set()
            log.append("set")

        stock = asyncio.create_task(waits())
        await asyncio.sleep(0)
        if setter == "stock task":
            await asyncio.create_task(sets())
        elif setter == "task of ours":
            await rescind.spawn(sets())
        else:
            asyncio.get_running_loop().call_soon(wake)
        await stock
        return log

    assert rescind.run(main) == ["set", "resumed"]


def test_a_stock_task_that_a_failing_one_was_woken_with_is_resumed_all_the_same() -> None:
    """Ctrl-C in the first passes through the loop; the second is resumed in the next iteration."""
    log: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        event = Event()

        async def waits(name: str, exc: BaseException | None) -> None:
            await event.wait()
            log.append(name)
            if exc is not None:
                raise exc

        async def sets() -> None:
            await asyncio.sleep(0)
            event.set()

        for name, exc in (("first", KeyboardInterrupt()), ("second", None)):
            tasks.append(asyncio.create_task(waits(name, exc)))
        await asyncio.sleep(0)
        await rescind.spawn(sets())
        await asyncio.wait(tasks)

    with pytest.raises(KeyboardInterrupt):
        rescind.run(main)

    assert sorted(log) == ["first", "second"]
    assert isinstance(tasks[0].exception(), KeyboardInterrupt)
