"""`Kit`: what a family offers under one set of names, for subjects whose work is the same in all.

*What it is not.* A layer that is measured: its members are the family's own functions and classes.
Only starting tasks and opening a group goes through something of ours, which is not measured, or
weighs nothing beside what is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from bench.subject import Watch

__all__ = ["FAMILIES", "Event", "Kit", "Start", "kit_of", "together"]

#: Starts a task: an async function and its arguments.
Start: TypeAlias = Callable[..., object]
Send: TypeAlias = Callable[[Any], Awaitable[object]]
Receive: TypeAlias = Callable[[], Awaitable[Any]]


class Event(Protocol):
    """What all events have in common."""

    def set(self) -> object: ...

    def wait(self) -> Awaitable[object]: ...


class Block(Protocol):
    """What all locks have in common: ``async with``."""

    def __aenter__(self) -> Awaitable[object]: ...

    def __aexit__(self, kind: Any, exc: Any, traceback: Any, /) -> Awaitable[object]: ...


class Condition(Block, Protocol):
    """What all conditions have in common, inside of their block."""

    def wait(self) -> Awaitable[object]: ...

    def notify(self, n: int = 1) -> object: ...

    def notify_all(self) -> object: ...


@dataclass(frozen=True)
class Kit:
    """What a family offers.

    Args:
        pause: let the others run once.
        park: wait for ever.
        sleep: for seconds.
        group: gives what starts tasks; leaving it waits for them.
        event, lock, semaphore, condition: make one; a semaphore of so many permits.
        channel: of a capacity; gives what sends and what receives.
    """

    pause: Callable[[], Awaitable[object]]
    park: Callable[[], Awaitable[object]]
    sleep: Callable[[float], Awaitable[object]]
    group: Callable[[], AbstractAsyncContextManager[Start]]
    event: Callable[[], Event]
    lock: Callable[[], Block]
    semaphore: Callable[[int], Block]
    condition: Callable[[], Condition]
    channel: Callable[[int], tuple[Send, Receive]]


async def together(
    watch: Watch, kit: Kit, n: int, work: Callable[[], Awaitable[object]] | None
) -> None:
    """Let n tasks do some work at once; measured from when they may until the last has done it."""
    gate, done = kit.event(), kit.event()
    left = n

    async def task() -> None:
        nonlocal left
        await gate.wait()
        if work is not None:
            await work()
        left -= 1
        if not left:
            done.set()

    async with kit.group() as start:
        for _ in range(n):
            start(task)
        await kit.pause()
        with watch:
            gate.set()
            await done.wait()


def kit_of(family: str) -> Kit:
    """Return the kit of one of `FAMILIES`. Runs inside of that family's loop."""
    return FAMILIES[family]()


def _rescind() -> Kit:
    import rescind
    from rescind import sync

    @asynccontextmanager
    async def group() -> AsyncGenerator[Start, None]:
        tasks: list[rescind.Task[Any]] = []

        def start(fn: Callable[..., Coroutine[Any, Any, object]], *args: Any) -> None:
            tasks.append(rescind.spawn(fn(*args)))

        yield start
        for task in tasks:
            await task

    def channel(capacity: int) -> tuple[Send, Receive]:
        sender, receiver = sync.channel[Any](capacity)
        return sender.send, receiver.recv

    return Kit(
        rescind.yield_now,
        rescind.never,
        rescind.sleep,
        group,
        sync.Event,
        sync.Mutex,
        sync.Semaphore,
        sync.Condition,
        channel,
    )


def _asyncio() -> Kit:
    import asyncio

    loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def group() -> AsyncGenerator[Start, None]:
        tasks: list[asyncio.Task[Any]] = []

        def start(fn: Callable[..., Coroutine[Any, Any, object]], *args: Any) -> None:
            tasks.append(loop.create_task(fn(*args)))

        yield start
        for task in tasks:
            await task

    def channel(capacity: int) -> tuple[Send, Receive]:
        queue: asyncio.Queue[Any] = asyncio.Queue(capacity)
        return queue.put, queue.get

    return Kit(
        partial(asyncio.sleep, 0),
        loop.create_future,
        asyncio.sleep,
        group,
        asyncio.Event,
        asyncio.Lock,
        asyncio.Semaphore,
        asyncio.Condition,
        channel,
    )


def _trio() -> Kit:
    import trio

    @asynccontextmanager
    async def group() -> AsyncGenerator[Start, None]:
        async with trio.open_nursery() as nursery:
            yield nursery.start_soon

    def channel(capacity: int) -> tuple[Send, Receive]:
        sender, receiver = trio.open_memory_channel[Any](capacity)
        return sender.send, receiver.receive

    return Kit(
        trio.lowlevel.checkpoint,
        trio.sleep_forever,
        trio.sleep,
        group,
        trio.Event,
        trio.Lock,
        trio.Semaphore,
        trio.Condition,
        channel,
    )


def _anyio() -> Kit:
    import anyio
    from anyio.lowlevel import checkpoint

    @asynccontextmanager
    async def group() -> AsyncGenerator[Start, None]:
        async with anyio.create_task_group() as tasks:
            yield tasks.start_soon

    def channel(capacity: int) -> tuple[Send, Receive]:
        sender, receiver = anyio.create_memory_object_stream[Any](capacity)
        return sender.send, receiver.receive

    return Kit(
        checkpoint,
        anyio.sleep_forever,
        anyio.sleep,
        group,
        anyio.Event,
        anyio.Lock,
        anyio.Semaphore,
        anyio.Condition,
        channel,
    )


#: The families that have a kit.
FAMILIES: Final[dict[str, Callable[[], Kit]]] = {
    "rescind": _rescind,
    "asyncio": _asyncio,
    "trio": _trio,
    "anyio": _anyio,
}
