"""Ctrl-C, while main waits; it cleans up."""

import asyncio
import os
import signal


async def main():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        print("cleaned up")
        raise


if __name__ == "__main__":
    asyncio.run(main())
