"""A shutdown that is interrupted: by signals, exceptions, or somebody who stops the loop."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Deadlock, Runtime, UsageError
from rescind.lowlevel import ManualHost, Resource
from tests.conftest import HostFactory


class Hanging:
    """A task that hangs in its cleanup, and a note of what became of it."""

    def __init__(
        self, signals: tuple[signal.Signals, ...] = (), seconds: float = 3600 * 24
    ) -> None:
        self.log: list[str] = []
        self.signals = signals
        self.seconds = seconds

    async def run(self) -> None:
        try:
            await rescind.never()
        finally:
            self.log.append("cleaning")
            for number in self.signals:
                os.kill(os.getpid(), number)
            try:
                await rescind.sleep(self.seconds)
                self.log.append("done")
            finally:
                self.log.append("closed")


def started(runtime: Runtime, *bodies: Any) -> list[rescind.Task[Any]]:
    """Spawn these, and let them park."""
    tasks = [runtime.spawn(body) for body in bodies]
    for _ in range(3):
        runtime.block_on(rescind.yield_now())
    return tasks


async def interrupting(exc: BaseException) -> None:
    """Raise this in the cleanup."""
    try:
        await rescind.never()
    finally:
        await rescind.yield_now()
        raise exc


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupt_inside_a_cleanup_drops_all_others_and_is_raised(
    host: HostFactory, kind: type[BaseException]
) -> None:
    """H3: nothing is left, the report tells of it, and the interrupt comes out."""
    one, two = Hanging(), Hanging()
    runtime = host()
    tasks = started(runtime, one.run(), interrupting(kind("now")), two.run())
    with pytest.raises(kind, match="now"):
        runtime.shutdown()

    assert (one.log, two.log) == (["cleaning", "closed"],) * 2
    assert [task.done() for task in tasks] == [True, True, True]
    assert runtime.tasks() == []
    report = runtime.report
    assert report is not None
    assert [error.id for error in report.errors] == [tasks[1].id]
    assert [late.id for late in report.overran] == [tasks[0].id, tasks[2].id]
    with pytest.raises(UsageError, match="is closed"):
        runtime.block_on(rescind.ready(1))


def test_interrupts_of_several_cleanups_leave_nothing_either(host: HostFactory) -> None:
    """The one that comes second, while the rest is dropped, is recorded."""

    async def twice() -> None:
        try:
            await rescind.never()
        finally:
            try:
                await rescind.sleep(3600)
            finally:
                raise KeyboardInterrupt("second")

    runtime = host()
    tasks = started(runtime, interrupting(KeyboardInterrupt("first")), twice(), twice())
    with pytest.raises(KeyboardInterrupt, match="first"):
        runtime.shutdown()
    assert [task.done() for task in tasks] == [True, True, True]
    assert runtime.report is not None
    assert [error.error for error in runtime.report.errors] == [
        "KeyboardInterrupt('first')",
        "KeyboardInterrupt('second')",
        "KeyboardInterrupt('second')",
    ]


def test_interrupt_in_the_block_shuts_down_in_order(host: HostFactory) -> None:
    """A `KeyboardInterrupt` of the program itself leaves the block by the whole ladder."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.yield_now()
            log.append("cleaned")

    runtime = host()
    with pytest.raises(KeyboardInterrupt), runtime:
        started(runtime, body())
        raise KeyboardInterrupt
    assert log == ["cleaned"]


def test_deadlock_in_an_unbounded_shutdown_drops_what_hangs() -> None:
    """With ``grace=None`` on the manual host a hang is an error, and nothing is left."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            try:
                await rescind.never()
            finally:
                log.append("closed")

    runtime = Runtime(host=ManualHost(), grace=None)
    [task] = started(runtime, body())
    with pytest.raises(Deadlock):
        runtime.shutdown()
    assert (log, runtime.tasks(), type(task.outcome())) == (["closed"], [], Canceled)


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_cleanup_that_stops_the_loop_does_not_stop_the_shutdown(name: str) -> None:
    """A library that calls ``loop.stop()`` in its cleanup ends nothing early."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            asyncio.get_running_loop().stop()
            await rescind.sleep(0.001)
            log.append("cleaned")

    runtime = Runtime(host=name)  # type: ignore[arg-type]
    started(runtime, body(), body())
    assert runtime.shutdown().clean
    assert log == ["cleaned", "cleaned"]


def test_loop_that_is_stopped_for_ever_ends_in_an_error_not_in_a_hang() -> None:
    """Somebody who stops it again and again is told that the loop was stopped."""
    task = Hanging()

    async def stopper() -> None:
        try:
            await rescind.never()
        finally:
            while True:
                asyncio.get_running_loop().stop()
                await rescind.yield_now()

    runtime = Runtime(grace=None)
    started(runtime, task.run(), stopper())
    with pytest.raises(UsageError, match="was stopped"):
        runtime.shutdown()
    assert (task.log, runtime.tasks()) == (["cleaning", "closed"], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_in_a_shutdown_changes_nothing_the_second_drops(
    host: HostFactory, number: signal.Signals
) -> None:
    """R24: everything is canceled already; then no time is left, for the resources neither."""
    task = Hanging((number,), seconds=0.05)
    runtime = host(grace=3600, handle_signals=True)
    started(runtime, task.run())
    report = runtime.shutdown()
    assert (task.log, report.overran) == (["cleaning", "done", "closed"], ())

    task = Hanging((number, number))
    runtime = host(grace=3600, handle_signals=True)
    started(runtime, task.run())
    before = runtime.now()
    report = runtime.shutdown()
    assert task.log == ["cleaning", "closed"]
    assert runtime.now() - before < 3600
    assert [late.id is not None for late in report.overran] == [True]


def test_third_signal_in_a_shutdown_raises_at_once_and_leaves_nothing(host: HostFactory) -> None:
    """It comes out as `KeyboardInterrupt`, wherever the code is."""
    task = Hanging((signal.SIGINT, signal.SIGINT, signal.SIGINT))
    runtime = host(handle_signals=True)
    started(runtime, task.run())
    with pytest.raises(KeyboardInterrupt):
        runtime.shutdown()
    assert (task.log[0], runtime.tasks()) == ("cleaning", [])
    assert runtime.report is not None


def test_signal_before_the_shutdown_counts(host: HostFactory) -> None:
    """SIGINT for main, then one more while the rest is shut down: the second is the second."""
    task = Hanging((signal.SIGINT,))

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await rescind.never()

    runtime = host(grace=3600.0, handle_signals=True)
    started(runtime)
    runtime.spawn(task.run())
    with pytest.raises(KeyboardInterrupt):
        runtime.block_on(main())
    report = runtime.shutdown()
    assert (task.log, len(report.overran)) == (["cleaning", "closed"], 1)


def test_signal_without_handling_interrupts_the_wait_and_leaves_nothing() -> None:
    """A plain Ctrl-C while the loop sleeps: `KeyboardInterrupt`, everything dropped."""
    task = Hanging()
    runtime = Runtime()
    started(runtime, task.run())
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        runtime.shutdown()
    timer.join()
    assert (task.log, runtime.tasks()) == (["cleaning", "closed"], [])


# -- where it cannot be waited for -----------------------------------------------------------------


def test_shutdown_of_an_inner_runtime_in_a_task_does_not_touch_the_outer(
    host: HostFactory,
) -> None:
    """Inside a task it cannot wait, and says so; with ``grace=0`` it need not."""
    seen: list[str] = []

    async def inside() -> None:
        try:
            await rescind.never()
        finally:
            seen.append(rescind.current_runtime().name)

    async def main() -> list[Any]:
        inner = host(name="inner")
        task = inner.spawn(inside(), name="never polled")
        with pytest.raises(UsageError, match="already runs the runtime 'outer'") as info:
            inner.shutdown()
        assert "grace=0" in str(info.value)
        report = inner.shutdown(grace=0)
        await rescind.yield_now()
        return [report.canceled, type(task.outcome()), rescind.current_runtime().name]

    with host(name="outer") as outer:
        assert outer.block_on(main()) == [1, Canceled, "outer"]
    assert seen == []


def test_dropped_tasks_of_an_inner_runtime_see_their_own_runtime(host: HostFactory) -> None:
    """Their destructors run under it, in the midst of a task of the outer one."""
    seen: list[Any] = []
    inner = host(name="inner")

    async def inside() -> None:
        try:
            await rescind.never()
        finally:
            seen.append((rescind.current_runtime().name, rescind.current_task().name))

    started(inner)
    inner.spawn(inside(), name="parked")
    inner.block_on(rescind.yield_now())
    inner.block_on(rescind.yield_now())

    async def main() -> None:
        inner.shutdown(grace=0)
        seen.append((rescind.current_runtime().name, rescind.current_task().name))

    with host(name="outer") as outer:
        outer.block_on(main())
    assert seen == [("inner", "parked"), ("outer", "main")]


def test_block_of_an_inner_runtime_in_a_task_drops_and_says_so(host: HostFactory) -> None:
    """Leaving the block leaves nothing behind; unless it was empty, it is an error."""

    async def main() -> list[bool]:
        with host() as empty:
            pass
        full = host()
        with pytest.raises(UsageError, match="could not be waited for"), full:
            task = full.spawn(rescind.never())
        failed = host()
        with pytest.raises(LookupError), failed:
            failed.spawn(rescind.never())
            raise LookupError
        return [task.done(), *("closed" in repr(one) for one in (empty, full, failed))]

    with host() as outer:
        assert outer.block_on(main()) == [True] * 4


def test_shutdown_under_a_foreign_loop_needs_a_grace_of_zero() -> None:
    """The same under plain asyncio."""

    async def main() -> tuple[str, int]:
        runtime = Runtime()
        runtime.spawn(rescind.never())
        with pytest.raises(UsageError, match="already runs an asyncio loop") as info:
            runtime.shutdown()
        return str(info.value), runtime.shutdown(grace=0).canceled

    text, canceled = asyncio.run(main())
    assert ("in another thread, or with grace=0" in text, canceled) == (True, 1)


@pytest.mark.parametrize("grace", [-1, float("nan"), "soon"])
def test_bad_grace_is_refused_and_the_runtime_goes_on(host: HostFactory, grace: Any) -> None:
    """Nothing has begun yet."""
    with host() as runtime:
        with pytest.raises((TypeError, ValueError), match="grace must be"):
            runtime.shutdown(grace=grace)
        assert runtime.block_on(rescind.ready(1)) == 1


def test_runtime_in_a_thread_of_another_ends_alone(host: HostFactory) -> None:
    """A runtime inside a thread of another; the outer one goes on."""
    results: list[Any] = []

    def other() -> None:
        with host() as inner:
            inner.spawn(rescind.never())
            results.append(inner.block_on(rescind.ready(2)))
        results.append(inner.report is not None and inner.report.canceled)

    async def main() -> str:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(60)
        await rescind.yield_now()
        return rescind.current_runtime().name

    with host(name="outer") as outer:
        assert outer.block_on(main()) == "outer"
    assert results == [2, 1]


def test_attached_runtime_is_dropped_when_its_shutdown_is_closed() -> None:
    """A stock task that is destroyed while it waits for the drain leaves nothing."""
    task = Hanging()

    async def main() -> None:
        async with Runtime.attach() as runtime:
            runtime.spawn(task.run())
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    coro = main()
    stock = loop.create_task(coro)
    for _ in range(6):
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert task.log == ["cleaning"]
    stock._log_destroy_pending = False  # type: ignore[attr-defined]  # it is destroyed on purpose
    coro.close()
    loop.close()
    assert task.log == ["cleaning", "closed"]
    assert rescind._core.current.local.executor is None  # type: ignore[attr-defined]


CALLS: dict[str, Callable[[Runtime], object]] = {
    "shutdown": lambda runtime: runtime.shutdown(),
    "shutdown at once": lambda runtime: runtime.shutdown(grace=0),
    "block_on": lambda runtime: runtime.block_on(rescind.ready(1)),
    "run": lambda _: rescind.run(rescind.ready(1)),
}


@pytest.mark.parametrize("what", CALLS)
def test_destructor_that_blocks_or_shuts_down_again_gets_an_error(
    host: HostFactory, what: str
) -> None:
    """No deadlock, no recursion: a clear error inside, and the shutdown goes on."""
    texts: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            with pytest.raises(UsageError) as info:
                CALLS[what](runtime)
            texts.append(str(info.value))

    for grace in (0.0, 3600.0):
        runtime = host()
        started(runtime, body(), body())
        report = runtime.shutdown(grace=grace)
        assert (report.canceled, report.clean) == (2, True)
    assert len(texts) == 4


def test_second_signal_leaves_resources_no_time_either() -> None:
    """What is closed after it is polled once, and cut."""
    closed: list[str] = []

    class Slow(Resource):
        name = "slow"

        async def close(self, until: float | None) -> None:
            await rescind.sleep(1000)

        def close_now(self) -> None:
            closed.append("now")

    runtime = Runtime(host=ManualHost(), grace=3600.0, handle_signals=True)
    runtime.executor.resources.add(Slow())
    started(runtime, Hanging((signal.SIGINT, signal.SIGINT)).run())
    report = runtime.shutdown()
    assert (report.seconds, closed) == (0.0, ["now"])
    assert [left.resource for left in report.leftovers] == ["slow"]


def test_what_a_thread_spawned_before_the_block_is_left_belongs_to_the_shutdown() -> None:
    """It waits in the inbox of an attached runtime: it is counted, and has the same reason."""

    async def main() -> tuple[Any, Any]:
        tasks: list[rescind.Task[None]] = []
        async with Runtime.attach() as runtime:
            thread = threading.Thread(target=lambda: tasks.append(runtime.spawn(rescind.never())))
            thread.start()
            thread.join(60)
        return runtime.report, tasks[0].outcome()

    report, outcome = asyncio.run(main())
    assert (report.canceled, outcome) == (1, Canceled(report.reason))
