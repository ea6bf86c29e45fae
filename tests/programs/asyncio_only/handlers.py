"""Signal handlers of the loop's."""

import asyncio
import os
import signal


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    seen = []

    def handle(name):
        seen.append(name)
        if name == "SIGTERM":
            stop.set()

    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number.name)
    for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
        await asyncio.sleep(0.01)
    await stop.wait()
    print(seen)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        print(loop.remove_signal_handler(number))


if __name__ == "__main__":
    asyncio.run(main())
