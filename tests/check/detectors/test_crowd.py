"""Neighbours that were not canceled."""

from __future__ import annotations

import asyncio
from collections import deque

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "crowd"


class Slot:
    """Hands itself from one user to the next."""

    def __init__(self, *, careful: bool) -> None:
        self.free = True
        self.queue: deque[asyncio.Future[None]] = deque()
        self.careful = careful

    async def acquire(self) -> None:
        """Wait for it."""
        if self.free:
            self.free = False
            return
        mine = asyncio.get_running_loop().create_future()
        self.queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine in self.queue:
                self.queue.remove(mine)
            elif self.careful:
                self.release()
            raise

    def release(self) -> None:
        """Hand it on."""
        if self.queue:
            self.queue.popleft().set_result(None)
        else:
            self.free = True


async def careless(env: Env) -> None:
    env.slot = Slot(careful=False)


async def careful(env: Env) -> None:
    env.slot = Slot(careful=True)


async def use_it_twice(env: Env) -> None:
    for _ in range(2):
        await env.slot.acquire()
        try:
            await asyncio.sleep(0.01)
        finally:
            env.slot.release()


def test_catches_a_turn_that_is_lost_with_its_waiter() -> None:
    """Woken and canceled before it ran, it does not wake the next."""
    finding = found(NAME, use_it_twice, setup=careless)[0]
    assert finding.severity == "verdict"
    assert "hung" in finding.symptom.seen


def test_passes_a_turn_that_is_handed_on() -> None:
    """The neighbor gets what the canceled one had been given."""
    assert not found(NAME, use_it_twice, setup=careful)
