"""Blocking functions in programs that asyncio runs, without a runtime."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Cancellation
from rescind.blocking import block_on, spawn_blocking, thread_pool, wait_canceled
from rescind.lowlevel import PENDING, Context, Waker
from tests.blocking.kit import LONG, Gate, until


def test_value_comes_back() -> None:
    """The loop's implicit executor runs the task."""

    async def main() -> list[int]:
        return [await spawn_blocking(int, "7"), await spawn_blocking(lambda: block_on(seven()))]

    async def seven() -> int:
        await asyncio.sleep(0)
        return 7

    assert asyncio.run(main()) == [7, 7]


def test_idle_threads_end_with_the_loop() -> None:
    """Nobody shuts a runtime down, but the loop ends orderly: ``asyncio.run`` does that."""
    before = threading.active_count()

    async def main() -> int:
        await asyncio.gather(*(asyncio.ensure_future(call()) for _ in range(5)))
        return threading.active_count()

    async def call() -> None:
        await spawn_blocking(time.sleep, 0.01)

    assert asyncio.run(main()) > before
    end = time.monotonic() + LONG
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert threading.active_count() == before


def test_each_loop_has_a_pool_of_its_own() -> None:
    """One after the other, and nothing of the first is kept."""
    pools: list[weakref.ref[Any]] = []

    async def main() -> None:
        await spawn_blocking(int)
        pools.append(weakref.ref(thread_pool()))

    asyncio.run(main())
    asyncio.run(main())
    asyncio.run(asyncio.sleep(0))
    end = time.monotonic() + LONG
    while pools[0]() is not None and time.monotonic() < end:
        gc.collect()  # its last thread may be on its way out

    assert pools[0]() is None


def test_asyncio_cancellation_asks_the_function_to_end() -> None:
    """With `join_or_cancel`; asyncio's task waits for it, and then is canceled."""
    running = threading.Event()
    asked: list[bool] = []

    def work() -> None:
        running.set()
        asked.append(wait_canceled(LONG))

    async def main() -> None:
        task = spawn_blocking(work)
        await until(running.is_set)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await rescind.join_or_cancel(task)
                await asyncio.sleep(LONG)

    asyncio.run(main())

    assert asked == [True]


def test_function_that_outlives_the_loop_is_released_from_waiting() -> None:
    """It waits for a future of a loop that has ended: it gets a cancellation."""
    seen: list[Any] = []
    begun, ended = threading.Event(), threading.Event()

    def parked(cx: Context) -> Any:
        wakers.append(cx.waker)
        begun.set()
        return PENDING

    def work() -> None:
        try:
            block_on(rescind.poll_fn(parked))
        except Cancellation as exc:
            seen.append(exc.reason.kind)
        finally:
            ended.set()

    wakers: list[Waker] = []

    async def main() -> None:
        spawn_blocking(work)
        await until(begun.is_set)

    asyncio.run(main())
    assert ended.wait(60)

    assert seen == [CancelKind.SHUTDOWN]


def test_function_that_calls_back_after_the_loop_has_ended_is_released() -> None:
    """Nobody will ever answer: it gets a cancellation, and does not hang."""
    seen: list[Any] = []
    running, gone, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        gone.wait(60)
        try:
            block_on(rescind.sleep(0))
        except Cancellation as exc:
            seen.append(exc.reason.kind)
        finally:
            ended.set()

    async def main() -> None:
        spawn_blocking(work)
        await until(running.is_set)

    asyncio.run(main())
    gone.set()
    assert ended.wait(60)

    assert seen == [CancelKind.SHUTDOWN]


def test_detached_function_does_not_hold_the_loop_up() -> None:
    """``asyncio.run`` returns while it goes on; with `asyncio.to_thread` it would wait."""
    gate = Gate()

    async def main() -> Any:
        task = spawn_blocking(gate, on_overrun="detach")
        await until(gate.begun.is_set)
        return await task.cancel()

    outcome = asyncio.run(main())
    held = gate.holds
    gate.open()

    assert isinstance(outcome, Canceled)
    assert outcome.dropped
    assert held
