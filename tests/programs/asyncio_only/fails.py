"""Main raises."""

import asyncio


async def main():
    try:
        await asyncio.sleep(0)
        raise LookupError("the cause")
    except LookupError as exc:
        print("before")
        raise ValueError("main fails") from exc


if __name__ == "__main__":
    asyncio.run(main())
