"""Copies that run at the same time: the canceled one is the first of two, the second of three."""

import asyncio
from collections import deque

from rescind.check import Env, Judge, Options, sweep


class Pool:
    """One connection; a waiter that is canceled when it has been given it, loses it."""

    def __init__(self) -> None:
        self.idle = ["connection"]
        self.waiters: deque[asyncio.Future[str]] = deque()

    async def acquire(self) -> str:
        if self.idle:
            return self.idle.pop()
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return await waiter

    def release(self, connection: str) -> None:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self.idle.append(connection)


async def make_pool(env: Env) -> None:
    """Make what is shared."""
    env.pool = Pool()


async def use(env: Env) -> str:
    """Use the connection for a while."""
    connection: str = await env.pool.acquire()
    try:
        await asyncio.sleep(0.01)
        return "answer"
    finally:
        env.pool.release(connection)


async def make_lookup(env: Env) -> None:
    """Make what is shared."""
    env.lookup = None


async def share(env: Env) -> str:
    """Await the one task that the first has made, who takes it along when it is canceled."""
    if env.lookup is None:
        env.lookup = asyncio.ensure_future(asyncio.sleep(0.01, "answer"))
        env.lookup.add_done_callback(lambda _: setattr(env, "lookup", None))
    result: str = await env.lookup
    return result


def test_a_crowd_of_three_has_a_waiter_with_another_one_behind_it() -> None:
    """A hand-off that is lost is found by a scenario that itself does nothing but use the pool."""
    report = sweep(use, setup=make_pool, options=Options(judges=(Judge.CROWD3,), confirm=0))

    assert {(f.detector, f.plan.instant.name) for f in report.verdicts} >= {("crowd", "WOKEN")}


def test_in_a_crowd_of_two_the_first_is_canceled() -> None:
    """Who waits for what the canceled one has begun is the neighbor that notices."""
    report = sweep(share, setup=make_lookup, options=Options(judges=(Judge.CROWD,), confirm=0))

    assert {(f.detector, f.plan.instant.name) for f in report.verdicts} == {("crowd", "PARKED")}
