"""Wait for a condition beside another waiter; one notification comes, and is passed on."""

import asyncio


async def other(env):
    async with env.cond:
        await env.cond.wait()
        env.other_notified += 1


async def notify(env, n):
    async with env.cond:
        env.cond.notify(n)
        env.notified += n


async def setup(env):
    env.cond = asyncio.Condition()
    env.notified = env.other_notified = env.me_notified = 0
    env.helpers = []


async def scenario(env):
    loop = asyncio.get_running_loop()
    async with env.cond:
        env.helpers.append(loop.create_task(other(env)))
        loop.call_later(0.003, lambda: env.helpers.append(loop.create_task(notify(env, 1))))
        await env.cond.wait()
        env.me_notified += 1
    await notify(env, 1)
    return "notified"


async def invariant(env, outcome):
    got = env.other_notified + env.me_notified
    waiting = len(env.cond._waiters)
    assert not (waiting and got < env.notified), (
        f"{env.notified} notification(s) sent, {got} arrived, and a task still waits"
    )
    assert not env.cond.locked()


async def teardown(env):
    for t in env.helpers:
        t.cancel()
    if env.helpers:
        await asyncio.wait(env.helpers)
