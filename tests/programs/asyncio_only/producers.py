"""Producers and consumers around a bounded queue."""

import asyncio


async def produce(queue, name):
    for number in range(4):
        await queue.put((name, number))


async def consume(queue, done):
    try:
        while True:
            done.append(await queue.get())
            await asyncio.sleep(0)
            queue.task_done()
    except asyncio.CancelledError:
        print("consumer: canceled after", len(done) > 0)
        raise


async def main():
    queue, done = asyncio.Queue(2), []
    consumers = [asyncio.create_task(consume(queue, done)) for _ in range(2)]
    await asyncio.gather(produce(queue, "a"), produce(queue, "b"))
    await queue.join()
    for task in consumers:
        task.cancel()
    print(await asyncio.gather(*consumers, return_exceptions=True))
    print(sorted(done), queue.empty())
    priority = asyncio.PriorityQueue()
    for item in (3, 1, 2):
        priority.put_nowait(item)
    print([await priority.get() for _ in range(3)])


if __name__ == "__main__":
    asyncio.run(main())
