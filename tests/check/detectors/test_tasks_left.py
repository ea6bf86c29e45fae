"""Tasks that go on."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "tasks left"


async def serve() -> None:
    await asyncio.Event().wait()


async def leaves_it(env: Env) -> None:
    task = asyncio.get_running_loop().create_task(serve())
    await asyncio.sleep(1)
    task.cancel()


async def ends_it(env: Env) -> None:
    task = asyncio.get_running_loop().create_task(serve())
    try:
        await asyncio.sleep(1)
    finally:
        task.cancel()


def test_catches_a_task_that_nobody_cancels() -> None:
    """It is named, with the place where it waits."""
    finding = found(NAME, leaves_it)[0]
    assert finding.severity == "verdict"
    assert "serve at " in finding.symptom.seen


def test_passes_a_task_that_is_canceled() -> None:
    """It may take a moment to end."""
    assert not found(NAME, ends_it)


def test_passes_the_tasks_of_setup_wherever_they_are() -> None:
    """A server that was there before goes on, at one await or another."""

    async def setup(env: Env) -> None:
        env.server = asyncio.get_running_loop().create_task(serve())

    async def use(env: Env) -> None:
        await asyncio.sleep(1)

    assert not found(NAME, use, setup=setup)


def test_passes_the_scenario_itself() -> None:
    """That it hangs is told as such."""

    async def hangs(env: Env) -> None:
        try:
            await asyncio.sleep(1)
        finally:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                await asyncio.Event().wait()

    assert not found(NAME, hangs)
