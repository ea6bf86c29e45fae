"""Main cancels itself."""

import asyncio


async def main():
    asyncio.current_task().cancel("no more")
    try:
        await asyncio.sleep(10)
    finally:
        print("main ends")


if __name__ == "__main__":
    asyncio.run(main())
