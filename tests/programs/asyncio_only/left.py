"""What is still running when main ends, and what it began last."""

import asyncio


async def background(name):
    print(name, "begins")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        print("one is canceled")
        raise


async def main():
    tasks = [asyncio.create_task(background("first"))]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(background("last")))
    print("main ends")
    globals()["tasks"] = tasks


if __name__ == "__main__":
    asyncio.run(main())
