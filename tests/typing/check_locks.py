"""Locks and signals say what their futures give."""

from typing import assert_type

from rescind.lowlevel import Future
from rescind.sync import (
    Barrier,
    Condition,
    Event,
    Mutex,
    MutexStatistics,
    Notified,
    Notify,
    OnceCell,
    ReadOrWrite,
    RwLock,
    Semaphore,
)


async def number() -> int:
    """Return a number."""
    return 1


async def locks() -> None:
    """A block that writes can be downgraded; the others give nothing."""
    mutex, lock, semaphore = Mutex(), RwLock(), Semaphore(1)
    assert_type(mutex.acquire(), Future[None])
    assert_type(mutex.statistics(), MutexStatistics)
    async with mutex, semaphore, semaphore.permits(2), lock.read():
        pass
    async with lock.write() as held:
        assert_type(held, ReadOrWrite)
        held.downgrade()
    assert_type(lock.acquire_read(), Future[None])
    assert_type(semaphore.acquire(2), Future[None])
    assert_type(semaphore.forget_permits(2), int)


async def signals() -> None:
    """A condition gives what its predicate does, a cell what its function makes."""
    condition = Condition(Mutex())
    items = [""]
    async with condition:
        assert_type(await condition.wait_for(lambda: items), list[str])
    assert_type(condition.wait(), Future[None])
    assert_type(Event().wait(), Future[None])
    assert_type(Notify().notified(), Notified)
    assert_type(Notify().notified().enable(), bool)
    assert_type(await Barrier(2).wait(), int)
    cell = OnceCell[int]()
    assert_type(await cell.get_or_init(number), int)
    assert_type(cell.get(), int)
