"""The executor: order, fairness, budget, threads, arming of the host, and the end."""

import contextvars
import logging
import threading
from threading import get_ident
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, CancelReason, Completed
from rescind._core import executor as module
from rescind._core.current import local
from rescind._core.executor import Executor
from rescind._core.statistics import RuntimeStatistics
from rescind.lowlevel import Context, ManualHost, as_future
from rescind.testing import CountingWaker
from tests.core.kit import Bench, Leaf


class CountingHost(ManualHost):
    """A manual host that notes what is armed on it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def call_soon(self, callback: Any) -> Any:
        self.asked.append("soon")
        return super().call_soon(callback)

    def call_soon_threadsafe(self, callback: Any) -> None:
        self.asked.append("threadsafe")
        super().call_soon_threadsafe(callback)

    def call_at(self, at: float, callback: Any) -> Any:
        self.asked.append(f"at {at:g}")
        return super().call_at(at, callback)


def counting() -> tuple[Executor, CountingHost]:
    """Make an executor that belongs to this thread, on a host that counts."""
    host = CountingHost()
    executor = Executor(host)
    executor.thread = get_ident()
    return executor, host


def test_tasks_run_in_the_order_of_their_waking() -> None:
    """E1: spawned first runs first; woken first runs first."""
    with Bench() as bench:
        trace: list[str] = []
        leaves = [Leaf(name, trace) for name in "abc"]
        for leaf in leaves:
            bench.spawn(leaf)
        bench.idle()
        for index in (2, 0, 1):
            leaves[index].wake()
        bench.idle()
        assert [f"{name}: poll" for name in "abccab"] == trace


def test_task_sees_the_context_that_it_was_given_even_an_empty_one() -> None:
    """L2: an empty context is a context, and hides the variables of who spawns."""
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")

    async def look() -> str:
        return user.get()

    with Bench() as bench:
        alone = bench.executor.spawn(as_future(look()), context=contextvars.Context())
        copied = bench.executor.spawn(as_future(look()))
        bench.idle()
        assert [Completed("nobody"), Completed("ada")] == [alone.outcome(), copied.outcome()]


def test_woken_tasks_run_in_the_same_turn() -> None:
    """E1: a chain of wake-ups needs one callback of the host, and one step each."""
    with Bench() as bench:

        async def link(n: int) -> int:
            return n if n == 0 else 1 + await rescind.spawn(link(n - 1))

        task = bench.spawn(link(20))
        bench.host.advance()
        statistics = bench.runtime.statistics()
        assert (Completed(20), 1, 41) == (task.outcome(), statistics.turns, statistics.steps)


def test_turn_is_bounded_so_that_the_host_can_look_for_input() -> None:
    """E1: tasks that wake each other for ever do not keep the host out."""
    with Bench() as bench:

        class Restless(Leaf):
            def poll(self, cx: Context) -> Any:
                cx.waker.wake()
                return super().poll(cx)

        task = bench.spawn(Restless())
        bench.host.advance()
        first = bench.runtime.statistics()
        bench.host.advance()
        second = bench.runtime.statistics()
        bound = module._STEPS_PER_TURN
        assert ((1, bound), (2, 2 * bound)) == (
            (first.turns, first.steps),
            (second.turns, second.steps),
        )
        task.cancel(grace=0)
        bench.idle()


def test_yielding_tasks_run_after_the_host_had_its_turn() -> None:
    """E2: a yield does not run in the same turn, however many ready tasks there are."""
    with Bench() as bench:
        trace: list[str] = []

        async def yielder(name: str) -> None:
            for n in range(2):
                trace.append(f"{name}{n}")
                await rescind.yield_now()

        for name in "ab":
            bench.spawn(yielder(name))
        bench.host.call_soon(lambda: trace.append("input"))
        bench.idle()
        assert ["a0", "b0", "input", "a1", "b1"] == trace


def test_hot_task_shares_the_turn() -> None:
    """E3: after its budget the others run, though it never waits for anything."""
    with Bench(budget=2) as bench:
        trace: list[str] = []

        async def hot(name: str) -> None:
            for n in range(4):
                await rescind.ready(n)
                trace.append(f"{name}{n}")

        for name in "ab":
            bench.spawn(hot(name))
        bench.idle()
        assert ["a0", "a1", "b0", "b1", "a2", "a3", "b2", "b3"] == trace


def test_spawn_and_wake_and_post_from_another_thread_go_through_the_inbox() -> None:
    """E4, R2: they take effect in a turn, on the executor's thread."""
    with Bench() as bench:
        leaf, threads = Leaf(), []
        waiting = bench.spawn(leaf)
        bench.idle()
        spawned: list[Any] = []

        def elsewhere() -> None:
            spawned.append(bench.spawn(rescind.ready(1)))
            leaf.complete("woken")
            bench.executor.post(lambda: threads.append(get_ident()))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        before = (waiting.done(), spawned[0].done(), bench.runtime.statistics().alive)
        bench.idle()
        assert ((False, False, 1), [get_ident()], Completed("woken"), Completed(1)) == (
            before,
            threads,
            waiting.outcome(),
            spawned[0].outcome(),
        )


def test_posts_made_during_a_turn_are_served_between_its_rounds() -> None:
    """E4: the inbox is looked at again before the next round of steps."""
    with Bench() as bench:
        trace: list[str] = []

        async def main() -> None:
            bench.executor.post(lambda: trace.append("posted"))
            trace.append("ran")

        bench.spawn(main())
        bench.host.advance()
        assert ["ran", "posted"] == trace
        bench.idle()
        assert 1 == bench.runtime.statistics().turns


def test_one_callback_is_armed_however_many_tasks_are_ready() -> None:
    """E5: one `call_soon` for all; none while a turn runs."""
    executor, host = counting()

    async def main() -> None:
        executor.spawn(as_future(rescind.ready(1)))
        executor.add_timer(9.0, CountingWaker())
        executor.add_timer(5.0, CountingWaker())

    for _ in range(3):
        executor.spawn(as_future(main()))
    assert ["soon"] == host.asked
    host.advance()
    assert ["soon", "at 5"] == host.asked
    executor.stop()


def test_timer_is_armed_anew_only_for_an_earlier_one() -> None:
    """E5: later timers wait for the bell that is set; it then looks again."""
    executor, host = counting()
    wakers = [CountingWaker() for _ in range(4)]
    for at, waker in zip((5.0, 7.0, 3.0, 5.0), wakers, strict=True):
        executor.add_timer(at, waker)
    assert ["at 5", "at 3"] == host.asked
    seen = []
    while host.advance():
        seen.append((host.now(), [waker.wakes for waker in wakers]))
    assert [(3.0, [0, 0, 1, 0]), (5.0, [1, 0, 1, 1]), (7.0, [1, 1, 1, 1])] == seen
    assert ["at 5", "at 3", "at 5", "at 7"] == host.asked


def test_bell_of_a_canceled_timer_rings_for_nobody_and_looks_again() -> None:
    """E5: cheaper than to disarm: the next timer is armed when the old bell rings."""
    executor, host = counting()
    first = executor.add_timer(1.0, CountingWaker())
    waker = CountingWaker()
    executor.add_timer(4.0, waker)
    first.cancel()
    executor.turn()
    assert (True, 1.0, 0) == (host.advance(), host.now(), waker.wakes)
    assert (True, 4.0, 1, False) == (host.advance(), host.now(), waker.wakes, host.advance())
    assert ["at 1", "at 4"] == host.asked


def test_defer_outside_a_turn_arms_the_host() -> None:
    """E2, E5: a yield that comes from a callback of the host is served too."""
    executor, host = counting()
    waker = CountingWaker()
    executor.defer(waker)
    before = waker.wakes
    host.advance()
    assert (0, 1, ["soon"]) == (before, waker.wakes, host.asked)


def test_turn_inside_a_turn_does_nothing() -> None:
    """A callback that comes from a task's own step must not step others."""
    with Bench() as bench:
        trace: list[str] = []

        async def main() -> None:
            bench.spawn(other())
            bench.executor.turn()
            trace.append(f"running {bench.executor.running}")

        async def other() -> None:
            trace.append("other")

        bench.spawn(main())
        bench.idle()
        assert (["running True", "other"], False) == (trace, bench.executor.running)


def test_waking_directly_runs_the_turn_at_once() -> None:
    """One hop less for callbacks of the host; inside a turn it only wakes."""
    executor, host = counting()
    leaf = Leaf()
    task = executor.spawn(as_future(leaf))
    host.advance()
    leaf.output = "value"
    executor.wake_directly(task)
    assert (Completed("value"), ["soon"]) == (task.outcome(), host.asked)
    waker = CountingWaker()

    async def main() -> int:
        executor.wake_directly(waker)
        return waker.wakes

    inner = executor.spawn(as_future(main()))
    host.advance()
    assert Completed(1) == inner.outcome()


def test_local_executor_is_set_during_a_turn_and_restored() -> None:
    """Who runs is known inside, also by code that is no coroutine; outside it is what it was."""
    with Bench() as bench:
        seen: list[object] = []

        class Looking(Leaf):
            def poll(self, cx: Context) -> Any:
                seen.extend((local.executor, bench.executor.current))
                return "done"

        task = bench.spawn(Looking())
        bench.idle()
        assert ([bench.executor, task], None, None) == (
            seen,
            local.executor,
            bench.executor.current,
        )


def test_interrupt_leaves_the_executor_in_order() -> None:
    """KeyboardInterrupt comes out of the turn; the rest runs in the next one."""
    with Bench() as bench:

        async def interrupted() -> None:
            raise KeyboardInterrupt

        bench.spawn(interrupted())
        other = bench.spawn(rescind.ready(1))
        with pytest.raises(KeyboardInterrupt):
            bench.idle()
        assert (False, None, None) == (
            bench.executor.running,
            bench.executor.current,
            local.executor,
        )
        bench.idle()
        assert Completed(1) == other.outcome()


def test_statistics_count_every_kind_of_end(caplog: pytest.LogCaptureFixture) -> None:
    """The whole vector, so that no counter moves by accident."""
    caplog.set_level(logging.CRITICAL)

    async def fails() -> None:
        raise ValueError

    async def absorbs() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            pass

    with Bench() as bench:
        tasks = [bench.spawn(fut) for fut in (rescind.ready(1), fails(), rescind.never())]
        tasks += [bench.spawn(absorbs()), bench.spawn(absorbs()), bench.spawn(rescind.sleep(9))]
        bench.idle()
        tasks[2].cancel()
        tasks[3].cancel()
        tasks[4].cancel(grace=0)
        bench.idle()
        bench.spawn(rescind.never())
        expected = RuntimeStatistics(
            alive=2,
            ready=1,
            timers=1,
            spawned=7,
            completed=2,
            failed=1,
            canceled=2,
            dropped=1,
            abandoned=0,
            absorbed=1,
            turns=2,
            steps=9,
        )
        assert expected == bench.runtime.statistics()


def test_task_spawned_after_the_close_is_born_canceled() -> None:
    """E6, R24: its body never runs; the reason says why, and names the shutdown as its cause."""
    with Bench() as bench:
        why = CancelReason(CancelKind.SHUTDOWN, "closing")
        bench.executor.close(why)
        bench.executor.close(CancelReason(CancelKind.SHUTDOWN, "again"))
        trace: list[str] = []
        task = bench.spawn(Leaf("leaf", trace))
        expected = CancelReason(
            CancelKind.SHUTDOWN, "spawned after the shutdown", at=0.0, cause=why
        )
        assert (Canceled(expected), ["leaf: drop"]) == (task.outcome(), trace)
        assert (0, 1) == (bench.runtime.statistics().alive, bench.runtime.statistics().canceled)


def test_task_spawned_on_a_stopped_executor_from_a_thread_is_born_canceled() -> None:
    """R24: nobody empties the inbox any more; the handle is settled at once."""
    bench = Bench()
    bench.runtime.shutdown("over")
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(bench.spawn(rescind.never())))
    thread.start()
    thread.join()
    outcome = made[0].outcome()
    assert isinstance(outcome, Canceled)
    assert "spawned after the shutdown" == outcome.reason.message


def test_stop_goes_on_with_the_timers_of_foreign_tasks() -> None:
    """R24: no task is left, but what a stock task awaits through this executor still rings."""
    executor, host = counting()
    waker = CountingWaker()
    executor.add_timer(5.0, waker)
    executor.stop()
    while host.advance():
        pass
    assert (1, 5.0, 1) == (waker.wakes, host.now(), executor.statistics().turns)


def test_hang_is_described_task_by_task() -> None:
    """What a Deadlock says."""

    async def waiting() -> None:
        await rescind.never()

    with Bench() as bench:
        assert "  (no task)" == bench.executor.describe_hang()
        bench.spawn(waiting(), name="one")
        bench.idle()
        (line,) = bench.executor.describe_hang().splitlines()
        assert ["one", "never()", "at"] == line.split()[:3]


def test_refill_gives_the_next_step_its_budget() -> None:
    """E3: for drivers that are not ours."""
    with Bench(budget=5) as bench:
        bench.executor.budget = 0
        bench.executor.refill()
        assert 5 == bench.executor.budget


def test_a_turn_makes_a_bounded_number_of_steps_however_many_tasks_are_ready() -> None:
    """E1: after 1,024 steps the host gets to look for I/O; the rest follows in later turns."""
    with rescind.Runtime(host=ManualHost()) as runtime:
        executor = runtime.executor
        executor.thread = get_ident()
        for _ in range(3000):
            executor.spawn(rescind.ready(None))
        steps: list[int] = []
        for _ in range(4):
            before = executor.statistics().steps
            executor.turn()
            steps.append(executor.statistics().steps - before)
    assert [1024, 1024, 952, 0] == steps
