"""Libraries used as their documentation says, in one of our tasks and in branches of one task."""

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from tests.ecosystem.kit import Loop, Scenario, note_reports

LOOPS: list[Loop] = ["asyncio", "uvloop"]
#: So many branches at a time.
BRANCHES = 3


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    """Run the test on each kind of loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    found: Loop = request.param
    return found


def _run(loop: Loop, main: Callable[[], Any]) -> Any:
    """Run it; what asyncio reports to nobody in particular fails."""
    reported: list[str] = []

    async def watched() -> Any:
        note_reports(reported)
        async with asyncio.timeout(20):
            return await main()

    result = rescind.run(watched, host=loop)
    gc.collect()  # grpc's servers are in cycles, and their thread ends with them
    assert reported == []
    return result


def test_in_one_task_it_works(scenario: Scenario, port: int, loop: Loop) -> None:
    """Twice in a row, as the same task of asyncio's all the time."""

    async def main() -> bool:
        me = asyncio.current_task()
        async with scenario.resource(port) as resource:
            await scenario.use(resource)
            await scenario.use(resource)
            await scenario.check(resource)
        return asyncio.current_task() is me

    assert _run(loop, main)


def test_in_branches_of_a_join_it_works(scenario: Scenario, port: int, loop: Loop) -> None:
    """Each has its own asyncio task and its own resource; one more runs into a timeout."""

    async def branch() -> object:
        me = asyncio.current_task()
        async with scenario.resource(port) as resource:
            await scenario.use(resource)
            await scenario.check(resource)
        assert asyncio.current_task() is me
        return me

    async def late() -> object:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(10)
        return asyncio.current_task()

    async def main() -> int:
        ended = await rescind.join(*[branch() for _ in range(BRANCHES)], late())
        return len(set(map(id, ended)))

    assert _run(loop, main) == BRANCHES + 1


def test_branches_share_a_pool(scenario: Scenario, port: int, loop: Loop) -> None:
    """They wait where there is room for one; a race's loser gives back what it had."""
    if not scenario.shared:
        pytest.skip("it is not to be used by two at a time")

    async def main() -> str:
        async with scenario.resource(port) as resource:
            await rescind.join(*[scenario.use(resource) for _ in range(BRANCHES)])
            await rescind.race(*[scenario.use(resource) for _ in range(BRANCHES)])
            await scenario.check(resource)
        return "fine"

    assert _run(loop, main) == "fine"
