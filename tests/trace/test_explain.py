"""`explain`: why a task is alive, why it was canceled, what holds that back, what it waits for."""

import asyncio
import inspect
import json
import pickle
import re
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from typing import Any

import pytest

import rescind
from rescind import CancelKind, Explanation, UsageError, explain
from rescind.sync import Event, Mutex, RwLock
from rescind.testing import run_virtual
from rescind.trace import Blocker

HERE = "tests/trace/test_explain.py"


def _value(main: Any) -> Any:
    """Run it in virtual time, and return what it returns."""
    return run_virtual(main).unwrap()


def test_a_waiting_task_tells_what_and_where() -> None:
    """State, age, what it awaits, and the place in its own code."""

    async def waits() -> None:
        await rescind.sleep(10)

    async def main() -> Explanation:
        task = rescind.spawn(waits(), name="patient")
        await rescind.sleep(2)
        return task.explain()

    found = _value(main)
    info = found.task
    assert (info.name, info.state, info.age, info.waits_for) == (
        "patient",
        "waiting",
        2.0,
        "sleep(10)",
    )
    assert info.stack[-1].function.endswith("waits")
    assert found.chain == found.cycle == info.reasons == info.blocked_by == ()
    lines = str(found).splitlines()
    assert lines[0] == f"task {info.id} 'patient' is waiting, 2.0 s old"
    assert lines[1] == "  waits for   sleep(10)"
    assert lines[2].startswith(f"  at          {HERE}:")


def test_a_thousand_tasks_under_one_deadline_all_name_it() -> None:
    """Through three groups: the deadline with its line, and the path that the cancellation took."""

    async def works() -> None:
        try:
            await rescind.sleep(100)
        finally:
            await rescind.sleep(5)

    async def main() -> list[Explanation]:
        found: list[Explanation] = []

        async def look(tasks: list[Any]) -> None:
            await rescind.sleep(2)
            found.extend(explain(task) for task in tasks)

        tasks: list[Any] = []
        looking = rescind.spawn(look(tasks))
        with pytest.raises(TimeoutError):
            async with (
                rescind.deadline(1),
                rescind.task_group(name="outer"),
                rescind.task_group(name="middle"),
                rescind.task_group(name="inner") as group,
            ):
                tasks += [group.spawn(works(), name=f"worker-{i}") for i in range(1000)]
        await looking
        return found

    found = _value(main)
    assert len(found) == 1000
    for one in found:
        chain = one.task.reasons[0].chain()
        assert [link.kind for link in chain] == [CancelKind.PARENT, CancelKind.DEADLINE]
        assert "group 'inner'" in chain[0].message
        assert HERE in chain[-1].where
        assert (one.task.state, one.task.asked, one.task.grace_left) == ("cleaning up", 1.0, 29.0)
    text = str(found[77])
    assert "because deadline: the deadline of 1 s has passed" in text
    assert f"at {HERE}:" in text


def test_cleanup_behind_a_mutex_held_by_a_shielded_task_is_explained() -> None:
    """Who holds it, where, behind which shield, and the grace that is left."""

    async def main() -> Explanation:
        mutex = Mutex(name="db")

        async def holds() -> None:
            async with mutex:
                with rescind.shielded():
                    await rescind.sleep(3600)

        async def cleans() -> None:
            try:
                await rescind.never()
            finally:
                async with mutex:
                    pass

        holder = rescind.spawn(holds(), name="holder")
        waiter = rescind.spawn(cleans(), name="waiter")
        await rescind.sleep(1)
        waiter.cancel("shutdown", grace=10)
        holder.cancel("shutdown", grace=20)
        await rescind.sleep(4)
        return waiter.explain()

    found = _value(main)
    (holder,) = found.chain
    assert found.task.blocked_by == (Blocker(holder.label, holder.id),)
    assert (found.task.state, found.task.grace_left) == ("cleaning up", 6.0)
    assert (holder.state, holder.grace_left) == ("shielded", 16.0)
    (shield,) = holder.shields
    assert shield.startswith(f"{HERE}:")
    text = str(found)
    assert len(text.splitlines()) < 24
    assert f"held back   by the shield at {shield}" in text
    assert "grace       16.0 s of its grace left" in text
    assert "waits for   acquire of <Mutex 'db', held by task" in text


def test_a_shield_around_one_future_is_told_too() -> None:
    """At the line that awaits it; nothing is held back outside of it."""

    async def waits() -> None:
        await rescind.shield(rescind.sleep(5))
        await rescind.sleep(5)

    async def main() -> tuple[Any, Any]:
        task = rescind.spawn(waits())
        await rescind.sleep(1)
        task.cancel()
        await rescind.sleep(1)
        during = task.explain().task
        await rescind.sleep(9)
        return during, task.explain().task

    during, after = _value(main)
    assert (during.state, len(during.shields)) == ("shielded", 1)
    assert during.shields[0].startswith(f"{HERE}:")
    assert (after.state, after.shields, after.waits_for) == ("canceled", (), "")


def test_an_open_gate_holds_nothing_back() -> None:
    """While its future is awaited, the shield is not one."""

    async def main() -> Any:
        async def waits() -> None:
            with rescind.shielded() as gate:
                await gate.open(rescind.sleep(5))

        task = rescind.spawn(waits())
        await rescind.sleep(1)
        return task.explain().task

    assert _value(main).shields == ()


def test_a_circle_of_tasks_is_named() -> None:
    """Two mutexes taken in opposite orders; the text ends with who waits for whom."""

    async def main() -> Explanation:
        left, right = Mutex(name="left"), Mutex(name="right")

        async def takes(first: Mutex, second: Mutex) -> None:
            async with first:
                await rescind.yield_now()
                async with second:
                    pass

        one = rescind.spawn(takes(left, right), name="one")
        other = rescind.spawn(takes(right, left), name="other")
        await rescind.sleep(1)
        found = one.explain()
        one.cancel()
        await other
        return found

    found = _value(main)
    labels = [found.task.label, found.chain[0].label, found.task.label]
    assert found.cycle == tuple(labels)
    assert str(found).endswith(f"These wait for each other: {' → '.join(labels)}")


def test_who_joins_is_blocked_by_whom_it_joins_as_far_as_it_goes() -> None:
    """A chain of joins, nearest first."""

    async def main() -> Explanation:
        async def joins(task: Any) -> None:
            await task

        last = rescind.spawn(rescind.sleep(9), name="last")
        middle = rescind.spawn(joins(last), name="middle")
        first = rescind.spawn(joins(middle), name="first")
        await rescind.sleep(1)
        return explain(first.id)

    found = _value(main)
    assert [info.name for info in found.chain] == ["middle", "last"]
    assert found.chain[-1].waits_for == "sleep(9)"


def test_children_of_a_combinator_are_told_with_what_they_wait_for() -> None:
    """And blocked by what blocks a child."""

    async def main() -> Explanation:
        other = rescind.spawn(rescind.sleep(9), name="other")

        async def races() -> None:
            await rescind.race(rescind.sleep(5), other.join())

        task = rescind.spawn(races())
        await rescind.sleep(1)
        return task.explain()

    found = _value(main)
    assert found.task.children[0].waits_for == "sleep(5)"
    assert [child.state for child in found.task.children] == ["waiting", "waiting"]
    assert [blocker.label.split()[-1] for blocker in found.task.blocked_by] == ["'other'"]


def test_a_child_is_called_by_its_function_also_inside_another_function() -> None:
    """By its whole name, of which ``<locals>`` is a part."""

    async def main() -> list[str]:
        async def query() -> None:
            await rescind.sleep(5)

        task = rescind.spawn(rescind.race(query(), query()))
        await rescind.sleep(1)
        labels = [child.label for child in task.explain().task.children]
        await task.cancel()
        return labels

    where = "test_a_child_is_called_by_its_function_also_inside_another_function.<locals>.main"
    name = f"{where}.<locals>.query"
    assert _value(main) == [f"child 0: {name}", f"child 1: {name}"]


def test_deadlines_around_are_told() -> None:
    """The earliest that is around what it awaits now."""

    async def main() -> tuple[float | None, float | None]:
        async def waits() -> None:
            async with rescind.deadline(7), rescind.deadline(9):
                await rescind.never()

        async def limited() -> None:
            await rescind.timeout(rescind.never(), 5)

        task, other = rescind.spawn(waits()), rescind.spawn(limited())
        await rescind.sleep(1)
        left = task.explain().task.deadline_left, other.explain().task.deadline_left
        task.cancel()
        other.cancel()
        return left

    assert _value(main) == (6.0, None)


def test_a_readers_and_writers_lock_tells_its_holders() -> None:
    """The writer; or else all readers."""

    async def main() -> list[int]:
        lock = RwLock()

        async def reads() -> None:
            async with lock.read():
                await rescind.sleep(5)

        async def writes() -> None:
            async with lock.write():
                await rescind.sleep(5)

        readers = [rescind.spawn(reads()) for _ in range(2)]
        writer = rescind.spawn(writes())
        await rescind.sleep(1)
        late = rescind.spawn(reads())
        held = [len(writer.explain().task.blocked_by)]
        await rescind.join(*readers)
        await rescind.sleep(1)
        held += [len(late.explain().task.blocked_by)]
        assert late.explain().chain[0].id == writer.id
        return held

    assert _value(main) == [2, 1]


def test_an_asyncio_task_that_is_awaited_is_named_with_its_place() -> None:
    """It has no id of ours, but a stack."""

    async def foreign() -> None:
        await asyncio.sleep(3600)

    async def main() -> Explanation:
        stock = asyncio.create_task(foreign(), name="stock")

        async def waits() -> None:
            await stock

        task = rescind.spawn(waits())
        await rescind.sleep(0.01)
        found = task.explain()
        task.cancel()
        return found

    found = rescind.run(main)
    assert found.task.blocked_by == (Blocker("asyncio task 'stock'"),)
    assert any(site.function.endswith("foreign") for site in found.task.stack)


def test_an_ended_task_tells_how() -> None:
    """With its reasons; nothing of what it waited for."""

    async def main() -> list[str]:
        async def fails() -> None:
            raise ValueError

        async def absorbs() -> int:
            try:
                await rescind.never()
            except rescind.Cancellation:
                return 1

        tasks = [rescind.spawn(rescind.ready(1)), rescind.spawn(fails()), rescind.spawn(absorbs())]
        tasks.append(rescind.spawn(rescind.never()))
        await rescind.sleep(1)
        tasks[2].cancel()
        tasks[3].cancel(grace=0)
        for task in tasks:
            await task.join()
        return [task.explain().task.state for task in tasks]

    assert _value(main) == ["completed", "failed", "completed, though canceled", "dropped"]


def test_it_can_be_asked_from_another_thread() -> None:
    """By id, while the runtime is stuck in synchronous code."""
    stuck, done = threading.Event(), threading.Event()
    found: list[Explanation] = []
    ids: list[int] = []

    def look() -> None:
        assert stuck.wait(60)
        found.append(explain(ids[0]))
        done.set()

    async def main() -> None:
        ids.append(rescind.current_task().id)
        stuck.set()
        assert done.wait(60)

    thread = threading.Thread(target=look)
    thread.start()
    rescind.run(main)
    thread.join()
    assert found[0].task.state == "running"


def test_as_data_it_can_be_sent_anywhere() -> None:
    """Pickled, and as JSON."""

    async def main() -> Explanation:
        event = Event()
        task = rescind.spawn(event.wait(), name="waiter")
        await rescind.sleep(1)
        task.cancel("enough")
        return task.explain()

    found = _value(main)
    assert pickle.loads(pickle.dumps(found)) == found
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["task"]["state"] == "to be canceled"
    assert plain["task"]["reasons"][0]["kind"] == "explicit"


def test_who_is_not_there_is_refused() -> None:
    """An unknown id, and what is neither a task nor an id."""
    with pytest.raises(UsageError, match="no task with the id 999999999"):
        explain(999_999_999)
    with pytest.raises(TypeError, match="a task or the id of one, not 'main'"):
        explain("main")  # type: ignore[arg-type]


def test_a_program_that_imports_no_explanations_has_them_when_it_asks() -> None:
    """What explains is imported then, for `Task.explain` as for the warnings."""
    program = (
        "import rescind, sys\n"
        "async def main():\n"
        "    task = rescind.spawn(rescind.never(), name='patient')\n"
        "    await rescind.yield_now()\n"
        "    assert 'rescind.trace.explain' not in sys.modules\n"
        "    print(task.explain().task.waits_for)\n"
        "rescind.run(main)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == "never()\n"


def test_a_thousand_tasks_that_one_deadline_canceled_are_explained_on_a_screen() -> None:
    """Any of them names the deadline, its line, and the groups on the way; what is alike is one."""

    async def fetch() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(5)

    async def page(number: int) -> None:
        async with rescind.task_group(name=f"page {number}") as group:
            for index in range(100):
                group.spawn(fetch(), name=f"fetch {number}/{index}")

    async def site() -> None:
        async with rescind.task_group(name="site") as group:
            for number in range(10):
                group.spawn(page(number), name=f"page {number}")

    async def crawl() -> None:
        with suppress(TimeoutError):
            async with rescind.deadline(1), rescind.task_group(name="crawl") as group:
                group.spawn(site(), name="site")

    async def main() -> tuple[str, list[str]]:
        task = rescind.spawn(crawl(), name="crawl")
        await rescind.sleep(2)
        tasks = {one.name: one for one in rescind.current_runtime().tasks()}
        whole = str(task.explain())
        each = [
            str(tasks[f"fetch {number}/{index}"].explain())
            for number in range(10)
            for index in (0, 57)
        ]
        await task
        return whole, each

    whole, each = _value(main)
    line = inspect.getsourcelines(crawl)[1] + 2
    for number, text in enumerate(each):
        why = text.partition("canceled")[2].partition("grace")[0]
        by = _named(why)
        canceled = "parent canceled: the parent of group"
        assert [part.strip() for part in why.split("because")] == [
            f"1.0 s ago, {canceled} 'page {number // 2}' was canceled, by {by}",
            f"{canceled} 'site' was canceled, by {by}",
            f"{canceled} 'crawl' was canceled, by {by}",
            f"deadline: the deadline of 1 s has passed, by {by}, at {HERE}:{line}",
        ]
    assert len(whole.splitlines()) < 40
    heads = [re.sub(r"^task \d+ ", "", line) for line in whole.splitlines() if line[0:4] == "task"]
    assert heads == [
        "'crawl' is waiting, 2.0 s old",
        "'site' is cleaning up, 2.0 s old",
        "'page 0' is cleaning up, 2.0 s old; 9 more are like it",
        "'fetch 0/0' is cleaning up, 2.0 s old; 999 more are like it",
    ]


def _named(text: str) -> str:
    found = re.search(r"task \d+ 'crawl'", text)
    assert found is not None
    return found[0]


def test_of_many_that_differ_the_first_are_told_and_the_others_counted() -> None:
    """Children of a combinator, and tasks that are waited for."""

    async def main() -> tuple[str, str]:
        waits = [rescind.spawn(rescind.sleep(10 + number)) for number in range(12)]
        joined = rescind.spawn(rescind.join(*(task.join() for task in waits)))
        slept = rescind.spawn(rescind.join(*(_shielded(depth) for depth in range(12))))
        await rescind.sleep(1)
        return str(joined.explain()), str(slept.explain())

    joined, slept = _value(main)
    assert "; 11 more are like it" in joined
    assert len(joined.splitlines()) < 20
    assert "… and 4 children more" in slept


async def _shielded(depth: int) -> None:
    with ExitStack() as stack:
        for _ in range(depth):
            stack.enter_context(rescind.shielded())
        await rescind.sleep(10)
