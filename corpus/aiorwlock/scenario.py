"""Queue for the writer's side of a lock, with a reader queueing behind."""

import asyncio

import aiorwlock


async def setup(env):
    env.rw = aiorwlock.RWLock()


async def holder(env, started, go):
    async with env.rw.writer_lock:
        started.set()
        await go.wait()


async def reader(env):
    async with env.rw.reader_lock:
        await asyncio.sleep(0)


async def scenario(env):
    started, go = asyncio.Event(), asyncio.Event()
    env.holder = asyncio.ensure_future(holder(env, started, go))
    try:
        await started.wait()
        env.reader = asyncio.ensure_future(reader(env))
        asyncio.get_running_loop().call_later(0.001, go.set)
        async with env.rw.writer_lock:
            await asyncio.sleep(0)
        return "done"
    finally:
        go.set()


async def invariant(env, outcome):
    assert not env.rw.writer_lock.locked, "writer lock still held"
    assert not env.rw.reader_lock.locked, "reader lock still held"
    async with env.rw.writer_lock:
        pass
