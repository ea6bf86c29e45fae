"""Work after the cancellation."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "ran on"


async def finishes_first(env: Env) -> None:
    canceled = None
    for _ in range(3):
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError as exc:
            canceled = exc
    if canceled is not None:
        raise canceled


async def cleans_up(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(1)


async def closes(env: Env) -> None:
    class Connection:
        async def __aenter__(self) -> None:
            await asyncio.sleep(1)

        async def __aexit__(self, *_exc: object) -> None:
            await asyncio.sleep(1)

    async with Connection():
        await asyncio.sleep(1)


def test_catches_a_loop_that_goes_on() -> None:
    """It ends canceled, but much later."""
    finding = found(NAME, finishes_first)[0]
    assert finding.severity == "hint"
    assert "it awaited " in finding.symptom.seen


def test_passes_cleanup() -> None:
    """What is in a finally is no work, though it is awaited in the clean run too."""
    assert not found(NAME, cleans_up)


def test_passes_what_is_closed() -> None:
    """Nor is what is awaited in an __aexit__."""
    assert not found(NAME, closes)
