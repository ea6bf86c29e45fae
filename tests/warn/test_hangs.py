"""What nothing can wake any more, in a running program; and futures that nobody awaits."""

import tracemalloc
from typing import Any

import pytest

import rescind
from rescind.lowlevel import PENDING, Context, Future
from rescind.sync import Event, Mutex, Notify
from tests.warn.kit import Said, only

#: With beats as quick as this, a program that sleeps for so long has been idle.
QUICK = only(hangs=True, shield_held=0.1)
IDLE = 0.3


async def _takes(first: Mutex, second: Mutex) -> None:
    async with first:
        await rescind.yield_now()
        async with second:
            pass


def test_two_that_wait_for_each_other_are_named_in_a_program_that_goes_on() -> None:
    """Once, when nothing has run for a moment, though timers are set and others live."""
    said = Said()

    async def main() -> None:
        left, right = Mutex(name="left"), Mutex(name="right")
        rescind.spawn(rescind.sleep(3600))
        one = rescind.spawn(_takes(left, right), name="one")
        rescind.spawn(_takes(right, left), name="other")
        async with rescind.deadline(60):
            while not said.lines:
                await rescind.sleep(IDLE)
        await rescind.sleep(IDLE)
        one.cancel()

    (line,) = said.run(main, QUICK)
    assert line == (
        "deadlock: task N 'one' (acquire of <Mutex 'right', held by task N 'other'> at FILE:N in "
        "_takes) → task N 'other' (acquire of <Mutex 'left', held by task N 'one'> at FILE:N in "
        "_takes) → task N 'one': they wait for each other. Take locks in the same order "
        "everywhere; cancel one of them to go on"
    )


@pytest.mark.parametrize("way_out", ["deadline", "race", "beside", "none"])
def test_who_has_a_way_out_is_not_told_of(way_out: str) -> None:
    """A deadline around, another branch: it may go on by itself."""
    said = Said()

    async def one(left: Mutex, right: Mutex) -> None:
        async with left:
            await rescind.yield_now()
            if way_out == "deadline":
                async with rescind.deadline(3600):
                    await right.acquire()
            elif way_out == "race":
                await rescind.race(right.acquire(), rescind.sleep(3600))
            elif way_out == "beside":
                async with rescind.FutureSet() as beside:
                    beside.add(rescind.sleep(3600))
                    await right.acquire()
            else:
                await right.acquire()

    async def main() -> None:
        left, right = Mutex(), Mutex()
        tasks = [rescind.spawn(one(left, right)), rescind.spawn(_takes(right, left))]
        if way_out == "none":
            await said.until("deadlock")
        await rescind.sleep(IDLE)
        for task in tasks:
            task.cancel()

    assert len(said.run(main, QUICK)) == (way_out == "none")


@pytest.mark.parametrize("way_out", ["none", "deadline", "beside"])
def test_shared_result_that_waits_for_who_awaits_it_is_named(way_out: str) -> None:
    """A task that it has spawned, and waits for, awaits it: nobody ends, unless there is a way."""
    said = Said()

    async def inner(one: rescind.Shared[None]) -> None:
        if way_out == "deadline":
            async with rescind.deadline(3600):
                await one
        elif way_out == "beside":
            await rescind.race(one, rescind.sleep(3600))
        else:
            await one

    async def main() -> None:
        async def make() -> None:
            await rescind.spawn(inner(one), name="inner")

        one = rescind.shared(make())
        outer = rescind.spawn(one.into_future(), name="outer")
        if way_out == "none":
            await said.until("deadlock")
        await rescind.sleep(IDLE)
        await outer.cancel()
        for task in outer.executor.tasks.values():
            if task.name == "inner":
                task.cancel()

    lines = said.run(main, QUICK)
    if way_out != "none":
        assert [] == lines
        return
    (line,) = lines
    assert "deadlock: task N 'inner' (shared(" in line
    assert line.endswith("cancel one of them to go on")


class _Keeper(Future[None]):
    """Stores its waker where somebody may lose it."""

    def __init__(self, kept: list[Any]) -> None:
        super().__init__()
        self.kept = kept

    def poll(self, cx: Context) -> Any:
        self.kept.append(cx.waker)
        return PENDING

    def drop(self) -> None:
        self.kept.clear()

    def __repr__(self) -> str:
        return "a keeper"


@pytest.mark.parametrize("lost", [True, False])
def test_a_waker_that_was_lost_is_told(lost: bool) -> None:
    """Nobody holds it any more, so nothing can wake its future; one that is held is none."""
    said = Said()

    async def main() -> None:
        kept: list[Any] = []
        task = rescind.spawn(_Keeper(kept), name="waits")
        await rescind.yield_now()
        if lost:
            kept.clear()
        async with rescind.deadline(60):
            while lost and not said.lines:
                await rescind.sleep(IDLE)
        await rescind.sleep(IDLE)
        task.cancel()

    expected = (
        "task N 'waits' waits for a keeper, whose waker nobody holds any more, so that nothing can "
        "wake it. Whoever makes the progress has to keep cx.waker, and to call its wake()"
    )
    assert said.run(main, QUICK) == ([expected] if lost else [])


def test_that_nothing_can_happen_any_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timer, no socket, no thread: as the virtual clock's Deadlock, but the program waits on."""
    from rescind._warn import hangs

    # The suite has threads and signal handlers of its own.
    monkeypatch.setattr(hangs.threading, "active_count", lambda: 1)
    monkeypatch.setattr(hangs, "_signals_may_wake", lambda: False)
    said = Said()
    events: list[Event] = []

    def lift(record: Any) -> None:
        said.lines.append(record.getMessage())
        events[0].set()

    said.emit = lift  # type: ignore[method-assign]

    async def main() -> None:
        events.append(Event(name="shutdown"))
        await events[0].wait()

    (line,) = said.run(main, QUICK)
    assert line.startswith(
        "deadlock: nothing can run any more, as no timer, socket, thread or process is left that "
        "could wake anybody. They wait: task "
    )
    assert "'main': wait of <Event 'shutdown', not set> at tests/warn/test_hangs.py:" in line


def test_futures_that_are_made_and_never_awaited_are_told() -> None:
    """Coroutines that something took, and operations; those that were dropped are not."""
    said = Said()

    async def fetch() -> None:
        raise AssertionError

    async def main() -> None:
        mutex, news = Mutex(name="m"), Notify()
        rescind.timeout(fetch(), 5)
        mutex.acquire()
        news.notified()
        await rescind.race(rescind.ready(1), fetch(), mutex.acquire(), biased=True)
        never = rescind.spawn(fetch())
        never.cancel()
        await never.join()

    coroutine, operation = said.run(main, only(never_awaited=True))
    assert coroutine == (
        f"coroutine {fetch.__qualname__!r} (FILE:N) was handed to a future that was never awaited, "
        "so that nothing of it has run. Await what race, timeout or whatever took it has returned, "
        "or spawn it"
    )
    assert operation == (
        "acquire of <Mutex 'm', free> was made and never awaited, so that nothing has happened. "
        "Await it"
    )
    assert Said().run(main, only(hangs=True)) == []


def test_where_it_was_made_is_told_if_it_is_known() -> None:
    """While tracemalloc traces."""
    said = Said()

    async def main() -> None:
        mutex = Mutex(name="m")
        mutex.acquire()

    tracemalloc.start(10)
    try:
        (line,) = said.run(main, only(never_awaited=True))
    finally:
        tracemalloc.stop()
    assert "was made and never awaited, made at FILE:N, so that" in line


def test_what_is_never_awaited_outside_of_a_runtime_is_nobody_s() -> None:
    """There is no runtime whose settings would say what to do about it."""
    said = Said()
    Mutex().acquire()
    assert said.run(rescind.yield_now, only(never_awaited=True)) == []  # type: ignore[arg-type]
