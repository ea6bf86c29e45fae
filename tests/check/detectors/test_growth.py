"""What grows."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "growth"


async def setup(env: Env) -> None:
    env.pending = []


async def forgets(env: Env) -> None:
    env.pending.append("request")
    await asyncio.sleep(1)
    env.pending.pop()


async def takes_out(env: Env) -> None:
    env.pending.append("request")
    try:
        await asyncio.sleep(1)
    finally:
        env.pending.pop()


def test_catches_a_list_that_grows_with_each_cancellation() -> None:
    """It is named by the way to it, with both lengths."""
    finding = found(NAME, forgets, setup=setup)[0]
    assert (finding.symptom.expected, finding.symptom.seen) == (
        "len(env.pending) = 0",
        "len(env.pending) = 12",
    )


def test_passes_a_list_that_is_emptied() -> None:
    """It is as long as before."""
    assert not found(NAME, takes_out, setup=setup)


def test_passes_a_list_that_grows_with_each_use() -> None:
    """A log grows in the clean storm, too."""

    async def logs(env: Env) -> None:
        env.pending.append("used")
        await asyncio.sleep(1)

    assert not found(NAME, logs, setup=setup)
