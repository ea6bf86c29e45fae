"""Wait for the only connection of a pool, with somebody else waiting behind."""

import asyncio

import aiohttp

TIMEOUT = 1.5
URL = "http://127.0.0.1:18080"


async def fetch(env, path):
    async with env.session.get(URL + path) as r:
        return await r.text()


async def third(env):
    """Ask for a connection behind the canceled task."""
    while True:
        await env.third_go.wait()
        env.third_go.clear()
        env.third_busy = True
        await fetch(env, "/echo/third")
        env.third_busy = False


async def other(env):
    """Have the only connection, as another user of the same pool, and give it back soon after."""
    while True:
        await env.go.wait()
        env.go.clear()
        async with env.session.get(URL + "/echo/other") as r:
            env.held.set()
            await asyncio.sleep(0.006)
            await r.text()


async def setup(env):
    env.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
    env.go, env.held, env.third_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    env.third_busy = False
    loop = asyncio.get_running_loop()
    env.helpers = [loop.create_task(other(env)), loop.create_task(third(env))]
    await asyncio.sleep(0)


async def scenario(env):
    env.held.clear()
    env.go.set()
    await env.held.wait()
    env.third_go.set()
    return await fetch(env, "/echo/mine")


async def invariant(env, outcome):
    c = env.session.connector
    assert not env.third_busy, "the request that waits behind the canceled one waits for ever"
    assert not c._acquired, f"{len(c._acquired)} connection(s) marked as in use; nobody uses one"
    assert not any(c._waiters.values()), "a waiter is left in the queue"
    assert await asyncio.wait_for(fetch(env, "/echo/x"), 1) == "x"


async def teardown(env):
    for t in env.helpers:
        t.cancel()
    await asyncio.wait(env.helpers)
    await env.session.close()
