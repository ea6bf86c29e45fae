"""Blocks that are closed, where an error has taken the place of ``GeneratorExit``."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Cancellation, Completed, Error, FutureSet, task_group
from rescind.testing import run_virtual


class Boom(Exception):
    """What a cleanup raises."""


async def _replaces() -> None:
    try:
        await rescind.never()
    except GeneratorExit:
        raise Boom from None


async def _group(log: list[str]) -> None:
    async with task_group() as g:
        g.spawn(_noting(log))
        await _replaces()


async def _set(log: list[str]) -> None:
    async with FutureSet[int, None]() as s:
        s.add(_noting(log))
        await _replaces()


async def _group_in_group(log: list[str]) -> None:
    async with task_group() as g:
        g.spawn(_noting(log))
        await _group([])


async def _noting(log: list[str]) -> None:
    try:
        await rescind.never()
    finally:
        log.append("ended")


@pytest.mark.parametrize("block", [_group, _set, _group_in_group])
def test_a_block_that_is_closed_awaits_nothing_whatever_comes_out_of_it(
    block: Callable[[list[str]], Awaitable[None]],
) -> None:
    """Its children are dropped inside of it (G1), the error kept; the coroutine is no leak."""
    log: list[str] = []

    async def main() -> Any:
        task = rescind.spawn(_call(block, log))
        await rescind.sleep(1)
        outcome = await task.cancel(grace=0)
        return outcome, list(log), rescind.current_runtime().statistics().abandoned

    ended = run_virtual(main)

    assert isinstance(ended, Completed)
    outcome, seen, abandoned = ended.value
    assert isinstance(outcome, Canceled)
    assert (["ended"], 0, False) == (seen, abandoned, outcome.abandoned)
    assert [Boom] == [type(error) for error in outcome.also]


async def _call(block: Callable[[list[str]], Awaitable[None]], log: list[str]) -> None:
    await block(log)


def test_a_stock_task_that_is_closed_with_its_loop_awaits_nothing_either() -> None:
    """The collector closes it with the loop's last reference; nothing is left to run anything."""
    log: list[str] = []
    coroutine = _group(log)

    async def main() -> None:
        asyncio.get_running_loop().create_task(_drive())
        await asyncio.sleep(0.01)

    async def _drive() -> None:
        await coroutine

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    with pytest.raises(Boom):
        coroutine.close() if not coroutine.cr_running else None
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()

    assert ["ended"] == log


def test_every_failure_of_a_group_that_is_closed_is_kept() -> None:
    """R15: that of the body, and those of the children that are dropped, each once."""

    async def parent() -> None:
        async with task_group() as g:
            for _ in range(2):
                g.spawn(_replaces())
            await _replaces()

    async def main() -> Any:
        task = rescind.spawn(parent())
        await rescind.sleep(1)
        return await task.cancel(grace=0)

    ended = run_virtual(main)

    assert isinstance(ended, Completed)
    assert [Boom] * 3 == [type(error) for error in ended.value.also]


def test_a_failure_of_the_body_outlives_a_cancellation_that_comes_while_the_set_is_left() -> None:
    """R15: the failure goes out, the cancellation comes at the next park."""

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(2)

    async def body(log: list[str]) -> None:
        try:
            async with FutureSet[int, None]() as s:
                s.add(slow())
                await rescind.sleep(1)
                raise Boom
        except Boom:
            log.append("Boom")
        try:
            await rescind.sleep(9)
        except Cancellation:
            log.append("canceled")
            raise

    async def main() -> Any:
        log: list[str] = []
        task = rescind.spawn(body(log))
        await rescind.sleep(2)
        return type(await task.cancel()), log, rescind.now()

    assert Completed((Canceled, ["Boom", "canceled"], 3.0)) == run_virtual(main)


@pytest.mark.parametrize("combinator", [rescind.race, rescind.join])
def test_a_failure_that_waits_for_the_drain_is_kept_when_that_is_cut(combinator: Any) -> None:
    """R15: the winner of a race, or the first failure of a join, is in the outcome's ``also``."""

    async def fails() -> None:
        await rescind.sleep(1)
        raise Boom

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(5)

    async def main() -> Any:
        task = rescind.spawn(combinator(fails(), slow()))
        await rescind.sleep(2)
        return await task.cancel(grace=0)

    ended = run_virtual(main)

    assert isinstance(ended, Completed)
    assert not isinstance(ended.value, Error)
    assert [Boom] == [type(error) for error in ended.value.also]
