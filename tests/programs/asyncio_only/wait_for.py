"""`wait_for`: what is in time, what is not, and what cleans up."""

import asyncio


async def work(delay, result):
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError:
        print("canceled:", result)
        await asyncio.sleep(0)
        raise
    return result


async def main():
    print(await asyncio.wait_for(work(0, "in time"), 60))
    try:
        await asyncio.wait_for(work(10, "late"), 0.2)
    except TimeoutError as exc:
        print(type(exc).__name__)
    task = asyncio.create_task(asyncio.wait_for(work(10, "outer"), 60))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel("stop")
    try:
        await task
    except asyncio.CancelledError as exc:
        print("canceled", task.cancelled(), exc.args)
    future = asyncio.get_running_loop().create_future()
    try:
        await asyncio.wait_for(future, 0)
    except TimeoutError:
        print(future.cancelled())


if __name__ == "__main__":
    asyncio.run(main())
