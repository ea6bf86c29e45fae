"""A task of ours as an asyncio future: who may wait for it, what its cancel does, when it ends."""

import asyncio
import gc
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed, Error, Runtime, UsageError, to_asyncio_future
from rescind.lowlevel import ManualHost

Loop = Callable[[], asyncio.AbstractEventLoop]
Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _debug() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop


LOOPS: dict[str, Loop] = {"asyncio": asyncio.new_event_loop, "debug": _debug, "uvloop": _uvloop}


@pytest.fixture(params=[f"{driver}-{loop}" for driver in ("stock", "ours") for loop in LOOPS])
def run(request: pytest.FixtureRequest) -> Run:
    """Run an async function on each loop, as a task of asyncio's and as one of ours."""
    driver, _, name = request.param.partition("-")

    def ours(main: Callable[[], Any]) -> Any:
        return rescind.run(main, host=LOOPS[name])

    def stock(main: Callable[[], Any]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
            return runner.run(main())

    return ours if driver == "ours" else stock


async def after(seconds: float, value: int) -> int:
    """Return a value after some time."""
    await rescind.sleep(seconds)
    return value


async def failing(error: BaseException) -> int:
    """Fail at the second step."""
    await rescind.yield_now()
    raise error


class Slow:
    """A body that cleans up until it is told that it may end."""

    def __init__(self, ending: str = "raise") -> None:
        self.may_end = asyncio.Event()
        self.log: list[str] = []
        self.ending = ending
        self.started = asyncio.Event()

    async def body(self) -> str:
        """Park; clean up after a cancellation; end as was said."""
        try:
            self.started.set()
            await rescind.never()
        except rescind.Cancellation as exc:
            self.log.append(f"{exc.reason.kind.value}: {exc.reason.message}")
            await self.may_end.wait()
            self.log.append("clean")
            if self.ending == "raise":
                raise
            if self.ending == "fail":
                raise OSError("in the cleanup") from None
        return "in spite of it"


async def ticks(number: int) -> None:
    """Let the loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


# -- who takes it ----------------------------------------------------------------------------------


def test_everything_of_asyncio_that_takes_a_future_takes_it(run: Run) -> None:
    """`wait`, `gather`, `as_completed`, `shield`, `wait_for`, and await."""

    def one(value: int) -> asyncio.Future[int]:
        return to_asyncio_future(rescind.spawn(after(value * 0.001, value)))

    async def main() -> list[Any]:
        done, pending = await asyncio.wait([one(1), one(2)])
        got: list[Any] = [sorted(each.result() for each in done), len(pending)]
        got.append(await asyncio.gather(one(4), one(3)))
        got.append([await each for each in asyncio.as_completed([one(60), one(5)])])
        got.append(await asyncio.shield(one(7)))
        got.append(await asyncio.wait_for(one(8), 20))
        got.append(await one(9))
        return got

    assert run(main) == [[1, 2], 0, [4, 3], [5, 60], 7, 8, 9]


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_run_until_complete_takes_it(loop: Loop) -> None:
    """Made in one run of the loop, it is awaited by another."""

    async def begin() -> asyncio.Future[int]:
        return to_asyncio_future(rescind.spawn(after(0.001, 5)))

    made = loop()
    try:
        assert made.run_until_complete(made.run_until_complete(begin())) == 5
    finally:
        made.close()


def test_task_of_a_runtime_that_does_not_run_yet_can_be_given(run: Run) -> None:
    """No loop runs: there is no thread that could be the wrong one."""
    with Runtime() as runtime:
        future = to_asyncio_future(runtime.spawn(after(0, 5)))

        async def main() -> int:
            return await future

        assert runtime.block_on(main()) == 5


def test_what_is_no_task_is_spawned(run: Run) -> None:
    """A future of ours, a coroutine: they begin without being awaited."""

    async def main() -> list[int]:
        futures = [
            to_asyncio_future(rescind.race(after(0, 1), rescind.never())),
            to_asyncio_future(after(0, 2)),
        ]
        await asyncio.wait(futures)
        return [future.result() for future in futures]

    assert run(main) == [1, 2]


def test_ended_task_gives_an_ended_future(run: Run) -> None:
    """With the value, the error, or canceled."""
    error = ValueError("no")

    async def main() -> list[Any]:
        tasks: list[Any] = [rescind.spawn(each) for each in (after(0, 1), failing(error))]
        tasks.append(rescind.spawn(rescind.never()))
        tasks[2].cancel("enough")
        await rescind.outcomes(*tasks)
        value, failed, canceled = map(to_asyncio_future, tasks)
        return [value.result(), failed.exception(), canceled.cancelled()]

    assert run(main) == [1, error, True]


# -- how it ends -----------------------------------------------------------------------------------


def test_canceled_task_is_a_cancelled_error_with_the_words_of_the_reason(run: Run) -> None:
    """What it awaited was canceled: asyncio has no other exception for that."""

    async def main() -> str:
        task = rescind.spawn(rescind.never())
        future = to_asyncio_future(task)
        task.cancel("user pressed stop")
        await asyncio.wait([future])
        try:
            await future
        except asyncio.CancelledError as exc:
            return f"{type(exc).__name__}: {exc}"
        return "not raised"

    assert run(main).startswith("CancelledError: explicit: user pressed stop, ")


def test_error_is_the_same_object(run: Run) -> None:
    """It is set as it is, for whoever awaits."""
    error = ValueError("no")

    async def main() -> list[Any]:
        return await asyncio.gather(
            to_asyncio_future(rescind.spawn(failing(error))), return_exceptions=True
        )

    assert run(main) == [error]


def test_stop_iteration_becomes_what_asyncio_makes_of_it(run: Run) -> None:
    """A future cannot raise it: it would end the coroutine that awaits."""

    class Stops(rescind.lowlevel.Future[int]):
        def poll(self, cx: rescind.lowlevel.Context) -> int:
            raise StopIteration(3)

    async def main() -> list[Any]:
        return await asyncio.gather(to_asyncio_future(Stops()), return_exceptions=True)

    (error,) = run(main)
    assert (type(error), type(error.__cause__)) == (RuntimeError, StopIteration)


@pytest.mark.parametrize("retrieved", [True, False])
def test_error_that_nobody_retrieves_is_reported_by_asyncio_and_once(
    run: Run, retrieved: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A2: when the future goes; rescind leaves it to the future. One that was seen is not."""
    error = ValueError("nobody looks")
    reported: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        future = to_asyncio_future(rescind.spawn(failing(error)))
        await asyncio.wait([future])
        if retrieved:
            future.exception()
        del future
        gc.collect()

    with caplog.at_level(logging.ERROR):  # a slow machine is told of by asyncio's debug mode
        run(main)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (reported, errors) == ([] if retrieved else [error], [])


def test_task_goes_on_when_the_future_is_dropped(run: Run) -> None:
    """Nobody holds the future or the task: it runs to its end all the same."""
    seen: list[int] = []

    async def body() -> None:
        seen.append(await after(0.002, 1))

    async def main() -> None:
        to_asyncio_future(rescind.spawn(body()))
        gc.collect()
        while not seen:
            await asyncio.sleep(0.001)

    run(main)
    assert seen == [1]


# -- its cancel ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "expected"),
    [("raise", "canceled"), ("return", "in spite of it"), ("fail", "canceled")],
)
def test_cancel_asks_and_the_future_ends_with_the_cleanup(
    run: Run, ending: str, expected: str
) -> None:
    """A1: not before, and with the value that came in spite of it, as an asyncio task."""

    async def main() -> list[Any]:
        slow = Slow(ending)
        task = rescind.spawn(slow.body())
        future = to_asyncio_future(task)
        await slow.started.wait()
        asked = future.cancel("not needed")
        await ticks(5)
        log: list[Any] = [asked, future.done(), *slow.log]
        slow.may_end.set()
        await asyncio.wait([future])
        log.append("canceled" if future.cancelled() else future.result())
        also = getattr(task.outcome(), "also", ())
        return [*log, future.cancel(), [type(one).__name__ for one in also]]

    also = ["OSError"] if ending == "fail" else []
    assert run(main) == [True, False, "foreign: not needed", expected, False, also]


def test_cancel_that_is_repeated_asks_once(run: Run) -> None:
    """Anyio cancels each tick; the task is asked, and its cleanup disturbed, no more often."""

    async def main() -> tuple[int, list[str]]:
        slow = Slow()
        task = rescind.spawn(slow.body())
        future = to_asyncio_future(task)
        await slow.started.wait()
        for _ in range(5):
            assert future.cancel()
            await ticks(1)
        slow.may_end.set()
        await asyncio.wait([future])
        return len(task.cancel_reasons), slow.log

    assert run(main) == (1, ["foreign: None", "clean"])


def test_cancel_before_the_first_poll_runs_nothing(run: Run) -> None:
    """R5."""
    ran: list[int] = []

    async def body() -> None:
        ran.append(1)

    async def main() -> bool:
        future = to_asyncio_future(body())
        future.cancel()
        await asyncio.wait([future])
        return future.cancelled()

    assert (run(main), ran) == (True, [])


def test_reason_names_who_asked(run: Run) -> None:
    """The asyncio task or ours, the line, the time."""

    async def asking(future: asyncio.Future[Any]) -> None:
        future.cancel("words")

    async def main() -> Any:
        task = rescind.spawn(rescind.never())
        future = to_asyncio_future(task)
        await asyncio.create_task(asking(future), name="the asking")
        await asyncio.wait([future])
        return task.cancel_reasons[0]

    reason = run(main)
    assert (reason.kind, reason.message, reason.by) == (CancelKind.FOREIGN, "words", "the asking")
    assert reason.where.rpartition(":")[0] == __file__
    assert reason.at > 0


def test_timeouts_and_groups_wait_for_the_cleanup(run: Run) -> None:
    """`wait_for`, `asyncio.timeout`, `gather` that is canceled: nothing is left behind by them."""

    async def main() -> list[str]:
        log: list[str] = []
        begun = 0

        async def slow() -> None:
            nonlocal begun
            begun += 1
            try:
                await rescind.never()
            finally:
                await rescind.sleep(0.002)
                log.append("clean")

        async def one() -> asyncio.Future[None]:
            before = begun
            future = to_asyncio_future(rescind.spawn(slow()))
            while begun == before:  # or it may be canceled first, and then has nothing to clean up
                await asyncio.sleep(0)
            return future

        try:
            await asyncio.wait_for(await one(), 0.01)
        except TimeoutError:
            log.append("wait_for")
        second = await one()
        try:
            async with asyncio.timeout(0.01):
                await second
        except TimeoutError:
            log.append("timeout")
        # With exceptions as results, or asyncio does not wait for the second one.
        gathered = asyncio.gather(await one(), await one(), return_exceptions=True)
        gathered.cancel()
        try:
            await gathered
        except asyncio.CancelledError:
            log.append("gather")
        return log

    assert run(main) == ["clean", "wait_for", "clean", "timeout", "clean", "clean", "gather"]


def test_shield_keeps_a_cancel_from_the_task(run: Run) -> None:
    """The outer future is canceled, the task goes on."""

    async def main() -> tuple[bool, int]:
        future = to_asyncio_future(rescind.spawn(after(0.002, 7)))
        outer = asyncio.shield(future)
        outer.cancel()
        await asyncio.wait([outer])
        return outer.cancelled(), await future

    assert run(main) == (True, 7)


def test_task_of_ours_that_awaits_it_is_drained_with_it(run: Run) -> None:
    """Canceled by us, it asks in asyncio's way (R30), and waits for the end."""

    async def main() -> list[Any]:
        slow = Slow()
        inner = rescind.spawn(slow.body())
        outer = rescind.spawn(_await(to_asyncio_future(inner)))
        await slow.started.wait()
        request = outer.cancel("outside")
        await ticks(5)
        log: list[Any] = [outer.done(), *slow.log]
        slow.may_end.set()
        return [*log, type(await request).__name__, type(inner.outcome()).__name__]

    got = run(main)
    assert [got[0], *got[2:]] == [False, "Canceled", "Canceled"]
    assert got[1].startswith("foreign: explicit: outside")


async def _await(future: asyncio.Future[Any]) -> Any:
    return await future


# -- what it refuses -------------------------------------------------------------------------------


def test_nobody_but_the_task_sets_it(run: Run) -> None:
    """As with a task of asyncio's."""

    async def main() -> list[str]:
        future: Any = to_asyncio_future(after(0, 1))
        said: list[str] = []
        for call in (lambda: future.set_result(2), lambda: future.set_exception(OSError())):
            with pytest.raises(RuntimeError) as caught:
                call()
            said.append(str(caught.value).partition("> ")[2][:25])
        return [*said, await future]

    assert run(main) == ["does not support set_resu", "does not support set_exce", 1]


def test_other_thread_is_refused(run: Run) -> None:
    """An asyncio future is not for it; the handle is."""

    async def main() -> str:
        task = rescind.spawn(rescind.never())
        try:
            await asyncio.to_thread(to_asyncio_future, task)
        except UsageError as exc:
            return str(exc)
        finally:
            await task.cancel()
        return "taken"

    said = run(main)
    assert said.endswith("use task.cancellation_handle(), whose wait() and cancel() are")


def test_other_loop_is_refused() -> None:
    """Its end would be told on a loop that is not the one that runs here."""
    with Runtime() as runtime:
        task = runtime.spawn(rescind.never())

        async def main() -> None:
            with pytest.raises(UsageError, match="whose loop does not run on this thread"):
                to_asyncio_future(task)

        asyncio.run(main())


def test_host_without_a_loop_is_refused_and_the_coroutine_closed() -> None:
    """The manual host has none; nothing warns of a coroutine that was never awaited."""

    async def main() -> None:
        for given in (rescind.spawn(rescind.never()), after(0, 1)):
            with pytest.raises(UsageError, match=r"runs on the host 'manual', which is no asyncio"):
                to_asyncio_future(given)

    with Runtime(host=ManualHost()) as runtime:
        runtime.block_on(main())
    with pytest.raises(UsageError, match="for which no loop runs on this thread"):
        to_asyncio_future(after(0, 1))


def test_what_cannot_be_awaited_is_refused(run: Run) -> None:
    """With the words of `as_future`."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"^expected an awaitable"):
            to_asyncio_future(3)  # type: ignore[arg-type]

    run(main)


@pytest.mark.parametrize("ending", ["canceled", "error", "value"])
def test_loop_that_is_closed_before_the_task_ends_harms_nobody(ending: str) -> None:
    """The future has its result, and its callbacks, which nobody can call, are not called."""
    from rescind._host.to_asyncio import TaskFuture

    called: list[object] = []
    loop = asyncio.new_event_loop()
    outcomes: dict[str, rescind.Outcome[int]] = {
        "canceled": Canceled(rescind.CancelReason(message="closed")),
        "error": Error(ValueError("late")),
        "value": Completed(1),
    }

    async def begin() -> TaskFuture[int]:
        future = to_asyncio_future(after(10, 1))
        assert isinstance(future, TaskFuture)
        future.add_done_callback(called.append)
        return future

    future = loop.run_until_complete(begin())
    loop.close()
    future._end(outcomes[ending])

    assert (future.done(), future.cancelled(), called) == (True, ending == "canceled", [])
    assert ending == "canceled" or bool(future.exception()) == (ending == "error")


def test_runtime_whose_loop_somebody_closes_ends_its_futures() -> None:
    """They are canceled when it drops its tasks."""
    threads = set(threading.enumerate())
    loop = asyncio.new_event_loop()
    with Runtime(host=lambda: loop) as runtime:

        async def begin() -> asyncio.Future[None]:
            return to_asyncio_future(rescind.spawn(rescind.never()))

        future = runtime.block_on(begin())
        future.add_done_callback(lambda _: None)
    assert future.cancelled()
    assert threads == set(threading.enumerate())
