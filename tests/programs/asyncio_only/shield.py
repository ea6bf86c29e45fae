"""`shield`: what goes on, and what is told."""

import asyncio


async def save(log):
    await asyncio.sleep(0.02)
    log.append("saved")
    return "value"


async def main():
    log = []
    inner = asyncio.ensure_future(save(log))

    async def outer():
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            print("outer canceled; saved", log)
            raise

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    task.cancel()
    print(await asyncio.gather(task, return_exceptions=True))
    print(await inner, log)


if __name__ == "__main__":
    asyncio.run(main())
