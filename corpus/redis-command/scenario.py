"""Send two commands, one after the other."""

import os

import redis.asyncio as redis

TIMEOUT = 1.0
PORT = int(os.environ.get("CORPUS_REDIS_PORT", "17379"))


async def setup(env):
    env.r = redis.Redis(port=PORT, decode_responses=True)
    await env.r.mset({"a": "A", "b": "B", "c": "C"})


async def scenario(env):
    return [await env.r.get("a"), await env.r.get("b")]


async def invariant(env, outcome):
    got = await env.r.get("c")
    assert got == "C", f"GET c answered {got!r}, which is another request's response"


async def teardown(env):
    await env.r.close()
    await env.r.connection_pool.disconnect()
