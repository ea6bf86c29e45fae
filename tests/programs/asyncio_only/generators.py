"""Async generators: closed, left to the loop, and failing."""

import asyncio
from contextlib import aclosing, asynccontextmanager


async def numbers(name):
    try:
        for number in range(5):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        print("closed", name)


@asynccontextmanager
async def resource():
    print("open")
    try:
        yield "resource"
    finally:
        await asyncio.sleep(0)
        print("close")


async def main():
    async with aclosing(numbers("by aclosing")) as found:
        async for number in found:
            if number == 2:
                break
    print([number async for number in numbers("at its end") if number % 2])
    left = numbers("by the loop")
    print(await anext(left))
    try:
        async with resource() as one:
            print(one)
            raise KeyError("inside")
    except KeyError as exc:
        print(repr(exc))
    globals()["left"] = left


if __name__ == "__main__":
    asyncio.run(main())
