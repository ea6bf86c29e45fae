"""The end of a runtime whose functions, threads and processes have not ended."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import rescind
import rescind.sync
from rescind import Canceled, Runtime, ShutdownReport
from rescind.blocking import block_on, canceled, spawn_blocking, thread_pool, wait_canceled
from rescind.sync import Event
from tests.blocking import kit
from tests.blocking.kit import LONG, Gate, until
from tests.conftest import HostFactory


async def started(gate: Gate, **options: Any) -> rescind.Task[object]:
    """Start a call, and wait until it runs."""
    task = spawn_blocking(gate, **options)
    await until(gate.begun.is_set)
    return task


def test_idle_threads_are_gone_after_the_shutdown(host: HostFactory) -> None:
    """Though they would stay for seconds more."""
    before = threading.active_count()

    async def main() -> None:
        await rescind.join(*(spawn_blocking(time.sleep, 0.01) for _ in range(10)))

    with host(grace=0) as runtime:
        runtime.block_on(main())
        pool_threads = threading.active_count() - before
    end = time.monotonic() + LONG
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.001)

    assert pool_threads > 0
    assert threading.active_count() == before


def test_function_that_heeds_is_waited_for(host: HostFactory) -> None:
    """It is asked to end, ends, and nothing is reported."""

    async def main() -> None:
        running = threading.Event()

        def work() -> None:
            running.set()
            wait_canceled()

        spawn_blocking(work)
        await until(running.is_set)

    runtime = host()
    runtime.block_on(main())
    report = runtime.shutdown()

    assert (report.canceled, report.overran, report.leftovers) == (1, (), ())


def test_function_that_never_returns_does_not_hold_the_shutdown(host: HostFactory) -> None:
    """It ends within its grace, and the report names the function, the thread and the place."""
    gate = Gate()
    runtime = host(grace=0.2)
    runtime.block_on(started(gate, name="stubborn"))
    begun = time.monotonic()
    report = runtime.shutdown("enough")
    seconds = time.monotonic() - begun
    held = gate.holds
    gate.open()

    assert 0.1 < seconds
    assert held
    assert [late.task for late in report.overran] == ["stubborn"]
    [left] = report.leftovers
    assert "running stubborn" in left.name
    assert left.place is not None
    assert left.place.startswith(f"{kit.__file__}:") is True
    assert left.place.endswith("in Gate.__call__")


def test_detached_function_is_given_what_is_left_of_the_grace(host: HostFactory) -> None:
    """Nobody waits for its value, but its thread may end in peace."""
    gate = Gate()
    runtime = host(grace=20)

    async def main() -> None:
        task = await started(gate, on_overrun="detach")
        await task.cancel()

    runtime.block_on(main())
    threading.Timer(0.1, gate.open).start()
    report = runtime.shutdown()

    assert gate.ended.is_set()
    assert report.leftovers == ()


def test_detached_function_that_does_not_end_is_left_behind_and_reported(
    host: HostFactory,
) -> None:
    """After the grace, and not for ever."""
    gate = Gate()
    runtime = host(grace=0.2)

    async def main() -> None:
        task = await started(gate, on_overrun="detach")
        await task.cancel()

    runtime.block_on(main())
    begun = time.monotonic()
    report = runtime.shutdown()
    seconds = time.monotonic() - begun
    held = gate.holds
    gate.open()

    assert 0.1 < seconds
    assert held
    assert len(report.leftovers) == 1


def test_second_shutdown_waits_for_nothing(host: HostFactory) -> None:
    """And a leftover of the first is not reported again."""
    gate = Gate()
    runtime = host(grace=0)
    runtime.block_on(started(gate))
    first, second = runtime.shutdown(), runtime.shutdown()
    gate.open()

    assert [len(report.leftovers) for report in (first, second)] == [1, 0]


def test_call_that_waits_in_the_queue_never_runs(host: HostFactory) -> None:
    """The shutdown cancels it first."""
    begun, queued = threading.Event(), Gate()
    runtime = host(grace=3600)

    def work() -> None:
        begun.set()
        wait_canceled(LONG)  # by the shutdown, which asks all at once

    async def main() -> rescind.Task[object]:
        thread_pool().limit = 1
        spawn_blocking(work)
        await until(begun.is_set)
        task = spawn_blocking(queued)
        await rescind.yield_now()
        return task

    task = runtime.block_on(main())
    runtime.shutdown()

    assert isinstance(task.outcome(), Canceled)
    assert queued.runs == 0


def test_cleanup_of_a_task_may_still_use_threads(host: HostFactory) -> None:
    """The pool is closed after the last task has ended."""
    done: list[Any] = []
    waits = Event()

    async def work() -> None:
        pool = thread_pool()
        running = spawn_blocking(time.sleep, 0, name="before")
        await running
        waits.set()
        try:
            await rescind.never()
        finally:
            done.append(pool.statistics().threads)

    async def main() -> None:
        rescind.spawn(work())
        await waits.wait()

    with host() as runtime:
        runtime.block_on(main())

    assert done == [1]


def test_call_spawned_after_the_shutdown_began_never_runs(host: HostFactory) -> None:
    """Its handle is canceled, as any other's (R24)."""
    gate = Gate()
    outcomes: list[Any] = []

    async def work() -> None:
        try:
            await rescind.never()
        finally:
            outcomes.append(spawn_blocking(gate).outcome())

    async def main() -> None:
        rescind.spawn(work())
        await rescind.yield_now()

    with host() as runtime:
        runtime.block_on(main())

    assert isinstance(outcomes[0], Canceled)
    assert gate.runs == 0


def test_function_blocked_on_the_runtime_ends_with_it(host: HostFactory) -> None:
    """Function and future do not wait for each other."""
    ended: list[bool] = []

    def work() -> None:
        try:
            block_on(rescind.never())
        finally:
            ended.append(canceled())

    async def main() -> None:
        spawn_blocking(work)
        await until(lambda: len(rescind.current_runtime().tasks()) == 3)

    with host() as runtime:
        runtime.block_on(main())

    assert ended == [True]


def test_interrupted_runtime_leaves_no_idle_thread(host: HostFactory) -> None:
    """A `KeyboardInterrupt` passes through, and the functions are asked to end."""
    asked: list[bool] = []
    running = threading.Event()

    def work() -> None:
        running.set()
        asked.append(wait_canceled(20))

    async def main() -> None:
        spawn_blocking(work)
        await spawn_blocking(int)
        await until(running.is_set)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with host() as runtime:
            runtime.block_on(main())

    assert asked == [True]


def test_attached_runtime_awaits_its_threads() -> None:
    """The loop that somebody else runs goes on meanwhile."""
    gate = Gate()
    ticks: list[None] = []

    async def tick() -> None:
        while True:
            ticks.append(None)
            if len(ticks) == 20:
                gate.open()
            await asyncio.sleep(0.005)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        async with Runtime.attach(grace=20):
            task = await started(gate, on_overrun="detach")
            await task.cancel()
        assert gate.ended.is_set()
        ticking.cancel()

    asyncio.run(main())

    assert len(ticks) >= 20


def test_attached_runtime_does_not_wait_for_ever() -> None:
    """It leaves the thread behind when the grace is over."""
    gate = Gate()

    async def main() -> None:
        async with Runtime.attach(grace=0.1):
            await started(gate)

    asyncio.run(main())
    held = gate.holds
    gate.open()

    assert held


def test_report_tells_what_was_left(host: HostFactory) -> None:
    """For people too."""
    gate = Gate()
    runtime = host(grace=0)
    runtime.block_on(started(gate, name="stubborn"))
    report: ShutdownReport = runtime.shutdown()
    gate.open()

    assert "stubborn" in str(report)
