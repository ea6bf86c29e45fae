"""A group's block waits for its children, by whatever way it is left (R26, P52, P54, P55)."""

import threading
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    Runtime,
    TaskGroup,
    UsageError,
    task_group,
)
from rescind.lowlevel import ManualHost
from tests.conftest import HostFactory
from tests.core.kit import Bench, Leaf
from tests.tasks.group_kit import Boom, CleanupBoom, World, errors_of, settle, spawn_all, virtual


def test_the_block_is_left_when_the_last_child_has_ended() -> None:
    """Polled by hand: the parent parks until the last leaf completes, and is woken once."""
    leaves = [Leaf("a"), Leaf("b")]
    log: list[str] = []

    async def main() -> None:
        async with task_group() as g:
            for leaf in leaves:
                g.spawn(leaf)
            log.append("body over")
        log.append("block left")

    with Bench() as bench:
        task = bench.spawn(main())
        bench.idle()
        seen = [list(log)]
        steps = bench.executor.statistics().steps
        leaves[1].complete(2)
        bench.idle()
        seen.append(list(log))
        between = bench.executor.statistics().steps
        leaves[0].complete(1)
        bench.idle()
        seen.append(list(log))
        after = bench.executor.statistics().steps

    assert [["body over"], ["body over"], ["body over", "block left"]] == seen
    assert (1, 2) == (between - steps, after - between)
    assert Completed(None) == task.outcome()


def test_children_run_beside_the_body() -> None:
    """The exact trace of two children and a body, on the virtual clock."""
    world = World()

    async def main() -> tuple[Any, ...]:
        async with task_group() as g:
            g.spawn(world.work("a", 3))
            g.spawn(world.work("b", 1))
            await rescind.sleep(2)
            world.note("body over")
        world.note("left")
        return g.outcomes()

    assert Completed((Completed("a"), Completed("b"))) == virtual(main)
    assert ["0 +a", "0 +b", "1 -b", "2 body over", "3 -a", "3 left"] == world.trace


def test_children_are_tasks_like_any_others(host: HostFactory) -> None:
    """They can be joined, awaited, named and canceled; a canceled one fails nobody (P54)."""

    async def main() -> list[Any]:
        async with task_group() as g:
            one = g.spawn(rescind.ready(1), name="one")
            two = g.spawn(rescind.never(), name="two")
            two.cancel("not needed")
            seen: list[Any] = [await one, one.name]
            outcome = await two.join()
            assert isinstance(outcome, Canceled)
            seen.append(outcome.reason.message)
        return [*seen, g.canceled, g.closed]

    with host() as runtime:
        assert [1, "one", "not needed", False, True] == runtime.block_on(main())


def test_the_first_error_cancels_the_body_and_the_siblings() -> None:
    """fail_fast: all are drained, then a group with the error is raised, naming the group."""
    world = World()
    boom = Boom("b")

    async def main() -> None:
        async with task_group(name="g") as g:
            spawn_all(
                g,
                world.work("a", 9, cleanup=2),
                world.work("b", 1, fails=boom),
                world.work("c", 9),
            )
            try:
                await rescind.sleep(9)
            finally:
                world.note("body over")

    outcome = virtual(main)

    assert isinstance(outcome, Error)
    assert "1 failure in group 'g' (1 sub-exception)" == str(outcome.exception)
    assert type(outcome.exception) is ExceptionGroup
    assert [boom] == errors_of(outcome)
    assert outcome.exception.__context__ is None
    assert [
        "0 +a",
        "0 +b",
        "0 +c",
        "1 -b",
        "1 !a sibling failed",
        "1 !c sibling failed",
        "1 -c",
        "1 body over",
        "3 -a",
    ] == world.trace


def test_siblings_are_told_who_failed_and_how() -> None:
    """The reason names the child and its exception, and is the group's own."""
    seen: list[Any] = []

    async def sibling() -> None:
        try:
            await rescind.never()
        finally:
            seen.append(rescind.cancel_requested())

    async def main() -> None:
        async with task_group() as g:
            g.spawn(sibling())
            failing = g.spawn(World().work("x", 1, fails=Boom("why")), name="x")
            seen.append(failing)
            try:
                await rescind.never()
            finally:
                seen.append((g.canceled, g.reason))

    virtual(main)

    failing, first, (canceled, reason) = seen
    assert canceled
    assert first is reason
    assert (CancelKind.SIBLING_FAILED, "'x' failed: Boom('why')") == (reason.kind, reason.message)
    assert (f"task {failing.id} 'x'", 1.0) == (reason.by, reason.at)


def test_errors_are_raised_in_the_order_in_which_they_occurred() -> None:
    """A sibling that fails while it is drained comes second, whatever the order of spawning."""
    first, second = Boom("first"), Boom("second")

    async def stubborn() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            pass
        await rescind.sleep(1)
        raise second

    async def main() -> None:
        async with task_group() as g:
            g.spawn(stubborn())
            g.spawn(World().work("b", 1, fails=first))

    assert [first, second] == errors_of(virtual(main))


def test_an_exception_of_the_body_cancels_the_children_and_comes_in_the_group() -> None:
    """As with asyncio.TaskGroup, also if it is the only one; children learn of it."""
    boom, child_boom = Boom("body"), CleanupBoom("late")
    world = World()
    tasks: list[Any] = []

    async def main() -> None:
        async with task_group(name="g") as g:
            tasks.extend(spawn_all(g, world.work("a", 9, cleanup=1), rescind.sleep(9)))
            await rescind.sleep(1)
            raise boom

    assert [boom] == errors_of(virtual(main))
    assert ["0 +a", "1 !a sibling failed", "2 -a"] == world.trace
    assert "the body of group 'g' failed: Boom('body')" == tasks[0].cancel_reasons[0].message

    async def both() -> None:
        async with task_group() as g:
            g.spawn(world.work("b", 9, cleanup_fails=child_boom))
            await rescind.sleep(1)
            raise boom

    assert [boom, child_boom] == errors_of(virtual(both))


def test_an_error_that_the_body_got_from_a_child_is_raised_once() -> None:
    """``await child`` raises the child's exception in the body: it is one failure."""
    boom = Boom()

    async def main() -> None:
        async with task_group() as g:
            await g.spawn(World().work("a", 1, fails=boom))

    assert [boom] == errors_of(virtual(main))


def test_errors_of_cleanups_are_raised_though_nothing_else_failed() -> None:
    """A child that was canceled fails nobody; what failed in its cleanup is not lost (G3)."""
    boom = CleanupBoom()
    world = World()

    async def main() -> None:
        async with task_group() as g:
            a, _ = spawn_all(g, world.work("a", 9, cleanup_fails=boom), world.work("b", 3))
            await rescind.sleep(1)
            a.cancel()

    assert [boom] == errors_of(virtual(main))
    assert "3 -b" == world.trace[-1]  # nobody else was canceled


@pytest.mark.parametrize("way", ["return", "break", "continue"])
def test_the_block_waits_on_return_break_and_continue(way: str) -> None:
    """P52: ways out that raise nothing wait for the children, and cancel none."""
    world = World()

    async def main() -> str:
        for _ in range(1):
            async with task_group() as g:
                g.spawn(world.work("a", 2))
                if way == "return":
                    return "returned"
                if way == "break":
                    break
                continue
        return way

    assert isinstance(virtual(main), Completed)
    assert ["0 +a", "2 -a"] == world.trace


def test_a_keyboard_interrupt_in_the_body_waits_and_is_raised_by_itself() -> None:
    """The children are canceled and drained first; their errors are in its notes."""
    world = World()
    boom = CleanupBoom()

    async def main() -> None:
        async with task_group(name="g") as g:
            g.spawn(world.work("a", 9, cleanup=1, cleanup_fails=boom))
            await rescind.sleep(1)
            raise KeyboardInterrupt

    with Runtime(host=ManualHost()) as runtime:
        with pytest.raises(KeyboardInterrupt) as caught:
            runtime.block_on(main())
        assert [] == runtime.tasks()

    assert ["in its task group: CleanupBoom()"] == caught.value.__notes__
    assert ["0 +a", "1 !a sibling failed", "2 -a"] == world.trace


def test_a_child_that_exits_ends_the_program_and_the_group() -> None:
    """SystemExit of a child is raised where the runtime runs; its siblings are drained."""
    world = World()

    async def leave() -> None:
        await rescind.sleep(1)
        raise SystemExit(3)

    async def main() -> None:
        async with task_group() as g:
            spawn_all(g, world.work("a", 9), leave())
            await rescind.never()

    runtime = Runtime(host=ManualHost())
    with pytest.raises(SystemExit) as caught:
        with runtime:
            runtime.block_on(main())

    assert 3 == caught.value.code
    assert ["0 +a", "1 !a sibling failed", "1 -a"] == world.trace
    assert [] == runtime.tasks()


def test_an_exit_of_a_child_beside_errors_lets_the_shutdown_finish() -> None:
    """It was raised where the runtime runs: not once more by the parent, which is canceled."""
    boom = Boom()

    async def leave() -> None:
        await rescind.sleep(2)
        raise SystemExit(3)

    async def parent() -> None:
        async with task_group(policy="collect") as g:
            spawn_all(g, World().work("a", 9, cleanup=1), World().work("b", 1, fails=boom), leave())

    runtime = Runtime(host=ManualHost())
    with pytest.raises(SystemExit) as caught:
        with runtime:
            task = runtime.spawn(parent())
            runtime.block_on(rescind.never())

    assert 3 == caught.value.code
    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert (CancelKind.SHUTDOWN, (boom, caught.value)) == (outcome.reason.kind, outcome.also)
    assert [] == runtime.tasks()


def test_a_child_may_spawn_while_the_block_waits() -> None:
    """The group waits for it too, even if its spawner was the last one."""
    world = World()

    async def spawner(g: TaskGroup, depth: int) -> None:
        await rescind.sleep(1)
        if depth:
            g.spawn(spawner(g, depth - 1))
        world.note(f"depth {depth}")

    async def main() -> None:
        async with task_group() as g:
            g.spawn(spawner(g, 3))
        world.note("left")

    virtual(main)

    assert ["1 depth 3", "2 depth 2", "3 depth 1", "4 depth 0", "4 left"] == world.trace


def test_a_spawn_between_the_last_end_and_the_parents_poll_is_waited_for() -> None:
    """A joiner of the last child that spawns, though the parent was woken already."""
    world = World()

    async def joiner(g: TaskGroup, last: Any) -> None:
        await last.join()
        g.spawn(world.work("late", 2))

    async def main() -> None:
        async with task_group() as g:
            last = g.spawn(rescind.sleep(1))
            rescind.spawn(joiner(g, last))  # parks on the join before the parent parks
            await settle()
        world.note("left")

    virtual(main)

    assert ["1 +late", "3 -late", "3 left"] == world.trace


def test_a_group_may_be_used_from_another_task_and_from_callbacks(host: HostFactory) -> None:
    """Whoever has ``g`` may spawn into it, on its runtime's thread."""

    async def other(g: TaskGroup) -> None:
        g.spawn(rescind.ready(1))

    async def main() -> int:
        async with task_group() as g:
            await rescind.spawn(other(g))
            first = g.spawn(rescind.yield_now())
            first.on_end(lambda _: g.spawn(rescind.ready(2)) and None)
        return g.statistics().completed

    with host() as runtime:
        assert 3 == runtime.block_on(main())


def test_another_thread_is_refused_with_the_remedy() -> None:
    """Children are counted on the runtime's thread: the coroutine is closed, the error is clear."""
    errors: list[str] = []

    async def main() -> None:
        async with task_group(name="g") as g:

            def intrude() -> None:
                try:
                    g.spawn(rescind.sleep(1))
                except UsageError as exc:
                    errors.append(str(exc))

            thread = threading.Thread(target=intrude)
            thread.start()
            thread.join()

    virtual(main)

    assert 1 == len(errors)
    assert "spawn() of group 'g' was called on another thread than its runtime's; use" in errors[0]


@pytest.mark.parametrize("when", ["before", "after"])
def test_outside_the_block_nothing_can_be_spawned(when: str) -> None:
    """P55: the future is closed, and the owned resources stay the caller's."""
    closed: list[str] = []

    class Resource:
        def close(self) -> None:
            closed.append("resource")

    async def main() -> None:
        g = task_group(name="g")
        if when == "after":
            async with g:
                pass
        g.spawn(rescind.sleep(1), owned=[Resource()])

    outcome = virtual(main)

    assert isinstance(outcome, Error)
    state = "has been left" if when == "after" else "was not entered yet"
    assert f"spawn() needs an open group, but the block of 'g' {state}" in str(outcome.exception)
    assert [] == closed


def test_a_group_cannot_be_waited_for_in_another_runtime() -> None:
    """Its end is told on its own thread only; the error says where to wait."""
    groups: list[TaskGroup] = []

    async def main() -> None:
        async with task_group(name="g") as g:
            groups.append(g)

    virtual(main)
    with Runtime(host=ManualHost(), name="other") as other:
        with pytest.raises(UsageError, match="belongs to another runtime"):
            other.block_on(groups[0].join())


def test_a_group_is_entered_once() -> None:
    """Twice, also after the end, is an error that says what to do."""

    async def main() -> list[str]:
        seen: list[str] = []
        g = task_group(name="g")
        async with g:
            for _ in range(2):
                try:
                    async with g:
                        pass
                except UsageError as exc:
                    seen.append(str(exc))
        return seen

    words = "group 'g' was entered already; call task_group() for each block"
    assert Completed([words] * 2) == virtual(main)


def test_without_a_runtime_entering_is_refused() -> None:
    """Polled by hand, without an executor, there is nothing that children could run on."""
    from rescind.lowlevel import CoroutineFuture
    from rescind.testing import poll_once

    async def main() -> None:
        async with task_group():
            pass

    outcome = poll_once(CoroutineFuture(main()))

    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, UsageError)
    assert "task_group() needs a runtime" in str(outcome.exception)


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"policy": "fail-fast"}, ValueError, "policy must be 'fail_fast', 'collect', 'supervise' or"),
    ({"policy": None}, ValueError, "not None"),
    ({"limit": 0}, ValueError, "limit must be at least 1, or None for no limit: 0"),
    ({"limit": -1}, ValueError, "limit must be at least 1"),
    ({"limit": True}, TypeError, "limit must be an int or None, not True"),
    ({"limit": 1.5}, TypeError, "limit must be an int or None, not 1.5"),
    ({"grace": -1}, ValueError, "grace must be a number of seconds"),
    ({"grace": "1"}, TypeError, "grace must be a number of seconds, not str"),
    ({"keep": -1}, ValueError, "keep must not be negative: -1"),
    ({"keep": "all"}, TypeError, "keep must be an int or None, not 'all'"),
]


@pytest.mark.parametrize(("options", "kind", "words"), BAD, ids=lambda one: str(one)[:24])
def test_bad_options_are_refused(
    options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """What happened, the offending value, and what is legal."""
    with pytest.raises(kind) as caught:
        task_group(**options)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "kind"),
    [
        ((3,), {}, TypeError),
        ((None,), {}, TypeError),
        (("coroutine",), {"grace": -1}, ValueError),
        (("coroutine",), {"owned": "file"}, TypeError),
        (("coroutine",), {"owned": [3]}, TypeError),
    ],
)
def test_a_spawn_with_bad_arguments_leaves_nothing(
    arguments: tuple[Any, ...], options: Any, kind: type[Exception]
) -> None:
    """The coroutine is closed, without a warning, and the group is as before."""

    async def main() -> int:
        async with task_group() as g:
            given = [World().work("a") if one == "coroutine" else one for one in arguments]
            with pytest.raises(kind):
                g.spawn(*given, **options)
        return g.statistics().spawned

    assert Completed(0) == virtual(main)


def test_statistics_tasks_and_outcomes_tell_what_is_going_on() -> None:
    """Counters of every way to end; tasks and outcomes in the order of spawning."""
    seen: list[Any] = []

    async def main() -> None:
        async with task_group(policy="collect", name="g", limit=3) as g:
            tasks = spawn_all(
                g,
                World().work("a", 3),
                World().work("b", 1, fails=Boom("b")),
                rescind.never(),
                rescind.ready(4),
            )
            g.spawn(rescind.never(), daemon=True)
            await settle()
            seen.extend([g.statistics(), [t.name for t in g.tasks][:4], g.outcomes(), repr(g)])
            await rescind.sleep(2)
            seen.append([type(outcome).__name__ for outcome in g.outcomes()])
            tasks[2].cancel()

    virtual(main)

    first, names, outcomes, text, later = seen
    assert (5, 1, 1, 5) == (first.alive, first.waiting, first.daemons, first.spawned)
    assert (["a", "b", "c", "d"], ()) == (names, outcomes)
    assert "<TaskGroup 'g', open, 5 alive>" == text
    assert ["Error", "Completed"] == later


def test_outcomes_are_there_after_the_block_raised() -> None:
    """All of them, in the order of spawning, however the block was left."""

    async def main() -> tuple[Any, ...]:
        g = task_group()
        try:
            async with g:
                spawn_all(g, World().work("a", 2), World().work("b", 1, fails=Boom()))
        except* Boom:
            pass
        stats = g.statistics()
        return g.outcomes(), (stats.alive, stats.failed, stats.canceled)

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    outcomes, counts = outcome.value
    assert [Canceled, Error] == [type(one) for one in outcomes]
    assert (0, 1, 1) == counts


def test_a_long_lived_group_keeps_as_many_outcomes_as_it_is_told() -> None:
    """``keep`` bounds what a server's group remembers; the counters are complete."""

    async def main() -> tuple[Any, ...]:
        async with task_group(keep=2) as g:
            for number in range(5):
                await g.spawn(rescind.ready(number))
        async with task_group(keep=0) as none:
            none.spawn(rescind.ready(1))
        return g.outcomes(), g.statistics().completed, none.outcomes()

    assert Completed(((Completed(3), Completed(4)), 5, ())) == virtual(main)


def test_what_the_parent_waits_for_names_the_children() -> None:
    """A hang is described by the group and the first of its children."""

    async def main() -> None:
        async with task_group(name="g") as g:
            spawn_all(g, *(rescind.never() for _ in range(4)))

    with pytest.raises(rescind.Deadlock) as caught:
        rescind.testing.run_virtual(main)

    assert "the end of 4 in group 'g': a, b, c, …" in str(caught.value)


def test_a_group_of_ten_thousand_is_linear_and_left_empty() -> None:
    """Ten thousand children, canceled by the failure of one: one step each, and one wake-up."""
    many = 10_000

    async def main() -> None:
        async with task_group() as g:
            for _ in range(many):
                g.spawn(rescind.never())
            g.spawn(World().work("x", 1, fails=Boom()))

    with Runtime(host=ManualHost()) as runtime:
        with pytest.raises(ExceptionGroup):
            runtime.block_on(main())
        after = runtime.statistics()

    assert (0, 0, many) == (after.alive, after.timers, after.canceled)
    assert after.steps < 2 * many + 20
