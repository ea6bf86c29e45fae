"""What a runtime owns besides tasks ends with it: resources, and asyncio's own leftovers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

import pytest

import rescind
from rescind import CancelReason, Runtime, UsageError
from rescind._host.ending import LoopEnd
from rescind.lowlevel import Leftover, ManualHost, Resource
from tests.conftest import HostFactory

#: Hosts with asyncio's world on them.
REAL = ["asyncio", "uvloop"]


class Noted(Resource):
    """A resource that writes down what it is asked."""

    def __init__(self, name: str, log: list[Any], seconds: float | None = None) -> None:
        self.name = name
        self.log = log
        self.seconds = seconds

    def begin(self, reason: CancelReason) -> None:
        self.log.append(f"{self.name}: begin {reason.message}")

    def close(self, until: float | None) -> Awaitable[object] | None:
        self.log.append((self.name, until))
        return None if self.seconds is None else self._close(self.seconds)

    async def _close(self, seconds: float) -> None:
        await rescind.sleep(seconds)
        self.log.append(f"{self.name}: closed")

    def close_now(self) -> None:
        self.log.append(f"{self.name}: close_now")


async def cleaning(log: list[Any]) -> None:
    """Clean up for a moment."""
    try:
        await rescind.never()
    finally:
        await rescind.yield_now()
        log.append("task: cleaned")


def test_resources_end_after_the_tasks_the_newest_first(host: HostFactory) -> None:
    """N1, N2: told before any task is canceled, closed one after the other when all have ended."""
    log: list[Any] = []
    with host(grace=None) as runtime:
        runtime.executor.resources.add(Noted("old", log))
        runtime.executor.resources.add(Noted("new", log, 0.001))
        runtime.spawn(cleaning(log))
        runtime.block_on(rescind.yield_now())
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown("bye")
    assert log == [
        "old: begin bye",
        "new: begin bye",
        "task: cleaned",
        ("new", None),
        "new: closed",
        ("old", None),
    ]
    assert (report.clean, report.canceled) == (True, 1)


def test_default_close_is_close_now() -> None:
    """A resource with nothing to wait for defines `close_now` alone."""
    log: list[str] = []

    class Simple(Resource):
        name = "simple"

        def close_now(self) -> None:
            log.append("closed")

    with Runtime(host=ManualHost()) as runtime:
        runtime.executor.resources.add(Simple())
    assert log == ["closed"]


def test_resource_gets_what_is_left_of_the_grace() -> None:
    """One budget for all of the shutdown: tasks first, then resources, then nothing."""
    log: list[Any] = []

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(3)

    runtime = Runtime(host=ManualHost(), grace=5.0)
    for name in ("last", "second", "first"):
        runtime.executor.resources.add(Noted(name, log, 1.5))
    runtime.spawn(slow())
    runtime.block_on(rescind.yield_now())
    report = runtime.shutdown()
    assert log[3:] == [
        ("first", 5.0),
        "first: closed",
        ("second", 5.0),
        "second: close_now",
        ("last", 5.0),
        "last: close_now",
    ]
    assert report.seconds == 5.0
    assert [(left.resource, left.name) for left in report.leftovers] == [
        ("second", "its close"),
        ("last", "its close"),
    ]
    assert "in Noted._close" in str(report.leftovers[0].place)
    assert (report.overran, report.dropped) == ((), 0)


def test_close_is_polled_once_even_without_time() -> None:
    """N2: what needs no waiting ends in time with a grace of 0."""
    log: list[Any] = []

    class Quick(Noted):
        async def _close(self, seconds: float) -> None:
            self.log.append("polled")

    runtime = Runtime(host=ManualHost())
    runtime.executor.resources.add(Quick("quick", log, 0))
    report = runtime.shutdown(grace=0)
    assert log[1:] == [("quick", 0.0), "polled"]
    assert report.clean


def test_what_a_resource_says_is_left_is_in_the_report() -> None:
    """Threads and processes that did not end, with their places."""

    class Leaves(Resource):
        name = "pool"

        def leftovers(self) -> Sequence[Leftover]:
            return [Leftover("pool", "thread 'pool-1'", "x.py:3 in work")]

    runtime = Runtime(host=ManualHost())
    runtime.executor.resources.add(Leaves())
    report = runtime.shutdown()
    assert report.leftovers == (Leftover("pool", "thread 'pool-1'", "x.py:3 in work"),)
    assert "still there: thread 'pool-1' of pool, at x.py:3 in work" in str(report)


@pytest.mark.parametrize("where", ["begin", "close", "closing", "close_now", "leftovers", "value"])
def test_resource_that_fails_is_reported_and_keeps_no_other_from_its_end(where: str) -> None:
    """N3."""
    log: list[Any] = []
    error = ValueError(where)

    def fail(*_: Any) -> Any:
        raise error

    async def closing() -> None:
        raise error

    bad = Noted("bad", log, None if where != "close_now" else 1.0)
    if where == "closing":
        bad.close = lambda until: closing()  # type: ignore[method-assign]
    elif where == "value":
        bad.close = lambda until: 3  # type: ignore[method-assign, assignment, return-value]
    else:
        setattr(bad, where, fail)
    runtime = Runtime(host=ManualHost(), grace=0.5)
    runtime.executor.resources.add(Noted("good", log))
    runtime.executor.resources.add(bad)
    report = runtime.shutdown()
    assert [one.name for one in report.errors] == ["bad"]
    assert where == "value" or report.errors[0].exception is error
    assert ("good", 0.5) in log


def test_resource_that_waits_for_ever_on_the_manual_host_is_cut() -> None:
    """No time can pass any more: it cannot end, and is left, though the grace is unbounded."""

    class Hangs(Noted):
        async def _close(self, seconds: float) -> None:
            await rescind.never()

    log: list[Any] = []
    runtime = Runtime(host=ManualHost(), grace=None)
    runtime.executor.resources.add(Hangs("hangs", log, 1))
    report = runtime.shutdown()
    assert ([left.resource for left in report.leftovers], log[-1]) == (
        ["hangs"],
        "hangs: close_now",
    )


def test_registry_keeps_one_of_a_kind_and_refuses_latecomers() -> None:
    """`obtain` makes once; after the shutdown neither it nor `add` takes anything up."""
    log: list[Any] = []
    runtime = Runtime(host=ManualHost())
    resources = runtime.executor.resources
    made = resources.obtain(Noted, lambda: Noted("one", log))
    assert resources.obtain(Noted, lambda: Noted("two", log)) is made
    other = Noted("other", log)
    resources.add(other)
    resources.discard(other)
    resources.discard(other)
    assert len(resources) == 1
    runtime.shutdown()
    with pytest.raises(UsageError, match="late came too late"):
        resources.add(Noted("late", log))
    with pytest.raises(UsageError, match="Noted is needed after"):
        resources.obtain(Noted, lambda: Noted("late", log))


def test_resource_may_be_obtained_by_a_cleanup(host: HostFactory) -> None:
    """A cleanup that needs a thread for the first time gets one, which ends with the runtime."""
    log: list[Any] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            rescind.current_runtime().executor.resources.add(Noted("late", log))

    with host(grace=None) as runtime:
        runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        runtime.block_on(rescind.yield_now())
    assert log == [("late", None)]


# -- asyncio's own ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_thread_of_the_default_executor_that_hangs_is_reported_not_waited_for(name: str) -> None:
    """The shutdown takes its grace, and does not wait for what nobody will ever set."""
    release = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, release.wait)

    runtime = Runtime(host=name, grace=0.2)  # type: ignore[arg-type]
    runtime.block_on(main())
    report = runtime.shutdown()
    release.set()
    [left] = report.leftovers
    assert (left.resource, left.name) == ("asyncio", "thread 'asyncio_0'")
    assert "threading.py" in str(left.place)
    assert report.seconds >= 0.2 - 1e-6


@pytest.mark.parametrize("name", REAL)
def test_thread_of_the_default_executor_is_waited_for_within_the_grace(name: str) -> None:
    """A thread that ends in time leaves nothing."""
    release = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, release.wait)
        loop.call_later(0.05, release.set)

    runtime = Runtime(host=name)  # type: ignore[arg-type]
    runtime.block_on(main())
    assert runtime.shutdown().clean


@pytest.mark.parametrize("name", REAL)
def test_asyncio_task_that_refuses_to_end_is_dropped_and_reported(name: str) -> None:
    """It is told once, by the report, and not again when it is collected."""
    log: list[str] = []

    async def refuses(begun: asyncio.Event) -> None:
        try:
            while True:
                begun.set()
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    log.append("canceled")
        finally:
            log.append("closed")

    async def main() -> None:
        begun = asyncio.Event()
        asyncio.get_running_loop().create_task(refuses(begun), name="refuses")
        await begun.wait()

    runtime = Runtime(host=name, grace=0.1)  # type: ignore[arg-type]
    runtime.block_on(main())
    report = runtime.shutdown()
    [left] = report.leftovers
    assert (left.name, log) == ("task 'refuses'", ["canceled", "closed"])
    assert "refuses" in str(left.place)


@pytest.mark.parametrize("name", REAL)
def test_asyncio_code_gets_a_moment_even_with_a_grace_of_zero(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks and generators that end at once when asked are no leftovers."""
    assert LoopEnd.least > 0
    monkeypatch.setattr(LoopEnd, "least", 60.0)  # the machine may stand still for the usual one
    log: list[str] = []

    async def helper() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            log.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            log.append("generator")

    kept: list[Any] = []

    async def main() -> None:
        kept.append(asyncio.get_running_loop().create_task(helper()))
        kept.append(numbers())
        await anext(kept[1])
        await asyncio.sleep(0)

    runtime = Runtime(host=name)  # type: ignore[arg-type]
    runtime.block_on(main())
    report = runtime.shutdown(grace=0)
    assert (log, report.clean) == (["task", "generator"], True)


def test_async_generator_that_hangs_is_reported() -> None:
    """Its closing is cut at the end of the grace."""

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(3600)

    kept = [numbers()]

    async def main() -> None:
        await anext(kept[0])

    runtime = Runtime(grace=0.1)
    runtime.block_on(main())
    report = runtime.shutdown()
    assert ["closes an async generator" in left.name for left in report.leftovers] == [True]


def test_errors_of_asyncio_tasks_are_in_the_report(caplog: pytest.LogCaptureFixture) -> None:
    """And asyncio's exception handler is called, as ``asyncio.run`` does."""
    error = ValueError("stock")

    async def helper() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise error

    kept: list[Any] = []

    async def main() -> None:
        kept.append(asyncio.get_running_loop().create_task(helper()))
        await asyncio.sleep(0)

    runtime = Runtime()
    runtime.block_on(main())
    report = runtime.shutdown()
    [found] = report.errors
    assert isinstance(found.exception, BaseExceptionGroup)
    assert (found.name, found.exception.exceptions) == ("asyncio", (error,))
    assert "unhandled exception while the runtime was closed" in caplog.text


def test_executor_that_the_program_has_set_is_ended_too() -> None:
    """`set_default_executor` is asyncio's own way; the runtime ends what was set."""
    from concurrent.futures import ThreadPoolExecutor

    for name in REAL:
        pool = ThreadPoolExecutor(thread_name_prefix="own")

        async def main(mine: ThreadPoolExecutor = pool) -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(mine)
            await loop.run_in_executor(None, int)

        with Runtime(host=name) as runtime:  # type: ignore[arg-type]
            runtime.block_on(main())
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(int)


def test_resources_of_an_attached_runtime_end_when_it_is_left() -> None:
    """They are awaited like tasks; the loop itself stays as it is."""
    log: list[Any] = []

    async def main() -> Any:
        async with Runtime.attach(grace=None) as runtime:
            runtime.executor.resources.add(Noted("own", log, 0.001))
        await asyncio.sleep(0)
        return runtime.report

    report = asyncio.run(main())
    assert log == [
        "own: begin the attached runtime's block was left",
        ("own", None),
        "own: closed",
    ]
    assert report.clean


def test_no_timer_outlives_the_shutdown(host: HostFactory) -> None:
    """What bounds the close of a resource, or a cleanup that was admitted, is taken back."""
    log: list[Any] = []
    with host(grace=3600) as runtime:
        runtime.executor.resources.add(Noted("slow", log, 0.001))
        runtime.block_on(rescind.yield_now())
    assert ("slow: closed", 0) == (log[-1], runtime.statistics().timers)
