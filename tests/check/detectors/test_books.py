"""What was sent, and what came out."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "books"


async def setup(env: Env) -> None:
    env.items = ["first", "second"]
    for item in env.items:
        env.sent(item)


async def teardown(env: Env) -> None:
    for item in env.items:
        env.returned(item)


async def loses(env: Env) -> None:
    if env.items:
        item = env.items.pop()
        await asyncio.sleep(1)
        env.received(item)


async def hands_back(env: Env) -> None:
    if env.items:
        item = env.items.pop()
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            env.items.append(item)
            raise
        env.received(item)


async def doubles(env: Env) -> None:
    if env.items:
        item = env.items[-1]
        env.received(item)
        await asyncio.sleep(1)
        env.items.pop()


def test_catches_an_item_that_is_lost() -> None:
    """Nobody has it: not the receiver, and not the queue."""
    finding = found(NAME, loses, setup=setup, teardown=teardown)[0]
    assert finding.symptom.sentence == "an item was lost"
    assert "second" in finding.symptom.seen


def test_catches_an_item_that_comes_out_twice() -> None:
    """The receiver has it, and the queue as well."""
    finding = found(NAME, doubles, setup=setup, teardown=teardown)[0]
    assert finding.symptom.sentence == "an item came out twice"


def test_passes_an_item_that_is_handed_back() -> None:
    """What teardown finds in the queue is not lost."""
    assert not found(NAME, hands_back, setup=setup, teardown=teardown)


def test_passes_as_many_as_are_missing_anyway() -> None:
    """A stream that is never emptied says nothing of cancellations."""

    async def forgetful(env: Env) -> None:
        env.sent("nobody ever gets it")
        env.items = []

    async def waits(env: Env) -> None:
        await asyncio.sleep(1)

    assert not found(NAME, waits, setup=forgetful)
