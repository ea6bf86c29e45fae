"""Futures awaited by trio's tasks (R31): how they park, are woken, and tell the time."""

import subprocess
import sys
import threading

import pytest
import trio
from trio.testing import MockClock

import rescind
from rescind._host.bridge import executor_here
from rescind.lowlevel import PENDING, Context, Pending
from rescind.sync import channel
from tests.host.trio_kit import Woken, after, run


def test_time_is_that_of_trios_clock() -> None:
    """`sleep`, `timeout` and `now` follow the clock of the run, a virtual one too."""

    async def main() -> list[object]:
        seen: list[object] = [rescind.now() == trio.current_time()]
        began = trio.current_time()
        seen.append(await rescind.race(after(3600, "fast"), after(7200, "slow")))
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(rescind.never(), 60)
        seen.append(trio.current_time() - began)
        return seen

    assert run(main) == [True, "fast", 3660.0]


def test_a_token_with_a_timeout_follows_trios_clock_though_nobody_awaits() -> None:
    """Its timer is served while the program waits for something of trio's own."""

    async def main() -> list[bool]:
        token = rescind.CancellationToken().child(timeout=5)
        before = token.canceled
        await trio.sleep(6)
        return [before, token.canceled]

    assert run(main) == [False, True]


def test_a_set_drives_its_members_while_the_body_awaits_something_of_trios() -> None:
    """They have no trio task of their own."""

    async def main() -> list[object]:
        async with rescind.FutureSet[str, str]() as members:
            members.add(after(1, "one"), key="a")
            await trio.sleep(2)
            return [members.next_nowait(), trio.current_time()]

    clock = MockClock(autojump_threshold=0)
    began = clock.current_time()
    assert trio.run(main, clock=clock) == [("a", rescind.Completed("one")), began + 2]


def test_wakes_that_come_several_times_or_for_nothing_are_one_poll_each_time() -> None:
    """Its task is rescheduled once for each park, and never breaks down."""
    future = Woken()

    async def main() -> str:
        async def wake() -> None:
            for _ in range(2):
                await trio.testing.wait_all_tasks_blocked()
                assert future.waker is not None
                for _ in range(3):
                    future.waker.wake()
            await trio.testing.wait_all_tasks_blocked()
            future.value = "ready"
            future.waker.wake()
            future.waker.wake()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wake)
            return await future

    assert (run(main), future.polls) == ("ready", 4)


def test_a_wake_and_a_cancel_in_the_same_turn_resume_the_task_once() -> None:
    """In either order; the value wins, and trio's cancellation comes at the next checkpoint."""

    async def main(cancel_first: bool) -> list[str]:
        future, seen = Woken(), list[str]()

        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def both() -> None:
                await trio.testing.wait_all_tasks_blocked()
                assert future.waker is not None
                if cancel_first:
                    scope.cancel()
                future.value = "ready"
                future.waker.wake()
                if not cancel_first:
                    scope.cancel()

            nursery.start_soon(both)
            with scope:
                seen.append(await future)
                await trio.lowlevel.checkpoint()
                seen.append("not canceled")
        return seen

    for cancel_first in (False, True):
        assert trio.run(main, cancel_first) == ["ready"]


def test_a_sleep_that_is_over_beats_a_cancellation_of_the_same_turn() -> None:
    """It ended first, though the task had no turn yet in which to see it (R16)."""
    clock = MockClock()

    async def main() -> list[str]:
        seen: list[str] = []
        scope = trio.CancelScope()

        async def both() -> None:
            await trio.testing.wait_all_tasks_blocked()
            executor = executor_here()
            assert executor is not None
            clock.jump(10)
            scope.cancel()
            executor.turn()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(both)
            with scope:
                await rescind.sleep(5)
                seen.append("slept")
                await trio.lowlevel.checkpoint()
                seen.append("not canceled")
        return seen

    assert trio.run(main, clock=clock) == ["slept"]


BREAKING = """
import trio, rescind.lowlevel

class Clock(trio.abc.Clock):
    broken = False
    def start_clock(self): pass
    def current_time(self): return 0.0
    def deadline_to_sleep_time(self, deadline): return 1 / (not self.broken) - 1

wakers = []
class Parks(rescind.lowlevel.Future):
    _native = True
    def poll(self, cx):
        wakers.append(cx.waker)
        Clock.broken = len(wakers) == 2
        return rescind.lowlevel.PENDING

async def parks():
    await Parks()

async def breaks_down():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(parks)
        nursery.start_soon(parks)

async def goes_on():
    wakers[1].wake()
    await rescind.sleep(0.001)
    print("undisturbed")

try:
    trio.run(breaks_down, clock=Clock())
except trio.TrioInternalError as exc:
    kept = exc  # and so the tasks that are parked in it
wakers[0].wake()
trio.run(goes_on)
"""


def test_a_task_that_a_broken_run_left_parked_is_never_woken() -> None:
    """It belongs to no run that could resume it, and to the next one least of all."""
    done = subprocess.run(
        [sys.executable, "-c", BREAKING], capture_output=True, text=True, check=False
    )  # a process of its own: trio leaves much behind when it breaks down
    assert (done.stdout, done.returncode) == ("undisturbed\n", 0)


def test_another_thread_wakes_a_parked_task() -> None:
    """An item that a plain thread sends arrives."""

    async def main() -> list[int]:
        sender, receiver = channel[int](4)

        def work() -> None:
            for item in range(3):
                sender.send_nowait(item)
            sender.close()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            return [item async for item in receiver]
        finally:
            thread.join()

    assert trio.run(main) == [0, 1, 2]


@pytest.mark.leaks_threads("trio keeps the threads of its pool for ten seconds")
@pytest.mark.parametrize("elsewhere", [True, False], ids=["another-thread", "same-thread"])
def test_a_waker_that_outlives_the_run_does_nothing(elsewhere: bool) -> None:
    """Also when another run goes on, on the same thread."""
    future = Woken()

    async def main() -> None:
        with trio.move_on_after(1):
            await future

    run(main)
    waker = future.waker
    assert waker is not None

    async def other() -> str:
        if elsewhere:
            await trio.to_thread.run_sync(waker.wake)
        else:
            waker.wake()
        return await after(1, "undisturbed")

    if elsewhere:
        thread = threading.Thread(target=waker.wake)
        thread.start()
        thread.join()
    else:
        waker.wake()
    assert run(other) == "undisturbed"


def test_each_await_is_a_checkpoint_that_lets_others_run() -> None:
    """A future that is ready at once does not keep the run to itself."""

    async def main() -> list[str]:
        seen: list[str] = []

        async def other() -> None:
            seen.append("other")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            seen.append(await rescind.ready("first"))
            seen.append(await rescind.ready("second"))
        return seen

    assert run(main)[2] == "second"  # trio shuffles those that are ready at the same time


def test_a_future_that_never_parks_can_be_canceled() -> None:
    """When its budget is spent trio has its turn, and its deadline ends it."""

    async def hot() -> None:
        while True:
            await rescind.ready(1)

    async def main() -> bool:
        with trio.move_on_after(0.01) as scope:
            await rescind.race(hot())
        return scope.cancelled_caught

    assert trio.run(main) is True


def test_a_future_that_wakes_itself_at_each_poll_can_be_canceled() -> None:
    """It is due all the time, and never parks."""

    def poll(cx: Context) -> Pending:
        cx.waker.wake()
        return PENDING

    async def main() -> bool:
        with trio.move_on_after(0.01) as scope:
            await rescind.poll_fn(poll)
        return scope.cancelled_caught

    assert trio.run(main) is True
