"""Canceling a group, or its parent: who is told what, when, and what goes on outwards."""

import threading
from contextlib import nullcontext
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    Completed,
    Error,
    TaskGroup,
    UsageError,
    cancel_requested,
    race,
    shielded,
    task_group,
)
from rescind.testing import run_virtual
from tests.conftest import HostFactory
from tests.tasks.group_kit import (
    Boom,
    CleanupBoom,
    World,
    errors_of,
    kinds,
    settle,
    spawn_all,
    virtual,
)


def test_cancel_ends_the_body_and_the_children_and_the_code_goes_on() -> None:
    """The group's own cancellation ends at the block (G5); children get PARENT, caused by it."""
    world = World()
    seen: list[Any] = []

    async def main() -> str:
        async with task_group(name="g") as g:
            tasks = spawn_all(g, world.work("a", 9, cleanup=1), world.work("b", 9))
            await rescind.sleep(1)
            request = g.cancel("enough")
            try:
                await rescind.sleep(9)
            except Cancellation as canceled:
                seen.append(canceled.reason is request.reason)
                raise
        seen.extend([tasks[0].cancel_reasons[0], request.reason, g.canceled, g.reason])
        return "went on"

    assert Completed("went on") == virtual(main)
    same, told, reason, canceled, kept = seen
    assert same
    assert canceled
    assert kept is reason
    assert (CancelKind.PARENT, "group 'g' was canceled") == (told.kind, told.message)
    assert told.cause is reason
    assert (CancelKind.EXPLICIT, "enough") == (reason.kind, reason.message)
    assert "test_group_cancel.py" in str(reason.where)
    assert ["1 !a parent canceled", "1 !b parent canceled", "1 -b", "2 -a"] == world.trace[2:]


def test_cancel_from_outside_can_be_awaited(host: HostFactory) -> None:
    """What it returns waits until the block was left; afterwards it is not accepted any more."""

    async def main() -> list[Any]:
        groups: list[TaskGroup] = []
        log: list[str] = []

        async def parent() -> None:
            async with task_group() as g:
                groups.append(g)
                g.spawn(World().work("a", 9, cleanup=0.001))
                await rescind.never()
            log.append("left")

        task = rescind.spawn(parent())
        await settle()
        request = groups[0].cancel("stop")
        outcome = await request
        late = groups[0].cancel("late")
        assert await late == outcome
        await task
        return [log, type(outcome).__name__, outcome.reason.message, late.accepted, task.outcome()]  # type: ignore[union-attr]

    with host() as runtime:
        seen = runtime.block_on(main())

    assert [["left"], "Canceled", "stop", False, Completed(None)] == seen


def test_cancel_from_a_child_and_from_a_thread(host: HostFactory) -> None:
    """A child may cancel its group and is canceled with it; so may any thread."""

    async def canceling(g: TaskGroup) -> None:
        g.cancel("from a child")
        await rescind.never()

    async def main() -> list[Any]:
        async with task_group() as g:
            child = g.spawn(canceling(g))
            await rescind.never()
        async with task_group() as h:
            thread = threading.Thread(target=lambda: h.cancel("from a thread"))
            thread.start()
            await rescind.never()
        thread.join()
        return [g.reason and g.reason.message, kinds(child), h.reason and h.reason.message]

    with host() as runtime:
        seen = runtime.block_on(main())

    assert ["from a child", ["parent canceled"], "from a thread"] == seen


def test_a_body_that_ends_before_the_delivery_ends_normally() -> None:
    """Canceled by itself, without a park afterwards: nothing is left pending for later parks."""

    async def main() -> str:
        async with task_group() as g:
            g.cancel()
        await rescind.sleep(1)
        return "went on"

    assert Completed("went on") == virtual(main)


def test_errors_after_a_cancel_are_raised() -> None:
    """An error of a cleanup, of a child or of the body, is not swallowed with the cancellation."""
    boom, body_boom = CleanupBoom("child"), CleanupBoom("body")

    async def main() -> None:
        async with task_group() as g:
            g.spawn(World().work("a", 9, cleanup_fails=boom))
            await settle()
            g.cancel()
            try:
                await rescind.never()
            finally:
                raise body_boom

    # What fails while a cancellation is cleaned up is the body's own failure.
    assert {boom, body_boom} == set(errors_of(virtual(main)))


def test_errors_of_what_the_body_awaited_are_raised_when_the_group_is_canceled() -> None:
    """They come to the block in the ``also`` of its own cancellation, which ends there."""
    boom = CleanupBoom("awaited")

    async def main() -> None:
        async with task_group() as g:
            g.spawn(_cancel_later(g))
            await rescind.join(World().work("a", 9, cleanup_fails=boom), rescind.never())

    assert [boom] == errors_of(virtual(main))


def test_canceling_before_the_block_is_refused() -> None:
    """There is nothing to cancel, and the error says so."""
    with pytest.raises(UsageError, match="cannot be canceled before it is entered"):
        task_group(name="g").cancel()


def test_children_are_told_of_the_parents_cancellation_at_once() -> None:
    """R13: they are marked before anything of the body's cleanup runs, however long that takes."""
    world = World()

    async def parent() -> None:
        async with task_group(name="g") as g:
            g.spawn(world.work("a", 9))
            try:
                await rescind.never()
            finally:
                world.note("cleanup of the body")
                await rescind.sleep(2)

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel("outer")

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert "outer" == outcome.value.reason.message
    assert ["0 +a", "0 cleanup of the body", "0 !a parent canceled", "0 -a"] == world.trace


def test_the_whole_tree_is_marked_before_any_cleanup_runs() -> None:
    """P53: every task below reads its request when the first finalizer runs."""
    tasks: list[rescind.Task[Any]] = []
    marked: list[list[bool]] = []

    async def node(depth: int) -> None:
        async with task_group() as g:
            for _ in range(3 if depth else 0):
                tasks.append(g.spawn(node(depth - 1)))
            try:
                await rescind.never()
            finally:
                marked.append([bool(task.cancel_reasons) for task in tasks])

    async def main() -> None:
        task = rescind.spawn(node(3))
        await settle(8)
        await task.cancel()

    virtual(main)

    assert 3 + 9 + 27 == len(tasks)
    assert marked[0] == [True] * len(tasks)


@pytest.mark.parametrize("around", ["deadline", "race", "g.cancel", "sibling"])
def test_nested_groups_are_marked_whatever_cancels_what_is_around(around: str) -> None:
    """R13 for a deadline, a lost race, a group's own cancel and a failed sibling."""
    tasks: list[rescind.Task[Any]] = []
    marked: list[bool] = []

    async def leaf() -> None:
        try:
            await rescind.never()
        finally:
            marked.append(all(task.cancel_reasons for task in tasks))

    async def inner() -> None:
        async with task_group() as g:
            tasks.extend(g.spawn(leaf()) for _ in range(3))
            try:
                await rescind.never()
            finally:
                marked.append(all(task.cancel_reasons for task in tasks))

    async def main() -> None:
        if around == "deadline":
            with pytest.raises(rescind.TimedOut):
                async with rescind.deadline(1):
                    await inner()
        elif around == "race":
            await race(inner(), rescind.sleep(1))
        elif around == "g.cancel":
            async with task_group() as g:
                g.spawn(inner())
                await rescind.sleep(1)
                g.cancel()
        else:
            with pytest.raises(ExceptionGroup):
                async with task_group() as g:
                    g.spawn(inner())
                    g.spawn(World().work("x", 1, fails=Boom()))

    assert Completed(None) == virtual(main)
    assert [True] * 4 == marked


@pytest.mark.parametrize("inside", ["nothing", "join", "timeout", "deadline", "company"])
def test_children_are_marked_when_cancel_returns(inside: str) -> None:
    """Before any step is taken, whatever combinators are between the task and the group."""
    tasks: list[rescind.Task[Any]] = []

    async def inner() -> None:
        async with task_group() as g:
            tasks.append(g.spawn(rescind.never()))
            await rescind.never()

    async def parent() -> None:
        if inside == "join":
            await rescind.join(inner(), rescind.never())
        elif inside == "timeout":
            await rescind.timeout(rescind.join(inner()), 60)
        elif inside == "deadline":
            async with rescind.deadline(60):
                await inner()
        elif inside == "company":
            async with rescind.FutureSet() as futures:
                futures.add(inner())
                await rescind.never()
        else:
            await inner()

    async def main() -> bool:
        task = rescind.spawn(parent())
        await settle(8)
        task.cancel()
        return bool(tasks[0].cancel_reasons)

    # Members of a set are canceled by their block, when that is left: not with their parent.
    assert Completed(inside != "company") == virtual(main)


@pytest.mark.parametrize("masked", [False, True])
def test_inner_blocks_are_told_when_an_outer_one_is_canceled(masked: bool) -> None:
    """In one coroutine: at once; behind a shield, when that is left."""
    world = World()
    seen: list[bool] = []

    async def main() -> None:
        async with task_group() as outer:
            with shielded() if masked else nullcontext():
                async with task_group() as inner:
                    task = inner.spawn(world.work("a", 2))
                    await rescind.sleep(1)
                    outer.cancel()
                    seen.append(bool(task.cancel_reasons))
            world.note("shield left")
            await rescind.never()

    assert Completed(None) == virtual(main)
    assert [not masked] == seen
    if masked:
        assert ["0 +a", "2 -a", "2 shield left"] == world.trace
    else:
        assert ["0 +a", "1 !a parent canceled", "1 -a"] == world.trace


def test_children_behind_a_gate_are_told_when_it_lets_the_cancellation_in() -> None:
    """C6: the shield holds it back, its gate opens: the children are told before the cleanup."""
    world = World()

    async def parent() -> None:
        with shielded() as gate:
            async with task_group() as g:
                g.spawn(world.work("a", 9))
                try:
                    await gate.open(rescind.never())
                finally:
                    await rescind.sleep(2)
                    world.note("cleaned up")

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 +a", "0 !a parent canceled", "0 -a", "2 cleaned up"] == world.trace


def test_a_deadline_in_the_body_tells_only_the_blocks_inside_of_it() -> None:
    """The group around the deadline is not canceled by it."""
    world = World()

    async def main() -> None:
        async with task_group() as around:
            around.spawn(world.work("a", 3))
            with pytest.raises(rescind.TimedOut):
                async with rescind.deadline(1):
                    async with task_group() as inside:
                        inside.spawn(world.work("i", 9))
                        await rescind.never()

    assert Completed(None) == virtual(main)
    assert ["0 +a", "0 +i", "1 !i parent canceled", "1 -i", "3 -a"] == world.trace


def test_a_group_deeper_than_the_stack_is_marked_and_drained() -> None:
    """Two thousand groups, one inside the other: nothing recurses (J3)."""
    depth = 2000

    async def node(n: int) -> None:
        async with task_group() as g:
            if n:
                g.spawn(node(n - 1))
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(node(depth))
        await settle(10)
        return await task.cancel()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)


def test_a_parent_that_is_canceled_while_it_waits_cancels_and_drains() -> None:
    """The body is over: children get PARENT, and the cancellation goes on with its reason."""
    world = World()
    after: list[str] = []

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 9, cleanup=2))
        after.append("left")

    async def main() -> Any:
        task = rescind.spawn(parent())
        await rescind.sleep(1)
        outcome = await task.cancel("outer")
        world.note("canceled")
        return outcome

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert (CancelKind.EXPLICIT, "outer") == (
        outcome.value.reason.kind,
        outcome.value.reason.message,
    )
    assert ["0 +a", "1 !a parent canceled", "3 -a", "3 canceled"] == world.trace
    assert [] == after


def test_errors_of_children_go_on_with_the_parents_cancellation() -> None:
    """They are in its ``also``: it stays a cancellation, and nothing is lost (R15)."""
    boom, late = CleanupBoom("cleanup"), Boom("late")

    async def failing_late() -> None:
        try:
            await rescind.never()
        except Cancellation:
            await rescind.sleep(1)
        raise late

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(World().work("a", 9, cleanup_fails=boom))
            g.spawn(failing_late())
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert (boom, late) == outcome.value.also


@pytest.mark.parametrize("handled", [True, False])
def test_a_group_that_failed_first_raises_and_the_cancellation_comes_at_the_next_park(
    handled: bool,
) -> None:
    """R7: the errors were there before the request was delivered: they are raised first."""
    boom = Boom()
    log: list[str] = []

    async def parent() -> None:
        try:
            async with task_group() as g:
                g.spawn(World().work("slow", 9, cleanup=5))
                g.spawn(World().work("x", 1, fails=boom))
        except* Boom as group:
            log.append(f"handled {len(group.exceptions)}")
            if not handled:
                raise
        log.append("before the park")
        await rescind.sleep(1)
        log.append("never")

    async def main() -> Any:
        task = rescind.spawn(parent())
        await rescind.sleep(2)
        return await task.cancel("outer")

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    if handled:
        assert isinstance(outcome.value, Canceled)
        assert outcome.value.reason.message == "outer"
        assert ["handled 1", "before the park"] == log
    else:
        assert isinstance(outcome.value, Error)
        assert ["handled 1"] == log


def test_a_second_cancel_of_the_parent_shortens_the_childrens_grace() -> None:
    """All requesters are kept; the children's cleanup ends with the parent's rest (P65)."""
    world = World()
    tasks: list[Any] = []

    async def parent() -> None:
        async with task_group() as g:
            tasks.append(g.spawn(world.work("a", 9, cleanup=9), name="a"))
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        task.cancel("first", grace=5)
        await rescind.sleep(1)
        return await task.cancel("second", grace=1)

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert "first" == outcome.value.reason.message
    causes = [reason.cause.message for reason in tasks[0].cancel_reasons]
    assert ["first", "second"] == causes
    assert "2 -a" == world.trace[-1]
    assert tasks[0].outcome().dropped


@pytest.mark.parametrize(
    ("runtime", "group", "child", "parent", "ends"),
    [
        (4, rescind.Runtime, rescind.Runtime, 30, 4),  # the class stands for "not given"
        (30, 3, rescind.Runtime, 30, 3),
        (30, 3, 5, 30, 5),
        (30, 3, 2, 30, 2),
        (30, None, rescind.Runtime, 6, 6),
        (30, 9, 9, 1, 1),
    ],
)
def test_the_grace_of_a_child(
    runtime: float, group: Any, child: Any, parent: Any, ends: float
) -> None:
    """R10: its own, else the group's, else the runtime's; never later than the parent's rest."""
    world = World()

    def given(value: Any) -> dict[str, Any]:
        return {} if value is rescind.Runtime else {"grace": value}

    async def body() -> None:
        async with task_group(**given(group)) as g:
            g.spawn(world.work("a", 99, cleanup=99), name="a", **given(child))
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(body())
        await settle()
        return await task.cancel(grace=parent)

    virtual(main, grace=runtime)

    assert f"{ends} -a" == world.trace[-1]


def test_the_grace_of_a_child_is_read_from_its_request() -> None:
    """P65: also where the group is canceled by itself, in a cleanup that has a grace already."""
    grace_at: list[Any] = []

    async def parent() -> None:
        try:
            await rescind.never()
        finally:
            async with task_group() as g:
                task = g.spawn(rescind.never())
                await rescind.sleep(1)
                g.cancel()
                grace_at.append(task.request and task.request.grace_at)

    async def main() -> None:
        task = rescind.spawn(parent())
        await settle()
        await task.cancel(grace=4)

    virtual(main)

    assert [4.0] == grace_at


def test_a_cleanup_that_hangs_is_dropped_and_the_group_says_so() -> None:
    """The parent goes on after the grace; outcome and counters tell which one was cut short."""
    world = World()

    async def main() -> tuple[Any, ...]:
        async with task_group(grace=2) as g:
            a, b = spawn_all(g, world.work("a", 9, cleanup=99), world.work("b", 9, cleanup=1))
            await rescind.sleep(1)
            g.cancel()
        stats = g.statistics()
        assert isinstance(a.outcome(), Canceled)
        assert isinstance(b.outcome(), Canceled)
        return a.outcome().dropped, b.outcome().dropped, stats.dropped, rescind.now()

    assert Completed((True, False, 1, 3.0)) == virtual(main)


def test_the_shutdowns_report_blames_the_child_and_not_the_parent_that_waited() -> None:
    """Both graces end together; the parent waited for its children, and for nothing else."""
    tasks: list[Any] = []

    async def parent() -> None:
        async with task_group() as g:
            tasks.append(g.spawn(World().work("a", 99, cleanup=99), name="a"))

    runtime = rescind.Runtime(host=rescind.lowlevel.ManualHost())
    parent_task = runtime.spawn(parent(), name="parent")
    runtime.block_on(rescind.sleep(1))
    report = runtime.shutdown(grace=2)

    assert [tasks[0].id] == [one.id for one in report.overran]
    assert f"dropped with them: task {parent_task.id} 'parent'" in str(report)


def test_a_cancel_with_grace_zero_drops_the_children_at_once() -> None:
    """``g.cancel(grace=0)`` is Rust's cancellation, for the children."""
    world = World()

    async def main() -> float:
        async with task_group() as g:
            g.spawn(world.work("a", 9, cleanup=99))
            await rescind.sleep(1)
            g.cancel(grace=0)
        return rescind.now()

    assert Completed(1.0) == virtual(main)
    assert ["0 +a", "1 -a"] == world.trace


def test_a_deadline_that_expires_while_the_block_waits() -> None:
    """The children are canceled, with the deadline as cause; it is TimedOut at its own boundary."""
    tasks: list[Any] = []

    async def main() -> float:
        with pytest.raises(rescind.TimedOut):
            async with rescind.deadline(2):
                async with task_group() as g:
                    tasks.append(g.spawn(World().work("a", 9, cleanup=1)))
        return rescind.now()

    assert Completed(3.0) == virtual(main)
    assert CancelKind.DEADLINE is tasks[0].cancel_reasons[0].cause.kind


def test_a_deadline_in_the_body_concerns_the_body_alone() -> None:
    """It expires inside the block: the children go on."""
    world = World()

    async def main() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 3))
            with pytest.raises(rescind.TimedOut):
                async with rescind.deadline(1):
                    await rescind.never()

    virtual(main)

    assert ["0 +a", "3 -a"] == world.trace


def test_a_shield_around_the_group_protects_the_children() -> None:
    """R12: a shielded parent forwards nothing; the first park after the shield delivers."""
    world = World()

    async def parent() -> None:
        with shielded():
            async with task_group() as g:
                task = g.spawn(world.work("a", 2))
                await rescind.sleep(1)
                world.note(f"requested: {bool(cancel_requested())}, {task.cancel_reasons}")
        await rescind.sleep(9)

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 +a", "1 requested: True, ()", "2 -a"] == world.trace


def test_a_shield_in_the_body_protects_the_body_alone() -> None:
    """The children hang on the group, which is outside of the shield."""
    world = World()

    async def parent() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 9))
            with shielded():
                await rescind.sleep(2)
                world.note("body over")

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        return await task.cancel()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 +a", "0 !a parent canceled", "0 -a", "2 body over"] == world.trace


def test_the_shield_of_a_combinator_around_the_group_protects_too() -> None:
    """``shield(fut)`` with a group inside, and the parent's task asked twice."""
    world = World()

    async def inner() -> None:
        async with task_group() as g:
            g.spawn(world.work("a", 2))

    async def main() -> Any:
        task = rescind.spawn(rescind.shield(inner()))
        await settle()
        task.cancel("one")
        return await task.cancel("two")

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert ["0 +a", "2 -a"] == world.trace


def test_a_group_in_a_cleanup_works_as_in_a_fresh_task() -> None:
    """P41: canceled already, its parent asks nobody in it, not even when it is asked again."""
    world = World()

    async def parent() -> None:
        try:
            await rescind.never()
        finally:
            async with task_group() as g:
                g.spawn(world.work("a", 2))
                await rescind.sleep(1)
            world.note("cleaned up")

    async def main() -> Any:
        task = rescind.spawn(parent())
        await settle()
        task.cancel("one")
        await rescind.sleep(1)
        return await task.cancel("two")

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 +a", "2 -a", "2 cleaned up"] == world.trace


def test_the_loser_of_a_race_that_holds_a_group_is_drained() -> None:
    """R19: race returns when the group's children have ended."""
    world = World()
    tasks: list[Any] = []

    async def loser() -> None:
        async with task_group() as g:
            tasks.append(g.spawn(world.work("a", 9, cleanup=2)))

    async def main() -> float:
        await race(loser(), rescind.sleep(1))
        return rescind.now()

    assert Completed(3.0) == virtual(main)
    assert CancelKind.RACE_LOST is tasks[0].cancel_reasons[0].cause.kind


@pytest.mark.parametrize("inner_body", ["waits", "is over"])
def test_a_group_in_a_group_is_canceled_by_the_outer(inner_body: str) -> None:
    """In the same coroutine: the inner's children end first, then the outer's block."""
    world = World()

    async def main() -> str:
        async with task_group(name="outer") as outer:
            outer.spawn(world.work("o", 9))
            async with task_group(name="inner") as inner:
                inner.spawn(world.work("i", 9, cleanup=1))
                outer.spawn(_cancel_later(outer))
                if inner_body == "waits":
                    await rescind.never()
            world.note("never")
        world.note("left")
        return "went on"

    assert Completed("went on") == virtual(main)
    assert ["0 +o", "0 +i"] == world.trace[:2]
    assert {"1 !o parent canceled", "1 !i parent canceled", "1 -o"} == set(world.trace[2:5])
    assert ["2 -i", "2 left"] == world.trace[5:]


async def _cancel_later(g: TaskGroup) -> None:
    await rescind.sleep(1)
    g.cancel()


def test_an_inner_failure_stays_inside_if_it_is_handled() -> None:
    """P54: siblings and parent of the inner group are untouched."""
    world = World()

    async def main() -> None:
        async with task_group() as outer:
            outer.spawn(world.work("o", 3))
            try:
                async with task_group() as inner:
                    inner.spawn(world.work("i", 1, fails=Boom()))
            except* Boom:
                world.note("handled")

    virtual(main)

    assert ["0 +o", "0 +i", "1 -i", "1 handled", "3 -o"] == world.trace


@pytest.mark.parametrize("owned", [True, False])
def test_a_spawn_after_the_cancel_gives_a_child_that_is_born_canceled(owned: bool) -> None:
    """P55: the body never runs, what it owns is closed, and the handle says why."""
    closed: list[str] = []
    world = World()

    class Resource:
        async def aclose(self) -> None:
            await rescind.sleep(1)
            closed.append("resource")

    async def main() -> tuple[Any, ...]:
        async with task_group(name="g") as g:
            g.cancel("stop")
            task = g.spawn(world.work("a"), owned=[Resource()] if owned else [])
            done = task.done()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        return done, outcome.reason.message, len(outcome.reason.chain()), rescind.now()

    words = "spawned after group 'g' was canceled"
    assert Completed((not owned, words, 3, float(owned))) == virtual(main)
    assert ([], ["resource"] * owned) == (world.trace, closed)


def test_a_child_that_awaited_a_canceled_sibling_is_no_failure() -> None:
    """During the cancellation of the group, TaskCanceled of a child or of the body is no news."""
    world = World()

    async def awaiting(task: Any) -> None:
        await task

    async def main() -> str:
        async with task_group() as g:
            slow = g.spawn(world.work("slow", 9))
            g.spawn(awaiting(slow))
            await settle()
            g.cancel()
            with shielded():
                await slow  # raises TaskCanceled in the body
        return "went on"

    assert Completed("went on") == virtual(main)


def test_taskcanceled_of_a_sibling_canceled_alone_is_a_failure() -> None:
    """Its awaiter did not get what it needs, and nobody canceled it: an error like any other."""

    async def awaiting(task: Any) -> None:
        await task

    async def main() -> None:
        async with task_group() as g:
            alone = g.spawn(rescind.never())
            g.spawn(awaiting(alone))
            await settle()
            alone.cancel()

    errors = errors_of(virtual(main))

    assert [rescind.TaskCanceled] == [type(error) for error in errors]


def test_shutdown_cancels_the_children_through_their_parent(host: HostFactory) -> None:
    """The reason leads back to the shutdown; nothing is left."""
    tasks: list[Any] = []

    async def parent() -> None:
        async with task_group() as g:
            tasks.append(g.spawn(World().work("a", 3600)))
            await rescind.never()

    with host() as runtime:
        runtime.spawn(parent())
        runtime.block_on(rescind.sleep(0.01))

    chain = [link.kind for link in tasks[0].outcome().reason.chain()]
    assert [CancelKind.PARENT, CancelKind.SHUTDOWN] == chain


def test_daemons_are_canceled_exactly_when_only_they_are_left() -> None:
    """P56: after the body and the last other child; then they are waited for."""
    world = World()
    tasks: list[Any] = []

    async def main() -> None:
        async with task_group(name="g") as g:
            tasks.append(g.spawn(world.work("d", 99, cleanup=2), daemon=True))
            g.spawn(world.work("a", 1))
            await rescind.sleep(3)
            g.spawn(world.work("b", 1))
            world.note("body over")
        world.note("left")

    virtual(main)

    assert ["0 +d", "0 +a", "1 -a", "3 body over", "3 +b"] == world.trace[:5]
    assert ["4 -b", "4 !d group exit", "6 -d", "6 left"] == world.trace[5:]
    assert "only daemons are left in group 'g'" == tasks[0].cancel_reasons[0].message


def test_daemons_are_canceled_at_once_if_there_is_nobody_else() -> None:
    """Also one that is spawned while the others clean up; a regular child then still runs."""
    world = World()

    async def daemon(g: TaskGroup) -> None:
        try:
            await rescind.never()
        finally:
            g.spawn(world.work("late daemon"), daemon=True)
            g.spawn(world.work("regular", 1))

    async def main() -> None:
        async with task_group() as g:
            g.spawn(daemon(g), daemon=True)
            await rescind.sleep(1)

    virtual(main)

    assert ["1 +regular", "2 -regular"] == world.trace


def test_a_daemon_that_fails_fails_the_group() -> None:
    """Under fail_fast a daemon is a child like any other."""
    boom = Boom()

    async def main() -> None:
        async with task_group() as g:
            g.spawn(World().work("d", 1, fails=boom), daemon=True)
            await rescind.never()

    assert [boom] == errors_of(virtual(main))


def test_what_is_spawned_after_the_cancellation_is_no_overrun(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It never began, so that it had no cleanup that could have taken too long."""

    async def main() -> int:
        async with task_group() as group:
            group.cancel("enough")
            group.spawn(rescind.sleep(1), name="late")
        return len(rescind.current_runtime().executor.overruns)

    assert run_virtual(main) == Completed(0)
    assert "overran" not in caplog.text
