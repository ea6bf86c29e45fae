"""A connection pool of ten lines, in plain asyncio, that loses its connection: and where it does.

    rescind check examples/check/pool.py              # finds the await, in less than a second
    rescind check examples/check/pool.py::mended      # finds nothing
    rescind check examples/check/pool.py --thorough   # cancels between any two callbacks, too

`Pool` looks right, and each test that cancels a task while it waits passes: `release` passes over
waiters that have gone. The bug needs one exact moment. A connection is released: the future of the
waiter is done, and its task is ready to run. Before it runs, it is canceled. `await waiter` raises
CancelledError, and the connection in that future has no owner any more: it is neither idle nor in
use, and whoever asks next waits for ever.

Nothing here knows of the checker, and nothing says what a leak is. The checker runs the scenario
beside copies of itself, so that somebody has to wait; it cancels at each await, just before it is
done and just after; and it looks whether the others, and whoever comes next, still get what they
got before.
"""

import asyncio
from collections import deque


class Pool:
    """Hand out connections; whoever finds none waits in a queue."""

    def __init__(self, *connections):
        self.idle = list(connections)
        self.waiters = deque()

    async def acquire(self):
        """Return an idle connection, as soon as there is one."""
        if self.idle:
            return self.idle.pop()
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return await waiter

    def release(self, connection):
        """Give a connection to the first who still waits, or keep it."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self.idle.append(connection)


class MendedPool(Pool):
    """The same, but a canceled waiter hands on what it had been given."""

    async def acquire(self):
        """Return an idle connection, as soon as there is one."""
        if self.idle:
            return self.idle.pop()
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.release(waiter.result())
            raise


async def query(pool):
    """Use a connection for a while, as everybody does."""
    connection = await pool.acquire()
    try:
        await asyncio.sleep(0.01)
        return f"answer of {connection}"
    finally:
        pool.release(connection)


async def setup(env):
    """Make what the scenario and its copies share."""
    env.pool = Pool("connection 1")
    env.mended_pool = MendedPool("connection 1")


async def scenario(env):
    """Make one query."""
    return await query(env.pool)


async def mended(env):
    """Make one query, with the mended pool."""
    return await query(env.mended_pool)
