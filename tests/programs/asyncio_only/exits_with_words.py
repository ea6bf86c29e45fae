"""Main leaves the process with words."""

import asyncio
import sys


async def main():
    await asyncio.sleep(0)
    sys.exit("enough")


if __name__ == "__main__":
    asyncio.run(main())
