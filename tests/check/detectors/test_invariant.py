"""The user's own promise."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "invariant"


async def setup(env: Env) -> None:
    env.users = 0


async def forgets(env: Env) -> None:
    env.users += 1
    await asyncio.sleep(1)
    env.users -= 1


async def counts(env: Env) -> None:
    env.users += 1
    try:
        await asyncio.sleep(1)
    finally:
        env.users -= 1


def nobody_uses_it(env: Env) -> None:
    assert env.users == 0, f"{env.users} users"


def test_catches_a_promise_that_is_broken() -> None:
    """It is told in the words of the promise."""
    finding = found(NAME, forgets, setup=setup, invariants=[nobody_uses_it])[0]
    assert "1 users" in finding.symptom.seen


def test_passes_a_promise_that_is_kept() -> None:
    """It is asked after each cancellation, and holds."""
    assert not found(NAME, counts, setup=setup, invariants=[nobody_uses_it])
