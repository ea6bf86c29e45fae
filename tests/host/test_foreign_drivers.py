"""Our futures awaited by stock asyncio tasks (R31): where their timers, loops and requests go."""

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Runtime
from rescind._host.bridge import executor_here
from rescind.sync import Event
from tests.host.trio_kit import Woken

Loop = Callable[[], asyncio.AbstractEventLoop]


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _debug() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop


@pytest.fixture(
    params=[asyncio.new_event_loop, _debug, _uvloop], ids=["asyncio", "debug", "uvloop"]
)
def new_loop(request: pytest.FixtureRequest) -> Loop:
    """Run the test once on each kind of loop."""
    result: Loop = request.param
    return result


def _run(new_loop: Loop, main: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())


def test_timer_of_a_stock_task_survives_the_attached_runtime(new_loop: Loop) -> None:
    """A sleep that a stock task began in an attached runtime ends after that was taken off."""

    async def main() -> list[str]:
        seen: list[str] = []

        async def stock() -> None:
            await rescind.sleep(0.02)
            seen.append("woke")

        async with Runtime.attach():
            task = asyncio.create_task(stock())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        seen.append("detached")
        await asyncio.wait_for(task, 60)
        return seen

    assert _run(new_loop, main) == ["detached", "woke"]


def test_stock_task_left_in_a_shield_does_not_hang_the_close(new_loop: Loop) -> None:
    """What it awaits has a timer in the runtime that is being closed; the timer still rings."""
    seen: list[str] = []

    async def stock() -> None:
        await rescind.shield(rescind.sleep(0.02))
        seen.append("woke")

    async def main() -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(stock())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    task = rescind.run(main, host=new_loop, grace=None)
    assert (seen, task.done()) == (["woke"], True)


def test_loop_may_be_run_by_another_thread_next(new_loop: Loop) -> None:
    """Wake-ups go to the thread that runs the loop now, also those of futures parked before."""
    loop = new_loop()
    seen: list[object] = []

    async def ours() -> object:
        return await rescind.join(rescind.sleep(0.001), rescind.sleep(0.002))

    async def begin() -> asyncio.Task[object]:
        task = loop.create_task(ours())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    parked = loop.run_until_complete(begin())

    def other() -> None:
        for awaitable in (parked, ours()):
            seen.append(loop.run_until_complete(asyncio.wait_for(awaitable, 60)))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    loop.close()
    assert seen == [(None, None), (None, None)]


@pytest.mark.parametrize(
    "between",
    [
        rescind.yield_now,
        lambda: rescind.sleep(0),
        lambda: rescind.race(rescind.yield_now(), rescind.never()),
        lambda: asyncio.sleep(0),
    ],
    ids=["yield_now", "sleep(0)", "in a race", "asyncio's"],
)
def test_a_task_that_only_yields_is_canceled_where_it_yields(
    new_loop: Loop, between: Callable[[], Awaitable[object]]
) -> None:
    """There is no value to lose: it does not go on once more, nor does asyncio's own."""

    async def main() -> list[int]:
        seen: list[int] = []

        async def stock() -> None:
            while len(seen) < 10:
                seen.append(len(seen))
                await between()

        task = asyncio.create_task(stock())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert _run(new_loop, main) == [0]


def test_a_shielded_yield_of_a_task_goes_on_and_what_follows_is_canceled(new_loop: Loop) -> None:
    """R12: the cancellation arrives at the first park after the shield."""

    async def main() -> list[str]:
        seen: list[str] = []

        async def stock() -> None:
            await rescind.shield(rescind.yield_now())
            seen.append("shielded")
            await rescind.yield_now()
            await rescind.yield_now()
            seen.append("not reached")

        task = asyncio.create_task(stock())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert _run(new_loop, main) == ["shielded"]


def test_now_or_never_polls_once_with_all_that_a_stock_task_can_await(new_loop: Loop) -> None:
    """Clock, asyncio's futures, an identity; what is pending is dropped, and nothing is left."""
    closed: list[str] = []

    async def waits(awaitable: Awaitable[object], name: str) -> None:
        try:
            await awaitable
        finally:
            closed.append(name)

    async def own() -> int:
        async with asyncio.timeout(3600):
            return await rescind.ready(7)

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        done = loop.create_future()
        done.set_result("done")
        pending = loop.create_future()
        found = [
            rescind.now_or_never(own()),
            rescind.now_or_never(done),
            rescind.now_or_never(waits(rescind.sleep(3600), "timer")),
            rescind.now_or_never(waits(asyncio.sleep(3600), "asyncio's timer")),
            rescind.now_or_never(waits(pending, "future")),
        ]
        assert asyncio.current_task() is me
        assert asyncio.all_tasks() == {me}
        return found

    found = _run(new_loop, main)
    expected = [rescind.Completed(7), rescind.Completed("done"), None, None, None]
    assert (found, closed) == (expected, ["timer", "asyncio's timer", "future"])


def test_value_that_absorbs_a_timeout_leaves_no_request_behind(new_loop: Loop) -> None:
    """The timeout takes its request back; nothing comes after its block, and no value is lost."""

    async def stubborn() -> str:
        try:
            await rescind.sleep(10)
        except rescind.Cancellation:
            pass
        return "value"

    async def inside() -> tuple[str, int]:
        me: Any = asyncio.current_task()
        async with asyncio.timeout(0.001):
            value = await rescind.race(stubborn())
        count = me.cancelling()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return value, count

    async def at_the_end() -> str:
        async with asyncio.timeout(0.001):
            return await rescind.race(stubborn())

    async def main() -> list[object]:
        return list(
            await asyncio.gather(asyncio.create_task(inside()), asyncio.create_task(at_the_end()))
        )

    assert _run(new_loop, main) == [("value", 0), "value"]


def test_a_future_left_behind_on_a_closed_loop_is_dropped() -> None:
    """Leaf first, as any: its finalizer asks nothing of the loop, and raises nothing."""
    trace: list[str] = []

    async def waits(name: str) -> None:
        try:
            await asyncio.Event().wait()
        except GeneratorExit:
            trace.append(name)
            raise

    async def main() -> None:
        try:
            await rescind.join(waits("first"), waits("second"))
        except GeneratorExit:
            trace.append("main")
            raise

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    loop.call_later(0, loop.stop)
    loop.run_forever()
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()

    assert trace == ["first", "second", "main"]


def test_cancel_that_a_value_overtook_comes_at_the_next_park_and_once(new_loop: Loop) -> None:
    """The request is made anew, with its message, and the count of requests is as it was."""

    async def stubborn() -> str:
        try:
            await rescind.sleep(10)
        except rescind.Cancellation:
            pass
        return "value"

    async def main() -> list[object]:
        seen: list[object] = []

        async def stock() -> None:
            me: Any = asyncio.current_task()
            seen.append(await rescind.race(stubborn()))
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError as exc:
                seen.append((exc.args, me.cancelling()))
            await asyncio.sleep(0)
            seen.append("no more")

        task = asyncio.create_task(stock())
        await asyncio.sleep(0)
        task.cancel("words")
        await task
        return seen

    assert _run(new_loop, main) == ["value", (("words",), 1), "no more"]


@pytest.mark.parametrize("branches", [1, 2])
def test_cancels_repeated_each_tick_do_not_step_what_is_cleaning_up(
    new_loop: Loop, branches: int
) -> None:
    """As an anyio scope does: the cleanup, which waits for ticks and a timer, runs to its end."""
    seen: list[str] = []

    async def slow() -> None:
        try:
            await rescind.sleep(10)
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            await rescind.sleep(0.005)
            seen.append("clean")

    async def stock() -> object:
        return await rescind.join(*[slow() for _ in range(branches)])

    async def main() -> tuple[str, list[str]]:
        task = asyncio.create_task(stock())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        ended = "canceled" if task.cancelled() else repr(task.exception())
        return ended, seen

    assert _run(new_loop, main) == ("canceled", ["clean"] * branches)


def test_future_that_is_always_ready_lets_its_stock_loop_run(new_loop: Loop) -> None:
    """A spent budget gives the turn to the loop, whose timer can then end it."""

    async def hot() -> None:
        while True:
            await rescind.ready(1)

    async def main() -> str:
        try:
            async with asyncio.timeout(0.005):
                await rescind.race(hot())
        except TimeoutError:
            return "timed out"
        return "ended"

    assert _run(new_loop, main) == "timed out"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are from Python 3.12 on")
@pytest.mark.parametrize("ours", [True, False], ids=["in-our-task", "in-a-stock-task"])
def test_eager_stock_task_may_await_our_futures(new_loop: Loop, ours: bool) -> None:
    """It runs inside our poll, but its loop drives it: it parks the loop's way, as any other."""
    if new_loop is _uvloop and sys.version_info >= (3, 13):
        pytest.skip("uvloop gives an argument that the eager factory of CPython 3.13.0 refuses")

    async def inner(value: int) -> tuple[int, bool]:
        me = asyncio.current_task()
        await rescind.join(rescind.sleep(5 if value == 9 else 0.001), rescind.ready(1))
        return value, asyncio.current_task() is me

    async def main() -> object:
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        me = asyncio.current_task()
        first = loop.create_task(inner(0))
        unchanged = asyncio.current_task() is me
        canceled = loop.create_task(inner(9))
        canceled.cancel()
        async with asyncio.TaskGroup() as group:
            second = group.create_task(inner(1))
        rest = await asyncio.gather(first, inner(2), canceled, return_exceptions=True)
        return unchanged, second.result(), rest[:2], type(rest[2])

    expected = (True, (1, True), [(0, True), (2, True)], asyncio.CancelledError)
    got = rescind.run(main, host=new_loop) if ours else _run(new_loop, main)
    assert got == expected


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are from Python 3.12 on")
def test_scope_entered_by_an_eager_stock_task_is_not_put_on_our_coroutine() -> None:
    """Its ``deadline`` would cancel the coroutine that happened to start it; it is refused."""

    async def inner() -> str:
        try:
            with rescind.shielded():
                return "entered"
        except rescind.UsageError as exc:
            return str(exc).partition(" ")[2][:46]

    async def main() -> str:
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        result: Awaitable[str] = loop.create_task(inner())
        return await result

    assert rescind.run(main) == "needs to be entered inside a coroutine that re"


def test_cancellation_leaves_an_asyncio_task_group_as_itself(new_loop: Loop) -> None:
    """Code around the group cleans up on ``CancelledError``, and nothing else is reported."""
    seen: list[str] = []

    async def body() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(3600))
                await asyncio.sleep(3600)
        except asyncio.CancelledError as exc:
            seen.append(type(exc).__name__)
            raise

    async def main() -> tuple[str, int]:
        task = rescind.spawn(body())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        outcome = await task.cancel("enough")
        return type(outcome).__name__, len(getattr(outcome, "also", ()))

    ended = rescind.run(main, host=new_loop)
    assert (ended, seen) == (("Canceled", 0), ["Cancellation"])


def test_a_cancellation_that_a_group_wrapped_is_still_one(new_loop: Loop) -> None:
    """As some groups do: the task's outcome and a deadline around see through that."""

    async def grouped() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as exc:
            raise BaseExceptionGroup("unhandled errors in a TaskGroup", [exc]) from None

    async def limited() -> str:
        try:
            async with rescind.deadline(0.01):
                await grouped()
        except rescind.TimedOut as exc:
            return str(exc)
        return "went through"

    async def main() -> tuple[str, int, str]:
        task = rescind.spawn(grouped())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        outcome = await task.cancel("enough")
        also = len(getattr(outcome, "also", ()))
        return type(outcome).__name__, also, await limited()

    ended = rescind.run(main, host=new_loop)
    assert ended == ("Canceled", 0, "timed out after 0.01 s")


@pytest.mark.parametrize("others", [0, 3])
def test_a_task_that_runs_when_asyncio_run_ends_is_canceled_and_waited_for(
    new_loop: Loop, others: int
) -> None:
    """`asyncio.run` ends tasks of ours as it ends its own: their cleanup runs, awaits included."""
    trace: list[str] = []

    async def work() -> None:
        try:
            await rescind.never()
        finally:
            trace.append("cleanup")
            await asyncio.sleep(0)
            trace.append("cleaned up")

    async def main() -> "rescind.Task[None]":
        task = rescind.spawn(work())
        beside.extend(asyncio.create_task(asyncio.sleep(3600)) for _ in range(others))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    beside: list[asyncio.Task[None]] = []
    task = _run(new_loop, main)

    assert all(one.cancelled() for one in beside)
    outcome = task.outcome()
    assert isinstance(outcome, rescind.Canceled)
    assert (outcome.reason.kind, trace) == (
        rescind.CancelKind.FOREIGN,
        ["cleanup", "cleaned up"],
    )


def test_all_tasks_of_a_loop_can_be_gathered() -> None:
    """``asyncio.gather(*asyncio.all_tasks())`` waits for tasks of ours, also canceled meanwhile."""

    async def main() -> object:
        task = rescind.spawn(_value())
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        waiting = asyncio.gather(*others, asyncio.sleep(0))
        await waiting
        return task.outcome()

    async def _value() -> int:
        await asyncio.sleep(0.001)
        return 7

    assert asyncio.run(main()) == rescind.Completed(7)


@pytest.mark.parametrize("ours", [True, False], ids=["our-task", "stock-task"])
@pytest.mark.parametrize("value", [True, False], ids=["value", "bare-yield"])
def test_what_was_woken_before_a_cancellation_is_delivered_if_it_is_a_value(
    ours: bool, value: bool
) -> None:
    """Also inside a combinator, whoever drives the task around it (R7); a bare yield has none."""
    seen: list[int] = []

    async def main() -> None:
        async def work() -> None:
            for step in range(4):
                seen.append(step)
                if step == 1:
                    asyncio.get_running_loop().call_soon(cancel)
                await (event.wait() if value and step == 1 else rescind.yield_now())

        async def waits() -> None:
            await rescind.race(work())

        def cancel() -> None:
            event.set()
            task.cancel()

        event = Event()
        task: Any = rescind.spawn(waits()) if ours else asyncio.create_task(waits())
        while not task.done():
            await asyncio.sleep(0)

    asyncio.run(main())
    assert seen == ([0, 1, 2] if value else [0, 1])


def test_the_identity_of_a_task_is_a_future_for_asyncio(new_loop: Loop) -> None:
    """`wait` and `shield` take it as it is; it ends with the task, and tells nothing."""

    async def main() -> list[object]:
        rescind.spawn(_never_ending())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (hanging,) = asyncio.all_tasks() - {asyncio.current_task()}
        done, _ = await asyncio.wait({hanging}, timeout=0)
        got: list[object] = [asyncio.isfuture(hanging), len(done)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(hanging), 0.001)
        hanging.cancel()
        await asyncio.wait({hanging})
        return [*got, hanging.done(), hanging.result()]

    assert _run(new_loop, main) == [True, 0, True, None]


async def _never_ending() -> None:
    await rescind.never()


def test_a_value_that_came_in_the_same_turn_as_the_cancel_is_delivered(new_loop: Loop) -> None:
    """The future was woken, though its task had no turn yet in which to see it (R7, R16)."""

    async def main() -> tuple[str, list[str]]:
        future, seen = Woken(), list[str]()

        async def stock() -> None:
            seen.append(await future)
            await asyncio.sleep(3600)

        task = asyncio.create_task(stock())
        await asyncio.sleep(0)
        assert future.waker is not None
        task.cancel()
        future.value = "value"
        future.waker.wake()
        await asyncio.wait([task])
        return "canceled" if task.cancelled() else "ended", seen

    assert _run(new_loop, main) == ("canceled", ["value"])


def test_errors_of_a_cleanup_are_notes_of_asyncios_cancellation(new_loop: Loop) -> None:
    """They do not take its place, and are not lost (R15)."""

    async def failing() -> None:
        try:
            await rescind.sleep(10)
        finally:
            raise KeyError("kept")

    async def main() -> list[str]:
        task = asyncio.create_task(stock())
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as exc:
            return exc.__notes__
        return []

    async def stock() -> None:
        await rescind.race(failing())

    assert _run(new_loop, main) == ["while cleaning up: KeyError('kept')"]


def test_a_closed_loop_is_let_go_of(new_loop: Loop) -> None:
    """With the executor that stock tasks on it had, and without another loop that comes."""

    async def main() -> list[weakref.ref[Any]]:
        await rescind.sleep(0)
        executor = executor_here()
        assert executor is executor_here()
        assert executor is not None
        return [weakref.ref(executor), weakref.ref(asyncio.get_running_loop())]

    left = _run(new_loop, main)
    gc.collect()

    assert [None, None] == [one() for one in left]


def test_a_loop_that_takes_no_attributes_has_an_executor_all_the_same() -> None:
    """One for as long as it is open; it goes when the next of its kind comes."""

    class Bare:
        __slots__ = ("loop",)

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.loop = loop

        def __getattr__(self, name: str) -> Any:
            if name == "__dict__":
                raise AttributeError(name)
            return getattr(self.loop, name)

    def executor_of(loop: Any) -> Any:
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(loop)
        try:
            assert executor_here() is executor_here()
            return weakref.ref(executor_here())
        finally:
            asyncio._set_running_loop(before)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        held = executor_of(Bare(first))
        gc.collect()
        assert held() is not None
        first.close()
        executor_of(Bare(second))
        gc.collect()
        assert held() is None
    finally:
        first.close()
        second.close()
    executor_of(Bare(second))
