"""Main raises a group of exceptions."""

import asyncio


async def bad(number):
    raise ValueError(number)


async def main():
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(bad(number))


if __name__ == "__main__":
    asyncio.run(main())
