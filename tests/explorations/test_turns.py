"""The runtime's own order, in virtual time: which the lab, having one of its own, does not see."""

from collections.abc import Callable
from typing import Any

import rescind
from rescind.lowlevel import PENDING, Future
from rescind.sync import Event
from rescind.testing import run_virtual


def soon(callback: Callable[[], object]) -> None:
    """Have the host call this when it looks for I/O."""
    rescind.current_task().executor.host.call_soon(callback)


def test_tasks_run_in_the_order_of_their_waking() -> None:
    """Those that are spawned, those that are woken, those whose timers fire at once (E1, T2)."""

    async def main() -> None:
        order: list[Any] = []
        opened = Event()

        async def work(number: int) -> None:
            order.append(number)
            await opened.wait()
            order.append(number)
            await rescind.sleep(1)
            order.append(number)

        tasks = [rescind.spawn(work(number)) for number in range(3)]
        await rescind.sleep(1)
        opened.set()
        for task in tasks:
            await task.join()
        assert [0, 1, 2] * 3 == order

    run_virtual(main).unwrap()


def test_timers_fire_in_the_order_of_their_times() -> None:
    """Whenever they were set, and however many were canceled in between (E5, T1)."""

    async def main() -> None:
        woken: list[float] = []

        async def sleeps(seconds: float) -> None:
            await rescind.sleep(seconds)
            woken.append(rescind.now())

        # In no order at all; two thirds of them are canceled before they fire.
        tasks = [rescind.spawn(sleeps((37 * number) % 300 + 10)) for number in range(300)]
        await rescind.sleep(1)
        for number, task in enumerate(tasks):
            if number % 3:
                task.cancel()
        for task in tasks:
            await task.join()
        assert sorted((37 * number) % 300 + 10 for number in range(0, 300, 3)) == woken

    run_virtual(main).unwrap()


def test_a_timer_that_is_due_before_the_one_that_is_armed_fires_in_time() -> None:
    """Also if it is set when no timer has just fired: after some I/O, say (E5)."""

    async def main() -> None:
        woken: list[float] = []
        opened = Event()

        async def sleeps(seconds: float) -> None:
            await opened.wait()
            await rescind.sleep(seconds)
            woken.append(rescind.now())

        task = rescind.spawn(sleeps(1))
        rescind.current_task().executor.host.call_at(3, opened.set)
        await rescind.sleep(9)
        await task.join()
        assert [4] == woken

    run_virtual(main).unwrap()


def test_a_hot_task_lets_others_run() -> None:
    """After so many leaf completions it parks; what cancels it comes in between (R7, R23)."""

    async def main() -> None:
        done: list[int] = []

        async def hot() -> None:
            for number in range(10_000):
                await rescind.ready(number)
                done.append(number)

        task = rescind.spawn(hot())
        await rescind.yield_now()
        await task.cancel("enough")
        assert isinstance(task.outcome(), rescind.Canceled)
        assert 0 < len(done) < 1_000

    run_virtual(main).unwrap()


def test_a_branch_that_is_hot_lets_the_others_run() -> None:
    """A round that the budget cut short goes on in the next step (R18, R23)."""

    async def main() -> None:
        async def hot(count: int) -> int:
            for _ in range(count):
                await rescind.ready(None)
            return count

        for count in (1_000, 127, 128, 129):  # 128 leaves end the budget, and the branch with it
            await rescind.yield_now()  # which costs one
            found = await rescind.join(hot(count), hot(500), hot(1))
            assert (count, 500, 1) == found

    run_virtual(main).unwrap()


def test_each_step_has_a_budget_of_its_own() -> None:
    """A task is not cut short because another one, or it itself, was hot before (E3)."""

    async def main() -> None:
        async def hot() -> None:
            for _ in range(1_000):
                await rescind.ready(None)

        task = rescind.spawn(hot())
        await rescind.sleep(1)
        assert task.done()
        other = rescind.spawn(rescind.never())
        await rescind.yield_now()
        executor = rescind.current_task().executor
        before = executor.statistics().steps
        for _ in range(100):
            await rescind.ready(None)
        assert before == executor.statistics().steps
        await other.cancel()

    run_virtual(main).unwrap()


def test_leaves_that_end_in_spite_of_a_cancellation_cost_budget_too() -> None:
    """A loop of them has an end in each step (D7)."""

    class Stubborn(Future[int]):
        def poll(self, cx: Any) -> Any:
            self.waker = cx.waker
            return PENDING

        def poll_cancel(self, cx: Any, request: Any) -> Any:
            return rescind.Completed(1)

    async def main() -> None:
        counts: list[int] = []

        async def loops() -> None:
            for number in range(1_000):
                await Stubborn()
                counts.append(number)

        task = rescind.spawn(loops())
        await rescind.yield_now()
        task.cancel("stop")
        await rescind.yield_now()
        await rescind.yield_now()
        assert len(counts) < 900, "all in one step"
        await task.join()

    run_virtual(main).unwrap()


def test_who_yields_runs_after_the_io() -> None:
    """The host has had its turn when `yield_now` returns (E2)."""

    async def main() -> None:
        log: list[str] = []
        soon(lambda: log.append("I/O"))
        await rescind.yield_now()
        assert ["I/O"] == log

    run_virtual(main).unwrap()


def test_tasks_that_wake_each_other_let_the_host_look_for_io() -> None:
    """A turn has an end, also if somebody is always ready (E1)."""

    async def main() -> None:
        log: list[str] = []
        mine, yours = Event(), Event()

        async def plays(serve: Event, receive: Event) -> None:
            for _ in range(3_000):
                serve.set()
                await receive.wait()
                receive.clear()
            serve.set()

        games = [rescind.spawn(plays(mine, yours)), rescind.spawn(plays(yours, mine))]
        soon(lambda: log.append("games over" if games[0].done() else "I/O"))
        for game in games:
            await game.join()
        assert ["I/O"] == log

    run_virtual(main).unwrap()
