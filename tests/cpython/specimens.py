"""Tests as CPython's are, for the harness to run."""

import asyncio
import unittest

import rescind
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._host.identity import Identity

__all__ = ["ByHand", "Fails", "Isolated"]


class Isolated(unittest.IsolatedAsyncioTestCase):
    """Notes by whom its methods are driven."""

    async def asyncSetUp(self) -> None:
        self.seen = [_driver()]

    async def test_driver(self) -> None:
        await asyncio.sleep(0)
        self.seen.append(_driver())

    async def asyncTearDown(self) -> None:
        self.seen.append(_driver())


class ByHand(unittest.TestCase):
    """Gives coroutines to a loop in the other ways that there are."""

    def test_driver(self) -> None:
        async def main() -> str:
            await asyncio.sleep(0)
            return _driver()

        loop = asyncio.new_event_loop()
        with asyncio.Runner() as runner:
            self.seen = [loop.run_until_complete(main()), asyncio.run(main()), runner.run(main())]
        loop.close()


class Fails(unittest.TestCase):
    """Does not hold, however it is driven."""

    def test_it(self) -> None:
        async def main() -> None:
            await asyncio.sleep(0)
            self.fail("seen")

        asyncio.run(main())


def _driver() -> str:
    identity = asyncio.current_task()
    region = local.region
    assert region is None or (isinstance(region, CoroutineFuture) and region.identity is identity)
    if not isinstance(identity, Identity):
        return "asyncio"
    return "a branch" if local.executor is None else f"task {rescind.current_task().name}"
