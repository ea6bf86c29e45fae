"""Timeouts, scopes and groups in branches of one task concern their branch, and no other (R18)."""

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Completed, Error
from tests.conftest import HOSTS, HostFactory

SHORT = 0.001
LONG = 30.0

_mine: contextvars.ContextVar[str] = contextvars.ContextVar("_mine")


@pytest.fixture(params=[name for name in HOSTS if name != "manual"])
def loop(request: pytest.FixtureRequest) -> HostFactory:
    """Run the test once on each loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return HostFactory(request.param)


@pytest.fixture(params=["ours", "stock"])
def drive(request: pytest.FixtureRequest, loop: HostFactory) -> Callable[[Any], Any]:
    """Run a coroutine function in a task of ours, or in a plain program of asyncio's (R31)."""
    host = loop._host()

    def as_asyncio(main: Callable[[], Any]) -> Any:
        if host == "uvloop":
            import uvloop

            factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        else:
            factory = asyncio.new_event_loop if host == "asyncio" else host
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    def as_ours(main: Callable[[], Any]) -> Any:
        return rescind.run(main, host=host)

    return as_asyncio if request.param == "stock" else as_ours


# -- what a branch does -------------------------------------------------------------------------


async def sleeper() -> str:
    """Must not notice what happens in other branches."""
    await asyncio.sleep(5 * SHORT)
    await rescind.sleep(SHORT)
    return "slept"


async def timing_out() -> str:
    """Be canceled by a timeout of asyncio's."""
    try:
        async with asyncio.timeout(SHORT):
            await asyncio.sleep(LONG)
    except TimeoutError:
        await asyncio.sleep(0)
        return "timed out"
    return "not"


async def scope_of_anyio() -> str:
    """Be canceled by a scope of anyio's."""
    import anyio

    with anyio.move_on_after(SHORT) as scope:
        await asyncio.sleep(LONG)
    await anyio.sleep(0)  # noqa: ASYNC115  # a checkpoint, as users write it
    return "moved on" if scope.cancelled_caught else "not"


async def failing_group() -> str:
    """Be canceled by a group of asyncio's, since a child of it failed."""
    ended = "not"

    async def fail() -> None:
        await asyncio.sleep(SHORT)
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(LONG)
    except* ValueError:
        ended = "failed"
    await asyncio.sleep(0)
    return ended


async def failing_group_of_anyio() -> str:
    """Be canceled by a group of anyio's, since a child of it failed."""
    ended = "not"

    import anyio

    async def fail() -> None:
        await anyio.sleep(SHORT)
        raise ValueError

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await anyio.sleep(LONG)
    except* ValueError:
        ended = "failed"
    await asyncio.sleep(0)
    return ended


Branch = Callable[[], Awaitable[str]]

#: The seven that cancel the whole task if its branches have one identity in common.
COMBINATIONS: dict[str, tuple[list[Branch], list[str]]] = {
    "timeout + sleeper": ([timing_out, sleeper], ["timed out", "slept"]),
    "timeout + timeout": ([timing_out, timing_out], ["timed out", "timed out"]),
    "scope + sleeper": ([scope_of_anyio, sleeper], ["moved on", "slept"]),
    "scope + scope": ([scope_of_anyio, scope_of_anyio], ["moved on", "moved on"]),
    "group + sleeper": ([failing_group, sleeper], ["failed", "slept"]),
    "anyio's group + sleeper": ([failing_group_of_anyio, sleeper], ["failed", "slept"]),
    "anyio's group twice + sleeper": (
        [failing_group_of_anyio, failing_group_of_anyio, sleeper],
        ["failed", "failed", "slept"],
    ),
}


# -- how branches come together -----------------------------------------------------------------


async def by_join(branches: list[Awaitable[str]]) -> list[str]:
    """All at once, until one fails."""
    return list(await rescind.join(*branches))


async def by_outcomes(branches: list[Awaitable[str]]) -> list[str]:
    """All at once, to their ends."""
    return [outcome.unwrap() for outcome in await rescind.outcomes(*branches)]


async def by_future_set(branches: list[Awaitable[str]]) -> list[str]:
    """One after the other joins the set."""
    found: dict[int, str] = {}
    async with rescind.FutureSet[int, str]() as ones:
        for key, branch in enumerate(branches):
            ones.add(branch, key=key)
        async for key, outcome in ones:
            found[key] = outcome.unwrap()
    return [found[key] for key in sorted(found)]


async def by_races(branches: list[Awaitable[str]]) -> list[str]:
    """Each in a race of its own that it wins; the races in a join."""
    return list(await rescind.join(*[rescind.race(rescind.never(), one) for one in branches]))


@pytest.mark.parametrize("together", [by_join, by_outcomes, by_future_set, by_races])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_each_branch_ends_as_it_does_alone(
    drive: Callable[[Any], Any], name: str, together: Callable[[Any], Awaitable[list[str]]]
) -> None:
    """Nothing else is canceled; no request is left over; no variable of a branch gets out of it."""
    branches, expected = COMBINATIONS[name]
    seen: list[Any] = []

    async def branch(number: int, body: Branch) -> str:
        seen.append(_mine.get("unset"))
        _mine.set(f"branch {number}")
        task: Any = asyncio.current_task()
        result = await body()
        assert asyncio.current_task() is task
        seen.append((_mine.get(), task.cancelling(), number))
        return result

    async def main() -> tuple[list[str], int, str]:
        task: Any = asyncio.current_task()
        result = await together([branch(number, body) for number, body in enumerate(branches)])
        await asyncio.sleep(0)  # a request that was left would arrive here
        return result, task.cancelling(), _mine.get("unset")

    assert drive(main) == (expected, 0, "unset")
    count = len(branches)
    assert seen[:count] == ["unset"] * count
    assert sorted(seen[count:]) == [(f"branch {number}", 0, number) for number in range(count)]


@pytest.mark.parametrize(
    "body", [timing_out, scope_of_anyio, failing_group, failing_group_of_anyio]
)
def test_what_happens_in_the_loser_of_a_race_stays_in_it(
    drive: Callable[[Any], Any], body: Branch
) -> None:
    """It is canceled while its own timeout, scope or group is about to cancel it as well."""

    async def main() -> tuple[Any, int]:
        task: Any = asyncio.current_task()
        for delay in (0, SHORT / 2, SHORT, 2 * SHORT):
            won = await rescind.race(body(), asyncio.sleep(delay, "won"))
            assert won in ("won", *[one for pair in COMBINATIONS.values() for one in pair[1]])
        await asyncio.sleep(2 * SHORT)
        return task.cancelling(), asyncio.current_task() is task

    assert drive(main) == (0, True)


# -- what is around the branches ----------------------------------------------------------------


def _draining(log: list[str]) -> Callable[[str], Awaitable[None]]:
    async def branch(name: str) -> None:
        try:
            await (asyncio.sleep(LONG) if name == "asyncio" else rescind.sleep(LONG))
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            await rescind.sleep(SHORT)
            log.append(name)

    return branch


def test_a_timeout_around_a_join_drains_all_branches(drive: Callable[[Any], Any]) -> None:
    """They clean up, awaits included, before `asyncio.timeout` tells of itself."""
    log: list[str] = []
    branch = _draining(log)

    async def main() -> int:
        task: Any = asyncio.current_task()
        try:
            async with asyncio.timeout(SHORT):
                await rescind.join(branch("asyncio"), branch("ours"))
        except TimeoutError:
            log.append("timed out")
        return task.cancelling()  # type: ignore[no-any-return]

    assert (drive(main), {*log[:2]}, log[2:]) == (0, {"asyncio", "ours"}, ["timed out"])


def test_a_scope_of_anyio_around_a_join_drains_all_branches(drive: Callable[[Any], Any]) -> None:
    """Although it cancels again each tick: one request is one, however often it is repeated."""
    import anyio

    log: list[str] = []
    branch = _draining(log)

    async def main() -> int:
        task: Any = asyncio.current_task()
        with anyio.move_on_after(SHORT) as scope:
            await rescind.join(branch("asyncio"), branch("ours"))
        log.append("moved on" if scope.cancelled_caught else "not")
        return task.cancelling()  # type: ignore[no-any-return]

    assert (drive(main), {*log[:2]}, log[2:]) == (0, {"asyncio", "ours"}, ["moved on"])


def test_a_failing_group_around_a_join_drains_all_branches(drive: Callable[[Any], Any]) -> None:
    """The group's request reaches each branch, and the group fails with its own error alone."""
    log: list[str] = []
    branch = _draining(log)

    async def fail() -> None:
        await asyncio.sleep(SHORT)
        raise ValueError

    async def main() -> int:
        task: Any = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await rescind.join(branch("asyncio"), branch("ours"))
        except* ValueError as errors:
            log.append(f"{len(errors.exceptions)} failed")
        return task.cancelling()  # type: ignore[no-any-return]

    assert (drive(main), {*log[:2]}, log[2:]) == (0, {"asyncio", "ours"}, ["1 failed"])


# -- further ------------------------------------------------------------------------------------


def test_a_branch_that_cancels_itself_ends_alone(drive: Callable[[Any], Any]) -> None:
    """`asyncio.current_task().cancel()` in a branch is asyncio's cancellation of that branch."""

    async def itself() -> None:
        task: Any = asyncio.current_task()
        task.cancel("itself")
        await asyncio.sleep(LONG)

    async def main() -> list[Any]:
        return list(await rescind.outcomes(itself(), sleeper()))

    canceled, slept = drive(main)

    assert (canceled.reason.kind.value, canceled.reason.message) == ("foreign", "itself")
    assert slept == Completed("slept")


def test_a_branch_that_leaves_a_scope_out_of_order_hears_of_it(drive: Callable[[Any], Any]) -> None:
    """Its scope is not its parent's: entered in a branch, left outside, anyio refuses it."""
    import anyio

    async def main() -> list[Any]:
        scope = anyio.CancelScope()

        async def enters() -> None:
            scope.__enter__()

        await rescind.join(enters())
        try:
            scope.__exit__(None, None, None)
        except RuntimeError:
            return ["refused"]
        return ["left"]

    assert drive(main) == ["refused"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are from Python 3.12 on")
def test_eager_tasks_in_branches_see_themselves(loop: HostFactory) -> None:
    """A child starts inside the branch's step, which then goes on as itself."""
    if loop.name == "uvloop" and sys.version_info >= (3, 13):
        pytest.skip("uvloop gives an argument that the eager factory of CPython 3.13.0 refuses")

    async def eager(seen: list[Any]) -> Any:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        async with asyncio.timeout(SHORT):
            await asyncio.sleep(LONG)

    async def branch() -> list[Any]:
        me = asyncio.current_task()
        seen: list[Any] = []
        task = asyncio.create_task(eager(seen))
        same = asyncio.current_task() is me and seen == [task]
        (outcome,) = await rescind.outcomes(task)
        return [
            same,
            seen == [task, task],
            isinstance(outcome, Error),
            asyncio.current_task() is me,
        ]

    async def main() -> list[list[Any]]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        return list(await rescind.join(branch(), branch()))

    with loop() as runtime:
        assert runtime.block_on(main()) == [[True] * 4] * 2
