"""The next use of what is shared."""

from __future__ import annotations

import asyncio

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "follow-up"


async def setup(env: Env) -> None:
    env.replies = []


async def exchange(env: Env, request: str) -> str:
    env.replies.append(request)
    await asyncio.sleep(0.01)
    return str(env.replies.pop(0))


async def leaves_a_reply(env: Env) -> list[str]:
    return [await exchange(env, "a"), await exchange(env, "b")]


async def drops_the_connection(env: Env) -> list[str]:
    try:
        return [await exchange(env, "a"), await exchange(env, "b")]
    except asyncio.CancelledError:
        env.replies = []
        raise


def test_catches_a_reply_that_belongs_to_another_request() -> None:
    """What the follow-up gets is not what it gets when nothing is canceled."""
    finding = found(NAME, leaves_a_reply, setup=setup)[0]
    assert finding.severity == "verdict"
    assert "a response that belongs to another request" in finding.symptom.sentence


def test_passes_a_connection_that_is_given_up() -> None:
    """A new connection answers what it is asked."""
    assert not found(NAME, drops_the_connection, setup=setup)
