"""Locks and semaphores."""

from __future__ import annotations

import asyncio
from collections import deque

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "left held"


LOCK: list[asyncio.Lock] = []


async def setup(env: Env) -> None:
    env.lock = asyncio.Lock()
    env.permits = asyncio.Semaphore(2)
    env.theirs = Theirs()
    LOCK[:] = [asyncio.Lock()]


class Theirs:
    """A lock as a library might write it."""

    def __init__(self) -> None:
        self.held = False
        self.my_waiters: deque[asyncio.Future[None]] = deque()

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self.held


async def forgets(env: Env) -> None:
    await env.lock.acquire()
    await asyncio.sleep(1)
    env.lock.release()


async def forgets_a_permit(env: Env) -> None:
    await env.permits.acquire()
    await asyncio.sleep(1)
    env.permits.release()


async def forgets_theirs(env: Env) -> None:
    env.theirs.held = True
    await asyncio.sleep(1)
    env.theirs.held = False


async def forgets_a_global(env: Env) -> None:
    await LOCK[0].acquire()
    await asyncio.sleep(1)
    LOCK[0].release()


async def releases(env: Env) -> None:
    async with env.lock, env.permits, LOCK[0]:
        await asyncio.sleep(1)


def test_catches_a_lock_that_is_held() -> None:
    """It is named by the way that leads to it."""
    finding = found(NAME, forgets, setup=setup, judges=(Judge.LOOK,))[0]
    assert finding.severity == "verdict"
    assert finding.symptom.seen == "env.lock is locked"


def test_catches_a_permit_that_is_missing() -> None:
    """A semaphore has fewer than it had."""
    finding = found(NAME, forgets_a_permit, setup=setup, judges=(Judge.LOOK,))[0]
    assert finding.symptom.seen == "env.permits has 1 permits"


def test_catches_a_lock_of_a_kind_that_it_does_not_know() -> None:
    """Whatever says whether it is locked is a lock."""
    finding = found(NAME, forgets_theirs, setup=setup, judges=(Judge.LOOK,))[0]
    assert finding.symptom.seen == "env.theirs is locked"


def test_catches_a_lock_in_the_module() -> None:
    """Not only what is on the env is looked at."""
    finding = found(NAME, forgets_a_global, setup=setup, judges=(Judge.LOOK,))[0]
    assert "test_left_held.LOCK[0] is locked" in finding.symptom.seen


def test_catches_a_lock_in_the_frame_of_a_task_that_is_left() -> None:
    """Where the env does not lead, the variables of what is suspended do."""

    async def hold(mine: asyncio.Lock) -> None:
        async with mine:
            await asyncio.Event().wait()

    async def leaves_the_holder(env: Env) -> None:
        task = asyncio.get_running_loop().create_task(hold(asyncio.Lock()))
        await asyncio.sleep(1)
        task.cancel()

    finding = found(NAME, leaves_the_holder, judges=(Judge.LOOK,))[0]
    assert "hold.mine is locked" in finding.symptom.seen


def test_passes_what_is_held_in_async_with() -> None:
    """All are free again."""
    assert not found(NAME, releases, setup=setup)


def test_passes_a_lock_that_is_held_anyway() -> None:
    """A server of setup's that holds one holds it in the clean run too."""

    async def busy(env: Env) -> None:
        await setup(env)
        await env.lock.acquire()

    async def works(env: Env) -> None:
        await asyncio.sleep(1)

    assert not found(NAME, works, setup=busy)
