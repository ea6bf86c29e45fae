"""A group in an async generator: closed, its children are canceled and waited for (G1)."""

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, task_group
from tests.tasks.group_kit import CleanupBoom, World, settle, virtual

pytestmark = pytest.mark.filterwarnings("error")


async def items(world: World, **options: Any) -> AsyncGenerator[int]:
    """Yield one thing beside a child."""
    async with task_group(name="g") as g:
        g.spawn(world.work("a", 9, **options))
        await settle()
        yield 1
    world.note("never")


async def first(world: World, **options: Any) -> None:
    """Take one item, and close the generator."""
    async with aclosing(items(world, **options)) as generator:
        async for _ in generator:
            break


def test_closing_the_generator_waits_for_the_cleanup_of_the_children(caplog: Any) -> None:
    """It may await, as in every ``aclose()``; and nobody is said to have been late."""
    world = World()

    async def main() -> None:
        await first(world, cleanup=2)
        world.note("closed")

    assert virtual(main) == Completed(None)

    assert ["0 +a", "0 !a group exit", "2 -a", "2 closed"] == world.trace
    assert [] == caplog.records


def test_each_child_is_told_that_the_generator_was_closed() -> None:
    """The reason names the group, and is that of the group."""

    async def generator(reasons: list[Any]) -> AsyncGenerator[None]:
        async with task_group(name="g") as g:
            task = g.spawn(rescind.never())
            try:
                yield
            finally:
                reasons += [g.reason, task]

    async def main() -> Any:
        reasons: list[Any] = []
        made = generator(reasons)
        await anext(made)
        await made.aclose()
        return reasons[1].outcome()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    reason = outcome.value.reason
    assert rescind.CancelKind.GROUP_EXIT is reason.kind
    assert "the generator with group 'g' was closed" == reason.message


def test_what_fails_in_the_cleanup_of_a_child_is_raised_where_the_generator_is_closed() -> None:
    """``aclose()`` swallows a ``GeneratorExit``; errors that were its notes would be lost."""
    boom = CleanupBoom()

    async def main() -> Any:
        try:
            await first(World(), cleanup_fails=boom)
        except ExceptionGroup as group:
            return group.exceptions

    assert Completed((boom,)) == virtual(main)


def test_a_group_in_a_context_manager_in_a_generator_is_waited_for() -> None:
    """The block need not stand in the generator itself."""
    world = World()

    @asynccontextmanager
    async def working() -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            g = await stack.enter_async_context(task_group())
            g.spawn(world.work("a", 9, cleanup=2))
            yield

    async def outer() -> AsyncGenerator[None]:
        async with working():
            await settle()
            yield

    async def main() -> None:
        generator = outer()
        await anext(generator)
        await generator.aclose()
        world.note("closed")

    assert virtual(main) == Completed(None)

    assert ["0 +a", "0 !a group exit", "2 -a", "2 closed"] == world.trace


def test_a_cancellation_while_the_generator_is_closed_is_not_lost() -> None:
    """It is passed on to the children, which end first, and goes on outwards (R6, R8)."""
    world = World()

    async def main() -> Any:
        task = rescind.spawn(first(world, cleanup=5))
        await rescind.sleep(1)
        outcome = await task.cancel("enough")
        world.note("canceled")
        return outcome

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert "enough" == outcome.value.reason.message
    assert ["0 +a", "0 !a group exit", "5 -a", "5 canceled"] == world.trace


def test_a_cleanup_that_closes_the_generator_waits_for_its_children(caplog: Any) -> None:
    """They were canceled with the task, have their grace, and are not cut short."""
    world = World()

    async def consumer() -> None:
        async with aclosing(items(world, cleanup=2)) as generator:
            async for _ in generator:
                await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(consumer())
        await rescind.sleep(1)
        outcome = await task.cancel(grace=5)
        world.note("canceled")
        return outcome

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 +a", "1 !a parent canceled", "3 -a", "3 canceled"] == world.trace
    assert [] == caplog.records


def test_a_grace_that_ends_while_the_generator_is_closed_drops_the_children(caplog: Any) -> None:
    """Nobody is left, and each is said to be late that was."""
    world = World()

    async def main() -> Any:
        task = rescind.spawn(first(world, cleanup=99))
        await rescind.sleep(1)
        return await task.cancel(grace=5)

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert outcome.value.dropped
    assert ["0 +a", "0 !a group exit", "6 -a"] == world.trace
    assert all("overran its grace and is dropped" in one.getMessage() for one in caplog.records)
    assert 2 == len(caplog.records)


def test_a_parent_that_is_dropped_cuts_its_children_short_and_says_so(caplog: Any) -> None:
    """No grace has run out: the words say what is true."""
    world = World()

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 9, cleanup=99), name="worker")
            await rescind.never()

    async def main() -> None:
        task = rescind.spawn(parent())
        await settle()
        task.cancel(grace=9)
        await rescind.sleep(1)
        task.drop_now(rescind.CancelRequest(rescind.CancelReason()))

    assert virtual(main) == Completed(None)

    assert ["0 +a", "0 !a parent canceled", "1 -a"] == world.trace
    early = "is dropped with what it belongs to, before its grace is over; it was at "
    of_worker = [one for one in caplog.messages if one.startswith("the cleanup of worker ")]
    assert [True] == [early in message for message in of_worker]


@pytest.mark.filterwarnings("ignore:.*asynchronous generator:ResourceWarning")
def test_a_generator_that_is_collected_leaves_no_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where no loop closes it, it cannot await, and Python says so; its children are dropped."""
    world = World()
    heard: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: heard.append(str(told.exc_value)))

    async def main() -> None:
        generator = items(world, cleanup=2)
        await anext(generator)
        del generator
        gc.collect()
        await rescind.sleep(1)

    assert virtual(main) == Completed(None)

    assert set() == world.alive
    assert ["async generator ignored GeneratorExit"] == heard


def test_a_coroutine_that_is_closed_by_hand_drops_its_children() -> None:
    """``close()`` cannot await, even if the task that calls it could."""
    world = World()

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 9))
            await rescind.never()

    async def main() -> None:
        coroutine = parent()
        coroutine.send(None)
        await settle()
        coroutine.close()
        world.note("closed")

    assert virtual(main) == Completed(None)

    assert ["0 +a", "0 -a", "0 closed"] == world.trace


def test_a_stock_task_that_closes_the_generator_waits_for_the_children() -> None:
    """Under asyncio's own tasks as well."""
    world = World()

    async def main() -> list[str]:
        await first(world, cleanup=0.001)
        return [line.partition(" ")[2] for line in world.trace]

    assert ["+a", "!a group exit", "-a"] == asyncio.run(main())
    assert set() == world.alive
