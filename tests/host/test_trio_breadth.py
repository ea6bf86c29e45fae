"""Each combinator and primitive once, in a trio program: those whose parks are not swept."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio

import rescind
from rescind.sync import Barrier, Notify, OnceCell, RwLock, broadcast, watch
from tests.host.trio_kit import after, run

Case = Callable[[], Coroutine[Any, Any, Any]]


async def race_ok() -> Any:
    """The first success."""
    return await rescind.race_ok(after(2, "slow"), after(1, "fast"))


async def concurrently() -> Any:
    """Two calls at a time."""
    async with rescind.concurrently(lambda n: after(1, str(n)), [1, 2, 3], limit=2) as results:
        return sorted([result async for result in results])


async def shared() -> Any:
    """One result for several."""
    one = rescind.shared(after(1, "one"))
    return await rescind.join(one, one), await one


async def abortable() -> Any:
    """Aborted while it is awaited in a branch."""
    future, handle = rescind.abortable(after(50, "late"))

    async def abort() -> None:
        await rescind.sleep(1)
        handle.abort("enough")

    ended, _ = await rescind.outcomes(future, abort())
    return type(getattr(ended, "exception", ended)).__name__


async def bracket() -> Any:
    """Acquired, used, released."""
    seen: list[str] = []

    async def acquire() -> str:
        return await after(1, "it")

    async def release(it: str) -> None:
        seen.append(await after(1, f"released {it}"))

    return await rescind.bracket(acquire, lambda it: after(1, f"used {it}"), release), seen


async def catch_cancel() -> Any:
    """An outcome instead of an exception."""
    return await rescind.catch_cancel(after(1, "done"))


async def interval() -> Any:
    """Ticks of trio's clock."""
    began, ticks = trio.current_time(), rescind.interval(10)
    return [await ticks.tick() - began for _ in range(3)]


async def guarded() -> Any:
    """Canceled by a token."""
    token = rescind.CancellationToken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel, token)
        with pytest.raises(rescind.TaskCanceled):
            await token.guard(after(50, "late"))
    return token.canceled


async def _cancel(token: rescind.CancellationToken) -> None:
    await rescind.sleep(1)
    token.cancel()


async def barrier() -> Any:
    """Two meet."""
    barrier = Barrier(2)
    return sorted(await rescind.join(barrier.wait(), barrier.wait()))


async def rwlock() -> Any:
    """Readers together, the writer alone."""
    lock, seen = RwLock(), list[str]()

    async def read() -> None:
        async with lock.read():
            await rescind.sleep(1)
            seen.append("read")

    async def write() -> None:
        async with lock.write():
            seen.append("written")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(write)
    return seen


async def oncecell() -> Any:
    """Made once."""
    cell = OnceCell[str]()
    return await rescind.join(*[cell.get_or_init(lambda: after(1, "made")) for _ in range(2)])


async def notified() -> Any:
    """From another trio task."""
    notify = Notify()
    async with trio.open_nursery() as nursery:

        async def tell() -> None:
            await trio.sleep(1)
            notify.notify_one()

        nursery.start_soon(tell)
        await notify.notified()
        return "told"


async def spread() -> Any:
    """A watch and a broadcast."""
    watching, watched = watch(1)
    sender, receiver = broadcast[int](4)

    async def tell() -> None:
        await rescind.sleep(1)
        watching.send(2)
        sender.send(3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        return await watched.changed(), await receiver.recv()


async def joined() -> Any:
    """A task that is canceled, and awaited."""
    task = rescind.spawn(after(50, "late"))
    await rescind.yield_now()
    return type(await task.cancel("enough")).__name__


CASES: dict[Case, Any] = {
    race_ok: "fast",
    concurrently: ["1", "2", "3"],
    shared: (("one", "one"), "one"),
    abortable: "TaskCanceled",
    bracket: ("used it", ["released it"]),
    catch_cancel: rescind.Completed("done"),
    interval: [0, 10, 20],
    guarded: True,
    barrier: [0, 1],
    rwlock: ["read", "read", "written"],
    oncecell: ("made", "made"),
    notified: "told",
    spread: (2, 3),
    joined: "Canceled",
}


@pytest.mark.parametrize(("case", "expected"), CASES.items(), ids=[case.__name__ for case in CASES])
def test_it_works_in_a_trio_program(case: Case, expected: Any) -> None:
    """As it does in a runtime of ours."""
    assert run(case) == expected
