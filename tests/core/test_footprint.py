"""What a parked task and an idle channel take, to the byte: nothing of it depends on time."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import rescind
from rescind import sync
from rescind._core import compiled

#: As many as the benchmark has: the tables that all share grow in leaps.
TASKS = 10_000
CHANNELS = 1_000
#: asyncio's set of all tasks may have to grow once more, which depends on those that it had before.
LEAP = 16 * 32_768 / TASKS


def heap() -> int:
    """Return what Python's allocators have given out since they are traced."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def nothing() -> None:
    """Park for ever."""
    await rescind.never()


def grown(make: Callable[[], Any], n: int) -> float:
    """Return by how much the heap grows for each of n things."""
    things: list[Any] = [None] * n
    before = heap()
    for index in range(n):
        things[index] = make()
    took = heap() - before
    for thing in things:
        if isinstance(thing, Coroutine):
            thing.close()
    return took / n


async def of_a_task() -> float:
    """Return what a parked task takes over its coroutine."""
    tracemalloc.start()
    try:
        own = grown(nothing, TASKS)
        tasks: list[rescind.Task[None] | None] = [None] * TASKS
        before = heap()
        for index in range(TASKS):
            tasks[index] = rescind.spawn(nothing())
        await rescind.yield_now()
        took = heap() - before
    finally:
        tracemalloc.stop()
    for task in tasks:
        assert task is not None
        assert task.phase.name == "PARKED"
        task.cancel()
    return took / TASKS - own


async def of_a_channel() -> float:
    """Return what a channel takes that holds nothing."""
    tracemalloc.start()
    try:
        return grown(lambda: sync.channel[int](16), CHANNELS)
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def untraced() -> None:
    """See that nobody else traces the heap, or the frames: that makes objects of them."""
    if tracemalloc.is_tracing() or sys.gettrace() is not None:
        pytest.skip("memory or frames are being traced")


def test_a_parked_task_takes_less_than_a_kibibyte_over_its_coroutine() -> None:
    """The goal is 1 KiB compiled; as plain Python an await alone is a generator of 240 bytes."""
    took = rescind.run(of_a_task, warn=False)
    assert took <= (960 if compiled else 1376) + LEAP


def test_a_channel_takes_less_than_two_kibibytes() -> None:
    """Most of it is a deque for its values; nothing else in it may have one before it needs it."""
    assert rescind.run(of_a_channel, warn=False) <= 1792
