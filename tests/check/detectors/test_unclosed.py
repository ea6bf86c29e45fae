"""What only the garbage collector closes."""

from __future__ import annotations

import asyncio
import socket

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "unclosed"


async def drops_it(env: Env) -> None:
    sock = socket.socket()
    await asyncio.sleep(1)
    sock.close()


async def closes_it(env: Env) -> None:
    with socket.socket():
        await asyncio.sleep(1)


def test_catches_a_socket_that_is_dropped() -> None:
    """Python warns of it, where nobody looks."""
    finding = found(NAME, drops_it, judges=(Judge.LOOK,))[0]
    assert "ResourceWarning" in finding.symptom.seen


def test_catches_a_socket_in_a_cycle() -> None:
    """What refers to itself is collected at the end of the run, and heard."""

    async def in_a_cycle(env: Env) -> None:
        both: list[object] = [socket.socket()]
        both.append(both)
        await asyncio.sleep(1)
        both[0].close()  # type: ignore[attr-defined]

    assert found(NAME, in_a_cycle, judges=(Judge.LOOK,))


def test_passes_a_socket_that_is_closed() -> None:
    """There is nothing to warn of."""
    assert not found(NAME, closes_it)
