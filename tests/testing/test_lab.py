"""One run: virtual time, its end, what is left, what it may not touch."""

import asyncio
import gc
import itertools
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import blocking
from rescind.sync import Mutex
from rescind.testing import Lab, Livelock
from tests.testing.programs import run, three


def test_time_moves_only_when_nothing_can_run() -> None:
    """An hour's sleep takes no time, and steps take none either."""

    async def main() -> tuple[float, float]:
        before = rescind.now()
        for _ in range(10):
            await rescind.yield_now()
        between = rescind.now()
        await rescind.sleep(3600)
        return between - before, rescind.now() - before

    made = run(main)

    assert (0.0, 3600.0) == made.unwrap()
    assert 3600.0 == made.time


def test_what_main_raises_is_the_outcome() -> None:
    """An exception of main is in the run's outcome, with its identity."""
    error = LookupError("nothing there")

    async def main() -> None:
        raise error

    made = run(main)

    assert isinstance(made.outcome, rescind.Error)
    assert error is made.outcome.exception
    with pytest.raises(LookupError):
        made.unwrap()


def test_equal_runs_have_equal_traces() -> None:
    """Neither ids nor counters of the process show in what is recorded."""

    async def main() -> object:
        async with rescind.task_group() as g:  # named by a counter
            task = g.spawn(rescind.sleep(1))
            g.spawn(rescind.race(rescind.sleep(2), rescind.sleep(3)))
            return await task

    first, second = run(main), run(main)

    assert first.trace == second.trace
    assert first.signature() == second.signature()


def test_a_run_without_trace_goes_the_same_way() -> None:
    """To record changes nothing (X2)."""
    assert run(three(3)).signature() == run(three(3), trace=False).signature()
    assert () == run(three(), trace=False).trace


def test_two_who_wait_for_each_other_are_named() -> None:
    """A hang says who waits for whom, and where."""

    async def main() -> None:
        first, second = Mutex(name="first"), Mutex(name="second")

        async def both(one: Mutex, other: Mutex) -> None:
            async with one:
                await rescind.yield_now()
                async with other:
                    pass

        async with rescind.task_group() as g:
            g.spawn(both(first, second), name="left")
            g.spawn(both(second, first), name="right")

    made = run(main)

    assert isinstance(made.error, rescind.Deadlock)
    assert made.outcome is None
    assert () == made.leftovers.tasks
    words = str(made.error)
    assert "a circle: left waits for right waits for left" in words
    assert re.search(r"left +acquire of <Mutex 'second'.* at \S*test_lab.py:", words)
    with pytest.raises(rescind.Deadlock):
        made.unwrap()


def test_a_task_that_joins_its_joiner_is_a_circle() -> None:
    """A circle of joins is named as well."""

    async def main() -> None:
        tasks: list[rescind.Task[None]] = []

        async def wait_for(number: int) -> None:
            await tasks[number].join()

        tasks.append(rescind.spawn(wait_for(1), name="chicken"))
        tasks.append(rescind.spawn(wait_for(0), name="egg"))
        await tasks[0].join()

    assert "a circle: chicken waits for egg waits for chicken" in str(run(main).error)


def test_a_hang_drops_everybody() -> None:
    """After a deadlock every task is dropped: its finally has run."""
    ended: list[str] = []

    async def hang() -> None:
        try:
            await rescind.never()
        finally:
            ended.append("hang")

    async def main() -> None:
        try:
            await rescind.spawn(hang())
        finally:
            ended.append("main")

    run(main)

    assert {"hang", "main"} == set(ended)


def test_a_livelock_shows_the_places_that_repeat() -> None:
    """A run that does not end in its steps says where it goes round."""

    async def spin() -> None:
        while True:
            await rescind.yield_now()

    async def main() -> None:
        async with rescind.task_group() as g:
            g.spawn(spin(), name="ping")
            g.spawn(spin(), name="pong")

    made = run(main, max_steps=500)

    assert isinstance(made.error, Livelock)
    assert re.search(
        r"not over after 500 steps, at 0 s; of the last 200:\n"
        r"  root/[12] at \S*test_lab.py:\d+ in \S*spin: 100 times",
        str(made.error),
    )


def test_a_run_may_have_just_as_many_steps_as_it_needs() -> None:
    """The bound is what a run may take; one less is a livelock."""
    needed = run(three()).steps

    assert run(three(), max_steps=needed).error is None
    assert isinstance(run(three(), max_steps=needed - 1).error, Livelock)


def test_the_collector_is_held_off_during_a_run() -> None:
    """X2: finalizers run where references end."""

    async def main() -> bool:
        return gc.isenabled()

    assert run(main).unwrap() is False


def test_a_cleanup_that_hangs_after_the_end_is_dropped() -> None:
    """What main left behind cannot keep the run from ending, though its grace is unbounded."""
    ended: list[str] = []

    async def stray() -> None:
        try:
            await rescind.never()
        finally:
            try:
                await rescind.never()
            finally:
                ended.append("dropped")

    async def main() -> None:
        rescind.spawn(stray())
        await rescind.yield_now()

    assert run(main, grace=None).leftovers
    assert ["dropped"] == ended


def test_tasks_that_main_leaves_are_told_and_ended() -> None:
    """What was not waited for is named, canceled as a shutdown would, and cleaned up."""
    ended: list[str] = []

    async def stray() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(1)
            ended.append("cleaned up")

    async def main() -> None:
        rescind.spawn(stray(), name="stray")
        await rescind.yield_now()

    made = run(main)

    assert ("root/1 'stray'",) == made.leftovers.tasks
    assert ["cleaned up"] == ended
    assert 0.0 == made.time


def test_a_timer_of_nobody_is_told() -> None:
    """A timer that outlives all tasks is a leftover."""
    kept: list[rescind.CancellationToken] = []

    async def main() -> None:
        kept.append(rescind.CancellationToken.after(5))

    async def leaves_a_sleeper() -> None:
        rescind.spawn(rescind.sleep(5))
        await rescind.sleep(1)

    assert 1 == run(main).leftovers.timers
    assert 0 == run(leaves_a_sleeper).leftovers.timers
    assert 0 == run(three()).leftovers.timers


def test_a_coroutine_that_is_not_awaited_is_told() -> None:
    """It is in the leftovers, instead of a warning."""

    async def helper() -> None: ...

    async def main() -> None:
        helper()

    made = run(main)

    assert made.leftovers.unawaited[0].endswith("helper")
    assert made.leftovers


def test_an_error_that_nobody_sees_is_told() -> None:
    """A task that fails without being joined is in the run, and nothing is logged."""

    async def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        rescind.spawn(fail())
        await rescind.sleep(1)

    ((path, error),) = run(main).unseen

    assert "root/1" == path
    assert isinstance(error, ZeroDivisionError)


async def _sleep_in_thread() -> None:
    time.sleep(0.001)  # noqa: ASYNC251  # that is what is refused


async def _asyncio_sleep() -> None:
    await asyncio.sleep(0.001)


async def _spawn_blocking() -> None:
    await blocking.spawn_blocking(int)


async def _run_process() -> None:
    await blocking.run_process(["true"])


async def _start_thread() -> None:
    threading.Thread(target=int).start()


async def _connect() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


class _Foreign:
    def __await__(self) -> Any:
        yield object()


async def _await_foreign() -> None:
    await _Foreign()


@pytest.mark.parametrize(
    "reach",
    [
        _sleep_in_thread,
        _asyncio_sleep,
        _spawn_blocking,
        _run_process,
        _start_thread,
        _connect,
        _await_foreign,
    ],
)
@pytest.mark.parametrize("swallow", [False, True])
def test_the_world_outside_is_refused(reach: Callable[[], Awaitable[None]], swallow: bool) -> None:
    """What reaches outside is a misuse that says so, also where the program swallows the error."""

    async def main() -> None:
        try:
            await reach()
        except Exception:
            if not swallow:
                raise

    with pytest.raises(rescind.UsageError, match="the lab has no world outside"):
        run(main)


def test_work_that_counts_as_outside_is_refused() -> None:
    """A future that has a thread or a process work for it says so to the executor."""

    async def main() -> None:
        executor = rescind.current_task().executor
        executor.outside += 1
        await rescind.yield_now()

    with pytest.raises(rescind.UsageError, match="work was given to a thread or a process"):
        run(main)


def test_the_world_is_back_afterwards() -> None:
    """Outside of a run nothing is refused, warned of or noted any more."""
    run(three())

    time.sleep(0)
    assert 1 == asyncio.run(asyncio.wait_for(_one(), 1))
    assert gc.isenabled()
    coro = _one()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        del coro


async def _one() -> int:
    return 1


def test_zero_sleep_of_asyncio_is_a_park() -> None:
    """A bare yield, as of ``asyncio.sleep(0)``, needs no loop."""

    async def main() -> int:
        await asyncio.sleep(0)
        return 3

    assert 3 == run(main).unwrap()


def test_the_lab_refuses_to_run_inside_a_runtime() -> None:
    """Within a task there is a thread already that runs something."""

    async def main() -> None:
        Lab(_one).run()

    with pytest.raises(rescind.UsageError, match="the lab cannot block here"):
        rescind.run(main())


def test_main_must_be_a_function() -> None:
    """A coroutine can be run once only, so a function is needed."""
    coro = _one()
    with pytest.raises(TypeError, match="an async function that it can call"):
        Lab(coro)  # type: ignore[arg-type]
    coro.close()


def test_steps_must_be_positive() -> None:
    """A lab without steps makes no sense."""
    with pytest.raises(ValueError, match="max_steps must be at least 1, not 0"):
        Lab(_one, max_steps=0)


def test_tasks_are_called_by_their_paths() -> None:
    """Paths count the tasks of each spawner; names default to them; ids count from 1."""

    async def leaf() -> str:
        return rescind.current_task().name

    async def branch() -> list[str]:
        return [await rescind.spawn(leaf()), await rescind.spawn(leaf())]

    async def main() -> tuple[list[str], list[str], int]:
        first, second = rescind.spawn(branch()), rescind.spawn(branch())
        return await first, await second, rescind.current_task().id

    assert (["root/1/1", "root/1/2"], ["root/2/1", "root/2/2"], 1) == run(main).unwrap()


def test_a_step_tells_who_did_what() -> None:
    """The trace names who is spawned and woken, what is waited for, and how it ends."""

    async def setter(event: rescind.sync.Event) -> None:
        await rescind.sleep(2)
        event.set()

    async def main() -> str:
        event = rescind.sync.Event()
        rescind.spawn(setter(event), name="setter")
        await event.wait()
        return "seen"

    trace = run(main).trace
    told = [(s.at, s.name, s.did, s.ended, s.notes) for s in trace]

    assert [
        (0.0, "main", "polled", "", ("spawns setter",)),
        (0.0, "setter", "polled", "", ()),
        (2.0, "", "timer", "", ("wakes setter",)),
        (2.0, "setter", "polled", "completed", ("wakes main",)),
        (2.0, "main", "polled", "completed with 'seen'", ()),
    ] == told
    assert "sleep(2)" == trace[1].waits
    assert [step.number for step in trace] == list(itertools.islice(itertools.count(1), 5))
