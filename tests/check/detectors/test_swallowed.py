"""A cancellation that comes to nothing."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rescind.check import Env, Mode
from tests.check.detectors.kit import found

NAME = "swallowed"


async def swallows(env: Env) -> str:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return "done all the same"
    return "done"


async def swallows_in_a_task_that_it_awaits(env: Env) -> str:
    task = asyncio.get_running_loop().create_task(swallows(env))
    await asyncio.sleep(0)
    return await task


async def raises_it_again(env: Env) -> str:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        raise
    return "done"


async def waits_for_an_item(env: Env) -> str:
    queue: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().call_later(0.1, queue.put_nowait, "item")
    return await asyncio.wait_for(queue.get(), 5)


def test_catches_a_normal_end() -> None:
    """It was asked to end, and went on to its result."""
    finding = found(NAME, swallows)[0]
    assert finding.severity == "verdict"
    assert "task.cancelling() == 1" in finding.symptom.seen


def test_catches_a_normal_end_of_what_it_awaits() -> None:
    """The cancellation goes to the innermost task, and is lost there."""
    assert found(NAME, swallows_in_a_task_that_it_awaits)


def test_passes_what_is_raised_again() -> None:
    """Cleaning up first is no swallowing."""
    assert not found(NAME, raises_it_again)


def test_passes_a_value_that_wins() -> None:
    """In the modes whose rule it is, what is ready is returned, and nothing was raised."""

    async def ready(env: Env) -> int:
        await asyncio.sleep(0.01)
        return 1

    assert not found(NAME, ready, modes=(Mode.ANYIO, Mode.RESCIND))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="mended in Python 3.12")
def test_names_the_interpreter_where_wait_for_did_it() -> None:
    """Before Python 3.12 it is nothing that the program does wrong."""
    finding = found(NAME, waits_for_an_item)[0]
    assert "swallowed by asyncio.wait_for" in finding.symptom.sentence


@pytest.mark.skipif(sys.version_info < (3, 12), reason="broken before Python 3.12")
def test_passes_wait_for() -> None:
    """Since Python 3.12 it raises."""
    assert not found(NAME, waits_for_an_item)
