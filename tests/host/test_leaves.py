"""The leaves of asyncio's futures: their memory is taken anew, and what they knew is not."""

import asyncio
import gc
import sys
import weakref
from typing import Any

import pytest

import rescind
from rescind._host.asyncio import AsyncioFuture
from rescind._host.current_task import Exchange

#: More than are kept.
MANY = 100


def test_a_leaf_that_is_made_anew_knows_nothing_of_the_one_before() -> None:
    """Values, errors and cancellations of a hundred at once reach their own tasks, each time."""

    async def waits(future: asyncio.Future[int]) -> int:
        return await future

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for turn in range(4):
            futures = [loop.create_future() for _ in range(MANY)]
            tasks = [rescind.spawn(waits(future)) for future in futures]
            await rescind.yield_now()
            for index, future in enumerate(futures):
                if index % 3 == 0:
                    loop.call_soon(future.set_result, index + turn)
                elif index % 3 == 1:
                    loop.call_soon(future.set_exception, KeyError(index))
                else:
                    tasks[index].cancel()
            for index, task in enumerate(tasks):
                match await task.join():
                    case rescind.Completed(value):
                        assert (0, index + turn) == (index % 3, value)
                    case rescind.Error(exc):
                        assert (1, (index,)) == (index % 3, exc.args)
                    case rescind.Canceled():
                        assert 2 == index % 3
            leaf = AsyncioFuture(loop.create_future())
            assert (False, False, None) == (leaf._told, leaf._registered, leaf._cx)

    rescind.run(main)


def test_the_collector_sees_a_leaf_that_is_made_anew() -> None:
    """A circle through a leaf is collected, also where its memory was another's before."""

    class Held(asyncio.Future[None]):
        leaf: Any = None
        gone: Any = None

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            gone: list[str] = []
            held = Held(loop=loop)
            held.leaf = AsyncioFuture(held)
            held.gone = finalizer(held, gone)
            del held
            gc.collect()
            assert ["gone"] == gone

    rescind.run(main)


def finalizer(held: object, gone: list[str]) -> Any:
    """Note in ``gone`` when ``held`` is collected."""
    return weakref.finalize(held, gone.append, "gone")


@pytest.mark.parametrize("before", [None, "another"])
def test_who_is_current_is_told_by_putting_another(before: str | None) -> None:
    """Whoever was current is returned, is put back, and may have been taken away meanwhile."""
    current: dict[Any, Any] = {} if before is None else {"loop": before}
    exchange = Exchange(current, "loop")  # type: ignore[arg-type]
    assert before == exchange("own")
    assert "own" == exchange("own")
    assert "own" == exchange("other")
    assert {"loop": "other"} == current
    current.clear()
    assert exchange(None) is None
    assert {} == current


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython's own function does it there")
def test_a_task_that_others_have_made_current_no_more_is_put_back_all_the_same() -> None:
    """Code that takes the current task away, as patched loops do, does not end the turn."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        known: dict[Any, Any] = vars(asyncio.tasks)["_current_tasks"]
        known.pop(loop)
        await asyncio.sleep(0)
        assert asyncio.current_task() is not None
        seen: list[Any] = []
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        await asyncio.sleep(0)
        assert [None] == seen
        return "done"

    assert "done" == rescind.run(main)
