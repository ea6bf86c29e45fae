"""Cancel, wake, spawn and wait from other threads (R2, R25)."""

import copy
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Cancellation, Completed, Error, Runtime, Task, UsageError
from rescind.lowlevel import PENDING, Context, Waker
from tests.conftest import HostFactory


def started(*functions: Callable[[], Any]) -> list[threading.Thread]:
    """Start a thread for each function."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def joined(threads: list[threading.Thread]) -> None:
    """Wait for threads that are about to end."""
    for thread in threads:
        thread.join(60)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds."""
    while not condition():
        await rescind.sleep(0)


def test_cancel_from_a_thread_reaches_a_parked_task(host: HostFactory) -> None:
    """The reason names the place that asked, and no task."""

    async def main() -> Any:
        task = rescind.spawn(rescind.never())
        await rescind.yield_now()
        threads = started(lambda: task.cancel("from a thread"))
        await until(task.done)
        joined(threads)
        return task.outcome()

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert (outcome.reason.message, outcome.reason.by) == ("from a thread", None)
    assert outcome.reason.where is not None
    assert outcome.reason.where.rpartition(":")[0] == __file__


def test_wake_from_a_thread_polls_a_parked_task(host: HostFactory) -> None:
    """A future completed by a thread wakes its task, once, wherever the host waits."""
    box: dict[str, Any] = {}

    def poll(cx: Context) -> Any:
        box["polls"] = box.get("polls", 0) + 1
        if "value" in box:
            return box["value"]
        box["waker"] = cx.waker
        return PENDING

    def complete() -> None:
        waker: Waker = box["waker"]
        box["value"] = "from a thread"
        for _ in range(10):
            waker.wake()

    async def main() -> tuple[Any, int]:
        task = rescind.spawn(rescind.poll_fn(poll))
        await rescind.yield_now()
        threads = started(complete)
        await until(task.done)
        joined(threads)
        await rescind.yield_now()
        return task.outcome(), box["polls"]

    with host() as runtime:
        outcome, polls = runtime.block_on(main())

    assert (outcome, polls) == (Completed("from a thread"), 2)


def test_real_loop_that_sleeps_is_woken_by_a_thread() -> None:
    """No timer, nothing ready: the wake-up itself interrupts the selector."""
    box: list[Waker] = []
    parked = threading.Event()

    def poll(cx: Context) -> Any:
        if box:
            return "woken"
        box.append(cx.waker)
        parked.set()
        return PENDING

    def wake() -> None:
        parked.wait(60)
        box[0].wake()

    threads = started(wake)
    value = rescind.run(rescind.poll_fn(poll))
    joined(threads)

    assert value == "woken"


def test_handle_waits_in_a_thread_for_each_kind_of_end(host: HostFactory) -> None:
    """The outcome is the joiners' own: value, error, cancellation."""
    error = ValueError("mine")

    async def fail() -> None:
        await rescind.yield_now()
        raise error

    async def main() -> dict[str, Any]:
        tasks: dict[str, Task[Any]] = {
            "value": rescind.spawn(rescind.ready(1)),
            "error": rescind.spawn(fail()),
            "canceled": rescind.spawn(rescind.never()),
        }
        seen: dict[str, Any] = {}
        go = threading.Event()

        def waiter(name: str, handle: rescind.CancellationHandle) -> Callable[[], None]:
            def wait() -> None:
                go.set()
                seen[name] = handle.wait(60)

            return wait

        threads = started(
            *(waiter(name, task.cancellation_handle()) for name, task in tasks.items())
        )
        go.wait(60)
        tasks["canceled"].cancel("stop")
        await until(lambda: len(seen) == 3)
        joined(threads)
        assert seen == {name: task.outcome() for name, task in tasks.items()}
        return seen

    with host() as runtime:
        seen = runtime.block_on(main())

    assert (seen["value"], seen["error"]) == (Completed(1), Error(error))
    assert type(seen["canceled"]) is Canceled


def test_wait_with_a_timeout_gives_up_and_leaves_the_task_alone(host: HostFactory) -> None:
    """It names the task and the time; the task goes on."""

    async def main() -> tuple[str, bool]:
        task = rescind.spawn(rescind.never(), name="endless")
        handle = task.cancellation_handle()
        messages: list[str] = []

        def wait() -> None:
            with pytest.raises(TimeoutError) as info:
                handle.wait(0.01)
            messages.append(str(info.value))

        threads = started(wait)
        await until(lambda: bool(messages))
        joined(threads)
        done = task.done()
        await task.cancel()
        return messages[0], done

    with host() as runtime:
        assert runtime.block_on(main()) == ("'endless' has not ended within 0.01 s", False)


def test_wait_on_the_runtimes_own_thread_is_refused(host: HostFactory) -> None:
    """Inside a step, and between two runs: it would wait for itself."""
    messages: list[str] = []

    async def main(handle: rescind.CancellationHandle) -> None:
        with pytest.raises(UsageError) as info:
            handle.wait()
        messages.append(str(info.value))

    with host() as runtime:
        runtime.block_on(rescind.yield_now())
        task = runtime.spawn(rescind.never(), name="mine")
        handle = task.cancellation_handle()
        runtime.block_on(main(handle))
        with pytest.raises(UsageError) as info:
            handle.wait()
        messages.append(str(info.value))

    expected = "waiting for 'mine' would block the thread that runs it; await the task"
    assert messages == [expected, expected]


def test_wait_after_the_end_answers_at_once_or_says_that_the_outcome_is_gone() -> None:
    """The handle holds no output: without the task there is nothing to tell."""
    with Runtime() as runtime:
        task = runtime.spawn(rescind.ready(3), name="kept")
        runtime.block_on(task)
        handle = task.cancellation_handle()
    outcome = handle.wait(0)
    del task

    with pytest.raises(UsageError) as info:
        handle.wait(0)

    assert outcome == Completed(3)
    assert str(info.value) == (
        "'kept' has ended, and its outcome is gone with the last reference to it; "
        "keep the Task as long as the outcome is wanted"
    )


def test_copies_of_a_handle_are_equal_and_usable_as_keys(host: HostFactory) -> None:
    """A handle is its task's identity, also after the end."""
    with host() as runtime:
        task, other = runtime.spawn(rescind.never()), runtime.spawn(rescind.never())
        handle = task.cancellation_handle()
        same = {handle, copy.copy(handle), task.cancellation_handle()}
        different = {handle, other.cancellation_handle()}

    assert (len(same), len(different), handle in same, handle == task) == (1, 2, True, False)


def test_threads_spawn_and_wait_while_the_runtime_runs(host: HostFactory) -> None:
    """Eight threads, fifty tasks each: every value comes back to the thread that asked."""
    got: dict[int, list[Any]] = {}

    async def value(number: int) -> int:
        await rescind.yield_now()
        return number

    def work(runtime: Runtime, base: int) -> Callable[[], None]:
        def run() -> None:
            tasks = [runtime.spawn(value(base + number)) for number in range(50)]
            got[base] = [task.cancellation_handle().wait(60) for task in tasks]

        return run

    async def main() -> None:
        runtime = rescind.current_runtime()
        threads = started(*(work(runtime, 100 * index) for index in range(8)))
        await until(lambda: not any(thread.is_alive() for thread in threads))

    with host() as runtime:
        runtime.block_on(main())
        counts = runtime.statistics()

    assert got == {
        base: [Completed(base + number) for number in range(50)] for base in range(0, 800, 100)
    }
    assert (counts.spawned, counts.completed, counts.alive) == (401, 401, 0)


@pytest.mark.parametrize("seed", range(4))
def test_cancels_from_threads_at_random_moments_lose_nothing(host: HostFactory, seed: int) -> None:
    """Each task ends exactly once; each cleanup runs once; the counters add up."""
    rng = random.Random(seed)
    cleaned: list[int] = []

    async def body(number: int) -> int:
        try:
            for _ in range(number % 7):
                await rescind.yield_now()
            if number % 3 == 0:
                return number
            await rescind.race(rescind.never(), rescind.never())
        finally:
            await rescind.yield_now()
            cleaned.append(number)
        return -1

    async def main() -> list[Any]:
        tasks = [rescind.spawn(body(number)) for number in range(120)]
        orders = [rng.sample(tasks, len(tasks)) for _ in range(3)]

        def cancel_all(order: list[Task[int]]) -> Callable[[], None]:
            handles = [task.cancellation_handle() for task in order]

            def run() -> None:
                for handle in handles:
                    handle.cancel("random")

            return run

        for _ in range(rng.randrange(4)):
            await rescind.yield_now()
        threads = started(*map(cancel_all, orders))
        outcomes = [await task.join() for task in tasks]
        joined(threads)
        return outcomes

    with host() as runtime:
        outcomes = runtime.block_on(main())
        counts = runtime.statistics()

    completed = [n for n, outcome in enumerate(outcomes) if outcome == Completed(n)]
    canceled = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Canceled)]
    assert sorted(completed + canceled) == list(range(120))
    assert len(cleaned) == len(set(cleaned))
    assert set(completed) <= set(cleaned)
    assert (counts.spawned, counts.completed, counts.canceled) == (
        121,
        len(completed) + 1,
        len(canceled),
    )


def test_cancel_during_a_step_is_delivered_at_the_next_park(host: HostFactory) -> None:
    """A thread that cancels while the task computes does not interrupt it."""
    log: list[str] = []

    async def body() -> None:
        threads = started(lambda: rescind_handle[0].cancel("while you compute"))
        joined(threads)
        log.append("still computing")
        try:
            await until(lambda: False)
        except Cancellation as exc:
            log.append(str(exc.reason.message))
            raise

    rescind_handle: list[rescind.CancellationHandle] = []
    with host() as runtime:
        task = runtime.spawn(body())
        rescind_handle.append(task.cancellation_handle())
        outcome = runtime.block_on(task.join())

    assert isinstance(outcome, Canceled)
    assert log == ["still computing", "while you compute"]


def test_two_runtimes_in_two_threads_cancel_each_others_tasks() -> None:
    """Handles cross runtimes; each outcome is told on its own."""
    handles: dict[str, rescind.CancellationHandle] = {}
    outcomes: dict[str, Any] = {}
    barrier = threading.Barrier(2)

    def side(own: str, other: str) -> Callable[[], None]:
        async def main() -> Any:
            task = rescind.spawn(rescind.never(), name=own)
            handles[own] = task.cancellation_handle()
            barrier.wait(60)
            handles[other].cancel(f"by {own}")
            return await task.join()

        def run() -> None:
            outcomes[own] = rescind.run(main)

        return run

    joined(started(side("left", "right"), side("right", "left")))

    assert {name: outcome.reason.message for name, outcome in outcomes.items()} == {
        "left": "by right",
        "right": "by left",
    }
