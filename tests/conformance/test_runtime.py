"""The runtime: the cases of tokio's `rt_basic`, `rt_common`, `rt_threaded` and `task_local_set`."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    Runtime,
    UsageError,
    current_runtime,
    current_task,
    never,
    ready,
    run,
    sleep,
    spawn,
    yield_now,
)
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Waker

from .support import Boom, Flag, by_hand, logged, settle


def test_no_task_is_polled_more_often_than_it_is_woken() -> None:
    """Tokio rt_basic, no_extra_poll: one poll at the start, one for each wake, none besides."""
    flag = Flag()
    with by_hand() as rt:
        rt.runtime.spawn(flag)
        counts = []
        for _ in range(3):
            rt.turn(3)
            counts.append(flag.polls)
            flag.nudge()
        rt.turn(3)
        assert ([1, 2, 3], 4) == (counts, flag.polls)


def test_a_spawned_task_makes_no_progress_while_nobody_drives_the_runtime(host: Any) -> None:
    """Tokio rt_basic, spawned_task_does_not_progress_without_block_on."""
    trace: list[str] = []

    async def body() -> None:
        trace.append("ran")

    with host() as runtime:
        task = runtime.spawn(body())
        before = list(trace)
        runtime.block_on(task.join())
        assert ([], ["ran"]) == (before, trace)


def test_dying_tasks_may_wake_each_other_in_a_chain() -> None:
    """Tokio rt_basic and task_local_set, acquire_mutex_in_drop: no deadlock, no poll of the
    dead.
    """
    polls: list[int] = []
    drops: list[int] = []
    wakers: dict[int, Waker] = {}

    class Link(Future[None]):
        def __init__(self, number: int) -> None:
            self.number = number

        def poll(self, cx: Context) -> Any:
            polls.append(self.number)
            wakers[self.number] = cx.waker
            return PENDING

        def drop(self) -> None:
            drops.append(self.number)
            for waker in wakers.values():
                waker.wake()

    with by_hand() as rt:
        for number in range(3):
            rt.runtime.spawn(Link(number))
        rt.turn()
    # Those woken before their turn are looked at once, for they may have their output (R7).
    assert ([0, 1, 2, 1, 2], [0, 1, 2]) == (polls, drops)


def test_a_drop_during_shutdown_sees_its_runtime_and_its_task(host: Any) -> None:
    """Tokio rt_basic, drop_tasks_in_context: the context is still current in the destructor."""
    seen: list[object] = []

    class Looks(Flag):
        def drop(self) -> None:
            seen.append((current_runtime() is runtime, current_task().name))

    async def main() -> None:
        spawn(Looks(), name="looks")
        await settle()

    with host() as runtime:
        runtime.block_on(main())
    assert [(True, "looks")] == seen


def test_wakes_while_the_runtime_shuts_down_resume_nobody() -> None:
    """Tokio rt_common, wake_while_rt_is_dropping: a destructor wakes the others, and itself."""
    flags: list[Flag] = []

    class Wakes(Flag):
        def drop(self) -> None:
            for flag in flags:
                flag.nudge()
            super().drop()

    with by_hand() as rt:
        flags += [Wakes() for _ in range(5)]
        for flag in flags:
            rt.runtime.spawn(flag)
        rt.turn()
    # The first is dropped unwoken; the others, woken by it, are looked at once (R7).
    polls = [flag.polls for flag in flags]
    assert ([1, 2, 2, 2, 2], [1] * 5) == (polls, [flag.drops for flag in flags])


def test_a_task_spawned_by_a_cleanup_during_shutdown_is_born_canceled(host: Any) -> None:
    """Tokio rt_common, shutdown_concurrent_spawn: no body runs after the runtime has closed."""
    born: list[Any] = []
    trace: list[str] = []

    async def late() -> None:
        trace.append("late body")

    async def body() -> None:
        try:
            await never()
        finally:
            born.append(spawn(late()))

    async def main() -> None:
        spawn(body())
        await settle()

    with host() as runtime:
        runtime.block_on(main())
    outcome = born[0].outcome()
    assert isinstance(outcome, Canceled)
    assert (CancelKind.SHUTDOWN, []) == (outcome.reason.kind, trace)


def test_threads_that_spawn_during_shutdown_always_get_an_ended_task(host: Any) -> None:
    """Tokio loom_blocking, rt_threaded spawn_shutdown: a spawn racing the shutdown resolves."""
    tasks: list[Any] = []
    begun = threading.Event()

    def spawner(runtime: Runtime) -> None:
        for number in range(300):
            tasks.append(runtime.spawn(ready(number)))
            begun.set()

    with host() as runtime:
        thread = threading.Thread(target=spawner, args=(runtime,))
        thread.start()
        begun.wait()
        runtime.block_on(settle())
    thread.join()
    kinds = {type(task.outcome()).__name__ for task in tasks}
    assert (300, True) == (len(tasks), kinds <= {"Completed", "Canceled"})


def test_a_runtime_cannot_block_inside_itself_or_another(host: Any) -> None:
    """Tokio rt_common, nested_rt: a clear error, and the coroutine that was passed is closed."""

    async def main() -> list[str]:
        texts = []
        for other in (runtime, second):
            with pytest.raises(UsageError) as caught:
                other.block_on(settle())
            texts.append("already runs" in str(caught.value))
        with pytest.raises(UsageError):
            run(settle)
        return [str(text) for text in texts]

    with host() as runtime, Runtime(host=ManualHost()) as second:
        assert ["True", "True"] == runtime.block_on(main())


def test_making_a_runtime_inside_a_task_is_harmless() -> None:
    """Tokio rt_common, create_rt_in_block_on: to create one is not to block."""

    async def main() -> str:
        return Runtime(host=ManualHost()).host.name

    with by_hand() as rt:
        assert "manual" == rt.runtime.block_on(main())


def test_a_failing_task_runs_its_cleanup_and_stops_nothing_else(host: Any) -> None:
    """Tokio rt_common, panic_in_task: the destructor runs; the runtime goes on."""
    trace: list[str] = []

    async def body() -> None:
        try:
            raise Boom("task")
        finally:
            trace.append("cleanup")

    async def main() -> object:
        outcome = await spawn(body()).join()
        return isinstance(outcome, Error), await spawn(ready(7))

    with host() as runtime:
        assert ((True, 7), ["cleanup"]) == (runtime.block_on(main()), trace)


@pytest.mark.parametrize("budget", [1, 2, 128])
def test_the_budget_makes_a_hot_task_park_after_exactly_so_many_awaits(budget: int) -> None:
    """Tokio rt_common, coop: ready awaits per poll are bounded, so that others have their turn."""
    rounds = 0

    async def hot() -> None:
        nonlocal rounds
        while True:
            await ready(None)
            rounds += 1

    seen: list[int] = []
    with by_hand(budget=budget) as rt:
        task = rt.runtime.spawn(hot())
        for _ in range(3):
            rt.turn()  # one step: the host looks for I/O before the next
            seen.append(rounds)
        task.cancel(grace=0)
        rt.settle()
        assert [budget, 2 * budget, 3 * budget] == seen


def test_two_hot_tasks_alternate() -> None:
    """Tokio rt_common, ping_pong_saturation: neither starves the other."""
    order: list[str] = []

    async def hot(name: str) -> None:
        for _ in range(30):
            await ready(None)
            order.append(name)

    with by_hand(budget=10) as rt:
        rt.runtime.spawn(hot("a"))
        rt.runtime.spawn(hot("b"))
        rt.settle()
        assert ("a" * 10 + "b" * 10) * 3 == "".join(order)


def test_a_yield_is_over_only_after_the_host_has_looked_for_input_and_output() -> None:
    """Tokio rt_common, yield_defers_until_park: yielders do not starve what the host brings."""
    order: list[str] = []

    async def yielder() -> None:
        for number in range(3):
            order.append(f"yield {number}")
            await yield_now()

    with by_hand() as rt:

        def bring(number: int) -> None:
            order.append(f"host {number}")
            if number < 2:
                rt.host.call_soon(lambda: bring(number + 1))

        task = rt.runtime.spawn(yielder())
        rt.host.call_soon(lambda: bring(0))
        rt.runtime.block_on(task.join())
        assert ["yield 0", "host 0", "yield 1", "host 1", "yield 2", "host 2"] == order


def test_yielders_do_not_starve_timers(host: Any) -> None:
    """Tokio rt_threaded, lifo_slot_budget; always_active_parker: a sleep ends amid yielders."""

    async def yielder() -> None:
        while True:
            if host.name == "manual":
                await sleep(0.001)
            await yield_now()

    async def main() -> str:
        for _ in range(3):
            spawn(yielder())
        await sleep(0.005)
        return "slept"

    with host() as runtime:
        assert "slept" == runtime.block_on(main())


def test_a_chain_of_tasks_that_spawn_each_other_lets_the_host_have_its_turn() -> None:
    """Tokio rt_threaded, lifo_slot_budget: a self-respawning chain cannot monopolize a turn."""
    with by_hand() as rt:

        async def link() -> None:
            spawn(link())

        rt.runtime.spawn(link())
        rt.turn()
        steps = rt.runtime.statistics().steps
        rt.turn()
        assert (True, True) == (0 < steps < 100_000, rt.runtime.statistics().steps > steps)


def test_a_second_shutdown_and_any_use_after_it_are_refused_or_empty(host: Any) -> None:
    """Tokio rt_basic, spawns_do_nothing: a closed runtime runs nothing, and says so."""
    runtime = host()
    runtime.shutdown("first")
    with pytest.raises(UsageError, match="closed") as caught:
        runtime.block_on(ready(7))
    task = runtime.spawn(ready(7))
    assert ("Canceled", True) == (
        type(task.outcome()).__name__,
        "make a new Runtime" in str(caught.value),
    )


def test_shutdown_with_no_grace_drops_everything_at_once() -> None:
    """Tokio rt_common, shutdown_timeout_0: no cleanup is waited for; finally blocks still run."""
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        finally:
            trace.append("finally")
            await sleep(1000)
            trace.append("cleaned")

    with logged(), by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        report = rt.runtime.shutdown(grace=0)
        assert (["finally"], 1, 0.0) == (trace, report.canceled, report.seconds)
        assert "Canceled" == type(task.outcome()).__name__


def test_shutdown_reports_what_overran_and_where() -> None:
    """Graceful-shutdown: the timeout of a shutdown causes cancellation; the report names
    the place.
    """

    async def stuck() -> None:
        try:
            await never()
        finally:
            await sleep(1000)

    with logged(), by_hand(grace=3.0) as rt:
        rt.runtime.spawn(stuck(), name="stuck")
        rt.turn()
        report = rt.runtime.shutdown("enough")
        (late,) = report.overran
        assert ("stuck", 3.0, False, True) == (
            late.task,
            late.seconds,
            late.abandoned,
            late.place.endswith("stuck"),
        )


def test_ten_thousand_tasks_are_all_ended_by_one_shutdown() -> None:
    """Tokio rt_common, outstanding_tasks_dropped, shutdown_concurrent_spawn: none is forgotten."""
    many = 10_000
    with by_hand() as rt:
        flags = [Flag() for _ in range(many)]
        tasks = [rt.runtime.spawn(flag) for flag in flags[::2]]
        rt.settle()
        tasks += [rt.runtime.spawn(flag) for flag in flags[1::2]]
    statistics = rt.runtime.statistics()
    assert (many, many, 0, 0, {1}) == (
        statistics.canceled,
        len(tasks),
        statistics.alive,
        statistics.timers,
        {flag.drops for flag in flags},
    )


def test_two_runtimes_in_two_threads_do_not_meet() -> None:
    """Tokio runtime_in_thread_local: each thread has its own current runtime."""
    seen: list[bool] = []

    def in_thread() -> None:
        with Runtime(host=ManualHost()) as mine:

            async def body() -> None:
                await yield_now()
                seen.append(current_runtime() is mine)

            mine.block_on(body())

    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [True] * 4 == seen


def test_a_task_of_another_runtime_cannot_be_awaited() -> None:
    """Async-executor different_executors: a task is not run by mistake on somebody else's queue."""
    with by_hand() as other:
        foreign = other.runtime.spawn(never())

        async def main() -> str:
            with pytest.raises(UsageError, match="another runtime") as caught:
                await foreign
            return str(caught.value)

        with Runtime(host=ManualHost()) as runtime:
            assert "cancellation_handle().wait()" in runtime.block_on(main())


def test_finished_outputs_survive_the_runtime() -> None:
    """Async-executor drop: a finished output can be read when its executor is gone."""
    with by_hand() as rt:
        task = rt.runtime.spawn(ready(7))
        rt.settle()
    assert Completed(7) == task.outcome()
