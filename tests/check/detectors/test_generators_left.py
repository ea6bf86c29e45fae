"""Async generators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "generators left"


async def numbers() -> AsyncGenerator[int]:
    for number in range(3):
        yield number


async def leaves_it(env: Env) -> None:
    env.numbers = numbers()
    async for _ in env.numbers:
        await asyncio.sleep(1)


async def closes_it(env: Env) -> None:
    env.numbers = numbers()
    async with aclosing(env.numbers):
        async for _ in env.numbers:
            await asyncio.sleep(1)


def test_catches_a_generator_that_was_begun_and_never_closed() -> None:
    """Its finally would not run before the loop ends."""
    finding = found(NAME, leaves_it, judges=(Judge.LOOK,))[0]
    assert finding.symptom.seen == "'numbers'"


def test_passes_a_generator_that_is_closed() -> None:
    """aclosing() does it."""
    assert not found(NAME, closes_it, judges=(Judge.LOOK,))
