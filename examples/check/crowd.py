"""Somebody else's cancellation: a bug that is seen only by those who were not canceled.

    rescind check examples/check/crowd.py             # finds it with the six lines below
    rescind check examples/check/crowd.py::mended     # finds nothing

`Cache` asks once for all who want the same thing at the same time. They all await the one task. A
task that is canceled while it awaits another cancels that one, too: so if one of those who wait is
canceled, so is the lookup, and all the others get a CancelledError that nobody sent to them.

The canceled one is fine, and so is the next who asks. It takes neighbors to see it: the checker
runs copies of the scenario at the same time, cancels one of them, and compares how the others end
with how they end when nobody is canceled.
"""

import asyncio


class Cache:
    """Ask once for all who want the same key at the same time."""

    def __init__(self):
        self.asked = {}

    def lookup(self, key):
        """Return the task that asks for a key, a new one if there is none."""
        if key not in self.asked:
            task = self.asked[key] = asyncio.ensure_future(ask(key))
            task.add_done_callback(lambda _: self.asked.pop(key))
        return self.asked[key]

    async def get(self, key):
        """Return the answer for a key."""
        return await self.lookup(key)

    async def get_shielded(self, key):
        """Return the answer for a key; a waiter that is canceled leaves the others their task."""
        return await asyncio.shield(self.lookup(key))


async def ask(key):
    """Ask somebody who is far away."""
    await asyncio.sleep(0.01)
    return f"the answer to {key}"


async def setup(env):
    env.cache = Cache()


async def scenario(env):
    return await env.cache.get("everything")


async def mended(env):
    return await env.cache.get_shielded("everything")
