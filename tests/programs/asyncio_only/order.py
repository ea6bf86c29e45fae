"""The order in which callbacks, tasks and timers run."""

import asyncio


async def steps(log, name):
    for number in range(3):
        log.append(f"{name}{number}")
        await asyncio.sleep(0)


async def main():
    loop, log = asyncio.get_running_loop(), []
    loop.call_soon(log.append, "soon")
    await asyncio.gather(steps(log, "a"), steps(log, "b"))
    now = loop.time()
    for delay in (0.03, 0.01, 0.02):
        loop.call_at(now + delay, log.append, delay)
    loop.call_later(0.01, log.append, "second at 0.01").cancel()
    await asyncio.sleep(0.05)
    print(log)
    future = loop.create_future()
    for number in range(3):
        future.add_done_callback(lambda done, number=number: log.append((number, done.result())))
    loop.call_soon(future.set_result, "result")
    print(await future, log[-3:])


if __name__ == "__main__":
    asyncio.run(main())
