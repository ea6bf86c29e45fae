"""Readers and writers."""

from __future__ import annotations

import asyncio
import socket

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "watched left"


async def setup(env: Env) -> None:
    env.ours, env.theirs = socket.socketpair()


async def teardown(env: Env) -> None:
    asyncio.get_running_loop().remove_reader(env.ours)
    env.ours.close()
    env.theirs.close()


def readable() -> None:
    """Nobody ever writes."""


async def leaves_it(env: Env) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(env.ours, readable)
    await asyncio.sleep(0.001)
    loop.remove_reader(env.ours)


async def takes_it_out(env: Env) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(env.ours, readable)
    try:
        await asyncio.sleep(0.001)
    finally:
        loop.remove_reader(env.ours)


def test_catches_a_reader_that_stays() -> None:
    """It is named by its callback."""
    finding = found(NAME, leaves_it, setup=setup, teardown=teardown, judges=(Judge.LOOK,))[0]
    assert finding.severity == "hint"
    assert finding.symptom.seen == "reader readable"


def test_passes_a_reader_that_is_removed() -> None:
    """The loop watches what it did."""
    assert not found(NAME, takes_it_out, setup=setup, teardown=teardown, judges=(Judge.LOOK,))
