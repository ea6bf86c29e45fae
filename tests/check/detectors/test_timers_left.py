"""Timers that are still set."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "timers left"


def expire() -> None:
    """Nobody needs it any more."""


async def leaves_it(env: Env) -> None:
    timer = asyncio.get_running_loop().call_later(60, expire)
    await asyncio.sleep(1)
    timer.cancel()


async def takes_it_back(env: Env) -> None:
    timer = asyncio.get_running_loop().call_later(60, expire)
    try:
        await asyncio.sleep(1)
    finally:
        timer.cancel()


def test_catches_a_timer_that_nobody_cancels() -> None:
    """It is a hint, and named by its callback."""
    finding = found(NAME, leaves_it)[0]
    assert finding.severity == "hint"
    assert finding.symptom.seen == "expire"


def test_passes_a_timer_that_is_canceled() -> None:
    """None is set."""
    assert not found(NAME, takes_it_back)
