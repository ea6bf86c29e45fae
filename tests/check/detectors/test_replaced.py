"""A cancellation that becomes another error."""

from __future__ import annotations

import asyncio

from rescind.check import Env, Judge, Mode
from tests.check.detectors.kit import found

NAME = "replaced"


async def fails(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        raise ValueError("gave up") from None


async def fails_inside(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        try:
            raise ValueError("nothing to close")
        except ValueError:
            env.closed = True


def test_catches_another_error() -> None:
    """Whoever canceled it is told of a failure."""
    finding = found(NAME, fails)[0]
    assert "gave up" in finding.symptom.seen


def test_passes_an_error_that_the_cleanup_handles() -> None:
    """What comes out is the cancellation."""
    assert not found(NAME, fails_inside)


def test_passes_a_scenario_that_is_closed() -> None:
    """What is raised then is GeneratorExit, and that is no other error."""

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            cleaned.append(True)

    cleaned: list[bool] = []
    assert not found(NAME, cleans_up, modes=(Mode.CLOSE,), judges=(Judge.LOOK, Judge.FOLLOW_UP))
    assert cleaned
