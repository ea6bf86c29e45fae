"""Slow polls: told after the turn, named for certain if that is known, and found once seen."""

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind._core.executor import Executor
from rescind._core.hooks import hooks
from rescind._host.manual import ManualHost
from rescind._warn import collecting, turns
from rescind._warn.lines import Lines
from rescind._warn.turns import SlowPolls
from rescind._warn.watch import Watch
from tests.warn.kit import Said, only

#: Every turn takes longer than this, so that all are told of; how long one took says `Clock`.
SLOW = 1e-9


class Clock:
    """Stands still wherever the program does not: what the machine does meanwhile is no matter."""

    def __init__(self) -> None:
        self.now = 1.0
        self.told = 1.0

    def __call__(self) -> float:
        return self.now

    def stand_still(self, seconds: float = 1.0) -> None:
        """Compute, as a program that forgot to await."""
        self.now += seconds

    def turned(self) -> float:
        """Return how long the turn took that is over."""
        before, self.told = self.told, self.now
        return self.now - before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have turns and steps be measured by this clock."""
    clock = Clock()
    turned = Watch.turned

    def measured(self: Watch, executor: Executor, _seconds: float, steps: int) -> None:
        turned(self, executor, clock.turned(), steps)

    monkeypatch.setattr(Watch, "turned", measured)
    monkeypatch.setattr(turns, "monotonic", clock)
    monkeypatch.setattr(collecting, "monotonic", clock)
    return clock


async def _until(condition: Callable[[], object]) -> None:
    async with rescind.deadline(60):
        while not condition():
            await rescind.sleep(0.005)


async def _company() -> None:
    await rescind.sleep(3600)


async def _busy_company() -> None:
    while True:
        await rescind.sleep(0)


@pytest.mark.parametrize("host", ["asyncio", "uvloop"])
def test_the_only_task_of_a_slow_turn_is_named_at_once(host: Any, clock: Clock) -> None:
    """With the await that came after."""
    if host == "uvloop":
        pytest.importorskip("uvloop")
    said = Said()

    async def main() -> None:
        rescind.spawn(_company())
        await rescind.sleep(0)
        clock.stand_still()
        await rescind.sleep(0)

    expected = (
        "task N 'main' ran for N s without awaiting, until its await at FILE:N in "
        "test_the_only_task_of_a_slow_turn_is_named_at_once.<locals>.main. Everything else stood "
        "still meanwhile: let it await, or use rescind.blocking.spawn_blocking"
    )
    assert said.run(main, only(slow_poll=SLOW), host=host) == [expected]


def test_one_of_several_is_a_guess_at_first_and_certain_from_then_on(clock: Clock) -> None:
    """The second time each step is timed, and the awaits before and after are told."""
    said = Said()

    async def busy() -> None:
        await rescind.sleep(0)
        for _ in range(2):
            clock.stand_still()
            await rescind.sleep(0)

    async def quiet() -> None:
        for _ in range(10):
            await rescind.sleep(0)

    async def main() -> None:
        tasks = [rescind.spawn(work(), name=work.__name__) for work in (quiet, busy, quiet)]
        for task in tasks:
            await task

    first, second = said.run(main, only(slow_poll=SLOW))
    guess = (
        "one of 3 polls ran for up to N s without awaiting, while everything else stood still; the "
        "last of them was task N 'quiet'. The next slow one will be named"
    )
    named = "task N 'busy' ran for N s without awaiting, from one await at FILE:N in "
    assert first == guess
    assert second.startswith(named)


def test_of_a_join_the_child_is_named(clock: Clock) -> None:
    """It, and the task that it is in."""
    said = Said()

    async def busy() -> None:
        for _ in range(3):
            await rescind.sleep(0)
            clock.stand_still()

    async def main() -> None:
        await rescind.join(_short(), busy(), _short())

    lines = said.run(main, only(slow_poll=SLOW))
    assert any("busy> in task N 'main' ran for N s without awaiting" in line for line in lines)


async def _short() -> None:
    for _ in range(10):
        await rescind.sleep(0)


def _stands_still_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


class _Slow:
    """Garbage that takes a second to collect."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.me = self

    def __del__(self) -> None:
        self.clock.stand_still()


@pytest.mark.parametrize("own", [0.0, 0.5])
def test_what_the_collector_takes_is_nobodys_doing(clock: Clock, own: float) -> None:
    """Neither a turn nor a step is slow by it, nor looked at closer; what is its own, is told."""
    said = Said()
    closer: list[bool] = []

    async def main() -> None:
        rescind.spawn(_busy_company())
        await rescind.sleep(0)
        for _ in range(2):
            _Slow(clock)
            gc.collect()
            clock.stand_still(own)
            await rescind.sleep(0)
            closer.append(hooks.polled is not None)

    known = list(gc.callbacks)
    said.run(main, only(slow_poll=SLOW))
    assert known == gc.callbacks
    assert closer == [own > 0] * 2
    assert [" 0.5 s without" in line for line in said.raw] == ([True] * 2 if own else [])


def test_the_watchdog_sees_the_line(clock: Clock) -> None:
    """Of the synchronous function; its thread ends with the runtime."""
    said = Said()

    async def main() -> None:
        rescind.spawn(_company())
        await rescind.sleep(0)
        clock.stand_still()
        await rescind.sleep(0)
        clock.stand_still()
        vigil = rescind.current_runtime().executor.vigil
        assert isinstance(vigil, Watch)
        [step] = vigil._polls._steps
        _stands_still_until(lambda: step.site)
        assert any(thread.name == "rescind watchdog" for thread in threading.enumerate())

    lines = said.run(main, only(slow_poll=SLOW, watchdog=True))
    where = "at FILE:N in _stands_still_until"
    seen = f"task N 'main' ran for N s without awaiting, {where}. Everything"
    assert any(line.startswith(seen) for line in lines)
    assert not any(thread.name == "rescind watchdog" for thread in threading.enumerate())


def test_many_short_steps_are_no_slow_poll() -> None:
    """A turn of a thousand steps may take long, though each is short; then each is timed."""
    said: list[str] = []
    lines = Lines()
    lines.say = lambda kind, text, like=None: said.append(text)  # type: ignore[method-assign]
    polls = SlowPolls(Executor(ManualHost()), lines, 0.1, watchdog=False)
    try:
        polls.turned(1.05, 1000)
        assert said == []
        assert hooks.polled is not None
        polls.stop()
        assert hooks.polled is None
        polls.turned(1.15, 1000)
    finally:
        polls.stop()
    assert [text[:32] for text in said] == ["one of 1000 polls ran for up to "]


def test_what_is_certain_is_not_looked_at_closer(clock: Clock) -> None:
    """A turn of one step, of a task without children, leaves nothing to be found out."""
    said = Said()
    closer: list[bool] = []

    async def main() -> None:
        rescind.spawn(_company())
        await rescind.sleep(0)
        clock.stand_still()
        await rescind.sleep(0)
        closer.append(hooks.polled is not None)

    assert len(said.run(main, only(slow_poll=SLOW))) == 1
    assert closer == [False]


def test_between_two_beats_so_many_steps_are_timed_and_no_more(clock: Clock) -> None:
    """However long a program's turns are: what a closer look costs is bounded."""
    executor = Executor(ManualHost())
    polls = SlowPolls(executor, Lines(), 0.1, watchdog=False)
    task = executor.spawn(rescind.never())
    try:
        polls.turned(1.05, 1000)
        for _ in range(2):
            for _ in range(turns._STEPS - 1):
                polls.polled(task)
                polls.parked(task)
            assert hooks.polled is not None
            polls.polled(task)
            assert hooks.polled is None
            assert polls.rest()
            assert hooks.polled is not None
        clock.now += 31
        assert not polls.rest()
        assert hooks.polled is None
    finally:
        polls.stop()
        executor.tasks.clear()


def test_nobody_is_kept_waiting_where_nobody_else_is(clock: Clock) -> None:
    """A program of one task may compute as long as it likes."""
    said = Said()

    async def main() -> None:
        clock.stand_still()
        await rescind.sleep(0)
        clock.stand_still()

    assert said.run(main, only(slow_poll=SLOW)) == []


@pytest.mark.parametrize("hangs", [True, False])
def test_it_listens_only_while_it_looks_closer(clock: Clock, hangs: bool) -> None:
    """And stops by itself, after a while and at the end, whatever else is looked for."""
    said = Said()
    seen: list[bool] = []

    async def main() -> None:
        rescind.spawn(_busy_company())
        await rescind.sleep(0)
        clock.stand_still()
        await rescind.sleep(0)
        seen.append(hooks.polled is not None)
        vigil = rescind.current_runtime().executor.vigil
        assert isinstance(vigil, Watch)
        polls = vigil._polls
        assert polls is not None
        await _until(lambda: vigil._beats > 0)
        assert polls.looks
        clock.now = clock.told = clock.now + 31  # between two turns
        await _until(lambda: not polls.looks)
        assert hooks.polled is None
        clock.stand_still()
        await rescind.sleep(0)
        seen.append(hooks.polled is not None)

    said.run(main, only(slow_poll=SLOW, hangs=hangs))
    assert seen == [True, True]
    assert hooks.polled is None
