"""Eager tasks, where Python has them."""

import asyncio
import sys


async def quick(log):
    log.append("quick")
    return "there"


async def slow(log):
    log.append(asyncio.current_task().get_coro().__name__)
    await asyncio.sleep(0)
    log.append("slow again")


async def main():
    loop, log = asyncio.get_running_loop(), []
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    one = asyncio.create_task(quick(log))
    two = asyncio.create_task(slow(log), name="two")
    log.append("created")
    print(await one)
    await two
    print(log)


if __name__ == "__main__":
    asyncio.run(main())
