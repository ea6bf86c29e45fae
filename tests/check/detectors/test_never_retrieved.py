"""Failures that nobody asked for."""

from __future__ import annotations

import asyncio

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "never retrieved"


async def fail() -> None:
    raise ValueError("the disk is full")


async def leaves_it(env: Env) -> None:
    task = asyncio.get_running_loop().create_task(fail())
    await asyncio.sleep(1)
    await asyncio.gather(task, return_exceptions=True)


async def asks(env: Env) -> None:
    task = asyncio.get_running_loop().create_task(fail())
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.gather(task, return_exceptions=True)


def test_catches_a_task_whose_failure_is_lost() -> None:
    """It is told when the task is collected."""
    finding = found(NAME, leaves_it, judges=(Judge.LOOK,))[0]
    assert "the disk is full" in finding.symptom.seen


def test_passes_a_task_that_is_awaited() -> None:
    """Somebody knows."""
    assert not found(NAME, asks, judges=(Judge.LOOK,))
