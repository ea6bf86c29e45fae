"""Where nothing can be awaited: the parent is dropped, abandoned, or finalized (G1)."""

from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, TaskGroup, task_group
from tests.core.kit import Bench
from tests.tasks.group_kit import Boom, CleanupBoom, World, settle, spawn_all, virtual


@pytest.mark.parametrize("where", ["in the body", "while it waits"])
def test_a_dropped_parent_drops_its_children_before_outer_frames_go_on(where: str) -> None:
    """In the order of spawning, inside of the block's end, synchronously."""
    world = World()

    async def parent() -> None:
        try:
            async with task_group() as g:
                spawn_all(g, world.work("a", 9, cleanup=9), world.work("b", 9))
                if where == "in the body":
                    try:
                        await rescind.never()
                    finally:
                        world.note("body")
        finally:
            world.note("outer frame")

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel(grace=0)

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert outcome.value.dropped
    body = ["0 body"] if where == "in the body" else []
    assert ["0 +a", "0 +b", *body, "0 -a", "0 -b", "0 outer frame"] == world.trace


def test_groups_inside_groups_are_dropped_with_their_parents() -> None:
    """Depth first: a child's own children end inside of its drop."""
    trace: list[str] = []

    async def node(name: str, depth: int) -> None:
        try:
            async with task_group() as g:
                for index in range(2 if depth else 0):
                    g.spawn(node(f"{name}{index}", depth - 1))
                await rescind.never()
        finally:
            trace.append(name)

    with Bench() as bench:
        task = bench.spawn(node("r", 2))
        bench.idle()
        task.cancel(grace=0)
        bench.idle()

        assert [] == bench.runtime.tasks()

    assert ["r00", "r01", "r0", "r10", "r11", "r1", "r"] == trace


def test_errors_of_dropped_children_are_with_the_parent() -> None:
    """Each once, beside those that were there before; and the parent stays canceled."""
    early, late = Boom("early"), CleanupBoom("late")

    async def raising() -> None:
        try:
            await rescind.never()
        finally:
            raise late

    async def parent() -> None:
        async with task_group(policy="collect") as g:
            g.spawn(World().work("a", 1, fails=early))
            g.spawn(raising())
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(parent())
        await rescind.sleep(2)
        return await task.cancel(grace=0)

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert {early, late} == set(outcome.value.also)


def test_what_is_spawned_while_the_children_are_dropped_is_born_canceled() -> None:
    """Also if it owns resources: they are closed as far as can be without awaiting."""
    world = World()
    closed: list[str] = []

    class Resource:
        def close(self) -> None:
            closed.append("resource")

    async def spawning(g: TaskGroup) -> None:
        try:
            await rescind.never()
        finally:
            g.spawn(world.work("late"), owned=[Resource()])

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(spawning(g))
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel(grace=0)

    virtual(main)

    assert ([], ["resource"]) == (world.trace, closed)


def test_a_child_that_drops_its_own_parent_ends_when_it_is_off_the_stack() -> None:
    """It cannot be dropped while it runs; it never runs on, and is not left alive."""
    world = World()
    tasks: list[Any] = []

    async def child(parent: Any) -> None:
        parent.drop_now(rescind.CancelRequest(rescind.CancelReason()))
        world.note("still on the stack")
        await rescind.sleep(1)
        world.note("never")

    async def parent() -> None:
        async with task_group() as g:
            tasks.append(g.spawn(child(rescind.current_task())))
            await rescind.never()

    async def main() -> Any:
        return await rescind.spawn(parent()).join()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 still on the stack"] == world.trace
    assert tasks[0].outcome().dropped


def test_the_children_of_an_abandoned_parent_are_canceled(caplog: Any) -> None:
    """A body that awaits though it is being closed never leaves its block: its children do end."""
    world = World()
    boom = Boom()

    async def parent() -> None:
        async with task_group(name="g", policy="collect") as g:
            g.spawn(world.work("a", 9, cleanup=1))
            g.spawn(World().work("b", 0, fails=boom))
            try:
                await rescind.never()
            finally:
                await rescind.sleep(5)

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle(8)
        task.drop_now(rescind.CancelRequest(rescind.CancelReason()))
        outcome = task.outcome()
        await rescind.sleep(2)
        return outcome

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert outcome.value.abandoned
    assert ["0 +a", "0 !a parent canceled", "1 -a"] == world.trace
    # Nobody is left who could raise it.
    assert [boom] == [one.exc_info[1] for one in caplog.records if one.exc_info]


def test_a_group_in_an_asyncio_taskgroup_that_is_dropped() -> None:
    """asyncio.TaskGroup wraps GeneratorExit into a group; ours drops its children all the same."""
    import asyncio

    world = World()
    trace: list[str] = []

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 9))
            async with asyncio.TaskGroup():
                await rescind.never()

    async def main() -> None:
        task = rescind.spawn(parent())
        await settle()
        outcome = await task.cancel(grace=0)
        assert isinstance(outcome, Canceled)
        trace.append(f"{outcome.dropped} {outcome.abandoned} {world.alive}")

    rescind.run(main)

    assert ["True False set()"] == trace
    assert [] != world.trace
    assert set() == world.alive
