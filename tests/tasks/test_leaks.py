"""Nothing is left behind: no task, timer, waiter, frame or reference cycle."""

import gc
import logging
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rescind
from rescind import Canceled, Cancellation, Runtime, TimedOut
from rescind.lowlevel import ManualHost
from tests.conftest import HostFactory

MANY = 100_000


@pytest.fixture
def collected() -> Iterator[None]:
    """Let only reference counts free objects during the test."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Marked:
    """Something whose end can be seen."""


def garbage() -> list[str]:
    """Collect, and name the types of rescind's objects, and ours, that only that could free."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return sorted(
            {
                type(one).__qualname__
                for one in gc.garbage
                if type(one).__module__.startswith(("rescind", __name__))
                or type(one).__name__ in {"coroutine", "frame", "traceback"}
            }
        )
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_many_parked_and_canceled_tasks_leave_nothing() -> None:
    """A hundred thousand of them, canceled one by one: counters at zero, memory as before."""

    async def parked() -> None:
        await rescind.sleep(3600)

    async def main() -> tuple[int, int]:
        tasks = [rescind.spawn(parked()) for _ in range(MANY)]
        await rescind.yield_now()
        at_most = rescind.current_runtime().statistics().timers
        for task in tasks:
            task.cancel()
        canceled = 0
        for task in tasks:
            canceled += isinstance(await task.join(), Canceled)
        return at_most, canceled

    with Runtime(host=ManualHost()) as runtime:
        counted = runtime.block_on(main())
        after = runtime.statistics()
        entries = runtime.executor._timers.entries
        tasks = [one for one in gc.get_objects() if isinstance(one, rescind.Task)]
        left = [task for task in tasks if task.executor is runtime.executor]
        del tasks

    assert counted == (MANY, MANY)
    assert (after.alive, after.ready, after.timers, after.canceled) == (0, 0, 0, MANY)
    assert entries <= 128
    assert left == []


@pytest.mark.parametrize("how", ["race", "timeout", "join", "deadline", "cancel", "shield"])
def test_memory_does_not_grow_with_what_was_canceled(how: str) -> None:
    """A thousand rounds more leave less than the smallest object for each round."""

    async def once() -> None:
        if how == "race":
            await rescind.race(rescind.sleep(3600), rescind.never(), rescind.yield_now())
        elif how == "timeout":
            await rescind.timeout(rescind.yield_now(), 3600)
        elif how == "join":
            await rescind.join(rescind.yield_now(), rescind.yield_now())
        elif how == "deadline":
            async with rescind.deadline(3600):
                await rescind.yield_now()
        elif how == "shield":
            await rescind.shield(rescind.yield_now())
        else:
            task = rescind.spawn(rescind.sleep(3600))
            await rescind.yield_now()
            await task.cancel()

    async def main() -> int:
        for _ in range(200):
            await once()
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(1000):
                await once()
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()

    with Runtime(host=ManualHost()) as runtime:
        grown = runtime.block_on(main())
        after = runtime.statistics()

    assert (after.alive, after.timers) == (0, 0)
    assert grown < 1000 * 40


async def _parked() -> None:
    marked = Marked()
    try:
        await rescind.never()
    finally:
        del marked


async def _failing() -> None:
    await rescind.yield_now()
    raise ValueError("failed")


async def _cancel() -> None:
    task = rescind.spawn(_parked())
    await rescind.yield_now()
    await task.cancel()


async def _catch() -> None:
    # A local that refers to the task would be a cycle of this function's own: task, exception,
    # traceback, frame, as everywhere in Python.
    try:
        await rescind.spawn(_failing())
    except ValueError:
        pass


async def _cancel_with_error() -> None:
    async def body() -> None:
        try:
            await rescind.never()
        finally:
            raise ValueError("in cleanup")

    task = rescind.spawn(body())
    await rescind.yield_now()
    await task.cancel()


async def _lose_race() -> None:
    await rescind.race(_parked(), _parked(), rescind.yield_now())


async def _fail_join() -> None:
    try:
        await rescind.join(_parked(), _failing())
    except ValueError:
        pass


async def _time_out() -> None:
    try:
        await rescind.timeout(_parked(), 0.001)
    except TimedOut:
        pass
    try:
        async with rescind.deadline(0.001):
            await _parked()
    except TimedOut:
        pass


async def _drop() -> None:
    task = rescind.spawn(_parked())
    await rescind.yield_now()
    await task.cancel(grace=0)


async def _absorb() -> None:
    async def body() -> int:
        try:
            await rescind.never()
        except Cancellation:
            return 1

    task = rescind.spawn(body())
    await rescind.yield_now()
    await task.cancel()


async def _join_canceled() -> None:
    task = rescind.spawn(_parked())
    joiner = rescind.spawn(task.join())
    await rescind.yield_now()
    await joiner.cancel()
    await task.cancel()


SCENARIOS = [
    _cancel,
    _catch,
    _cancel_with_error,
    _lose_race,
    _fail_join,
    _time_out,
    _drop,
    _absorb,
    _join_canceled,
]


async def _fails_in_its_cleanup() -> None:
    try:
        await rescind.never()
    finally:
        raise ValueError("in cleanup")


async def _within_a_deadline(coro: Any) -> None:
    async with rescind.deadline(0.001):
        await coro


async def _awaited(fut: Any) -> Any:
    return await fut


AROUND: dict[str, Callable[[Any], Any]] = {
    "race": lambda coro: rescind.race(coro, rescind.yield_now()),
    "waiting race": lambda coro: rescind.race(coro, rescind.never()),
    "join": lambda coro: rescind.join(coro, rescind.yield_now()),
    "failing join": lambda coro: rescind.join(coro, _failing()),
    "timeout": lambda coro: rescind.timeout(coro, 0.001),
    "deadline": _within_a_deadline,
}


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("how", ["canceled", "dropped", "in a race", "awaited"])
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("inside", [_fails_in_its_cleanup, _failing], ids=["cleanup", "body"])
def test_no_reference_cycle_is_left_by_errors_in_what_was_combined(
    inside: Callable[[], Any], around: str, how: str
) -> None:
    """Since Python 3.12 the frames of an error keep those that called them, which have ended."""
    if inside is _fails_in_its_cleanup and how == "awaited" and around in {"waiting race", "join"}:
        pytest.skip("nothing would end it")

    async def once() -> None:
        future = _awaited(AROUND[around](inside()))
        if how == "awaited":
            try:
                await future
            except (ValueError, TimedOut):
                pass
            return
        if how == "in a race":
            future = _awaited(rescind.race(future, rescind.never()))
        task = rescind.spawn(future)
        await rescind.yield_now()
        await rescind.yield_now()
        await task.cancel(grace=0 if how == "dropped" else None)

    async def main() -> list[str]:
        await once()
        await rescind.yield_now()
        gc.collect()
        await once()
        await rescind.yield_now()
        return garbage()

    with Runtime(host=ManualHost()) as runtime:
        found = runtime.block_on(main())

    assert found == []


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__.strip("_"))
def test_no_reference_cycle_is_left_by(host: HostFactory, scenario: Any) -> None:
    """Reference counting alone frees everything: a collection finds nothing of ours."""

    async def main() -> list[str]:
        await scenario()
        await rescind.yield_now()
        gc.collect()
        await scenario()
        await rescind.yield_now()
        return garbage()

    with host() as runtime:
        found = runtime.block_on(main())

    assert found == []


@pytest.mark.usefixtures("collected")
def test_locals_of_a_task_die_at_its_end_not_with_its_handle(host: HostFactory) -> None:
    """Value, exception or cancellation: the frame is gone, though the handle is kept."""
    refs: list[weakref.ref[Marked]] = []

    async def body(how: str) -> None:
        marked = Marked()
        refs.append(weakref.ref(marked))
        if how == "park":
            await rescind.never()
        await rescind.yield_now()

    async def main() -> list[Any]:
        ended, parked = rescind.spawn(body("end")), rescind.spawn(body("park"))
        await ended.join()
        await rescind.yield_now()
        alive = [ref() is not None for ref in refs]
        await parked.cancel()
        await rescind.yield_now()
        return [alive, [ref() is not None for ref in refs], ended.done(), parked.done()]

    with host() as runtime:
        seen = runtime.block_on(main())

    assert seen == [[False, True], [False, False], True, True]


@pytest.mark.usefixtures("collected")
def test_output_dies_with_the_last_handle(host: HostFactory) -> None:
    """The runtime keeps no outcome of a task that nobody holds."""
    refs: list[weakref.ref[Marked]] = []

    async def body() -> Marked:
        marked = Marked()
        refs.append(weakref.ref(marked))
        return marked

    async def main() -> list[bool]:
        task = rescind.spawn(body())
        await task.join()
        await rescind.yield_now()
        held = refs[0]() is not None
        del task
        await rescind.yield_now()
        return [held, refs[0]() is not None]

    with host() as runtime:
        assert runtime.block_on(main()) == [True, False]


@pytest.mark.usefixtures("collected")
def test_canceled_joiners_leave_no_waiter(host: HostFactory) -> None:
    """A thousand joiners that gave up are forgotten by the task they waited for."""

    async def main() -> list[int]:
        task = rescind.spawn(rescind.never())
        joiners = [rescind.spawn(task.join()) for _ in range(1000)]
        await rescind.yield_now()
        counts = [len(task.joiners())]
        for joiner in joiners:
            joiner.cancel()
        for joiner in joiners:
            await joiner.join()
        counts.append(len(task.joiners()))
        await task.cancel()
        return counts

    with host() as runtime:
        assert runtime.block_on(main()) == [1000, 0]


def test_closed_runtime_is_freed_without_a_trace(host: HostFactory) -> None:
    """After the shutdown nothing global refers to the runtime, its executor or its tasks."""

    def once() -> list[weakref.ref[Any]]:
        runtime = host()
        with runtime:
            runtime.spawn(_parked())
            runtime.block_on(_lose_race())
        return [weakref.ref(runtime), weakref.ref(runtime.executor)]

    refs = once()
    gc.collect()

    assert [ref() for ref in refs] == [None, None]


def test_abandoned_coroutine_is_never_resumed_not_even_after_its_runtime(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R10: never polled again; one that swallows everything would else hang the program's exit."""
    caplog.set_level(logging.CRITICAL, logger="rescind")  # a record would keep the coroutine
    log: list[str] = []

    async def body() -> None:
        for _ in range(3):
            try:
                await rescind.never()
            except BaseException as exc:
                log.append(type(exc).__name__)

    def once() -> None:
        with Runtime(host=ManualHost(), grace=0.001) as runtime:
            runtime.spawn(body())
            runtime.block_on(rescind.yield_now())

    once()
    gc.collect()

    assert log == ["Cancellation", "GeneratorExit"]
