"""Coroutines that were made for nothing."""

from __future__ import annotations

import asyncio

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "never awaited"


async def work() -> int:
    return 1


async def makes_it_early(env: Env) -> int:
    later = work()
    await asyncio.sleep(1)
    return await later


async def makes_it_late(env: Env) -> int:
    await asyncio.sleep(1)
    return await work()


def test_catches_a_coroutine_that_is_dropped() -> None:
    """It never ran."""
    finding = found(NAME, makes_it_early, judges=(Judge.LOOK,))[0]
    assert "work" in finding.symptom.seen


def test_passes_a_coroutine_that_is_made_where_it_is_awaited() -> None:
    """There is none to drop."""
    assert not found(NAME, makes_it_late)
