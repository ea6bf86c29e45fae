"""Load a value through a cache, as its only caller."""

import asyncio

from async_lru import alru_cache


async def setup(env):
    env.running = 0

    @alru_cache(maxsize=8)
    async def load(key):
        env.running += 1
        try:
            await asyncio.sleep(0.05)
            return key.upper()
        finally:
            env.running -= 1

    env.load = load


async def scenario(env):
    return await env.load("x")


async def invariant(env, outcome):
    assert env.running == 0, "the only caller is gone, and its load still runs"
