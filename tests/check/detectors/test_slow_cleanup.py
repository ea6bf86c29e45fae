"""Cleanup that takes long."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from rescind.check.detectors.cleanup import cleanup_within
from tests.check.detectors.kit import found

NAME = "slow cleanup"


async def takes_a_minute(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(60)


async def takes_a_second(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(1)


def test_catches_a_minute() -> None:
    """It is a hint, in seconds of the loop's clock."""
    finding = found(NAME, takes_a_minute)[0]
    assert finding.severity == "hint"
    assert finding.symptom.seen.startswith("it took 60")


def test_passes_a_second() -> None:
    """That is usual."""
    assert not found(NAME, takes_a_second)


def test_is_a_fault_where_a_bound_was_promised() -> None:
    """Then more than that is a verdict."""
    within = cleanup_within(0.5)
    assert found(NAME, takes_a_second, detectors=(within,))[0].severity == "verdict"
    assert not found(NAME, takes_a_second, detectors=(cleanup_within(2),))
