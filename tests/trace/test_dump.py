"""`dump`: the tree of all that runs, as text and as JSON, from any thread."""

import asyncio
import io
import json
import re
import threading
from typing import Any

import pytest

import rescind
from rescind.sync import Mutex
from rescind.testing import run_virtual
from rescind.trace import dump_data

RUNTIME = ["name", "host", "statistics", "tasks", "circle", "asyncio"]


def _text() -> str:
    out = io.StringIO()
    rescind.dump(out)
    return out.getvalue()


def _virtual(main: Any) -> Any:
    return run_virtual(main).unwrap()


async def _sleeps() -> None:
    await rescind.sleep(100)


def _flat(text: str) -> list[str]:
    """The lines, without what differs from run to run: ids, places and names of runtimes."""
    text = re.sub(r"task \d+", "task N", text)
    text = re.sub(r"tests/trace/\w+\.py:\d+", "FILE:N", text)
    return re.sub(r"runtime-\w+", "R", text).splitlines()


def test_the_tree_goes_from_runtimes_through_groups_to_children() -> None:
    """Those that are alike share a line, and are counted."""

    async def main() -> str:
        async with rescind.task_group(name="workers") as group:
            for index in range(100):
                group.spawn(_sleeps(), name=f"worker-{index}")
            group.spawn(_sleeps_in_a_race(), name="racer")
            await rescind.sleep(1)
            text = _text()
            group.cancel()
        return text

    lines = _flat(_virtual(main))
    assert "runtime 'R' on manual: 103 alive, 0 ready, 102 timers" in lines
    inside = lines.index("    group 'workers', 101 alive")
    assert lines[inside + 1 : inside + 3] == [
        "      task N 'worker-0' (and 99 more) waiting: sleep(100) at FILE:N in _sleeps",
        "      task N 'racer' waiting: race of 2 at FILE:N in _sleeps_in_a_race",
    ]
    assert lines[inside + 3].startswith("        child 0")
    assert "sleep(50)" in lines[inside + 3]


async def _sleeps_in_a_race() -> None:
    await rescind.race(rescind.sleep(50), rescind.sleep(60))


def test_the_canceled_tell_why_and_what_holds_them_up() -> None:
    """Reason, shield, grace, and who blocks."""

    async def main() -> str:
        mutex = Mutex()

        async def holds() -> None:
            async with mutex:
                with rescind.shielded():
                    await rescind.sleep(20)

        async def cleans() -> None:
            try:
                await rescind.never()
            finally:
                async with mutex:
                    pass

        tasks = [rescind.spawn(holds(), name="holder"), rescind.spawn(cleans(), name="cleaner")]
        await rescind.sleep(1)
        for task in tasks:
            task.cancel("enough", grace=10)
        await rescind.sleep(3)
        text = _text()
        for task in tasks:
            await task.join()
        return text

    text = "\n".join(_flat(_virtual(main)))
    assert "'holder' shielded: sleep(20)" in text
    assert "'cleaner' cleaning up: acquire of <Mutex, held by task N 'holder'>" in text
    assert text.count("canceled 3.0 s ago: explicit: enough, by task N 'main', at FILE:N") == 2
    assert text.count("held back by the shield at FILE:N") == 1
    assert text.count("grace: 7.0 s left") == 2
    assert text.count("blocked by task N 'holder'") == 1


def test_as_json_it_is_one_object_with_the_same() -> None:
    """Every runtime, with its counters; nothing that only Python understands."""

    async def main() -> Any:
        async with rescind.task_group(name="workers") as group:
            group.spawn(_sleeps(), name="worker")
            await rescind.sleep(1)
            out = io.StringIO()
            rescind.dump(out, as_json=True)
            assert list(dump_data()["runtimes"][0]) == RUNTIME
            group.cancel()
        return json.loads(out.getvalue())

    data = _virtual(main)
    assert list(data["runtimes"][0]) == RUNTIME
    runtime = next(one for one in data["runtimes"] if one["host"] == "manual")
    assert runtime["statistics"]["alive"] == 3
    groups = [group for task in runtime["tasks"] for group in task["groups"]]
    assert [group["name"] for group in groups] == ["workers"]
    assert [task["name"] for task in groups[0]["tasks"]] == ["worker"]
    assert all(task["name"] != "worker" for task in runtime["tasks"])


def test_tasks_that_wait_for_each_other_are_named_at_the_end() -> None:
    """As text and as data; nothing is said where there is no circle."""

    async def takes(first: Mutex, second: Mutex) -> None:
        async with first:
            await rescind.sleep(1)
            async with second:
                pass

    async def main() -> tuple[str, str, Any]:
        left, right = Mutex(name="left"), Mutex(name="right")
        one = rescind.spawn(takes(left, right), name="one")
        rescind.spawn(takes(right, left), name="other")
        await rescind.sleep(0.5)
        before = _text()
        await rescind.sleep(1)
        text, data = _text(), dump_data()
        one.cancel()
        return before, text, data

    before, text, data = _virtual(main)
    line = "  deadlock: task N 'one' → task N 'other' → task N 'one': they wait for each other"
    assert line in _flat(text)
    assert "deadlock" not in before
    runtime = next(one for one in data["runtimes"] if one["host"] == "manual")
    assert [label.split()[-1] for label in runtime["circle"]] == ["'one'", "'other'", "'one'"]


def test_asyncio_tasks_on_the_same_loop_are_listed() -> None:
    """Beside ours, which asyncio lists too, and which appear once."""

    async def foreign() -> None:
        await asyncio.sleep(3600)

    async def main() -> str:
        stock = asyncio.create_task(foreign(), name="stock")
        await rescind.sleep(0.01)
        text = _text()
        stock.cancel()
        return text

    text = "\n".join(_flat(rescind.run(main)))
    assert re.search(r"  asyncio task 'stock': at FILE:N in .*foreign", text)
    assert text.count("asyncio task") == 1


def test_it_works_while_the_runtime_is_stuck() -> None:
    """From another thread, which sees what is running."""
    stuck, done = threading.Event(), threading.Event()
    found: list[str] = []

    def look() -> None:
        assert stuck.wait(60)
        found.append(_text())
        done.set()

    async def main() -> None:
        rescind.current_task().name = "stuck one"
        stuck.set()
        assert done.wait(60)

    thread = threading.Thread(target=look)
    thread.start()
    rescind.run(main)
    thread.join()
    assert "'stuck one' running" in found[0]


def test_by_default_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """And where no runtime is, it says so."""

    async def main() -> None:
        rescind.dump()

    rescind.run(main)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "runtime " in captured.err


def test_a_loop_that_is_closed_is_not_in_it() -> None:
    """What was awaited on it in plain asyncio had an executor there, which may be kept a while."""

    async def main() -> str:
        await rescind.race(rescind.ready(1), rescind.never())
        return _text()

    assert "runtime 'asyncio' on asyncio" in asyncio.run(main())
    assert "runtime 'asyncio' on asyncio" not in _text()


def test_a_runtime_that_is_shut_down_is_not_in_it() -> None:
    """It is gone though somebody keeps it."""
    runtime = rescind.Runtime(name="the one that ended")
    with runtime:
        assert "the one that ended" in _text()
    assert "the one that ended" not in _text()


def test_who_is_behind_a_shield_is_told_before_it_is_canceled() -> None:
    """A shutdown that hangs may wait for one that nobody has asked to cancel yet."""

    async def audits(ledger: Mutex) -> None:
        async with ledger:
            with rescind.shielded():
                await rescind.sleep(100)

    async def main() -> str:
        ledger = Mutex(name="ledger")
        holder = rescind.spawn(audits(ledger), name="audit")
        await rescind.yield_now()
        waiter = rescind.spawn(ledger.acquire(), name="session")
        await rescind.sleep(1)
        text = _text()
        await waiter.cancel()
        await holder.cancel(grace=0)
        return text

    lines = _flat(_virtual(main))
    at = next(index for index, line in enumerate(lines) if "'audit' waiting" in line)
    assert lines[at + 1].strip() == "in the shield at FILE:N"
    assert any(
        "'session' waiting: acquire of <Mutex 'ledger', held by task N 'audit'>" in one
        for one in lines
    )
