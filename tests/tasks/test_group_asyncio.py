"""Groups in stock asyncio tasks, and beside asyncio's own groups and timeouts (R29, R31)."""

import asyncio
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, task_group
from tests.tasks.group_kit import Boom, CleanupBoom, World


async def ticks(times: int = 5) -> None:
    """Let everybody run."""
    for _ in range(times):
        await asyncio.sleep(0)


def own() -> asyncio.Task[Any]:
    """Return the stock task that runs."""
    task = asyncio.current_task()
    assert task is not None
    return task


def test_under_asyncio_run_the_block_waits_and_children_are_tasks() -> None:
    """Children run on the implicit runtime of the loop."""

    async def child(n: int) -> int:
        await asyncio.sleep(0)
        await rescind.sleep(0.001)
        return n

    async def main() -> list[int]:
        async with task_group() as g:
            tasks = [g.spawn(child(n)) for n in range(3)]
        return [await task for task in tasks]

    assert [0, 1, 2] == asyncio.run(main())


def test_a_failing_child_cancels_the_body_of_a_stock_task() -> None:
    """As asyncio.TaskGroup does it: the request is taken back when the block is left."""

    async def main() -> tuple[Any, ...]:
        errors: list[BaseException] = []
        world = World()
        boom = Boom()
        try:
            async with task_group() as g:
                g.spawn(world.work("a", 99))
                g.spawn(world.work("b", 0, fails=boom))
                await asyncio.sleep(99)
        except* Boom as group:
            errors.extend(group.exceptions)
        await asyncio.sleep(0)  # nothing is left pending
        return errors == [boom], own().cancelling(), world.alive

    assert (True, 0, set()) == asyncio.run(main())


@pytest.mark.parametrize("parks", [True, False])
def test_cancel_ends_the_block_of_a_stock_task(parks: bool) -> None:
    """Also if the body ends before asyncio could deliver the request."""

    async def main() -> tuple[Any, ...]:
        world = World()
        async with task_group() as g:
            g.spawn(world.work("a", 99))
            await ticks()
            g.cancel("enough")
            if parks:
                await asyncio.sleep(99)
        await asyncio.sleep(0)
        return own().cancelling(), g.canceled, world.alive

    assert (0, True, set()) == asyncio.run(main())


@pytest.mark.parametrize("where", ["in the body", "while it waits"])
def test_a_stock_task_that_is_canceled_drains_its_children(where: str) -> None:
    """They get PARENT, caused by a reason of kind FOREIGN; the CancelledError goes on."""

    async def main() -> tuple[Any, ...]:
        world = World()
        tasks: list[Any] = []

        async def parent() -> None:
            async with task_group() as g:
                tasks.append(g.spawn(world.work("a", 99, cleanup=0.001)))
                if where == "in the body":
                    await asyncio.sleep(99)

        task = asyncio.create_task(parent())
        await ticks()
        task.cancel("by asyncio")
        try:
            await task
        except asyncio.CancelledError:
            pass
        chain = tasks[0].outcome().reason.chain()
        return task.cancelled(), [link.kind for link in chain], chain[1].message, world.alive

    kinds = [CancelKind.PARENT, CancelKind.FOREIGN]
    assert (True, kinds, "by asyncio", set()) == asyncio.run(main())


def test_the_grace_in_a_stock_task_ends_with_that_of_its_runtime() -> None:
    """A child's own, longer one is cut: its parent is not waited for any longer either."""

    async def main() -> list[bool]:
        seen: list[bool] = []

        async def child() -> None:
            try:
                await rescind.never()
            finally:
                request = tasks[0].request
                assert request is not None
                seen.append(request.grace_at <= rescind.now() + 30)

        async def parent() -> None:
            async with task_group(grace=1000) as g:
                tasks.append(g.spawn(child()))

        tasks: list[Any] = []
        task = asyncio.create_task(parent())
        await ticks()
        task.cancel()
        await asyncio.wait([task])
        return seen

    assert [True] == asyncio.run(main())


@pytest.mark.parametrize("parks", [True, False])
def test_an_outer_cancel_beside_the_groups_own_is_not_swallowed(parks: bool) -> None:
    """Cpython #116720 and #155433: the parent's request survives the group's."""

    async def main() -> tuple[Any, ...]:
        log: list[str] = []

        async def parent() -> None:
            async with task_group() as g:
                g.spawn(World().work("a", 99))
                await ticks()
                g.cancel("own")
                own().cancel("outer")
                if parks:
                    await asyncio.sleep(99)
            log.append("went on")

        task = asyncio.create_task(parent())
        await asyncio.wait([task])
        return task.cancelled(), log

    assert (True, []) == asyncio.run(main())


def test_errors_of_children_are_noted_with_asyncios_cancellation() -> None:
    """A CancelledError of asyncio has no ``also``: notes are what it can carry."""

    async def main() -> Any:
        async def parent() -> None:
            async with task_group() as g:
                g.spawn(World().work("a", 99, cleanup_fails=CleanupBoom("x")))
                await asyncio.sleep(99)

        task = asyncio.create_task(parent())
        await ticks()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as exc:
            return exc.__notes__ if hasattr(exc, "__notes__") else exc.__context__.__notes__

    assert ["in its task group: CleanupBoom('x')"] == asyncio.run(main())


def test_an_asyncio_timeout_around_a_group() -> None:
    """It expires in the body, or while the block waits: TimeoutError, and nobody is left."""

    async def main(waits: bool) -> set[str]:
        world = World()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                async with task_group() as g:
                    g.spawn(world.work("a", 99))
                    if not waits:
                        await asyncio.sleep(99)
        return world.alive

    for waits in (True, False):
        assert set() == asyncio.run(main(waits))
        assert set() == rescind.run(main, waits)


def test_an_asyncio_timeout_in_the_body_concerns_the_body_alone() -> None:
    """R29: asyncio's own channel is delivered inside, and the children hear nothing of it."""

    async def main() -> Any:
        async with task_group() as g:
            task = g.spawn(World().work("a", 0.01))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await asyncio.sleep(99)
        return task.outcome(), task.cancel_reasons

    for run in (asyncio.run, rescind.run):
        outcome, reasons = run(main())
        assert ("a", ()) == (outcome.unwrap(), reasons)


def test_asyncio_taskgroups_inside_and_outside() -> None:
    """Nested both ways, with a failing child inside: errors come out, nobody is left."""

    async def main(ours_outside: bool) -> set[str]:
        world = World()
        outer: Any = task_group() if ours_outside else asyncio.TaskGroup()
        inner: Any = asyncio.TaskGroup() if ours_outside else task_group()
        boom = Boom()

        def add(group: Any, coro: Any) -> None:
            (group.spawn if isinstance(group, rescind.TaskGroup) else group.create_task)(coro)

        try:
            async with outer:
                add(outer, world.work("o", 99))
                async with inner:
                    add(inner, world.work("i", 99))
                    add(inner, world.work("x", 0.001, fails=boom))
                    await asyncio.sleep(99)
        except* Boom:
            pass
        return world.alive

    for ours_outside in (True, False):
        assert set() == asyncio.run(main(ours_outside))
        assert set() == rescind.run(main, ours_outside)


def test_the_coroutine_of_a_stock_task_that_is_closed_drops_its_children() -> None:
    """GeneratorExit: nothing can be awaited, and nobody is left all the same."""

    async def main() -> tuple[Any, ...]:
        world = World()
        tasks: list[Any] = []

        async def parent() -> None:
            async with task_group() as g:
                tasks.append(g.spawn(world.work("a", 99)))
                await asyncio.sleep(99)

        coro = parent()
        task = asyncio.create_task(coro)
        await ticks()
        coro.close()
        seen = tasks[0].outcome().dropped, set(world.alive)
        task.cancel()
        with pytest.raises(RuntimeError):  # asyncio finds the coroutine gone
            await task
        return seen

    assert (True, set()) == asyncio.run(main())


def test_a_runtime_on_a_running_loop_and_a_stock_task_share_the_group() -> None:
    """With an attached runtime the children are its tasks."""

    async def main() -> tuple[Any, ...]:
        async with rescind.Runtime.attach() as runtime:
            async with task_group() as g:
                g.spawn(rescind.sleep(0.001), name="child")
                names = [task.name for task in runtime.tasks()]
        return names, isinstance(g.outcomes()[0], Canceled)

    assert (["child"], False) == asyncio.run(main())
