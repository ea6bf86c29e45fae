"""A group leaves nothing behind: no cycle, no timer, no waiter, no reference to what has ended."""

import weakref
from typing import Any

import pytest

import rescind
from rescind import Supervise, TaskCanceled, task_group
from tests.conftest import HostFactory
from tests.tasks.test_leaks import Marked, collected, garbage

__all__ = ["collected"]


async def _failing() -> None:
    await rescind.yield_now()
    raise ValueError


async def _parked() -> None:
    marked = Marked()
    try:
        await rescind.never()
    finally:
        del marked


async def _normal() -> None:
    async with task_group() as g:
        g.spawn(rescind.yield_now())
        g.spawn(rescind.yield_now(), owned=[])


async def _child_fails() -> None:
    try:
        async with task_group() as g:
            g.spawn(_parked())
            g.spawn(_failing())
            await rescind.never()
    except* ValueError:
        pass


async def _body_fails() -> None:
    try:
        async with task_group() as g:
            g.spawn(_parked())
            await rescind.yield_now()
            raise ValueError
    except* ValueError:
        pass


async def _body_awaits_the_failing() -> None:
    try:
        async with task_group() as g:
            await g.spawn(_failing())
    except* ValueError:
        pass


async def _body_handles_the_failing() -> None:
    try:
        async with task_group(policy="collect") as g:
            try:
                await g.spawn(_failing())
            except ValueError:
                pass
    except* ValueError:
        pass


async def _body_awaits_the_canceled() -> None:
    async with task_group() as g:
        task = g.spawn(_parked())
        await rescind.yield_now()
        task.cancel()
        try:
            await task
        except TaskCanceled:
            pass


async def _cancel() -> None:
    async with task_group(limit=1) as g:
        g.spawn(_parked())
        g.spawn(_parked())
        g.spawn(_parked(), daemon=True)
        await rescind.yield_now()
        g.cancel()
        await rescind.never()


async def _parent() -> None:
    async with task_group() as g:
        g.spawn(_parked())
        async with task_group() as h:
            h.spawn(_parked())


async def _parent_canceled() -> None:
    task = rescind.spawn(_parent())
    await rescind.yield_now()
    await rescind.yield_now()
    await task.cancel()


async def _parent_dropped() -> None:
    task = rescind.spawn(_parent())
    await rescind.yield_now()
    await rescind.yield_now()
    await task.cancel(grace=0)


async def _supervised() -> None:
    try:
        async with task_group(policy=Supervise(max_restarts=2)) as g:
            g.spawn(_failing)
    except* ValueError:
        pass


async def _expired() -> None:
    try:
        async with rescind.deadline(0.001):
            await _parent()
    except rescind.TimedOut:
        pass


async def _holding_the_group(g: rescind.TaskGroup) -> None:
    await rescind.yield_now()
    raise ValueError(g.name)


async def _child_holds_the_group() -> None:
    try:
        async with task_group(keep=0) as g:
            g.spawn(_holding_the_group(g))
    except* ValueError:
        pass


SCENARIOS = [
    _normal,
    _child_holds_the_group,
    _child_fails,
    _body_fails,
    _body_awaits_the_failing,
    _body_handles_the_failing,
    _body_awaits_the_canceled,
    _cancel,
    _parent_canceled,
    _parent_dropped,
    _supervised,
    _expired,
]


@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__.strip("_"))
def test_no_reference_cycle_is_left_by_a_group(host: HostFactory, scenario: Any) -> None:
    """Reference counting alone frees the group, its children, their errors and frames."""

    async def main() -> list[str]:
        await scenario()
        await rescind.yield_now()
        garbage()
        await scenario()
        await rescind.yield_now()
        assert not rescind.current_task().dependents
        return garbage()

    with host() as runtime:
        found = runtime.block_on(main())
        after = runtime.statistics()

    assert [] == found
    assert (0, 0) == (after.alive, after.timers)


@pytest.mark.usefixtures("collected")
def test_what_a_child_held_dies_with_it_though_the_group_lives_on(host: HostFactory) -> None:
    """Only its outcome is kept, or not even that."""
    refs: list[weakref.ref[Marked]] = []

    async def child() -> Marked:
        marked, returned = Marked(), Marked()
        refs.extend([weakref.ref(marked), weakref.ref(returned)])
        await rescind.yield_now()
        return returned

    async def main(keep: int | None) -> list[bool]:
        async with task_group(keep=keep) as g:
            await g.spawn(child()).join()
            await rescind.yield_now()
            return [ref() is not None for ref in refs]

    for keep, expected in ((None, [False, True]), (0, [False, False])):
        refs.clear()
        with host() as runtime:
            assert expected == runtime.block_on(main(keep))


def test_a_group_that_lives_long_does_not_grow() -> None:
    """Ten thousand children one after another, of which one outcome is kept."""
    import gc
    import tracemalloc

    async def rounds(g: Any, count: int) -> None:
        for _ in range(count):
            await g.spawn(rescind.yield_now())

    async def main() -> int:
        async with task_group(keep=1) as g:
            await rounds(g, 200)
            gc.collect()
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                await rounds(g, 2000)
                gc.collect()
                return tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()

    with rescind.Runtime(host=rescind.lowlevel.ManualHost()) as runtime:
        assert runtime.block_on(main()) < 2000 * 8
