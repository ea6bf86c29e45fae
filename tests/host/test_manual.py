"""The manual host: virtual time, the order of things, and the end of all hangs."""

import inspect
import os
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Completed, Deadlock, Runtime
from rescind.lowlevel import PENDING, Context, ManualHost
from rescind.testing import run_virtual


def line_of(function: Callable[..., Any], text: str) -> str:
    """Return ``file:line`` of the line of ``function`` that contains ``text``."""
    lines, first = inspect.getsourcelines(function)
    [number] = [first + index for index, line in enumerate(lines) if text in line]
    return f"{os.path.relpath(str(inspect.getsourcefile(function)))}:{number}"


def test_clock_jumps_from_timer_to_timer() -> None:
    """Sleeping takes no time; the clock shows exactly the times that were asked for."""
    log: list[float] = []

    async def sleeper(*naps: float) -> None:
        for nap in naps:
            await rescind.sleep(nap)
            log.append(rescind.now())

    async def main() -> None:
        await rescind.join(sleeper(3600, 0.5), sleeper(1, 1, 86400))

    assert run_virtual(main) == Completed(None)
    assert log == [1.0, 2.0, 3600.0, 3600.5, 86402.0]


def test_clock_starts_where_it_is_told() -> None:
    """`start` is the time of the first look."""
    with Runtime(host=ManualHost(start=100.0)) as runtime:
        before = runtime.now()
        runtime.block_on(rescind.sleep(5))

        assert (before, runtime.now()) == (100.0, 105.0)


def test_equal_times_fire_in_the_order_in_which_they_were_asked_for() -> None:
    """Ties are broken by age, so every run is the same."""

    async def main() -> list[int]:
        log: list[int] = []

        async def one(number: int) -> None:
            await rescind.sleep_until(10)
            log.append(number)

        await rescind.join(*(one(number) for number in (3, 1, 2)))
        return log

    assert [run_virtual(main) for _ in range(3)] == [Completed([3, 1, 2])] * 3


def test_callbacks_run_in_the_order_in_which_they_were_asked_for() -> None:
    """One by one through `advance`; a canceled one is skipped; at the end nothing is left to do."""
    host = ManualHost()
    log: list[str] = []
    host.call_soon(lambda: log.append("first"))
    host.call_soon(lambda: log.append("canceled")).cancel()
    host.call_at(2.0, lambda: log.append("later"))
    host.call_at(1.0, lambda: log.append("sooner"))
    host.call_soon(lambda: log.append("second"))

    steps = []
    while host.advance():
        steps.append((host.now(), list(log)))

    assert steps == [
        (0.0, ["first", "second"]),
        (1.0, ["first", "second", "sooner"]),
        (2.0, ["first", "second", "sooner", "later"]),
    ]


async def waits_for_ever() -> None:
    """Park where nobody wakes."""
    await rescind.never()  # parked here


def test_deadlock_names_each_task_and_the_place_where_it_waits() -> None:
    """A hang is an error that says who waits for what, and where."""

    async def main() -> None:
        task = rescind.spawn(waits_for_ever(), name="first")
        await rescind.join(task.join())  # main waits here

    with pytest.raises(Deadlock) as info:
        run_virtual(main)

    message = str(info.value)
    assert message.splitlines()[0] == "nothing can run any more, at 0 s; no timer is set"
    lines = [" ".join(line.split()) for line in message.splitlines()[1:]]
    parked, joining = line_of(waits_for_ever, "# parked here"), line_of(main, "# main waits here")
    assert [line for line in lines if line.startswith("first")] == [
        f"first never() at {parked} in waits_for_ever"
    ]
    assert lines[0].startswith(f"main join of 1 at {joining} in ")


def test_deadlock_comes_when_the_last_timer_has_fired() -> None:
    """As long as a timer is set, something can still happen."""

    async def main() -> None:
        await rescind.sleep(5)
        await rescind.never()

    with pytest.raises(Deadlock, match="nothing can run any more, at 5 s"):
        run_virtual(main)


def test_runtime_is_usable_after_a_deadlock() -> None:
    """What hung may be canceled, and others run."""
    with Runtime(host=ManualHost()) as runtime:
        task = runtime.spawn(waits_for_ever())
        with pytest.raises(Deadlock):
            runtime.block_on(task.join())
        task.cancel("unstuck")
        outcome = runtime.block_on(task.join())
        value = runtime.block_on(rescind.ready(1))

    assert (outcome.reason.message, value) == ("unstuck", 1)  # type: ignore[union-attr]


def test_bare_yield_is_one_tick() -> None:
    """What `sleep(0)` of asyncio and anyio's checkpoints yield is known here too (R32)."""

    class Bare:
        def __await__(self) -> Any:
            yield None
            return "resumed"

    async def main() -> Any:
        return await Bare()

    assert run_virtual(main) == Completed("resumed")


def test_lost_waker_is_found_before_it_hangs() -> None:
    """A future that forgets its waker is named, instead of a Deadlock that cannot know."""

    def forgets(_cx: Context) -> Any:
        return PENDING

    async def main() -> Any:
        return await rescind.poll_fn(forgets)

    outcome = run_virtual(main)

    assert type(outcome.exception) is rescind.UsageError  # type: ignore[union-attr]
    assert "returned PENDING without storing cx.waker" in str(outcome.exception)  # type: ignore[union-attr]
