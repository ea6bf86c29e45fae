"""What is not ours but can be awaited (R32): each kind, wherever a future of ours could stand."""

import asyncio
import concurrent.futures
import threading
import types
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, Error
from rescind.lowlevel import PENDING, as_future
from rescind.testing import CountingWaker, context
from tests.host.test_to_asyncio import LOOPS, Loop, ticks

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture(params=LOOPS.values(), ids=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    """Run the test on each loop."""
    made: Loop = request.param
    return made


def _ours(loop: Loop, main: Callable[[], Any]) -> Any:
    return rescind.run(main, host=loop)


def _stock(loop: Loop, main: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


@pytest.fixture(params=[_ours, _stock], ids=["ours", "stock"])
def run(request: pytest.FixtureRequest, loop: Loop) -> Run:
    """Run an async function as a task of ours, and as one of asyncio's, on each loop."""
    driver = request.param
    return lambda main: driver(loop, main)


# -- the kinds -------------------------------------------------------------------------------------


class Delegates:
    """Has `__await__`, and gives that of something else."""

    def __init__(self, inner: asyncio.Future[Any]) -> None:
        self.inner = inner

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.inner.__await__()


class Generates:
    """Has an `__await__` that is a generator function."""

    def __init__(self, inner: asyncio.Future[Any]) -> None:
        self.inner = inner

    def __await__(self) -> Generator[Any, Any, Any]:
        yield None  # as `asyncio.sleep(0)` does
        result = yield from self.inner
        return result


@types.coroutine
def generator_based(inner: asyncio.Future[Any]) -> Generator[Any, Any, Any]:
    """Wait as coroutines did before there was `await`."""
    result = yield from inner
    return result


async def coroutine(inner: asyncio.Future[Any]) -> Any:
    """Wait."""
    return await inner


def asyncio_task(inner: asyncio.Future[Any]) -> asyncio.Task[Any]:
    """Wait in a task of asyncio's."""
    return asyncio.get_running_loop().create_task(coroutine(inner))


KINDS: dict[str, Callable[[asyncio.Future[Any]], Any]] = {
    "future": lambda inner: inner,
    "task": asyncio_task,
    "gather": lambda inner: _first(asyncio.gather(inner)),
    "coroutine": coroutine,
    "__await__": Delegates,
    "__await__, generator": Generates,
    "generator": generator_based,
    "asyncio future of ours": rescind.to_asyncio_future,
}


async def _first(gathered: Awaitable[list[Any]]) -> Any:
    return (await gathered)[0]


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> Callable[[asyncio.Future[Any]], Any]:
    """Make an awaitable of each kind, that waits for the asyncio future it is given."""
    made: Callable[[asyncio.Future[Any]], Any] = request.param
    return made


def inner_future() -> asyncio.Future[Any]:
    """Return a future of this loop."""
    return asyncio.get_running_loop().create_future()


def later(number: int, call: Callable[..., object], *args: object) -> None:
    """Call after some ticks of the loop."""
    loop = asyncio.get_running_loop()
    if number:
        loop.call_soon(later, number - 1, call, *args)
    else:
        loop.call_soon(call, *args)


# -- their results ---------------------------------------------------------------------------------


def test_each_kind_gives_its_value_wherever_it_stands(run: Run, kind: Any) -> None:
    """Awaited by a task, as a child of each combinator, as a task itself."""

    def one() -> Any:
        inner = inner_future()
        later(3, inner.set_result, 7)
        return kind(inner)

    async def main() -> list[Any]:
        return [
            await one(),
            await rescind.spawn(one()),
            await rescind.race(one(), rescind.never()),
            await rescind.join(one(), rescind.ready(1)),
            await rescind.outcomes(one()),
            await rescind.timeout(one(), 20),
            await rescind.shield(one()),
            await rescind.shared(one()),
        ]

    assert run(main) == [7, 7, 7, (7, 1), (Completed(7),), 7, 7, 7]


def test_each_kind_raises_its_error(run: Run, kind: Any) -> None:
    """The same object, and the siblings are drained."""
    error = ValueError("no")
    drained: list[str] = []

    async def sibling() -> None:
        try:
            await rescind.never()
        finally:
            await asyncio.sleep(0)
            drained.append("clean")

    async def main() -> BaseException:
        inner = inner_future()
        later(3, inner.set_exception, error)
        try:
            await rescind.join(kind(inner), sibling())
        except ValueError as exc:
            return exc
        raise AssertionError

    assert (run(main) is error, drained) == (True, ["clean"])


def test_each_kind_that_somebody_else_cancels_is_a_child_that_was_canceled(
    run: Run, kind: Any
) -> None:
    """Its siblings and who awaits them are not."""

    async def main() -> list[str]:
        inner = inner_future()
        later(3, inner.cancel)
        outcomes = await rescind.outcomes(kind(inner), rescind.sleep(0.001))
        await asyncio.sleep(0)
        return [type(one).__name__ for one in outcomes]

    assert run(main) == ["Canceled", "Completed"]


# -- canceled --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(5))
def test_each_kind_canceled_at_any_tick_cancels_what_it_waits_for(
    run: Run, kind: Any, number: int
) -> None:
    """As the loser of a race: before it has begun to wait, and after."""

    async def main() -> tuple[str, bool]:
        inner = inner_future()
        gate = inner_future()
        later(number, gate.set_result, "gate")
        won = await rescind.race(kind(inner), coroutine(gate))
        return won, inner.cancelled()

    assert run(main) == ("gate", True)


def test_each_kind_canceled_by_the_driver_cancels_what_it_waits_for(loop: Loop, kind: Any) -> None:
    """By `asyncio.Task.cancel`, by asyncio's timeout, by ours."""

    async def main() -> list[Any]:
        inners = [inner_future() for _ in range(3)]
        stock = asyncio.create_task(_race(kind(inners[0])))
        await ticks(3)
        stock.cancel("from outside")
        ended = await asyncio.gather(stock, return_exceptions=True)
        for inner, limit in zip(inners[1:], (_asyncio_timeout, rescind.timeout), strict=True):
            with pytest.raises(TimeoutError):
                await limit(rescind.race(kind(inner)), 0.02)  # less may pass before it is polled
        return [type(ended[0]).__name__, *[inner.cancelled() for inner in inners]]

    assert _stock(loop, main) == ["CancelledError", True, True, True]


async def _race(awaitable: Awaitable[Any]) -> Any:
    return await rescind.race(awaitable)


async def _asyncio_timeout(awaitable: Awaitable[Any], seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await awaitable


def test_each_kind_that_ended_in_the_same_tick_delivers_its_value(loop: Loop, kind: Any) -> None:
    """R7: it has its value when the cancellation comes, which then waits for the next park."""
    got: list[object] = []

    async def body(inner: asyncio.Future[Any]) -> None:
        got.append(await kind(inner))
        await rescind.never()

    async def main() -> str:
        inner = inner_future()
        task = rescind.spawn(body(inner))
        await ticks(5)
        inner.set_result(7)
        # Through a task of asyncio's it takes some ticks: who cancels in between loses it.
        await ticks(4)
        return type(await task.cancel()).__name__

    assert (_ours(loop, main), got) == ("Canceled", [7])


@pytest.mark.parametrize("name", ["future", "task", "asyncio future of ours"])
def test_asyncio_future_that_was_handed_over_is_canceled_even_if_it_was_never_awaited(
    run: Run, name: str
) -> None:
    """By a task that never began, a combinator that was dropped, a bad call: nobody else would."""
    kind = KINDS[name]

    async def main() -> list[bool]:
        given = [kind(inner_future()) for _ in range(3)]
        rescind.spawn(given[0]).cancel()
        with pytest.raises(TypeError):
            rescind.race(given[1], 3)  # type: ignore[arg-type]
        dropped = rescind.join(given[2], rescind.never())
        del dropped
        await asyncio.wait(given, timeout=5)
        return [one.cancelled() for one in given]

    assert run(main) == [True, True, True]


def test_asyncio_future_says_what_it_is_where_it_is_waited_for(loop: Loop) -> None:
    """In messages it is the asyncio task, not the coroutine with which we wait for it."""

    async def names() -> list[str]:
        task = asyncio.get_running_loop().create_task(coroutine(inner_future()), name="poller")
        future = as_future(task)
        found = repr(future)
        future.drop()
        await asyncio.wait([task])
        return [found]

    assert _ours(loop, names) == ["the asyncio task 'poller'"]


# -- of another loop -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["awaited", "race", "join", "spawned"])
def test_asyncio_future_of_another_loop_is_refused(run: Run, where: str) -> None:
    """Its loop would call back on another thread, or never."""
    other = asyncio.new_event_loop()
    future = other.create_future()
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "awaited": lambda: rescind.spawn(coroutine(future)),
        "race": lambda: rescind.race(future, rescind.never()),
        "join": lambda: rescind.join(rescind.never(), coroutine(future)),
        "spawned": lambda: rescind.spawn(future),
    }

    async def main() -> str:
        try:
            await ways[where]()
        except RuntimeError as exc:
            return str(exc).partition("> ")[2].partition(";")[0]
        return "accepted"

    try:
        assert run(main) == "got Future <Future pending> attached to a different loop"
        assert not future.done()
    finally:
        other.close()


def test_future_of_another_loop_comes_over_by_a_thread_future(run: Run) -> None:
    """`run_coroutine_threadsafe` gives one; canceled here, the coroutine there is canceled."""
    other = asyncio.new_event_loop()
    ended = threading.Event()

    async def there() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def main() -> list[Any]:
        value = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 7), other)
        hanging = asyncio.run_coroutine_threadsafe(there(), other)
        got: list[Any] = [await rescind.race(value, rescind.never())]  # type: ignore[arg-type]
        got += await rescind.outcomes(rescind.timeout(hanging, 0.01))  # type: ignore[arg-type]
        return got

    thread = threading.Thread(target=other.run_forever)
    thread.start()
    try:
        value, late = run(main)
        assert ended.wait(60)
    finally:
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.run_until_complete(asyncio.sleep(0))
        other.close()
    assert (value, type(late), type(late.exception)) == (7, Error, rescind.TimedOut)


# -- of a thread -----------------------------------------------------------------------------------


def test_thread_future_gives_what_its_function_gives(run: Run) -> None:
    """A value, an error, or that somebody canceled it: which is an error, and no cancellation."""

    def fail() -> None:
        raise ValueError("in the thread")

    async def main() -> list[Any]:
        with ThreadPoolExecutor(1) as pool:
            given: list[Any] = [pool.submit(int, "7"), pool.submit(fail)]
            gate = threading.Event()
            given.append(pool.submit(gate.wait, 30))
            given.append(pool.submit(int, "8"))
            given[3].cancel()
            gate.set()
            return list(await rescind.outcomes(*given))

    value, failed, last, canceled = run(main)
    assert (value, str(failed.exception), last) == (Completed(7), "in the thread", Completed(True))
    assert type(canceled.exception) is concurrent.futures.CancelledError


def test_thread_future_canceled_before_its_function_starts_never_starts_it(run: Run) -> None:
    """It is taken out of the pool's queue, also when nobody polled it."""
    started: list[int] = []

    async def main() -> list[bool]:
        gate = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(gate.wait, 30)
            waiting: list[Any] = [pool.submit(started.append, number) for number in range(3)]
            await rescind.race(waiting[0], asyncio.sleep(0))
            rescind.spawn(waiting[1]).cancel()
            as_future(waiting[2]).drop()
            await ticks(2)
            gate.set()
            return [one.cancelled() for one in waiting]

    assert (run(main), started) == ([True, True, True], [])


def test_thread_future_canceled_while_its_function_runs_is_left_to_run(run: Run) -> None:
    """The waiter is free at once; the function ends when it ends, and wakes nobody."""
    log: list[str] = []
    begun = threading.Event()
    gate = threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(60)
        log.append("worked")

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool:
            future: Any = pool.submit(work)
            await asyncio.to_thread(begun.wait, 30)
            with pytest.raises(TimeoutError):
                await rescind.timeout(future, 0.001)
            log.append("timed out")
            gate.set()

    run(main)
    assert log == ["timed out", "worked"]


class EndsMeanwhile(concurrent.futures.Future[int]):
    """Its thread is faster than the cancel: it ends when that is asked, or was so already."""

    def __init__(self, end: Callable[[concurrent.futures.Future[int]], None]) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self.end = end

    def cancel(self) -> bool:
        """Lose the race."""
        self.end(self)
        return super().cancel()


@pytest.mark.parametrize("early", [True, False], ids=["before", "during"])
@pytest.mark.parametrize("fails", [False, True], ids=["value", "error"])
def test_thread_future_that_ends_while_it_is_canceled_keeps_its_result(
    early: bool, fails: bool
) -> None:
    """R7: ended before the cancellation came, or in the middle of it."""
    error = ValueError("no")

    def end(future: concurrent.futures.Future[int]) -> None:
        if future.done():
            return
        if fails:
            future.set_exception(error)
        else:
            future.set_result(7)

    given = EndsMeanwhile(end)
    waker = CountingWaker()
    future: Any = as_future(given)  # type: ignore[arg-type]
    cx = context(waker)
    assert future.poll(cx) is PENDING
    if early:
        end(given)
    outcome = future.poll_cancel(cx, rescind.CancelRequest(rescind.CancelReason()))

    assert outcome == (Error(error) if fails else Completed(7))
    assert waker.wakes == early


def test_thread_futures_canceled_in_a_storm_end_each_in_one_way(loop: Loop) -> None:
    """They complete on their threads while they are canceled; no value is given that was not."""
    worked: set[int] = set()

    def work(number: int) -> int:
        worked.add(number)
        return number

    async def main() -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            tasks = [rescind.spawn(pool.submit(work, number)) for number in range(200)]  # type: ignore[arg-type,var-annotated]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            return list(await rescind.outcomes(*[task.join() for task in tasks]))

    outcomes = [one.value for one in _ours(loop, main)]
    ended = {number: one.value for number, one in enumerate(outcomes) if one.__class__ is Completed}
    assert all(number == value and number in worked for number, value in ended.items())
    assert set(range(1, 200, 2)) <= set(ended)
    assert all(isinstance(one, (Completed, Canceled)) for one in outcomes)
