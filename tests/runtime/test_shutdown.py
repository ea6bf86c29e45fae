"""The ladder of the shutdown: cancel, grace, drop, abandon, report (R24)."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed, Runtime, Task
from rescind._core.frames import shortened
from rescind.lowlevel import ManualHost
from tests.conftest import HostFactory


def line_of(function: Callable[..., Any], text: str) -> str:
    """Return ``file:line`` of the line of ``function`` that contains ``text``."""
    lines, first = inspect.getsourcelines(function)
    [number] = [first + index for index, line in enumerate(lines) if text in line]
    return f"{inspect.getsourcefile(function)}:{number}"


async def parked() -> None:
    """Park."""
    await rescind.never()


async def slow_cleanup() -> None:
    """Take an hour to clean up."""
    try:
        await rescind.never()
    finally:
        await rescind.sleep(3600)  # stuck here


class Stubborn:
    """A coroutine that goes on after it was closed."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def run(self) -> None:
        for _ in range(3):  # the collector resumes it once more, at the very end
            try:
                await rescind.never()  # hangs here
            except BaseException as exc:
                self.log.append(type(exc).__name__)


def test_each_task_is_canceled_for_the_shutdown_and_cleaned_up(host: HostFactory) -> None:
    """Every task, parked or never started, ends with the reason of the shutdown."""
    log: list[str] = []

    async def body(name: str) -> None:
        try:
            await rescind.never()
        except rescind.Cancellation as exc:
            await rescind.yield_now()
            log.append(f"{name}: {exc.reason.kind.name} {exc.reason.message}")
            raise

    with host() as runtime:
        started = [runtime.spawn(body(name)) for name in ("one", "two")]
        runtime.block_on(rescind.yield_now())
        runtime.block_on(rescind.yield_now())
        fresh = runtime.spawn(body("fresh"))
        report = runtime.shutdown("closing time")

    assert log == ["one: SHUTDOWN closing time", "two: SHUTDOWN closing time"]
    assert [task.outcome() for task in (*started, fresh)] == [Canceled(report.reason)] * 3
    assert (report.canceled, report.overran) == (3, ())
    assert (report.reason.kind, report.reason.message) == (CancelKind.SHUTDOWN, "closing time")


def test_report_names_the_await_at_which_a_cleanup_was_stuck(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What overran its grace is dropped, and reported with place and time."""
    with Runtime(host=ManualHost(), grace=2.0) as runtime:
        stuck = runtime.spawn(slow_cleanup(), name="stuck")
        good = runtime.spawn(parked(), name="good")
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown("bye")

    place = f"{line_of(slow_cleanup, '# stuck here')} in slow_cleanup"
    assert [(late.task, late.place, late.seconds, late.abandoned) for late in report.overran] == [
        ("stuck", place, 2.0, False)
    ]
    assert report.overran[0].reason == report.reason
    assert (report.canceled, report.seconds) == (2, 2.0)
    assert stuck.outcome() == Canceled(report.reason, (), dropped=True)
    assert good.outcome() == Canceled(report.reason)
    assert str(report) == (
        f"2 tasks canceled in 2.000 s ({report.reason.line()})\n"
        f"  task {stuck.id} 'stuck' had not ended 2.000 s after it was canceled, and was dropped\n"
        "    it still waited for sleep(3600)\n"
        f"    at {shortened(place)}"
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert place in caplog.records[0].getMessage()


def test_what_resists_even_the_drop_is_abandoned_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A coroutine that goes on when closed is never polled again; its joiners are told."""
    log: list[str] = []
    with Runtime(host=ManualHost(), grace=1.0) as runtime:
        task = runtime.spawn(Stubborn(log).run(), name="stubborn")
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown()
        counts = runtime.statistics()

    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert (outcome.dropped, outcome.abandoned, outcome.reason) == (True, True, report.reason)
    assert log == ["Cancellation", "GeneratorExit"]
    place = f"{line_of(Stubborn.run, '# hangs here')} in Stubborn.run"
    assert [(late.task, late.place, late.abandoned) for late in report.overran] == [
        ("stubborn", place, True)
    ]
    assert (counts.alive, counts.abandoned, counts.dropped) == (0, 1, 1)
    assert "was dropped, went on even then, and is abandoned" in str(report)
    assert len(caplog.records) == 2


def test_grace_of_zero_drops_at_once(host: HostFactory) -> None:
    """`grace=0` is Rust's cancellation: synchronous cleanup only."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            log.append("delivered")
            raise
        finally:
            log.append("closed")

    with host() as runtime:
        task = runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown(grace=0)

    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert (log, outcome.dropped) == (["closed"], True)
    assert report.canceled == 1


def test_grace_none_waits_as_long_as_it_takes() -> None:
    """Unbounded: an hour of cleanup is an hour."""
    with Runtime(host=ManualHost(), grace=None) as runtime:
        task = runtime.spawn(slow_cleanup())
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown()

    assert (report.seconds, report.overran) == (3600.0, ())
    assert task.outcome() == Canceled(report.reason)


def test_spawn_during_the_shutdown_is_born_canceled(host: HostFactory) -> None:
    """A cleanup may call spawn: the handle says why its body never ran."""
    spawned: list[Task[None]] = []
    log: list[str] = []

    async def child() -> None:
        log.append("ran")

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            spawned.append(rescind.spawn(child()))
            log.append(repr(await spawned[0].join() == spawned[0].outcome()))

    with host() as runtime:
        runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown("over")

    outcome = spawned[0].outcome()
    assert isinstance(outcome, Canceled)
    assert (outcome.reason.kind, outcome.reason.cause) == (CancelKind.SHUTDOWN, report.reason)
    assert log == ["True"]
    assert report.canceled == 1


def test_spawn_from_a_thread_during_the_shutdown_is_born_canceled(host: HostFactory) -> None:
    """The thread's task ends, whatever the moment; its waiter is released."""
    got: list[Any] = []

    async def child() -> None:
        got.append("ran")

    async def body(runtime: Runtime) -> None:
        try:
            await rescind.never()
        finally:

            def late() -> None:
                task = runtime.spawn(child())
                got.append(task.cancellation_handle().wait(60))

            thread = threading.Thread(target=late)
            thread.start()
            while not got:
                await rescind.sleep(0.001)
            thread.join(60)

    with host() as runtime:
        runtime.spawn(body(runtime))
        runtime.block_on(rescind.yield_now())
        runtime.shutdown("over")

    assert [(type(one), one.reason.message) for one in got] == [
        (Canceled, "spawned after the shutdown")
    ]


def test_threads_that_spawn_while_the_runtime_closes_lose_no_task() -> None:
    """Around the very moment of the end, each spawned task ends: run, or born canceled."""

    async def value() -> int:
        return 7

    def spawner(
        runtime: Runtime, tasks: list[Task[int]], begun: threading.Event, stop: threading.Event
    ) -> None:
        while not stop.is_set():
            tasks.append(runtime.spawn(value()))
            begun.set()
            stop.wait(0.0001)  # slower than the runtime, which has to come to its end

    for _ in range(20):
        tasks: list[Task[int]] = []
        begun, stop = threading.Event(), threading.Event()
        with Runtime() as runtime:
            thread = threading.Thread(target=spawner, args=(runtime, tasks, begun, stop))
            thread.start()
            begun.wait(60)
            runtime.block_on(rescind.yield_now())
        begun.clear()
        begun.wait(60)
        stop.set()
        thread.join(60)
        unfinished = [task for task in tasks if not task.done()]

        assert unfinished == []
        assert {type(task.outcome()) for task in tasks} <= {Completed, Canceled}


def test_shutdown_waits_for_cleanup_that_uses_other_tasks(host: HostFactory) -> None:
    """Tasks that join each other in their cleanup all end; the joiner sees the joined's outcome."""
    log: list[str] = []

    async def first() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.yield_now()
            log.append("first")

    async def second(other: Task[None]) -> None:
        try:
            await rescind.never()
        finally:
            outcome = await other.join()
            log.append(f"second saw {type(outcome).__name__}")

    with host() as runtime:
        one = runtime.spawn(first())
        runtime.spawn(second(one))
        runtime.block_on(rescind.yield_now())

    assert log == ["first", "second saw Canceled"]


def test_error_in_cleanup_during_the_shutdown_is_kept_in_the_outcome(host: HostFactory) -> None:
    """It stays `Canceled`, with the error in `also` (R15)."""
    error = ValueError("in cleanup")

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            raise error

    with host() as runtime:
        task = runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown()

    assert task.outcome() == Canceled(report.reason, (error,))


def test_task_that_absorbs_the_shutdown_completes_and_is_counted(host: HostFactory) -> None:
    """A value returned despite the shutdown is a value (R11)."""

    async def body() -> str:
        try:
            await rescind.never()
        except rescind.Cancellation:
            return "anyway"

    with host() as runtime:
        task = runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        runtime.shutdown()
        counts = runtime.statistics()

    assert (task.outcome(), task.absorbed, counts.absorbed) == (Completed("anyway"), True, 1)


def test_shutdown_closes_the_loop_even_if_the_program_failed() -> None:
    """Leaving the block by an exception shuts down all the same."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            log.append("cleaned")

    runtime = Runtime()
    loop = runtime.host.loop  # type: ignore[attr-defined]
    with pytest.raises(LookupError), runtime:
        runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        raise LookupError

    assert (log, loop.is_closed(), runtime.tasks()) == (["cleaned"], True, [])


def test_keyboard_interrupt_in_cleanup_still_closes_the_runtime(host: HostFactory) -> None:
    """The second exit wins over a polite shutdown, but leaves no task and no open loop."""

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            raise KeyboardInterrupt("again")

    runtime = host()
    runtime.spawn(body())
    runtime.block_on(rescind.yield_now())
    with pytest.raises(KeyboardInterrupt, match="again"):
        runtime.shutdown()

    assert repr(runtime).endswith(", closed>")


def test_cancel_of_an_ended_task_after_the_shutdown_is_not_accepted(host: HostFactory) -> None:
    """Handles outlive the runtime: they answer, and do nothing."""
    with host() as runtime:
        task = runtime.spawn(parked())
        runtime.block_on(rescind.yield_now())
        handle = task.cancellation_handle()

    assert [handle.done(), task.cancel("late").accepted, handle.cancel("late").accepted] == [
        True,
        False,
        False,
    ]


def test_waker_kept_beyond_the_end_does_nothing(host: HostFactory) -> None:
    """Wake-ups after the shutdown, from any thread, are no-ops (R2)."""
    wakers: list[Any] = []

    def poll(cx: Any) -> Any:
        wakers.append(cx.waker)
        return rescind.lowlevel.PENDING

    async def body() -> None:
        await rescind.poll_fn(poll)

    with host() as runtime:
        task = runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
    before = runtime.statistics()
    wakers[0].wake()
    thread = threading.Thread(target=wakers[0].wake)
    thread.start()
    thread.join(60)

    assert isinstance(task.outcome(), Canceled)
    assert runtime.statistics() == before


def test_asyncio_tasks_spawned_by_ours_see_the_loop_alive_during_cleanup() -> None:
    """Our tasks end first, with asyncio still at work for them; then asyncio's are canceled."""
    log: list[str] = []

    async def helper() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            log.append("asyncio's canceled")
            raise

    async def body() -> None:
        left = asyncio.create_task(helper())
        try:
            await rescind.never()
        finally:
            await asyncio.sleep(0)
            log.append(f"ours cleaned, asyncio's done: {left.done()}")

    async def main() -> Awaitable[None]:
        task = rescind.spawn(body())
        await rescind.yield_now()
        await rescind.yield_now()
        return task

    rescind.run(main)

    assert log == ["ours cleaned, asyncio's done: False", "asyncio's canceled"]
