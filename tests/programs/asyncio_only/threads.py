"""Threads: executors, `to_thread`, and coroutines from other threads."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

variable = contextvars.ContextVar("variable", default="unset")


def work(number):
    if number < 0:
        raise ValueError(number)
    return number, variable.get(), threading.current_thread() is threading.main_thread()


async def add(one, two):
    await asyncio.sleep(0)
    return one + two


async def main():
    loop = asyncio.get_running_loop()
    variable.set("set")
    print(await asyncio.to_thread(work, 1))
    print(await loop.run_in_executor(None, work, 2))
    with ThreadPoolExecutor(1) as pool:
        print(await loop.run_in_executor(pool, work, 3))
    try:
        await asyncio.to_thread(work, -1)
    except ValueError as exc:
        print(repr(exc))

    def outside():
        return asyncio.run_coroutine_threadsafe(add(1, 2), loop).result(10)

    print(await asyncio.to_thread(outside))


if __name__ == "__main__":
    asyncio.run(main())
