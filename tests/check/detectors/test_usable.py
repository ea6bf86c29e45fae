"""What must still work."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "usable"


async def setup(env: Env) -> None:
    env.taken = False
    env.free = asyncio.Event()
    env.free.set()

    async def take_it() -> None:
        await env.free.wait()

    env.usable(take_it)


async def keeps_it(env: Env) -> None:
    env.free.clear()
    await asyncio.sleep(1)
    env.free.set()


async def gives_it_back(env: Env) -> None:
    env.free.clear()
    try:
        await asyncio.sleep(1)
    finally:
        env.free.set()


def test_catches_what_cannot_be_taken_any_more() -> None:
    """It names the probe, and is bounded in time."""
    finding = found(NAME, keeps_it, setup=setup)[0]
    assert finding.symptom.sentence == "take_it is not usable any more"


def test_catches_a_probe_that_is_sync_and_says_no() -> None:
    """False is an answer too."""

    async def sync_setup(env: Env) -> None:
        env.free = asyncio.Event()
        env.free.set()
        env.usable(env.free.is_set, name="the thing")

    sentences = [one.symptom.sentence for one in found(NAME, keeps_it, setup=sync_setup)]
    assert "the thing is not usable any more" in sentences


def test_passes_what_can_be_taken_again() -> None:
    """The probe ends."""
    assert not found(NAME, gives_it_back, setup=setup)


def test_passes_what_never_worked() -> None:
    """What fails without a cancellation says nothing of one."""

    async def hopeless(env: Env) -> None:
        await setup(env)
        env.usable(lambda: False, name="hopeless")

    assert not found(NAME, gives_it_back, setup=hopeless)
