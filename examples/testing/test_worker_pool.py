"""Tests of a pool of workers: in virtual time, over hosts, in every order, with every cancellation.

Run them with `pytest examples/testing`. The pool lends out a few workers. What has to hold is that
a worker comes back, whoever is canceled, and whenever: before it was lent, while it works, or while
somebody waits for it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import rescind
from rescind.sync import Semaphore


class Pool:
    """A few workers, each lent to one at a time."""

    def __init__(self, *names: str) -> None:
        self.idle = list(names)
        self._permits = Semaphore(len(names))

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Lend a worker for the block."""
        async with self._permits:
            name = self.idle.pop()
            try:
                yield name
            finally:
                self.idle.append(name)


async def job(pool: Pool, done: list[str]) -> None:
    """Have something done that takes an hour."""
    async with pool.lend() as name:
        await rescind.sleep(3600)
        done.append(name)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """Make a pool; at the end of each test, and of each explored run, all workers are back."""
    pool = Pool("anna", "bert")
    yield pool
    assert sorted(pool.idle) == ["anna", "bert"]


@pytest.mark.rescind
async def test_two_work_at_a_time(pool: Pool, clock) -> None:
    """The clock is virtual: three jobs of an hour each take two hours, and no time."""
    done: list[str] = []
    async with rescind.task_group() as g:
        for _ in range(3):
            g.spawn(job(pool, done))
        await clock.advance(3600)
        assert len(done) == 2
    assert (len(done), clock.now()) == (3, 7200.0)


@pytest.mark.rescind(hosts=["lab", "asyncio", "uvloop"], timeout=10)
async def test_a_block_that_fails_gives_its_worker_back(pool: Pool) -> None:
    """The same test, in virtual time and on real loops."""

    async def fail() -> None:
        async with pool.lend():
            await rescind.sleep(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(pool.idle) == 2


@pytest.mark.rescind(explore=2)
async def test_workers_come_back_whoever_is_canceled(pool: Pool) -> None:
    """Every order and every cancellation, two at once; the fixture looks what is left."""
    async with rescind.task_group() as g:
        for _ in range(3):
            g.spawn(job(pool, []))
