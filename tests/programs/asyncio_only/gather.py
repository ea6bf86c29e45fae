"""`gather`, `as_completed` and `wait`."""

import asyncio


async def work(number):
    await asyncio.sleep(number / 50)
    if number == 2:
        raise LookupError(number)
    return number


async def main():
    print(await asyncio.gather(work(3), work(2), work(1), return_exceptions=True))
    try:
        await asyncio.gather(work(1), work(2))
    except LookupError as exc:
        print(repr(exc))
    for done in asyncio.as_completed([work(3), work(1), work(0)]):
        print("done", await done)
    tasks = [asyncio.create_task(work(number)) for number in (0, 1, 5)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    print(len(done), len(pending))
    for task in pending:
        task.cancel()
    print(await asyncio.gather(*tasks, return_exceptions=True))


if __name__ == "__main__":
    asyncio.run(main())
