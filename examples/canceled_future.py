"""Cancellation, seen from the future that is canceled: six times the same little function.

It prints 1, awaits, and prints 2. Nothing can happen to it between the two prints but at the
`await`: that is the only place where it is ever parked, so the only one where it can be canceled.
"""

import threading
from collections.abc import Awaitable

import rescind
from rescind import Canceled, Completed, Error, Outcome


async def one_two(something: Awaitable[object]) -> str:
    print("  1")
    await something
    print("  2")
    return "all of it ran"


def show(outcome: Outcome[str]) -> None:
    match outcome:
        case Completed(value):
            print(f"  → completed: {value}")
        case Error(exception):
            print(f"  → error: {exception!r}")
        case Canceled(reason):
            print(f"  → canceled: {reason.message}")


async def canceled_at_the_await() -> None:
    """Canceled at the await: 1, but never 2."""
    task = rescind.spawn(one_two(rescind.sleep(60)))
    await rescind.yield_now()  # let it run up to its await
    show(await task.cancel("not needed any more"))


async def canceled_before_the_first_poll() -> None:
    """Canceled before its first poll: nothing of it runs at all, and nothing warns."""
    task = rescind.spawn(one_two(rescind.sleep(60)))
    show(await task.cancel("changed my mind"))  # it is queued, but was never polled


async def ended_by_what_it_calls() -> None:
    """Ended by a callee that raises: an await can be the last line without any cancellation."""

    async def broken() -> None:
        raise LookupError("no such page")

    task = rescind.spawn(one_two(broken()))
    show(await task.join())


async def releases_its_lock() -> None:
    """Canceled while it holds a lock: `with` releases it, whichever way the block is left."""
    lock = threading.Lock()

    async def locked() -> str:
        with lock:
            return await one_two(rescind.sleep(60))

    task = rescind.spawn(locked())
    await rescind.yield_now()
    print(f"  locked: {lock.locked()}")
    show(await task.cancel("the lock is needed elsewhere"))
    print(f"  locked: {lock.locked()}")


async def cleans_up_with_an_await() -> None:
    """Canceled, and its cleanup awaits: whoever waits for the cancellation waits for that, too."""

    async def careful() -> str:
        try:
            return await one_two(rescind.sleep(60))
        finally:
            print("  saying goodbye …")
            await rescind.sleep(0.01)  # not canceled again: a request is delivered once
            print("  … said")

    task = rescind.spawn(careful())
    await rescind.yield_now()
    request = task.cancel("closing time")  # returns at once; nothing has happened yet
    print(f"  asked; ended: {task.done()}")
    show(await request)


async def shielded() -> None:
    """Canceled inside a shield: 2 is printed, then the next await is where it ends."""

    async def stubborn() -> str:
        await rescind.shield(one_two(rescind.sleep(0.01)))
        print("  after the shield, before the next await")
        await rescind.sleep(60)
        return "never reached"

    task = rescind.spawn(stubborn())
    await rescind.yield_now()
    show(await task.cancel("asked in the middle of the shield"))


async def main() -> None:
    for scene in (
        canceled_at_the_await,
        canceled_before_the_first_poll,
        ended_by_what_it_calls,
        releases_its_lock,
        cleans_up_with_an_await,
        shielded,
    ):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)
