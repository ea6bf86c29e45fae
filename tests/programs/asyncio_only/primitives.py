"""Locks, conditions, barriers, events and semaphores, canceled at times."""

import asyncio


async def main():
    lock, order = asyncio.Lock(), []

    async def locked(name):
        async with lock:
            order.append(name)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(locked(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    print([type(one).__name__ for one in await asyncio.gather(*tasks, return_exceptions=True)])
    print(order, lock.locked())

    condition, ready = asyncio.Condition(), []

    async def wait(name):
        async with condition:
            await condition.wait_for(lambda: ready)
            order.append(name)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    async with condition:
        ready.append(True)
        condition.notify_all()
    await asyncio.gather(*waiting)
    print(order)

    barrier = asyncio.Barrier(3)
    print(sorted(await asyncio.gather(*(barrier.wait() for _ in range(3)))), barrier.broken)
    semaphore, most = asyncio.Semaphore(2), [0, 0]

    async def limited():
        async with semaphore:
            most[0] += 1
            most[1] = max(most)
            await asyncio.sleep(0)
            most[0] -= 1

    await asyncio.gather(*(limited() for _ in range(6)))
    print(most)


if __name__ == "__main__":
    asyncio.run(main())
