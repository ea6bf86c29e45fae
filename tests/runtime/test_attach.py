"""A runtime on a loop that somebody else runs, and our futures in stock asyncio tasks (R31)."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed, Runtime, TaskCanceled, TimedOut, UsageError
from tests.conftest import HOSTS

LOOPS = [name for name in HOSTS if name != "manual"]


@pytest.fixture(params=LOOPS)
def stock(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    """Run an async function as a stock asyncio task on each kind of loop."""
    name: str = request.param
    factory: Any = None
    if name == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def run(main: Any) -> Any:
        with asyncio.Runner(debug=name == "asyncio-debug", loop_factory=factory) as runner:
            return runner.run(main())

    return run


async def parked(log: list[str], ticks: int = 2) -> None:
    """Park; when canceled, clean up for some ticks, noting it."""
    try:
        await rescind.never()
    except rescind.Cancellation as exc:
        log.append(f"canceled: {exc.reason.kind.name} {exc.reason.message}")
        for _ in range(ticks):
            await rescind.yield_now()
        log.append("cleaned")
        raise


# -- attach ----------------------------------------------------------------------------------------


def test_attached_runtime_runs_tasks_beside_asyncios(stock: Any) -> None:
    """Inside the block stock code spawns our tasks and awaits them; afterwards the loop goes on."""

    async def work() -> tuple[str, str]:
        await rescind.sleep(0)
        return rescind.current_task().name, rescind.current_runtime().name

    async def main() -> list[Any]:
        async with Runtime.attach(name="lifespan") as runtime:
            by_method = runtime.spawn(work(), name="one")
            by_function = rescind.spawn(work(), name="two")
            got: list[Any] = [await by_method, await by_function, await by_method.join()]
            got.append(rescind.current_runtime() is runtime)
        await asyncio.sleep(0)
        got.append(repr(runtime).endswith(", closed>"))
        return got

    assert stock(main) == [
        ("one", "lifespan"),
        ("two", "lifespan"),
        Completed(("one", "lifespan")),
        True,
        True,
    ]


def test_leaving_the_attached_block_cancels_and_drains_every_task(stock: Any) -> None:
    """As `shutdown`, but without blocking: asyncio's tasks run meanwhile."""
    log: list[str] = []

    async def ticker() -> None:
        while True:
            log.append("tick")
            await asyncio.sleep(0)

    async def main() -> Any:
        async with Runtime.attach() as runtime:
            task = runtime.spawn(parked(log))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            beside = asyncio.create_task(ticker())
        log.append("left")
        beside.cancel()
        return task.outcome()

    outcome = stock(main)

    assert isinstance(outcome, Canceled)
    assert outcome.reason.kind is CancelKind.SHUTDOWN
    ours = [entry for entry in log if entry != "tick"]
    assert ours == [
        "canceled: SHUTDOWN the attached runtime's block was left",
        "cleaned",
        "left",
    ]
    assert "tick" in log[log.index(ours[0]) : log.index("cleaned")]


def test_cancel_of_the_host_task_waits_for_the_drain_then_goes_on(stock: Any) -> None:
    """A lifespan that is canceled while it leaves still ends every task first."""
    log: list[str] = []

    async def lifespan() -> None:
        async with Runtime.attach() as runtime:
            runtime.spawn(parked(log, ticks=6))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append("leaving")
        log.append("never reached")

    async def main() -> tuple[bool, int]:
        task = asyncio.create_task(lifespan())
        while "leaving" not in log:
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])
        return task.cancelled(), task.cancelling()

    assert stock(main)[0] is True
    assert log == [
        "leaving",
        "canceled: SHUTDOWN the attached runtime's block was left",
        "cleaned",
    ]


def test_spawn_after_the_attached_block_gives_a_canceled_task(stock: Any) -> None:
    """The loop still runs, the runtime does not."""

    async def main() -> tuple[Any, Any]:
        async with Runtime.attach() as runtime:
            pass
        here = runtime.spawn(rescind.ready(1))
        there = await asyncio.to_thread(lambda: runtime.spawn(rescind.ready(1)))
        return here.outcome(), there.outcome()

    outcomes = stock(main)

    assert [(type(one), one.reason.kind) for one in outcomes] == [
        (Canceled, CancelKind.SHUTDOWN)
    ] * 2


def test_spawn_from_a_thread_on_an_attached_runtime(stock: Any) -> None:
    """Threads hand tasks to the loop, and wait for them with a handle."""

    async def work() -> str:
        await rescind.sleep(0)
        return threading.current_thread().name

    async def main() -> tuple[Any, str]:
        async with Runtime.attach() as runtime:

            def thread() -> Any:
                task = runtime.spawn(work())
                return task.cancellation_handle().wait(60)

            return await asyncio.to_thread(thread), threading.current_thread().name

    outcome, name = stock(main)

    assert outcome == Completed(name)


def test_second_runtime_on_the_same_thread_is_refused(stock: Any) -> None:
    """One runtime per thread: attach inside attach, block_on inside attach."""

    async def main() -> list[str]:
        messages = []
        async with Runtime.attach(name="first") as runtime:
            with pytest.raises(UsageError) as info:
                async with Runtime.attach():
                    pass
            messages.append(str(info.value))
            for call in (lambda: runtime.block_on(rescind.ready(1)), runtime.shutdown):
                with pytest.raises(UsageError) as info:
                    call()
                messages.append(str(info.value).partition(": ")[2])
        return messages

    advice = "Await the future instead, or block in another thread"
    assert stock(main) == [
        "this thread already runs the runtime 'first'; use that one",
        f"this thread already runs the runtime 'first'. {advice}",
        "leave its 'async with' block, which shuts it down and awaits that",
    ]


def test_block_on_in_an_attached_runtime_from_another_thread_is_refused(stock: Any) -> None:
    """The loop belongs to the thread that runs it."""

    async def main() -> str:
        async with Runtime.attach() as runtime:

            def block() -> str:
                with pytest.raises(UsageError) as info:
                    runtime.block_on(rescind.ready(1))
                return str(info.value)

            message = await asyncio.to_thread(block)
            assert await runtime.spawn(rescind.ready(2)) == 2
            return message

    assert stock(main).endswith(
        "is already running in another thread; use spawn(...) from here, and "
        "task.cancellation_handle().wait()"
    )


# -- our futures in stock asyncio tasks ------------------------------------------------------------


def test_stock_task_awaits_our_combinators_without_a_runtime(stock: Any) -> None:
    """race, join, timeout and sleep work in plain asyncio code as they are."""

    async def slow() -> str:
        await rescind.sleep(60)
        return "slow"

    async def main() -> list[Any]:
        got: list[Any] = [await rescind.race(slow(), rescind.ready("quick"))]
        got.append(await rescind.join(asyncio.sleep(0, "foreign"), rescind.ready(2)))
        try:
            await rescind.timeout(slow(), 0.001)
        except TimedOut as exc:
            got.append(str(exc))
        got.append(await rescind.outcomes(rescind.ready(1)))
        return got

    assert stock(main) == ["quick", ("foreign", 2), "timed out after 0.001 s", (Completed(1),)]


def test_host_cancel_is_drained_then_propagated(stock: Any) -> None:
    """`task.cancel()` is a FOREIGN cancellation inside; the stock task ends once drained."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.race(parked(log), rescind.never())
        except asyncio.CancelledError as exc:
            log.append(f"{type(exc).__name__} {exc}")
            raise

    async def main() -> tuple[bool, int]:
        task = asyncio.create_task(body(), name="stock")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel("please")
        await asyncio.wait([task])
        return task.cancelled(), task.cancelling()

    assert stock(main) == (True, 1)
    assert log == ["canceled: PARENT None", "cleaned", "CancelledError please"]


def test_reason_of_a_host_cancel_names_the_stock_task(stock: Any) -> None:
    """Inside, the chain of reasons leads to the asyncio task that was canceled."""
    seen: list[Any] = []

    async def child() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation as exc:
            seen.extend(exc.reason.chain())
            raise

    async def main() -> None:
        task = asyncio.create_task(_awaiting(rescind.race(child())), name="stock")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel("please")
        await asyncio.wait([task])

    stock(main)

    assert [(one.kind, one.message, one.by) for one in seen[-1:]] == [
        (CancelKind.FOREIGN, "please", "stock")
    ]


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def test_repeated_host_cancels_do_not_break_the_drain(stock: Any) -> None:
    """Canceled again at every tick (as anyio's scopes do), the cleanup still runs to its end."""
    log: list[str] = []

    async def main() -> bool:
        task = asyncio.create_task(_awaiting(rescind.race(parked(log, ticks=10), rescind.never())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        return task.cancelled()

    assert stock(main) is True
    assert log == ["canceled: PARENT None", "cleaned"]


def test_host_cancel_before_the_start_runs_nothing(stock: Any) -> None:
    """A stock task canceled before its first step never polls our future."""
    log: list[str] = []

    async def body() -> None:
        log.append("ran")
        await rescind.never()

    async def main() -> bool:
        task = asyncio.create_task(_awaiting(rescind.race(body(), rescind.never())))
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert (stock(main), log) == (True, [])


def test_value_that_ties_with_a_host_cancel_is_delivered_and_the_cancel_comes_next(
    stock: Any,
) -> None:
    """The value is not lost (R7); asyncio's request is still there at the next await."""
    log: list[str] = []

    async def body(target: rescind.Task[str]) -> None:
        log.append(await target)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            log.append("canceled at the next await")
            raise

    async def main() -> tuple[bool, int]:
        async with Runtime.attach() as runtime:
            gate = asyncio.Event()

            async def value() -> str:
                await gate.wait()
                return "value"

            target = runtime.spawn(value())
            task = asyncio.create_task(body(target))
            for _ in range(3):
                await asyncio.sleep(0)
            gate.set()
            while not target.done():
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled(), task.cancelling()

    assert stock(main) == (True, 1)
    assert log == ["value", "canceled at the next await"]


def test_asyncio_timeout_around_our_future_converts_and_counts_right(stock: Any) -> None:
    """`asyncio.timeout` in a stock task cancels our race, drains it, and raises TimeoutError."""
    log: list[str] = []

    async def main() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with asyncio.timeout(0.001):
                await rescind.race(parked(log), rescind.never())
        except TimeoutError:
            return "timed out", task.cancelling()
        return "not reached", -1

    assert stock(main) == ("timed out", 0)
    assert log == ["canceled: PARENT None", "cleaned"]


def test_asyncio_wait_for_and_gather_take_our_futures_wrapped(stock: Any) -> None:
    """Where asyncio wants a coroutine, a one-line coroutine is enough."""

    async def value() -> int:
        return await rescind.ready(7)

    async def main() -> list[Any]:
        return [
            await asyncio.wait_for(value(), 20),
            *await asyncio.gather(value(), _awaiting(rescind.race(rescind.ready(8)))),
        ]

    assert stock(main) == [7, 7, 8]


def test_stock_joiner_that_is_canceled_leaves_the_task_alone(stock: Any) -> None:
    """R17 holds across drivers: a canceled joiner never cancels the joined."""

    async def main() -> tuple[bool, bool, int]:
        async with Runtime.attach() as runtime:
            gate = asyncio.Event()

            async def value() -> int:
                await gate.wait()
                return 9

            target = runtime.spawn(value())
            joiner = asyncio.create_task(_awaiting(target))
            for _ in range(3):
                await asyncio.sleep(0)
            joiner.cancel()
            await asyncio.wait([joiner])
            canceled, done = joiner.cancelled(), target.done()
            gate.set()
            return canceled, done, await target

    assert stock(main) == (True, False, 9)


def test_canceled_task_does_not_cancel_its_stock_joiner(stock: Any) -> None:
    """The joiner gets `TaskCanceled`, an ordinary exception, with the reason."""

    async def main() -> tuple[str, int]:
        current = asyncio.current_task()
        assert current is not None
        async with Runtime.attach() as runtime:
            target = runtime.spawn(rescind.never())
            await asyncio.sleep(0)
            target.cancel("not needed")
            try:
                await target
            except TaskCanceled as exc:
                return str(exc.reason.message), current.cancelling()
        return "not reached", -1

    assert stock(main) == ("not needed", 0)


def test_cancel_request_can_be_awaited_by_a_stock_task(stock: Any) -> None:
    """Both shapes of the API in one, from asyncio too: it returns when the cleanup is done."""
    log: list[str] = []

    async def main() -> Any:
        async with Runtime.attach() as runtime:
            target = runtime.spawn(parked(log))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            outcome = await target.cancel("stop")
            log.append("canceler goes on")
            return outcome

    outcome = stock(main)

    assert (outcome.reason.message, log) == (
        "stop",
        ["canceled: EXPLICIT stop", "cleaned", "canceler goes on"],
    )


def test_stock_task_closed_with_its_loop_drops_our_future() -> None:
    """A loop that just goes away ends the parked future: its synchronous cleanup runs, once."""
    log: list[str] = []

    async def child() -> None:
        try:
            await rescind.never()
        finally:
            log.append("closed")

    async def body() -> None:
        await rescind.race(child(), rescind.never())

    loop = asyncio.new_event_loop()
    coro = body()
    task = loop.create_task(coro)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()
    coro.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()

    assert log == ["closed"]


def test_our_future_awaited_without_any_loop_names_the_remedy() -> None:
    """A coroutine stepped by hand has nobody to park on."""

    async def body() -> None:
        await rescind.ready(1)

    coro = body()
    with pytest.raises(UsageError) as info:
        coro.send(None)

    assert str(info.value) == ("ready(1) was awaited where no runtime runs; use rescind.run(...)")


def test_executors_of_closed_loops_are_let_go() -> None:
    """Futures awaited in plain asyncio make an executor for the loop, which goes with the loop."""
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await rescind.sleep(0.001)

    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert [None, None] == [ref() for ref in loops[:2]]


def test_attach_without_a_loop_says_what_to_use_instead() -> None:
    """There is nothing to attach to on a thread that runs no asyncio loop."""
    with pytest.raises(UsageError) as info:
        Runtime.attach().__aenter__().send(None)  # type: ignore[attr-defined]

    assert str(info.value) == (
        "Runtime.attach() needs an asyncio loop that runs on this thread; without one, "
        "use 'with Runtime()' or rescind.run(...)"
    )


def test_errors_of_cleanups_are_logged_when_the_attached_block_is_left(
    stock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """H4: nobody is given the report."""

    async def failing() -> None:
        try:
            await rescind.never()
        finally:
            raise ValueError("in cleanup")

    async def main() -> None:
        async with Runtime.attach() as runtime:
            runtime.spawn(failing(), name="failing")
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    stock(main)

    [record] = [one for one in caplog.records if one.name == "rescind"]
    assert "'failing' failed while the runtime was shut down" in record.getMessage()
