"""Wait for the only connection of a pool, and run a query."""

import asyncio

import psycopg_pool

TIMEOUT = 2.0
DSN = "host=127.0.0.1 port=15432 user=postgres dbname=postgres"


async def holder(env):
    """Use the only connection for a moment whenever the scenario starts."""
    while True:
        await env.go.wait()
        env.go.clear()
        async with env.pool.connection():
            env.held.set()
            await asyncio.sleep(0.005)


async def setup(env):
    env.pool = psycopg_pool.AsyncConnectionPool(
        DSN, min_size=1, max_size=1, open=False, timeout=0.7
    )
    await env.pool.open(wait=True)
    env.go, env.held = asyncio.Event(), asyncio.Event()
    env.helper = asyncio.get_running_loop().create_task(holder(env))
    await asyncio.sleep(0)


async def scenario(env):
    env.held.clear()
    env.go.set()
    await env.held.wait()
    async with env.pool.connection() as conn:
        cur = await conn.execute("select 41 + 1")
        return (await cur.fetchone())[0]


async def invariant(env, outcome):
    try:
        async with env.pool.connection() as conn:
            await conn.execute("select 1")
    except psycopg_pool.PoolTimeout as exc:
        raise AssertionError(f"nobody has a connection, and the pool has none: {exc}") from exc


async def teardown(env):
    env.helper.cancel()
    await asyncio.wait([env.helper])
    await env.pool.close()
