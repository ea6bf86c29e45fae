"""Somebody who waits."""

from __future__ import annotations

import asyncio

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "waiters left"


async def setup(env: Env) -> None:
    env.go = asyncio.Event()


async def leaves_a_waiter(env: Env) -> None:
    env.go.clear()
    waiter = asyncio.get_running_loop().create_task(env.go.wait())
    await asyncio.sleep(1)
    env.go.set()
    await waiter


async def takes_it_along(env: Env) -> None:
    env.go.clear()
    waiter = asyncio.get_running_loop().create_task(env.go.wait())
    try:
        await asyncio.sleep(1)
        env.go.set()
    finally:
        waiter.cancel()


def test_catches_a_waiter_whom_nobody_wakes() -> None:
    """It is a hint: an event may rightly be waited for."""
    finding = found(NAME, leaves_a_waiter, setup=setup, judges=(Judge.LOOK,))[0]
    assert finding.severity == "hint"
    assert "env.go has 1 waiting" in finding.symptom.seen


def test_passes_a_waiter_that_is_canceled() -> None:
    """Nobody waits."""
    assert not found(NAME, takes_it_along, setup=setup)
