"""Queue for a lock between a task that holds it and one that queues behind."""

import asyncio

import anyio


async def third(env):
    """Queue for the lock behind the canceled task."""
    while True:
        await env.third_go.wait()
        env.third_go.clear()
        async with env.lock:
            env.third_got += 1


async def holder(env):
    """Hold the lock whenever the scenario starts, and let go of it a little later."""
    while True:
        await env.go.wait()
        env.go.clear()
        async with env.lock:
            env.held.set()
            await asyncio.sleep(0.003)


async def setup(env):
    env.lock = anyio.Lock()
    env.go, env.held, env.third_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    env.third_got = env.third_asked = 0
    loop = asyncio.get_running_loop()
    env.helpers = [loop.create_task(holder(env)), loop.create_task(third(env))]
    await asyncio.sleep(0)


async def scenario(env):
    env.held.clear()
    env.go.set()
    await env.held.wait()
    env.third_asked += 1
    env.third_go.set()
    async with env.lock:
        pass
    return "had it"


async def invariant(env, outcome):
    assert env.third_got == env.third_asked, "a task behind the canceled one never gets the lock"
    async with env.lock:
        pass
    assert not env.lock.locked(), "the lock stays held with nobody using it"


async def teardown(env):
    for t in env.helpers:
        t.cancel()
    await asyncio.wait(env.helpers)
