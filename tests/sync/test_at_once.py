"""What is there is had at the await itself (O6): at the price, and with the rights, of a park."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest

import rescind
from rescind import Closed
from rescind.sync import Condition, Mutex, Semaphore, channel, unbounded
from rescind.testing import run_virtual

T = TypeVar("T")

#: More than the leaves that may end in one step.
MANY = 1_000


def result_of(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it on virtual time, and return its value."""
    return run_virtual(main).unwrap()


def blocks(thing: Any) -> Callable[[], Awaitable[None]]:
    """Return what enters and leaves the block of ``thing`` once."""

    async def once() -> None:
        async with thing:
            pass

    return once


async def gives_way(take: Callable[[], Awaitable[object]]) -> int:
    """Return how often ``take`` was done before another task had its turn."""
    done = 0
    other: list[int] = []

    async def look() -> None:
        other.append(done)

    task = rescind.spawn(look())
    for _ in range(MANY):
        await take()
        done += 1
    await task
    return other[0]


async def sent() -> int:
    """Return how many values one sends before another task has its turn."""
    sender, _receiver = unbounded[int]()
    return await gives_way(lambda: sender.send(1))


WAYS: dict[str, Callable[[], Coroutine[Any, Any, int]]] = {
    "a mutex's block": lambda: gives_way(blocks(Mutex())),
    "a condition's block": lambda: gives_way(blocks(Condition())),
    "a semaphore's block": lambda: gives_way(blocks(Semaphore(1))),
    "a block of permits": lambda: gives_way(blocks(Semaphore(3).permits(2))),
    "an acquire": lambda: gives_way(Semaphore(MANY).acquire),
    "a send": sent,
}


@pytest.mark.parametrize("way", WAYS)
def test_who_takes_what_is_free_gives_others_their_turn(way: str) -> None:
    """Each of them costs one from the budget, which is not endless (R23)."""
    assert 0 < result_of(WAYS[way]) < MANY


@pytest.mark.parametrize("way", WAYS)
def test_what_is_free_is_had_in_the_same_step(way: str) -> None:
    """Nobody else runs in between, as long as the budget lasts."""
    assert result_of(WAYS[way]) > 10


def test_what_is_refused_is_raised_at_the_await() -> None:
    """With a traceback that ends at the program's own line, as if it had been polled there."""

    async def main() -> list[str]:
        sender, receiver = channel[int](1)
        sender.close()
        try:
            await receiver.recv()
        except Closed as exc:
            return [frame.name for frame in traceback.extract_tb(exc.__traceback__)]
        return []

    assert result_of(main)[0] == "main"
    assert "__await__" not in result_of(main)


def test_refusals_cost_budget() -> None:
    """A loop that is refused again and again gives others their turn, too (D7)."""

    async def main() -> int:
        sender, receiver = channel[int](1)
        sender.close()

        async def once() -> None:
            with pytest.raises(Closed):
                await receiver.recv()

        return await gives_way(once)

    assert 0 < result_of(main) < MANY


def test_a_future_that_was_had_cannot_be_awaited_again() -> None:
    """It is taken by its first await, wherever it was had."""

    async def main() -> None:
        semaphore = Semaphore(2)
        acquire = semaphore.acquire()
        await acquire
        with pytest.raises(rescind.UsageError, match="cannot be awaited"):
            await acquire
        assert semaphore.available == 1

    result_of(main)


def test_what_waits_behind_a_block_that_was_free_is_let_in_when_it_is_left() -> None:
    """The owner of a mutex that was entered at once is its owner: others wait for it, and come."""

    async def main() -> list[str]:
        mutex, seen = Mutex(), list[str]()

        async def other() -> None:
            async with mutex:
                seen.append("other")

        async with mutex:
            task = rescind.spawn(other())
            await rescind.yield_now()
            seen.append("first")
            with pytest.raises(rescind.UsageError, match="holds"):
                await mutex.acquire()
        await task
        return seen

    assert result_of(main) == ["first", "other"]


def test_blocks_that_are_entered_by_hand_are_left_by_hand() -> None:
    """`AsyncExitStack` awaits what ``__aenter__`` and ``__aexit__`` return, for each of them."""

    async def main() -> None:
        mutex, semaphore = Mutex(), Semaphore(1)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(mutex)
            await stack.enter_async_context(semaphore)
            limit = await stack.enter_async_context(rescind.deadline(5))
            assert not limit.expired
            assert (mutex.locked(), semaphore.available) == (True, 0)
        assert (mutex.locked(), semaphore.available) == (False, 1)

    result_of(main)


def test_a_value_is_had_in_spite_of_a_request_that_waits() -> None:
    """A request is delivered where a task parks; what is there is had before that (R7)."""

    async def main() -> list[object]:
        sender, receiver = unbounded[int]()
        sender.send_nowait(1)
        had: list[object] = []

        async def work() -> None:
            rescind.current_task().cancel()
            had.append(await receiver.recv())
            await rescind.sleep(1)
            had.append("slept")

        await rescind.spawn(work()).join()
        return had

    assert result_of(main) == [1]
