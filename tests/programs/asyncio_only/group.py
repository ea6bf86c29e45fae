"""A task group one of whose tasks fails, while another cleans up."""

import asyncio


async def fetch(name, delay):
    try:
        await asyncio.sleep(delay)
        if name == "bad":
            raise ValueError(name)
        return name
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        print(name, "was canceled")
        raise


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            quick = group.create_task(fetch("quick", 0))
            group.create_task(fetch("bad", 0.02))
            slow = group.create_task(fetch("slow", 10))
            await asyncio.sleep(10)
    except* ValueError as errors:
        print(repr(errors), [str(error) for error in errors.exceptions])
    print(quick.result(), slow.cancelled(), asyncio.current_task().cancelling())
    try:
        async with asyncio.timeout(0.2), asyncio.TaskGroup() as group:
            slow = group.create_task(fetch("timed out", 10))
    except TimeoutError as exc:
        print(repr(exc), slow.cancelled())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(str(number), 0)) for number in range(3)]
    print([task.result() for task in tasks])


if __name__ == "__main__":
    asyncio.run(main())
