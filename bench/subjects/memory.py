"""Memory: n tasks park, or n channels are made; what that has added to the heap, per one.

Of a task, what its coroutine takes by itself is subtracted: what is left is what the runtime adds.
Python's own allocator is asked, by `tracemalloc`; what a library in C or Rust allocates by itself
is not seen, nor what the loop shares among tasks. tokio's figure is the C allocator's, its future
included.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from bench.subject import Subject, Watch

SUBJECTS: Final = (
    Subject(
        "task_memory",
        "a parked task, over its coroutine",
        size=10_000,
        growth=(),
        args=("task",),
        measure="bytes",
    ),
    Subject(
        "channel_memory",
        "an empty channel of 16 slots",
        size=10_000,
        growth=(),
        args=("channel",),
        measure="bytes",
    ),
)

SLOTS: Final = 16


#: Makes a channel that holds values, and returns what keeps it.
Make: TypeAlias = Callable[[], object]


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    import rescind
    from rescind import sync

    if kind == "channel":
        return _channels(watch, n, lambda: sync.channel[int](SLOTS))

    async def task() -> None:
        await rescind.never()

    heap = Heap(n, task)
    tasks = [rescind.spawn(task()) for _ in range(n)]
    await rescind.yield_now()
    heap.note(watch)
    for each in tasks:
        each.cancel()
    for each in tasks:
        await each.join()
    return n


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    import asyncio

    if kind == "channel":
        return _channels(watch, n, lambda: asyncio.Queue[int](SLOTS))
    new_future = asyncio.get_running_loop().create_future

    async def task() -> None:
        await new_future()

    heap = Heap(n, task)
    tasks = [asyncio.create_task(task()) for _ in range(n)]
    await asyncio.sleep(0)
    heap.note(watch)
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    return n


async def on_trio(watch: Watch, n: int, kind: str) -> int:
    import trio

    if kind == "channel":
        return _channels(watch, n, lambda: trio.open_memory_channel[int](SLOTS))

    async def task() -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        heap = Heap(n, task)
        for _ in range(n):
            nursery.start_soon(task)
        await trio.lowlevel.checkpoint()
        heap.note(watch)
        nursery.cancel_scope.cancel()
    return n


async def on_anyio(watch: Watch, n: int, kind: str) -> int:
    import anyio
    from anyio.lowlevel import checkpoint

    if kind == "channel":
        pairs: list[Any] = []
        ops = _channels(watch, n, lambda: anyio.create_memory_object_stream[int](SLOTS), pairs)
        for sender, receiver in pairs:
            sender.close()
            receiver.close()
        return ops

    async def task() -> None:
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        heap = Heap(n, task)
        for _ in range(n):
            group.start_soon(task)
        await checkpoint()
        heap.note(watch)
        group.cancel_scope.cancel()
    return n


class Heap:
    """How much it grows, but for what n coroutines take that have not begun.

    A coroutine has its frame from the beginning, so that is what a frame takes too.
    """

    def __init__(self, n: int, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        gc.collect()
        tracemalloc.start()
        coroutines = [task() for _ in range(n)]
        self._coroutines = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for coroutine in coroutines:
            coroutine.close()
        del coroutines
        tracemalloc.start()

    def note(self, watch: Watch) -> None:
        """Tell the watch by how much it has grown."""
        gc.collect()
        watch.amount += tracemalloc.get_traced_memory()[0] - self._coroutines
        tracemalloc.stop()


def _channels(watch: Watch, n: int, make: Make, channels: list[Any] | None = None) -> int:
    channels = [] if channels is None else channels
    channels.extend(None for _ in range(n))
    gc.collect()
    tracemalloc.start()
    for i in range(n):
        channels[i] = make()
    watch.amount += tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return n
