"""A task of main's leaves the process."""

import asyncio


async def leave():
    raise SystemExit(5)


async def main():
    try:
        await asyncio.create_task(leave())
    finally:
        print("main ends")


if __name__ == "__main__":
    asyncio.run(main())
