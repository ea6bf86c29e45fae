"""Take from a queue, with a limit on the time; an item comes while we wait."""

import asyncio


async def setup(env):
    env.q = asyncio.Queue()
    env.got, env.put, env.n = [], [], 0


async def scenario(env):
    loop = asyncio.get_running_loop()

    def put():
        env.n += 1
        env.q.put_nowait(env.n)
        env.put.append(env.n)

    loop.call_later(0.002, put)
    env.got.append(await asyncio.wait_for(env.q.get(), 5))
    return "got one"


async def invariant(env, outcome):
    while not env.q.empty():
        env.got.append(env.q.get_nowait())
    assert env.got == env.put, f"put {env.put}, got {env.got}: an item is lost"
    assert outcome[0] != "returned", "the cancellation was swallowed: the task went on and returned"
