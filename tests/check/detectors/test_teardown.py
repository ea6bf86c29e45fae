"""The end of what setup made."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "teardown"


async def setup(env: Env) -> None:
    env.open = 0


async def teardown(env: Env) -> None:
    assert env.open == 0, "still open"


async def leaves_it_open(env: Env) -> None:
    env.open += 1
    await asyncio.sleep(1)
    env.open -= 1


async def closes_it(env: Env) -> None:
    env.open += 1
    try:
        await asyncio.sleep(1)
    finally:
        env.open -= 1


def test_catches_a_teardown_that_fails() -> None:
    """It ended well when nothing was canceled."""
    finding = found(NAME, leaves_it_open, setup=setup, teardown=teardown)[0]
    assert "still open" in finding.symptom.seen


def test_passes_a_teardown_that_ends() -> None:
    """As it does without a cancellation."""
    assert not found(NAME, closes_it, setup=setup, teardown=teardown)
