"""A canceled scenario that never ends."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "hang"


async def waits_for_ever(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def waits_for_long(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(1)


def test_catches_a_cleanup_that_waits_for_what_never_comes() -> None:
    """It names the await at which it is stuck."""
    finding = found(NAME, waits_for_ever)[0]
    assert finding.severity == "verdict"
    assert "nothing can happen any more, at " in finding.symptom.seen


def test_passes_a_cleanup_that_ends() -> None:
    """However long it takes, on the loop's clock."""
    assert not found(NAME, waits_for_long)
