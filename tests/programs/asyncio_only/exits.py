"""Main leaves the process, with a code; what is left is ended."""

import asyncio
import sys


async def other():
    try:
        await asyncio.sleep(10)
    finally:
        print("other ends")


async def main():
    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    try:
        sys.exit(3)
    finally:
        print("main ends", task.done())


if __name__ == "__main__":
    asyncio.run(main())
