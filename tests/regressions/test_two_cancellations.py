"""Ours and asyncio's cancellation at the same time: neither takes the other for its own.

A timeout, a task group or an anyio scope that is canceled while our cancellation passes through it
used to end that, too: it counted no request but its own, and the canceled task went on.
"""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

import rescind
from rescind import Canceled
from rescind._core.phase import Phase


async def _timeout(trace: list[str]) -> None:
    try:
        async with asyncio.timeout(None) as timeout:
            try:
                await rescind.never()
            finally:
                timeout.reschedule(asyncio.get_running_loop().time())
                await asyncio.sleep(0.01)
    except TimeoutError:
        pass
    trace.append("went on")


async def _scope_canceled_meanwhile(trace: list[str]) -> None:
    with anyio.CancelScope() as scope:
        try:
            await rescind.never()
        finally:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await asyncio.sleep(0.01)
    trace.append("went on")


async def _group_done_with(trace: list[str]) -> None:
    async with anyio.create_task_group() as group:

        async def attempt() -> None:
            await anyio.sleep(0.002)
            group.cancel_scope.cancel()

        group.start_soon(attempt)
        try:
            await rescind.never()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
    await anyio.lowlevel.checkpoint()
    trace.append("went on")


@pytest.mark.parametrize("body", [_timeout, _scope_canceled_meanwhile, _group_done_with])
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_boundary_of_asyncio_s_ends_its_own_cancellation_only(
    kind: str, body: Callable[[list[str]], Awaitable[None]]
) -> None:
    """What our cancellation passes through may be canceled by asyncio meanwhile: ours goes on."""
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    trace: list[str] = []

    async def main() -> object:
        task = rescind.spawn(body(trace))
        await rescind.sleep(0.001)
        return await task.cancel("stop")

    outcome = rescind.run(main, host="uvloop" if kind == "uvloop" else "asyncio")

    assert isinstance(outcome, Canceled)
    assert (outcome.reason.message, trace) == ("stop", [])


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parametrize("native", [True, False])
def test_loop_that_ends_asks_a_task_once_and_its_cleanup_is_done(kind: str, native: bool) -> None:
    """What asyncio asks of every task at its end is a request as the shutdown's that follows is."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if kind == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    trace: list[str] = []
    tasks: list[rescind.Task[None]] = []

    async def body() -> None:
        try:
            await (rescind.never() if native else asyncio.sleep(1000))
        finally:
            await rescind.sleep(0.001)
            await asyncio.sleep(0.001)
            trace.append("cleaned up")

    async def attached() -> None:
        async with rescind.Runtime.attach() as runtime:
            tasks.append(runtime.spawn(body()))
            await asyncio.sleep(1000)

    async def main() -> None:
        beside = asyncio.create_task(attached())
        while not tasks or tasks[0].phase is not Phase.PARKED:
            await asyncio.sleep(0)
        assert not beside.done()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())

    outcome = tasks[0].outcome()
    assert isinstance(outcome, Canceled)
    assert ["cleaned up"] == trace
    assert ["foreign", "shutdown"] == [reason.kind.value for reason in tasks[0].cancel_reasons]
    assert "the event loop ends" == outcome.reason.message


def test_a_failing_group_does_not_end_the_cancellation() -> None:
    """From Python 3.13 on the error of a child and the cancellation are both seen, in turn."""
    trace: list[str] = []

    async def fail(go: asyncio.Event) -> None:
        await go.wait()
        raise ValueError("a child failed")

    async def body() -> None:
        go = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(go))
            try:
                await rescind.never()
            finally:
                go.set()
                await asyncio.sleep(0.01)
        trace.append("went on")

    async def main() -> object:
        task = rescind.spawn(body())
        await rescind.sleep(0.001)
        return await task.cancel("stop")

    outcome = rescind.run(main)

    assert isinstance(outcome, Canceled)
    assert (["ExceptionGroup"], trace) == ([type(exc).__name__ for exc in outcome.also], [])


def test_what_the_cleanup_begins_itself_ends_itself() -> None:
    """Timeouts, scopes and groups of asyncio's that a cleanup enters work as ever (R9)."""
    trace: list[str] = []

    async def fail() -> None:
        raise ValueError("a child failed")

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.sleep(60)
            except TimeoutError:
                trace.append("timed out")
            with anyio.move_on_after(0.001) as scope:
                await anyio.sleep(60)
            trace.append(f"moved on: {scope.cancelled_caught}")
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail())
                    await asyncio.sleep(60)
            except* ValueError:
                trace.append("group failed")
            await asyncio.sleep(0.001)
            trace.append("and goes on")

    async def main() -> object:
        task = rescind.spawn(body())
        await rescind.sleep(0.001)
        return await task.cancel("stop")

    outcome = rescind.run(main)

    assert isinstance(outcome, Canceled)
    assert trace == ["timed out", "moved on: True", "group failed", "and goes on"]
