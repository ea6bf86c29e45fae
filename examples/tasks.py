"""Cancellation, from and between tasks: ask another one to stop, and learn how it ended.

To ask is one thing and returns at once; that it has happened is another, and can be awaited. How
a task ended is plain data in one of three shapes, and a cancellation says who asked, where, and
why: no log has to be read to find out.
"""

import asyncio

import rescind
from rescind import Canceled, CancellationHandle, Completed, Error, Outcome


async def download(size: int) -> int:
    """Fetch so many blocks; a negative number of them is an error, of course."""
    if size < 0:
        raise ValueError(f"cannot download {size} blocks")
    for _ in range(size):
        await rescind.sleep(0.001)
    return size


def report(name: str, outcome: Outcome[int]) -> None:
    match outcome:
        case Completed(value):
            print(f"  {name} completed: {value} blocks")
        case Error(exception):
            print(f"  {name} failed: {exception}")
        case Canceled(reason):
            print(f"  {name} canceled: {reason}")


async def three_outcomes() -> None:
    """Three tasks, three ways to end; `join` never raises for what a task did."""
    tasks = [
        rescind.spawn(download(3), name="small"),
        rescind.spawn(download(-1), name="odd"),
        rescind.spawn(download(1_000_000), name="large"),
    ]
    tasks[2].cancel("the disk is full")
    for task in tasks:
        report(task.name, await task.join())


async def awaiting_it_directly() -> None:
    """Awaiting a task gives its value; that it was canceled is an ordinary exception here."""
    task = rescind.spawn(download(1_000_000), name="large")
    task.cancel("the disk is full")
    try:
        await task
    except rescind.TaskCanceled as canceled:
        print(f"  {task.name} was canceled, and I was not: {canceled.reason.message}")


async def from_another_thread() -> None:
    """From another thread, by a handle that keeps neither the task's frame nor its result alive."""

    def watchdog(handle: CancellationHandle) -> Outcome[int]:
        handle.cancel("the watchdog barked")
        return handle.wait()  # blocks this thread, and only this one

    task = rescind.spawn(download(1_000_000), name="large")
    seen = await asyncio.to_thread(watchdog, task.cancellation_handle())
    report(task.name, await task.join())
    print(f"  the thread saw the same outcome: {seen is task.outcome()}")


async def a_cancel_that_waits() -> None:
    """A cancel that waits until the cleanup is done; asking again begins nothing anew."""

    async def careful() -> int:
        try:
            return await download(1_000_000)
        finally:
            print("  closing the file …")
            await rescind.sleep(0.01)
            print("  … closed")

    task = rescind.spawn(careful(), name="careful")
    await rescind.yield_now()
    first = task.cancel("the user pressed stop")
    second = task.cancel("the user pressed stop again")
    print(f"  both were accepted: {first.accepted and second.accepted}")
    report(task.name, await second)
    print(f"  all reasons: {[reason.message for reason in task.cancel_reasons]}")
    print(f"  too late: {not task.cancel('and again').accepted}")


async def main() -> None:
    for scene in (three_outcomes, awaiting_it_directly, from_another_thread, a_cancel_that_waits):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)
