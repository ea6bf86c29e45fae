"""Timeouts, nested, moved and over already."""

import asyncio


async def inner():
    try:
        async with asyncio.timeout(10):
            await asyncio.sleep(10)
    except TimeoutError:
        print("the inner one")
    finally:
        await asyncio.sleep(0)
        print("cleanup")


async def main():
    try:
        async with asyncio.timeout(0.01) as outer:
            await inner()
    except TimeoutError:
        print("the outer one", outer.expired(), asyncio.current_task().cancelling())
    async with asyncio.timeout(None) as moved:
        moved.reschedule(asyncio.get_running_loop().time() + 10)
        await asyncio.sleep(0)
        print("moved", moved.expired())
    for delay in (0, -1):
        try:
            async with asyncio.timeout(delay):
                await asyncio.sleep(0)
                print("went on")
        except TimeoutError:
            print("over")
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + 10):
            raise await asyncio.sleep(0, ValueError("first"))
    except ValueError as exc:
        print(repr(exc), exc.__context__)


if __name__ == "__main__":
    asyncio.run(main())
