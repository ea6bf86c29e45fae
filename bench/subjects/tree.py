"""A request's tree is canceled half-way, or joined.

It has n leaves under task groups of ten, which are in groups of ten, and so on. Every other leaf
yields once and ends; when these have, the root is canceled, while the others are parked. In
``tree_join`` all leaves yield and end, and so does the root. Measured from the start of the root
until all of the tree has gone; an operation is a task.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.foreign import curio
from bench.subjects.nurseries import Nurseries

SUBJECTS: Final = (
    Subject("tree", "a task of a tree that is canceled half-way", smoke=10, args=(True,)),
    Subject("tree_join", "a task of a tree that ends and is joined", smoke=10, args=(False,)),
)

WIDTH: Final = 10


def _depth(n: int) -> int:
    depth = 1
    while WIDTH ** (depth + 1) <= n:
        depth += 1
    return depth


def _tasks(depth: int) -> int:
    return sum(WIDTH**level for level in range(depth + 1))


async def on_rescind(watch: Watch, n: int, canceled: bool) -> int:
    import rescind

    depth = _depth(n)
    ends = WIDTH**depth // (2 if canceled else 1)

    async def leaf(number: int) -> None:
        nonlocal ends
        if canceled and number % 2:
            await rescind.never()
        await rescind.yield_now()
        ends -= 1

    async def node(depth: int) -> None:
        async with rescind.task_group() as group:
            for number in range(WIDTH):
                group.spawn(node(depth - 1) if depth > 1 else leaf(number))

    with watch:
        root = rescind.spawn(node(depth))
        while canceled and ends:
            await rescind.yield_now()
        if canceled:
            root.cancel()
        await root.join()
    return _tasks(depth)


async def on_asyncio(watch: Watch, n: int, canceled: bool) -> int:
    import asyncio

    new_future = asyncio.get_running_loop().create_future
    depth = _depth(n)
    ends = WIDTH**depth // (2 if canceled else 1)

    async def leaf(number: int) -> None:
        nonlocal ends
        if canceled and number % 2:
            await new_future()
        await asyncio.sleep(0)
        ends -= 1

    async def node(depth: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(WIDTH):
                group.create_task(node(depth - 1) if depth > 1 else leaf(number))

    with watch:
        root = asyncio.create_task(node(depth))
        while canceled and ends:
            await asyncio.sleep(0)
        if canceled:
            root.cancel()
        try:
            await root
        except asyncio.CancelledError:
            pass
    return _tasks(depth)


async def on_nursery(watch: Watch, n: int, canceled: bool, lib: Nurseries) -> int:
    checkpoint, park = lib.checkpoint, lib.park
    depth = _depth(n)
    ends = WIDTH**depth // (2 if canceled else 1)

    async def leaf(number: int) -> None:
        nonlocal ends
        if canceled and number % 2:
            await park()
        await checkpoint()
        ends -= 1

    async def node(depth: int) -> None:
        async with lib.group() as nursery:
            for number in range(WIDTH):
                if depth > 1:
                    nursery.start_soon(node, depth - 1)
                else:
                    nursery.start_soon(leaf, number)

    with watch:
        async with lib.group() as around:
            around.start_soon(node, depth)
            while canceled and ends:
                await checkpoint()
            if canceled:
                around.cancel_scope.cancel()
    return _tasks(depth)


async def on_curio(watch: Watch, n: int, canceled: bool) -> int:
    the_curio = curio()
    depth = _depth(n)
    ends = WIDTH**depth // (2 if canceled else 1)

    async def leaf(number: int) -> None:
        nonlocal ends
        if canceled and number % 2:
            await the_curio.Event().wait()
        await the_curio.sleep(0)
        ends -= 1

    async def node(depth: int) -> None:
        async with the_curio.TaskGroup() as group:
            for number in range(WIDTH):
                await group.spawn(node(depth - 1) if depth > 1 else leaf(number))

    with watch:
        root = await the_curio.spawn(node(depth))
        while canceled and ends:
            await the_curio.sleep(0)
        await (root.cancel() if canceled else root.join())
    return _tasks(depth)
