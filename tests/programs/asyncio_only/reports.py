"""What is reported when nobody looks: failed tasks, failed callbacks."""

import asyncio
import gc


async def fails():
    raise ValueError("nobody asks for it")


def callback():
    raise LookupError("in a callback")


async def main():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(fails(), name="failing")
    await asyncio.sleep(0)
    del task
    gc.collect()
    loop.call_soon(callback)
    await asyncio.sleep(0)
    loop.set_exception_handler(lambda _loop, context: print("handler:", context["exception"]))
    loop.call_soon(callback)
    await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main())
