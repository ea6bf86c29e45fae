"""Over every host: a representative set; and each child's own identity in asyncio's world (R18)."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    Runtime,
    TimedOut,
    bracket,
    join,
    never,
    outcomes,
    race,
    sleep,
    spawn,
    timeout,
)
from tests.combinators.kit import Ledger, drive
from tests.conftest import HostFactory

TICK = 0.001


@pytest.fixture(params=["asyncio", "asyncio-debug", "uvloop"])
def loop_host(request: pytest.FixtureRequest) -> HostFactory:
    """Run the test once on each host that has an asyncio loop."""
    return HostFactory(request.param)


def run(host: HostFactory, main: Callable[[], Awaitable[Any]]) -> Any:
    """Run on the host and return the value; no task or timer may be left."""
    with host() as runtime:
        return drive(runtime, main()).outcome.unwrap()


def test_race_join_timeout_on_every_host(host: HostFactory) -> None:
    """The quick one wins, losers are drained, all values come, and too slow is TimedOut."""
    ledger = Ledger()

    async def main() -> list[Any]:
        won = await race(ledger.work("a", 0, "a"), ledger.work("b", 60, cleanup=TICK))
        both = await join(ledger.work("c", TICK, 1), ledger.work("d", 0, 2))
        with pytest.raises(TimedOut):
            await timeout(ledger.work("e", 60, cleanup=TICK), TICK)
        return [won, both]

    assert ["a", (1, 2)] == run(host, main)
    assert [
        *["+a", "+b", "-a", "-b", "+c", "+d", "-d", "-c", "+e", "-e"],
    ] == ledger.events


def test_cancel_of_a_tree_on_every_host(host: HostFactory) -> None:
    """A task with a bracket in a race in a join is canceled: all is released, inside out."""
    log: list[str] = []

    async def acquire() -> str:
        await sleep(0)
        log.append("acquired")
        return "resource"

    async def use(_resource: str) -> None:
        log.append("used")
        await never()

    async def release(resource: str) -> None:
        await sleep(TICK)
        log.append(f"released {resource}")

    async def main() -> Any:
        task = spawn(join(race(bracket(acquire, use, release), never()), never()))
        while "used" not in log:
            await sleep(0)
        return await task.cancel("enough")

    outcome = run(host, main)
    assert isinstance(outcome, Canceled)
    assert ("enough", ["acquired", "used", "released resource"]) == (outcome.reason.message, log)


def test_children_have_their_own_context_variables(host: HostFactory) -> None:
    """A copy each of the parent's: what a child sets, neither its sibling nor the parent sees."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def child(name: str) -> tuple[str, str]:
        inherited = variable.get()
        variable.set(name)
        await sleep(0)
        return inherited, variable.get()

    async def main() -> Any:
        variable.set("parent")
        return await join(child("a"), child("b")), variable.get()

    assert ((("parent", "a"), ("parent", "b")), "parent") == run(host, main)


def test_each_child_is_its_own_current_task(loop_host: HostFactory) -> None:
    """`asyncio.current_task()` differs per child, stays the same in it, and is restored."""

    async def child() -> Any:
        before = asyncio.current_task()
        await sleep(0)
        assert asyncio.current_task() is before
        return before

    async def main() -> tuple[int, bool]:
        own = asyncio.current_task()
        found = await join(child(), child(), child())
        return len({id(task) for task in (own, *found)}), asyncio.current_task() is own

    assert (4, True) == run(loop_host, main)


# -- what ends one branch concerns that branch alone -----------------------------------------------


async def sleeper() -> str:
    """Sleep a while as asyncio code does."""
    await asyncio.sleep(5 * TICK)
    return "slept"


async def asyncio_timeout() -> str:
    """Run into asyncio's own timeout."""
    try:
        async with asyncio.timeout(TICK):
            await asyncio.sleep(60)
    except TimeoutError:
        return "timed out"
    return "unreachable"


async def anyio_scope() -> str:
    """Run into anyio's cancel scope."""
    with anyio.move_on_after(TICK) as scope:
        await anyio.sleep(60)
    return "scope left" if scope.cancelled_caught else "unreachable"


async def asyncio_group() -> str:
    """Fail inside asyncio's TaskGroup."""

    async def fail() -> None:
        await asyncio.sleep(TICK)
        raise KeyError("child")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(60)
    except* KeyError:
        pass
    return "group failed"


async def anyio_group(failing: int) -> str:
    """Fail inside anyio's task group, once or twice."""

    async def fail() -> None:
        await anyio.sleep(TICK)
        raise KeyError("child")

    try:
        async with anyio.create_task_group() as group:
            for _ in range(failing):
                group.start_soon(fail)
            await anyio.sleep(60)
    except* KeyError:
        pass
    return "group failed"


BRANCHES: dict[str, tuple[list[Callable[[], Any]], list[str]]] = {
    "timeout + sleeper": ([asyncio_timeout, sleeper], ["timed out", "slept"]),
    "timeout + timeout": ([asyncio_timeout, asyncio_timeout], ["timed out", "timed out"]),
    "scope + sleeper": ([anyio_scope, sleeper], ["scope left", "slept"]),
    "scope + scope": ([anyio_scope, anyio_scope], ["scope left", "scope left"]),
    "TaskGroup + sleeper": ([asyncio_group, sleeper], ["group failed", "slept"]),
    "anyio group + sleeper": ([lambda: anyio_group(1), sleeper], ["group failed", "slept"]),
    "anyio group of two + sleeper": (
        [lambda: anyio_group(2), sleeper],
        ["group failed", "slept"],
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_asyncio_cancellation_concerns_its_branch_alone(loop_host: HostFactory, name: str) -> None:
    """Timeouts, scopes and groups of asyncio and anyio in one branch leave the other alone."""
    branches, expected = BRANCHES[name]

    async def main() -> tuple[Any, int]:
        found = await outcomes(*(branch() for branch in branches))
        task = asyncio.current_task()
        assert task is not None
        return found, task.cancelling()

    assert (tuple(map(Completed, expected)), 0) == run(loop_host, main)


def test_asyncio_futures_canceled_by_a_race_are_drained(loop_host: HostFactory) -> None:
    """A loser that awaits asyncio code is canceled there, cleans up there, and only then ends."""
    log: list[str] = []

    async def loser() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as exc:
            log.append(type(exc).__name__)
            await asyncio.sleep(TICK)
            log.append("cleaned up")
            raise

    async def main() -> Any:
        result = await race(sleep(TICK), loser())
        log.append("returned")
        return result

    assert run(loop_host, main) is None
    assert ["Cancellation", "cleaned up", "returned"] == log


def test_combinators_work_in_plain_asyncio() -> None:
    """Awaited in a stock asyncio task: race, join, timeout; a host's cancel drains first (R31)."""
    ledger = Ledger()

    async def main() -> Any:
        won = await race(ledger.work("a", 0, "a"), ledger.work("b", 60))
        both = await join(ledger.work("c", TICK, 1), ledger.work("d", 0, 2))
        try:
            async with asyncio.timeout(TICK):
                await join(ledger.work("e", 60, cleanup=TICK), never())
        except TimeoutError:
            ledger.events.append("timed out")
        return won, both

    assert ("a", (1, 2)) == asyncio.run(main())
    assert ["+e", "-e", "timed out"] == ledger.events[-3:]


def test_child_that_asyncio_cancels_is_canceled_by_somebody_else(loop_host: HostFactory) -> None:
    """A child that ends on asyncio's CancelledError: Canceled, of kind FOREIGN (R29)."""

    async def child() -> None:
        raise asyncio.CancelledError("asyncio's")

    async def main() -> Any:
        return await outcomes(child())

    [outcome] = run(loop_host, main)
    assert isinstance(outcome, Canceled)
    assert (CancelKind.FOREIGN, "asyncio's") == (outcome.reason.kind, outcome.reason.message)


def test_errors_come_through_unchanged_on_every_host(host: HostFactory) -> None:
    """The same exception object comes out of a join on each host."""
    boom = KeyError("boom")

    async def main() -> Any:
        return await outcomes(join(Ledger().work("a", 0, boom), never()))

    assert (Error(boom),) == run(host, main)


def test_runtime_has_nothing_left_after_many_races(host: HostFactory) -> None:
    """Two hundred races of three: no timer, no task, no waiter is left."""

    async def main() -> int:
        return sum([await race(_value(1), sleep(60), never()) for _ in range(200)])

    with host() as runtime:
        assert isinstance(runtime, Runtime)
        assert Completed(200) == drive(runtime, main()).outcome


async def _value(value: int) -> int:
    await sleep(0)
    return value
