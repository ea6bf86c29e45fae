"""Tasks that end only later."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "alive at end"


async def serve() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)


async def does_not_wait(env: Env) -> None:
    task = asyncio.get_running_loop().create_task(serve())
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        task.cancel()
        raise
    task.cancel()
    await asyncio.wait([task])


async def waits(env: Env) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve())
        await asyncio.sleep(1)
        task.cancel()


def test_catches_a_task_that_is_canceled_and_not_awaited() -> None:
    """It is a hint: it did end."""
    finding = found(NAME, does_not_wait)[0]
    assert finding.severity == "hint"
    assert "serve at " in finding.symptom.seen


def test_passes_a_task_that_is_awaited() -> None:
    """It ends first."""
    assert not found(NAME, waits)
