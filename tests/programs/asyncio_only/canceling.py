"""Tasks that are canceled, cancel themselves, and go on."""

import asyncio


async def stubborn(log):
    for _ in range(3):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as exc:
            log.append((exc.args, asyncio.current_task().cancelling()))
    asyncio.current_task().uncancel()
    return "done"


async def main():
    log = []
    task = asyncio.create_task(stubborn(log), name="stubborn")
    await asyncio.sleep(0)
    for number in range(3):
        task.cancel(number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    print(await task, log, task.cancelling())
    never = asyncio.create_task(stubborn(log))
    never.cancel()
    print(await asyncio.gather(never, return_exceptions=True), len(log))
    me = asyncio.current_task()
    me.cancel("myself")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as exc:
        print(exc.args, me.cancelling(), me.uncancel())
    await asyncio.sleep(0)
    print(me.get_coro().__name__, me in asyncio.all_tasks(), me.done(), me.get_loop().is_running())


if __name__ == "__main__":
    asyncio.run(main())
