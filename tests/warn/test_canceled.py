"""Warnings about canceled tasks: slow cleanups, shields, and cancellations that were swallowed."""

import re
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from types import CoroutineType
from typing import Any

import pytest

import rescind
from rescind._warn import lines, watch, wording
from rescind._warn.deliveries import Deliveries
from rescind._warn.lines import Lines
from rescind._warn.places import mark
from rescind.lowlevel import hooks
from rescind.sync import Event, Mutex
from rescind.testing import run_virtual
from tests.warn.kit import Said, only

SLOW = 0.02


@pytest.fixture(params=["asyncio", "uvloop"])
def host(request: pytest.FixtureRequest) -> Any:
    """Run it on both loops."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return request.param


def test_a_slow_cleanup_is_told_with_place_holder_grace_and_reason(host: Any) -> None:
    """One line: what, where, who blocks, when it is dropped, who canceled it and why; once."""
    said = Said()

    async def cleans(mutex: Mutex) -> None:
        try:
            await rescind.never()
        finally:
            async with mutex:
                pass

    async def main() -> None:
        mutex = Mutex(name="database")
        async with mutex:
            task = rescind.spawn(cleans(mutex), name="request 17", grace=60)
            await rescind.yield_now()
            task.cancel("deploying")
            await said.until("request 17")
            for _ in range(10):
                await rescind.sleep(SLOW / 2)
        await task.join()

    (line,) = said.run(main, only(slow_cleanup=SLOW), host=host)
    assert line == (
        "task N 'request 17' has been cleaning up for N s: it waits for acquire of "
        "<Mutex 'database', held by task N 'main'>, at FILE:N in test_a_slow_cleanup_is_told_with_"
        "place_holder_grace_and_reason.<locals>.cleans, blocked by task N 'main'. It is dropped in "
        "N s. Canceled: explicit: deploying, by task N 'main', at FILE:N"
    )


def test_a_cleanup_that_is_quick_is_not_told() -> None:
    """Nor one that nobody canceled."""
    said = Said()

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.yield_now()

    async def main() -> None:
        waits = rescind.spawn(rescind.sleep(5 * SLOW))
        for _ in range(3):
            task = rescind.spawn(cleans())
            await rescind.yield_now()
            await task.cancel()
        await waits

    assert said.run(main, only(slow_cleanup=100.0, shield_held=100.0, absorbed=True)) == []


def test_half_the_grace_is_slow_too() -> None:
    """An hour's patience says nothing about a task that is dropped before."""
    said = Said()

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(3600)

    async def main() -> None:
        task = rescind.spawn(cleans(), name="short")
        await rescind.yield_now()
        # So long ago that the first half of its grace is over, and long before the other one is.
        at = rescind.now() - 1500.0
        task.cancel(rescind.CancelReason(rescind.CancelKind.EXPLICIT, at=at), grace=600)
        await said.until("'short' has been cleaning up")
        task.cancel(grace=0)
        await task.join()

    warning, dropped = said.run(main, only(slow_cleanup=3600.0))
    assert "sleep(3600)" in warning
    assert dropped.startswith("the cleanup of short overran its grace")


def test_a_shield_that_holds_a_cancellation_back_is_told_with_its_line() -> None:
    """And not as a cleanup; afterwards its cleanup may be told, too."""
    said = Said()
    lines: list[str] = []

    async def shields(done: Event) -> None:
        try:
            with rescind.shielded():
                await done.wait()
            await rescind.never()
        finally:
            await said.until("cleaning up")

    async def main() -> None:
        done = Event(name="done")
        task = rescind.spawn(shields(done), name="migration", grace=60)
        await rescind.yield_now()
        task.cancel("deploying")
        await said.until("shield")
        lines.extend(said.lines)
        done.set()
        await task.join()

    said.run(main, only(slow_cleanup=SLOW, shield_held=SLOW))
    (line,) = lines
    assert line == (
        "task N 'migration' was asked to cancel N s ago, and the shield at FILE:N holds it back "
        "while it waits for wait of <Event 'done', not set>, at FILE:N in test_a_shield_that_holds_"
        "a_cancellation_back_is_told_with_its_line.<locals>.shields. It is dropped in N s. "
        "Canceled: explicit: deploying, by task N 'main', at FILE:N"
    )
    assert "'migration' has been cleaning up" in said.lines[-1]


def test_a_shield_that_holds_nothing_back_is_not_told() -> None:
    """However long it is there."""
    said = Said()

    async def main() -> None:
        with rescind.shielded():
            await rescind.sleep(5 * SLOW)

    assert said.run(main, only(shield_held=SLOW)) == []


def test_who_only_waits_for_its_turn_is_held_back_by_no_shield() -> None:
    """Of very many that are canceled at once, the last have to wait for the others."""
    said = Said()

    async def waits() -> None:
        await rescind.never()

    async def main() -> None:
        tasks = [rescind.spawn(waits()) for _ in range(5_000)]
        await rescind.yield_now()
        for task in tasks:
            task.cancel()
        time.sleep(2 * SLOW)  # noqa: ASYNC251 - everything stands still
        for task in tasks:
            await task.join()

    assert said.run(main, only(shield_held=SLOW)) == []


def test_who_only_waits_for_those_is_left_to_them() -> None:
    """The group's parent waits for its child: one line, that of the child."""
    said = Said()

    begun = Event()

    async def cleans() -> None:
        try:
            begun.set()
            await rescind.never()
        finally:
            await said.until("'child'")

    async def parent() -> None:
        async with rescind.task_group() as group:
            group.spawn(cleans(), name="child")

    async def main() -> None:
        task = rescind.spawn(parent(), name="parent")
        await begun.wait()
        task.cancel()
        await task.join()

    lines = said.run(main, only(slow_cleanup=SLOW, shield_held=SLOW))
    assert [line[:40] for line in lines] == ["task N 'child' has been cleaning up for "]


def test_a_thousand_are_a_few_lines_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait alike share a line."""
    said = Said()
    monkeypatch.setattr(lines, "Lines", lambda: Lines(lambda: 0.0))  # ten seconds never pass

    async def cleans(done: Event) -> None:
        try:
            await rescind.never()
        finally:
            await done.wait()

    async def main() -> None:
        done = Event()
        tasks = [rescind.spawn(cleans(done)) for _ in range(1000)]
        await rescind.yield_now()
        for task in tasks:
            task.cancel()
        # Those that were not slow yet at one look are told of by the next one, or counted there.
        vigil = rescind.current_runtime().executor.vigil
        assert isinstance(vigil, watch.Watch)
        async with rescind.deadline(60):
            while vigil._rounds is None or len(vigil._rounds.told) < 1000:
                await rescind.sleep(SLOW / 2)
        done.set()
        for task in tasks:
            await task.join()
        assert vigil._rounds.told == set()  # who has ended is forgotten

    told = said.run(main, only(slow_cleanup=SLOW))
    assert told[0].startswith("task N 'task-")
    counted = [re.fullmatch(r"slow cleanups: (\d+) more of them", line) for line in told[1:]]
    assert sum(int(found[1]) for found in counted if found) == 999
    assert 1 <= len(counted) <= 2  # at the first look, and at the end


async def _absorbs() -> str:
    try:
        await rescind.never()
    except rescind.Cancellation:
        await rescind.yield_now()
        return "anyway"
    raise AssertionError


def test_a_swallowed_cancellation_is_told_with_the_line_where_it_was_raised() -> None:
    """Wherever the task has been since then."""
    said = Said()

    async def main() -> None:
        task = rescind.spawn(_absorbs(), name="stubborn")
        await rescind.yield_now()
        task.cancel("enough")
        assert await task.join() == rescind.Completed("anyway")

    (line,) = said.run(main, only(absorbed=True))
    assert line == (
        "task N 'stubborn' returned a value although it was canceled: its Cancellation was raised "
        "at FILE:N in _absorbs, and swallowed. Let it pass, or raise it again after cleaning up. "
        "Canceled: explicit: enough, by task N 'main', at FILE:N"
    )
    where = f"test_canceled.py:{_absorbs.__code__.co_firstlineno + 2} in _absorbs"
    assert where in said.raw[0]


def test_swallowing_at_the_very_end_is_no_fault() -> None:
    """The runtime ends, and nobody waits for more; nor is it told where it is switched off."""
    said = Said()

    async def leaves_one() -> None:
        rescind.spawn(_absorbs())
        await rescind.yield_now()

    async def cancels_one() -> None:
        task = rescind.spawn(_absorbs())
        await rescind.yield_now()
        await task.cancel()

    assert said.run(leaves_one, only(absorbed=True)) == []
    assert said.run(cancels_one, only(hangs=True)) == []


def test_it_listens_from_the_first_cancellation_of_its_own_runtime_on() -> None:
    """What is raised in another, on another thread, is that one's."""
    said = Said()
    listens: list[bool] = []

    async def canceled() -> None:
        task = rescind.spawn(_absorbs())
        await rescind.yield_now()
        await task.cancel()

    async def main() -> None:
        vigil = rescind.current_runtime().executor.vigil
        assert isinstance(vigil, watch.Watch)
        thread = threading.Thread(target=rescind.run, args=(canceled,), kwargs={"warn": False})
        thread.start()
        thread.join()
        listens.append(vigil._deliveries is not None)
        await canceled()
        listens.append(vigil._deliveries is not None)

    (line,) = said.run(main, only(absorbed=True))
    assert line.startswith("task N 'task-")
    assert listens == [False, True]
    assert hooks.delivered is None


def test_a_fault_of_the_warnings_own_takes_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error in the log; the program goes on."""
    import logging

    def broken(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(wording, "label_of", broken)
    seen: list[logging.LogRecord] = []
    logger = logging.getLogger("rescind")
    keep = logging.Handler()
    keep.emit = seen.append  # type: ignore[method-assign]
    logger.addHandler(keep)

    async def main() -> str:
        for _ in range(2):
            task = rescind.spawn(_absorbs())
            await rescind.yield_now()
            await task.cancel()
        return "went on"

    try:
        assert rescind.run(main, warn=only(absorbed=True)) == "went on"
    finally:
        logger.removeHandler(keep)
    (record,) = seen
    assert record.levelname == "ERROR"
    assert record.getMessage().endswith("failed, and are off from now on")


async def _loses(mutex: Mutex, said: Said) -> None:
    try:
        await rescind.never()
    finally:
        async with mutex:
            pass


async def _fails() -> None:
    await rescind.yield_now()
    raise RuntimeError("no")


async def _in_a_deadline(work: Any) -> None:
    async with rescind.deadline(0.0001):
        await work


@pytest.mark.parametrize(
    ("canceled", "who", "why"),
    [
        (
            lambda work: rescind.race(rescind.sleep(0), work),
            "child 1 <coroutine _loses> in task N 'main', in its race of 2, has",
            "race lost: lost to child 0, by task N 'main', at FILE:N",
        ),
        (
            lambda work: rescind.join(_fails(), work),
            "child 1 <coroutine _loses> in task N 'main', in its join of 2, has",
            "sibling failed: child 0 failed: RuntimeError('no')",
        ),
        (
            lambda work: rescind.timeout(work, 0.0001),
            "a part of task N 'main', has",
            "deadline: the timeout of 0.0001 s has passed",
        ),
        (
            _in_a_deadline,
            "a part of task N 'main', has",
            "deadline: the deadline of 0.0001 s has passed",
        ),
    ],
    ids=["race", "join", "timeout", "deadline"],
)
def test_a_part_of_a_task_that_is_slow_to_clean_up_is_told(
    host: Any, canceled: Any, who: str, why: str
) -> None:
    """Which branch of what, where, who blocks, until when, and why; once, and not the task."""
    said = Said()

    async def holds(mutex: Mutex) -> None:
        async with mutex:
            await said.until("has been cleaning up")
            for _ in range(10):
                await rescind.sleep(SLOW / 2)

    async def main() -> None:
        mutex = Mutex(name="database")
        holder = rescind.spawn(holds(mutex), name="holder")
        await rescind.yield_now()
        with suppress(TimeoutError, RuntimeError):
            await canceled(_loses(mutex, said))
        await holder

    (line,) = said.run(main, only(slow_cleanup=SLOW), host=host)
    assert line.startswith(f"{who} been cleaning up for N s: it waits for acquire of <Mutex ")
    assert ", at FILE:N in _loses, blocked by task N 'holder'" in line
    assert ("It is dropped in N s. " in line) is (canceled is not _in_a_deadline)
    assert why in line.partition(" Canceled: ")[2]


def test_a_part_whose_task_is_canceled_is_left_to_the_task() -> None:
    """One line, for the task; and none for what has ended in time."""
    said = Said()

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            await said.until("'canceled'")

    async def main() -> None:
        for _ in range(3):
            await rescind.race(rescind.sleep(0), rescind.never())
        task = rescind.spawn(rescind.race(cleans(), rescind.never()), name="canceled")
        await rescind.yield_now()
        await task.cancel("enough")
        for _ in range(10):
            await rescind.sleep(SLOW / 2)

    (line,) = said.run(main, only(slow_cleanup=SLOW))
    assert line.startswith("task N 'canceled' has been cleaning up")


def test_a_deadline_whose_block_only_waits_for_its_tasks_is_left_to_them() -> None:
    """They were canceled, and are told of."""
    said = Said()

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            await said.until("'child'")
            for _ in range(10):
                await rescind.sleep(SLOW / 2)

    async def main() -> None:
        with suppress(TimeoutError):
            async with rescind.deadline(0.001), rescind.task_group() as group:
                group.spawn(cleans(), name="child")
                await rescind.never()

    (line,) = said.run(main, only(slow_cleanup=SLOW))
    assert line.startswith("task N 'child' has been cleaning up")


def test_parts_that_have_ended_are_forgotten() -> None:
    """A loop of races leaves nothing behind, though nobody looks in between."""

    async def parks() -> None:
        await rescind.never()

    async def main() -> None:
        deliveries = Deliveries(rescind.current_runtime().executor, parts=True)
        hooks.add(deliveries)
        try:
            for _ in range(1_200):
                await rescind.race(parks(), rescind.yield_now())
        finally:
            hooks.remove(deliveries)
        assert len(deliveries.parts) < 1_000
        assert deliveries.unfinished() == []

    run_virtual(main).unwrap()


def test_what_notes_deliveries_fails_for_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is taken off, as any observer that raises, and the cancellation goes on (H3)."""

    async def parks() -> None:
        await rescind.never()

    async def main() -> int:
        deliveries = Deliveries(rescind.current_runtime().executor, parts=True)
        hooks.add(deliveries)
        try:
            broken: Any = None
            deliveries.parts = broken
            value = await rescind.race(parks(), rescind.ready(7))
            await rescind.race(parks(), rescind.yield_now())
            assert all(one is not deliveries for one in hooks.observers)
        finally:
            hooks.remove(deliveries)
        return value

    assert run_virtual(main).unwrap() == 7
    assert "is told nothing more" in caplog.text


@pytest.mark.parametrize("depth", [1, 7, 8, 9, 30])
def test_a_mark_has_each_frame_however_deep(depth: int) -> None:
    """Outermost first, the same the second time, another one where the coroutine is elsewhere."""

    class Once:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def nest(left: int) -> None:
        if left:
            await nest(left - 1)
            return
        await Once()
        await Once()

    coroutine = nest(depth - 1)
    chain: Any
    seen = []
    for _ in range(2):
        coroutine.send(None)
        chain, expected = coroutine, []
        while isinstance(chain, CoroutineType):
            expected.append((chain.cr_frame.f_code, chain.cr_frame.f_lasti))
            chain = chain.cr_await
        assert mark(coroutine) == mark(coroutine) == tuple(expected)
        assert len(expected) == depth
        seen.append(mark(coroutine))
    assert seen[0] != seen[1]
    coroutine.close()


def test_marks_of_many_places_are_told_apart() -> None:
    """Few are kept, and each is of its own place."""

    class Once:
        def __await__(self) -> Generator[None, None, None]:
            yield

    names: dict[str, Any] = {"Once": Once}
    exec("async def long():\n" + "    await Once()\n" * 100, names)
    coroutine = names["long"]()
    for _ in range(100):
        coroutine.send(None)
        assert mark(coroutine) == ((coroutine.cr_code, coroutine.cr_frame.f_lasti),)
    coroutine.close()
