"""What explains the others."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "state differs"


async def setup(env: Env) -> None:
    env.busy = False


async def stays_busy(env: Env) -> None:
    if env.busy:
        raise RuntimeError("in use")
    env.busy = True
    await asyncio.sleep(1)
    env.busy = False


async def stays_busy_and_does_not_mind(env: Env) -> None:
    env.busy = True
    await asyncio.sleep(1)
    env.busy = env.busy and getattr(env, "canceled", False)


def test_catches_what_is_different_when_something_broke() -> None:
    """It is a hint that stands beside the fault."""
    finding = found(NAME, stays_busy, setup=setup)[0]
    assert finding.severity == "hint"
    assert (finding.symptom.expected, finding.symptom.seen) == (
        "env.busy = False",
        "env.busy = True",
    )


def test_passes_what_is_different_and_harmless() -> None:
    """Where nothing broke there is nothing to explain."""

    async def notes(env: Env) -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            env.busy = True
            raise

    assert not found(NAME, notes, setup=setup)
