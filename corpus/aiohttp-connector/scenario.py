"""Wait for the only connection of a pool, while a tracing hook awaits something of its own."""

import asyncio

import aiohttp

TIMEOUT = 1.5
URL = "http://127.0.0.1:18080"


async def fetch(env, path):
    async with env.session.get(URL + path) as r:
        return await r.text()


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
    async def traced(session, ctx, params):
        await asyncio.sleep(0)  # a tracing hook that does some I/O

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(traced)
    trace.on_connection_queued_end.append(traced)
    connector = aiohttp.TCPConnector(limit=1)
    env.session = aiohttp.ClientSession(connector=connector, trace_configs=[trace])
    env.go, env.held = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    env.helpers = [loop.create_task(other(env))]
    await asyncio.sleep(0)


async def scenario(env):
    env.held.clear()
    env.go.set()
    await env.held.wait()
    return await fetch(env, "/echo/mine")


async def invariant(env, outcome):
    c = env.session.connector
    assert not c._acquired, f"{len(c._acquired)} connection(s) marked as in use; nobody uses one"
    assert not any(c._waiters.values()), "a waiter is left in the queue"
    assert await asyncio.wait_for(fetch(env, "/echo/x"), 1) == "x"


async def teardown(env):
    for t in env.helpers:
        t.cancel()
    await asyncio.wait(env.helpers)
    await env.session.close()
