"""What stands between a task and its coroutine: it changes nothing, and knows who and where."""

import asyncio
import contextvars
import sys
from collections.abc import AsyncGenerator, Generator
from types import coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.check import Point
from rescind.check.probe import Probe, Probes, stack_of
from tests.check.kit import parks, points, run


def paths(body: Any) -> list[str]:
    """Return the paths of the tasks that a scenario starts, in order."""
    return [point.task for point in points(body) if not point.stack]


# -- P1 --------------------------------------------------------------------------------------------


@coroutine
def script(steps: list[Any]) -> Generator[Any, Any, Any]:
    """Yield what is written, and write down what comes in, thrown exceptions too."""
    got: list[Any] = []
    for step in steps:
        try:
            got.append((yield step))
        except (ValueError, asyncio.CancelledError) as exc:
            got.append(exc)
    return got


async def scripted(steps: list[Any]) -> Any:
    """Be a coroutine around the script."""
    return await script(steps)


def drive(coro: Any, inputs: list[Any]) -> list[Any]:
    """Send and throw, and write down what comes out."""
    out: list[Any] = []
    try:
        out.append(coro.send(None))
        for one in inputs:
            out.append(coro.throw(one) if isinstance(one, BaseException) else coro.send(one))
    except StopIteration as stop:
        out.append(("returned", stop.value))
    return out


@given(
    st.lists(st.integers(), max_size=4),
    st.lists(
        st.one_of(st.integers(), st.builds(ValueError), st.builds(asyncio.CancelledError)),
        max_size=6,
    ),
)
def test_what_goes_in_and_out_is_what_it_is_without_a_probe(steps: list[int], inputs: Any) -> None:
    """Sent values, thrown exceptions, yields and the result pass unchanged."""
    plain, probed = scripted(steps), Probe(scripted(steps), "root", Probes())
    assert drive(plain, inputs) == drive(probed, inputs)
    plain.close()
    probed.close()


def test_it_can_be_awaited_by_a_coroutine_that_a_task_factory_puts_around_it() -> None:
    """Parks inside such a wrapper are seen all the same."""

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        async def wrapper() -> Any:
            return await coro

        return asyncio.Task(wrapper(), loop=loop, **options)

    async def setup(env: Any) -> None:
        asyncio.get_running_loop().set_task_factory(factory)

    async def child() -> str:
        await asyncio.sleep(0.01)
        return "child"

    async def scenario() -> Any:
        return await asyncio.create_task(child())

    assert run(scenario, setup=setup).end.shown == "'child'"
    assert len(parks(scenario, "root/1", setup=setup)) == 1


def test_it_is_closed_like_its_coroutine_and_then_raises_what_is_thrown() -> None:
    """A task that is canceled after it was closed ends canceled."""
    trace: list[str] = []

    async def body() -> None:
        try:
            await script([None])
        finally:
            trace.append("closed")

    probe = Probe(body(), "root", Probes())
    probe.send(None)
    probe.close()
    assert trace == ["closed"]
    with pytest.raises(asyncio.CancelledError):
        probe.throw(asyncio.CancelledError())


# -- P2 --------------------------------------------------------------------------------------------


async def nothing() -> None:
    """Do nothing."""


def test_a_path_says_who_made_the_task_and_as_which_one() -> None:
    """Nested tasks, groups, gathers and time limits; in the order in which they are made."""

    async def child() -> None:
        await asyncio.gather(nothing(), nothing())

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(nothing())
        await asyncio.wait_for(nothing(), 1)

    expected = ["root", "root/1", "root/2", "root/1/1", "root/1/2"]
    if sys.version_info < (3, 12):
        expected.append("root/3")  # what wait_for runs is a task there
    assert paths(scenario) == expected


def test_a_task_that_a_callback_makes_belongs_to_who_asked_for_the_callback() -> None:
    """The context of the callback says it."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[Any] = loop.create_future()
        loop.call_soon(lambda: made.set_result(loop.create_task(nothing())))
        await (await made)

    assert paths(scenario) == ["root", "root/1"]


def test_tasks_that_share_a_context_have_paths_of_their_own() -> None:
    """What one of them makes is not put down to the other."""

    async def child() -> None:
        await asyncio.create_task(nothing())

    async def scenario() -> None:
        context = contextvars.copy_context()
        one = asyncio.create_task(child(), context=context)
        other = asyncio.create_task(child(), context=context)
        await one
        await other
        await asyncio.create_task(nothing(), context=context)

    assert paths(scenario) == ["root", "root/1", "root/2", "root/1/1", "root/2/1", "root/3"]


def test_callbacks_of_tasks_that_share_a_context_belong_to_who_asked_for_them() -> None:
    """Not to the one who ran in it first, or last."""

    async def child() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        made: asyncio.Future[Any] = loop.create_future()
        loop.call_soon(lambda: made.set_result(loop.create_task(nothing())))
        await (await made)

    async def scenario() -> None:
        context = contextvars.copy_context()
        async with asyncio.TaskGroup() as group:
            group.create_task(child(), context=context)
            group.create_task(child(), context=context)

    assert paths(scenario) == ["root", "root/1", "root/2", "root/1/1", "root/2/1"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_an_eager_task_parks_but_has_no_start() -> None:
    """It has begun before anybody could cancel it; the root is made before the loop runs."""

    async def setup(env: Any) -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

    async def child() -> None:
        await asyncio.sleep(0.01)

    async def scenario() -> None:
        await asyncio.create_task(nothing())
        await asyncio.create_task(child())

    seen = points(scenario, setup=setup)
    assert "root/2" in {point.task for point in seen}
    assert [point.task for point in seen if not point.stack] == ["root"]


# -- stacks ----------------------------------------------------------------------------------------


def functions(point: Point) -> list[str]:
    """Return the functions of a stack, outermost first, without the names around them."""
    return [place.rpartition(" in ")[2].rpartition(".")[2] for place in point.stack]


def test_a_stack_goes_through_async_generators() -> None:
    """What an `async for` waits for is inside the generator."""

    async def inner() -> None:
        await asyncio.sleep(0.01)

    async def numbers() -> AsyncGenerator[int]:
        await inner()
        yield 1

    async def scenario() -> None:
        async for _ in numbers():
            pass
        assert await anext(numbers().__aiter__(), None) == 1

    first, second = parks(scenario)
    assert functions(first) == ["scenario", "numbers", "inner", "sleep"]
    assert functions(second) == ["scenario", "numbers", "inner", "sleep"]


def test_a_stack_goes_through_objects_that_are_awaited_by_way_of_a_coroutine() -> None:
    """Libraries write ``return self._do().__await__()``."""

    class Request:
        def __await__(self) -> Generator[Any, None, None]:
            return self._do().__await__()

        async def _do(self) -> None:
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        await Request()

    assert functions(parks(scenario)[0]) == ["scenario", "_do", "sleep"]


def test_visits_count_how_often_a_task_parked_at_just_this_stack() -> None:
    """A loop makes visits 1, 2, 3; another line begins anew."""

    async def scenario() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert [point.visit for point in parks(scenario)] == [1, 2, 3, 1]


def test_the_stack_of_what_has_ended_is_empty() -> None:
    """There is no frame to be named."""
    coro = nothing()
    coro.close()
    assert stack_of(coro) == ()
    assert stack_of(None) == ()
