"""The turn that a future of asyncio's begins: what is done in it, and in which order."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import rescind
from rescind._core.cell import Cell
from rescind._core.current import local
from rescind._core.executor import Executor
from rescind._core.vigil import Vigil
from rescind.lowlevel import Observer, hooks
from rescind.sync import Event
from rescind.testing import CountingWaker

Scene = Callable[["Stage"], Awaitable[None]]


class Stage:
    """A task that awaits a future of asyncio's, and a log of who ran in which turn."""

    def __init__(self) -> None:
        executor = local.executor
        assert executor is not None
        self.executor: Executor = executor
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.log: list[tuple[str, int]] = []
        self.tasks: list[rescind.Task[None]] = []
        self.begun = 0
        self.after: Callable[[], None] = bool  # what the task does when it goes on

    def note(self, who: str) -> None:
        """Note who runs, in which turn from the beginning on."""
        self.log.append((who, self.executor._counts.turns - self.begun))

    def spawn(self, who: str, waits: Callable[[], Awaitable[object]]) -> None:
        """Have a task that waits, and then notes that it goes on."""

        async def wait() -> None:
            await waits()
            self.note(who)
            if who == "first":
                self.after()

        self.tasks.append(rescind.spawn(wait(), name=who))

    async def play(self) -> list[tuple[str, int]]:
        """Complete the future, wait for all, and return the log."""
        self.begun = self.executor._counts.turns
        self.future.set_result(None)
        for task in self.tasks:
            await task
        return self.log


async def staged(*others: tuple[str, Callable[[], Awaitable[object]]]) -> Stage:
    """Let the one that awaits the future park, and the others."""
    stage = Stage()

    async def await_it() -> None:
        await stage.future

    stage.spawn("first", await_it)
    for who, waits in others:
        stage.spawn(who, waits)
    await asyncio.sleep(0)
    return stage


@pytest.fixture(params=["asyncio", "uvloop"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Name a loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return request.param


def test_whom_it_wakes_goes_on_in_the_same_turn(kind: Any) -> None:
    """One turn, in which each has its step (E1)."""

    async def main() -> list[tuple[str, int]]:
        event = Event()
        stage = await staged(("second", event.wait))
        stage.after = event.set
        return await stage.play()

    assert rescind.run(main(), host=kind) == [("first", 1), ("second", 1)]


def test_those_that_are_ready_go_first(kind: Any) -> None:
    """The queue keeps the order of waking, also before the one that the callback wakes (E1)."""

    async def main() -> list[tuple[str, int]]:
        event = Event()
        stage = await staged(("second", event.wait))

        def elsewhere() -> None:
            stage.begun = stage.executor._counts.turns
            stage.future.set_result(None)
            event.set()

        stage.loop.call_soon(elsewhere)
        for task in stage.tasks:
            await task
        return stage.log

    assert rescind.run(main(), host=kind) == [("second", 1), ("first", 1)]


def test_those_who_have_yielded_go_on_after_it(kind: Any) -> None:
    """The host has looked for I/O since: the turn rouses them (E2)."""

    async def main() -> list[tuple[str, int]]:
        stage = await staged()
        stage.begun = stage.executor._counts.turns
        stage.future.set_result(None)
        await rescind.yield_now()
        stage.note("yielded")
        return stage.log

    assert rescind.run(main(), host=kind) == [("first", 1), ("yielded", 1)]


def test_what_it_defers_waits_for_the_host(kind: Any) -> None:
    """Who yields in the turn goes on in the next one, though others are still ready (E2)."""

    async def main() -> list[tuple[str, int]]:
        event = Event()
        stage = await staged(("second", event.wait))

        def after() -> None:
            stage.executor.defer(CountingWaker())
            event.set()

        stage.after = after
        rounds = stage.executor.rounds
        log = await stage.play()
        log.append(("rounds", stage.executor.rounds - rounds))
        return log

    assert rescind.run(main(), host=kind) == [("first", 1), ("second", 1), ("rounds", 0)]


def test_what_was_posted_comes_before_its_step(kind: Any) -> None:
    """The inbox is emptied when the turn begins (E4)."""

    async def main() -> list[tuple[str, int]]:
        stage = await staged()

        def elsewhere() -> None:
            stage.begun = stage.executor._counts.turns
            stage.future.set_result(None)
            stage.executor.post(lambda: stage.note("post"))

        stage.loop.call_soon(elsewhere)
        await stage.tasks[0]
        return stage.log

    assert rescind.run(main(), host=kind) == [("post", 1), ("first", 1)]


def test_what_it_posts_is_done_in_the_turn_and_is_no_task(kind: Any) -> None:
    """After the step; and nobody is asyncio's current task then (E7)."""

    async def main() -> list[tuple[str, int]]:
        stage = await staged()
        future: asyncio.Future[None] = stage.loop.create_future()
        event = Event()

        def posted() -> None:
            stage.note(str(asyncio.current_task()))
            event.set()

        async def post() -> None:
            await future
            stage.executor.post(posted)
            await event.wait()

        stage.spawn("poster", post)
        stage.after = lambda: future.set_result(None)
        await asyncio.sleep(0)
        return await stage.play()

    assert rescind.run(main(), host=kind) == [("first", 1), ("None", 2), ("poster", 2)]


def test_a_cleanup_goes_on_as_one(kind: Any) -> None:
    """What is canceled already is not polled again (R4)."""
    log: list[str] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        async def clean() -> None:
            try:
                await rescind.never()
            finally:
                loop.call_soon(future.set_result, None)
                await future
                log.append("cleaned")

        task = rescind.spawn(clean())
        await asyncio.sleep(0)
        return str(await task.cancel("enough"))

    ended = rescind.run(main(), host=kind)

    assert (log, "enough" in ended) == (["cleaned"], True)


def test_a_timer_that_is_due_fires_in_its_turn() -> None:
    """After it was woken, before its step; the loop comes to the alarm later."""

    async def main() -> list[tuple[str, int]]:
        stage = await staged(("sleeper", lambda: rescind.sleep(0.01)))

        def elsewhere() -> None:
            time.sleep(0.02)  # with which the alarm is due, too
            stage.begun = stage.executor._counts.turns
            stage.future.set_result(None)

        stage.loop.call_soon(elsewhere)
        for task in stage.tasks:
            await task
        return stage.log

    assert rescind.run(main()) == [("first", 1), ("sleeper", 1)]


def test_who_observes_is_told(kind: Any) -> None:
    """Of the waking, the poll and the end, as in any turn."""
    told: list[str] = []

    class Watcher(Observer):
        def woken(self, cell: Cell[Any]) -> None:
            if cell.name == "first":
                told.append("woken")

        def polled(self, cell: Cell[Any]) -> None:
            if cell.name == "first":
                told.append("polled")

        def ended(self, cell: Cell[Any], _outcome: object) -> None:
            if cell.name == "first":
                told.append("ended")

    async def main() -> None:
        stage = await staged()
        watcher = Watcher()
        hooks.add(watcher)
        try:
            await stage.play()
        finally:
            hooks.remove(watcher)

    rescind.run(main(), host=kind)

    assert told == ["woken", "polled", "ended"]


def test_the_vigil_is_told_how_many_steps_it_had(kind: Any) -> None:
    """And the executor counts them."""

    class Told(Vigil):
        def __init__(self) -> None:
            self.slow, self.wants, self.ends = 3600.0, True, False
            self.turns: list[int] = []

        def turned(self, executor: Executor, seconds: float, steps: int) -> None:
            assert executor.running
            self.turns.append(steps)

    async def main() -> tuple[list[int], int]:
        event = Event()
        stage = await staged(("second", event.wait))
        stage.after = event.set
        before, told = stage.executor.vigil, Told()
        stage.executor.vigil = told
        counted = stage.executor._counts.steps
        await stage.play()
        await asyncio.sleep(0)
        stage.executor.vigil = before
        return list(told.turns), stage.executor._counts.steps - counted

    turns, counted = rescind.run(main(), host=kind)

    assert (turns, counted) == ([3], 4)  # with the step in which all that began


def test_what_a_waker_asks_for_is_armed(kind: Any) -> None:
    """Also where it was nobody's of the executor, so that there is no turn (E5)."""

    async def main() -> int:
        stage = await staged()
        executor, future = stage.executor, stage.future

        class Ends(CountingWaker):
            def wake(self) -> None:
                super().wake()
                future.set_result(None)

        class Asks(CountingWaker):
            def wake(self) -> None:
                executor.defer(ends)

        ends = Ends()
        host: Any = executor.host
        stage.loop.call_soon(host.queue.wake, executor, Asks())
        await asyncio.wait_for(future, 60)
        return ends.wakes

    assert rescind.run(main(), host=kind) == 1


def test_an_interrupt_leaves_the_turn_behind(kind: Any) -> None:
    """It passes through the loop, and the executor runs the rest afterwards (D8)."""
    left: list[tuple[bool, bool, object, object]] = []

    async def main() -> None:
        stage = await staged()

        def after() -> None:
            raise KeyboardInterrupt

        def elsewhere() -> None:
            executor = stage.executor
            left.append(
                (executor.running, executor.keeps, executor.current, asyncio.current_task())
            )

        stage.after = after
        stage.loop.call_soon(stage.loop.call_soon, elsewhere)  # behind the callback of the future
        await stage.play()

    with pytest.raises(KeyboardInterrupt):
        rescind.run(main(), host=kind)

    assert left == [(False, False, None, None)]


def test_a_loop_that_another_thread_runs_next(kind: Any) -> None:
    """The executor belongs to whoever runs the loop; what was parked goes on there (E4)."""
    loop: asyncio.AbstractEventLoop
    if kind == "uvloop":
        loop = pytest.importorskip("uvloop").new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    log: list[str] = []
    futures: list[asyncio.Future[None]] = []

    async def wait() -> None:
        futures.append(loop.create_future())
        await futures[0]
        log.append("went on")

    async def begin() -> rescind.Task[None]:
        task = rescind.spawn(wait())
        await asyncio.sleep(0)
        return task

    async def go_on(task: rescind.Task[None]) -> None:
        futures[0].set_result(None)
        loop.call_soon(log.append, "behind it")
        await asyncio.sleep(0)
        await task

    task = loop.run_until_complete(begin())
    with ThreadPoolExecutor(1) as pool:
        pool.submit(loop.run_until_complete, go_on(task)).result(60)
    loop.close()

    assert log == ["behind it", "went on"]  # it was posted to whoever runs the loop now
