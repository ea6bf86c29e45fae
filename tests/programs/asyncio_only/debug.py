"""Asyncio's debug mode, asked for by the environment."""

import asyncio


async def forgotten():
    pass


async def main():
    print(asyncio.get_running_loop().get_debug())
    asyncio.get_running_loop().slow_callback_duration = 10
    forgotten()
    await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main())
