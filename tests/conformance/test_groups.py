"""Task groups: what tokio's JoinSet and TaskTracker, asyncio.TaskGroup and trio's nurseries pin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    Completed,
    Error,
    Runtime,
    TaskGroup,
    UsageError,
    never,
    ready,
    sleep,
    spawn,
    task_group,
)
from rescind.lowlevel import ManualHost

from .support import Boom, CleanupBoom, Flag, by_hand, settle


def run(main: Any) -> Any:
    """Run on the virtual clock; nothing may be left."""
    with Runtime(host=ManualHost()) as runtime:
        value = runtime.block_on(main)
        assert [] == runtime.tasks()
        return value


async def failing(seconds: float = 0, error: Exception | None = None) -> None:
    """Fail after a while."""
    await sleep(seconds)
    raise Boom if error is None else error


# -- tokio task_join_set (rows 46 to 50) -----------------------------------------------------------


def test_a_group_counts_its_members_and_is_drained_by_the_block(host: Any) -> None:
    """Tokio JoinSet, with_sleep: len goes up with each spawn, and is zero after the drain."""

    async def main() -> tuple[list[int], int, list[int]]:
        lengths: list[int] = []
        async with task_group() as g:
            for n in range(10):
                g.spawn(ready(n))
                lengths.append(len(g.tasks))
        return lengths, len(g.tasks), [outcome.unwrap() for outcome in g.outcomes()]

    with host() as runtime:
        assert (list(range(1, 11)), 0, list(range(10))) == runtime.block_on(main())


def test_leaving_the_block_by_an_error_aborts_and_waits_for_sixteen() -> None:
    """Tokio JoinSet, abort_on_drop (row 46): all are dropped, and waited for."""
    dropped: list[int] = []

    async def guarded(n: int) -> None:
        try:
            await never()
        finally:
            await sleep(1)
            dropped.append(n)

    async def main() -> int:
        try:
            async with task_group() as g:
                for n in range(16):
                    g.spawn(guarded(n))
                await settle()
                raise Boom
        except* Boom:
            pass
        return len(dropped)

    assert 16 == run(main())


def test_alternating_spawn_and_join_keeps_the_length(host: Any) -> None:
    """Tokio JoinSet, alternating: a joined member is no member any more."""

    async def main() -> set[int]:
        lengths: set[int] = set()
        async with task_group() as g:
            waiting = [g.spawn(never()) for _ in range(2)]
            for n in range(16):
                await g.spawn(ready(n))
                lengths.add(len(g.tasks))
            for task in waiting:
                task.cancel()
        return lengths

    with host() as runtime:
        assert {2} == runtime.block_on(main())


def test_odd_members_canceled_by_handle(host: Any) -> None:
    """Tokio JoinSet, abort_tasks: eight canceled, eight completed, and the group has not failed."""

    async def main() -> tuple[int, int]:
        flags = [Flag() for _ in range(16)]
        async with task_group() as g:
            tasks = [g.spawn(flag) for flag in flags]
            await settle()
            for task in tasks[1::2]:
                task.cancel()
            for flag in flags[::2]:
                flag.set(1)
        stats = g.statistics()
        return stats.canceled, stats.completed

    with host() as runtime:
        assert (8, 8) == runtime.block_on(main())


def test_members_of_a_runtime_that_has_gone_are_canceled() -> None:
    """Tokio JoinSet, runtime_gone: they read canceled, and so does their parent."""
    groups: list[TaskGroup] = []

    async def parent() -> None:
        async with task_group() as g:
            groups.append(g)
            g.spawn(never())

    with by_hand() as hand:
        task = hand.runtime.spawn(parent())
        hand.settle()

    assert isinstance(task.outcome(), Canceled)
    assert isinstance(groups[0].outcomes()[0], Canceled)


def test_join_all_fails_fast() -> None:
    """Tokio JoinSet, task_panics (row 48): the first error is raised where all are joined."""

    async def main() -> tuple[Any, ...]:
        world: list[Any] = []
        try:
            async with task_group() as g:
                tasks = [g.spawn(never()) for _ in range(3)]
                g.spawn(failing(1))
        except* Boom as group:
            world = [len(group.exceptions), {type(task.outcome()) for task in tasks}]
        return *world, rescind.now()

    assert (1, {Canceled}, 1.0) == run(main())


def test_abort_all_leaves_the_members_until_they_have_ended() -> None:
    """Tokio JoinSet, abort_all (rows 46, 47): the length is unchanged until they are drained."""

    async def main() -> tuple[Any, ...]:
        async with task_group() as g:
            for n in range(10):
                g.spawn(ready(n) if n < 5 else never())
            g.cancel()
            length = len(g.tasks)
        kinds = [type(outcome) for outcome in g.outcomes()]
        return length, kinds.count(Canceled), g.statistics().alive

    # Nobody had begun: all ten are canceled, the five that would have been ready too.
    assert (10, 10, 0) == run(main())


def test_no_member_is_lost_when_the_budget_ends() -> None:
    """Tokio JoinSet, join_set_coop: more members than the budget of a step are all joined."""

    async def main() -> int:
        total = 0
        async with task_group() as g:
            for task in [g.spawn(ready(1)) for _ in range(1000)]:
                total += await task
        return total

    assert 1000 == run(main())


def test_outcomes_come_in_the_order_of_spawning() -> None:
    """tokio-util JoinQueue (row 50): whatever the order of the ends."""

    async def main() -> list[int]:
        async def after(n: int) -> int:
            await sleep(10 - n)
            return n

        async with task_group() as g:
            for n in range(5):
                g.spawn(after(n))
        return [outcome.unwrap() for outcome in g.outcomes()]

    assert [0, 1, 2, 3, 4] == run(main())


# -- tokio-util TaskTracker (row 51) ---------------------------------------------------------------


def test_a_waiter_is_released_once_the_group_is_closed_and_empty(host: Any) -> None:
    """TaskTracker: to end the body is to close; closed and empty releases those who wait."""

    async def main() -> list[str]:
        log: list[str] = []
        flag = Flag()
        made: list[TaskGroup] = []

        async def parent() -> None:
            async with task_group() as g:
                made.append(g)
                g.spawn(flag)

        async def waiter() -> None:
            await made[0].join()
            log.append("released")

        parent_task = spawn(parent())
        await settle()
        waiters = [spawn(waiter()) for _ in range(3)]
        await settle()
        log.append("set")
        flag.set()
        for task in [parent_task, *waiters]:
            await task
        return log

    with host() as runtime:
        assert ["set", *["released"] * 3] == runtime.block_on(main())


def test_an_empty_open_group_releases_nobody() -> None:
    """TaskTracker: empty is not enough: the body must have ended. In between, spawning is legal."""

    async def main() -> list[Any]:
        log: list[Any] = []

        async def waiter(g: TaskGroup) -> None:
            await g.join()
            log.append("released")

        async with task_group() as g:
            task = spawn(waiter(g))
            await g.spawn(ready(1))
            await settle()
            log.append(len(g.tasks))
            await g.spawn(ready(2))
            await settle()
            log.append("open")
        await task
        return log

    assert [0, "open", "released"] == run(main())


def test_a_canceled_waiter_leaves_the_group_as_it_is() -> None:
    """GroupEnd is safe to cancel: it withdraws nothing, and leaves no waiter."""

    async def main() -> tuple[int, bool]:
        async with task_group() as g:
            task = spawn(g.join())
            await settle()
            await task.cancel()
            return len(g.enders), g.canceled

    assert (0, False) == run(main())


# -- scopes, values of the canceled, hierarchies (rows 53 to 55) -----------------------------------


def test_the_scope_waits_for_children_of_children() -> None:
    """Row 53, moro: a child that spawns into the scope is waited for, to any depth."""

    async def main() -> int:
        ended: list[int] = []

        async def nest(g: TaskGroup, depth: int) -> None:
            if depth:
                g.spawn(nest(g, depth - 1))
            await sleep(depth)
            ended.append(depth)

        async with task_group() as g:
            g.spawn(nest(g, 20))
        return len(ended)

    assert 21 == run(main())


def test_a_canceled_child_may_end_with_a_value() -> None:
    """Row 54, async-scoped: what it returns when canceled is its value; the counts stay right."""

    async def with_default() -> str:
        try:
            await never()
        except Cancellation:
            return "default"

    async def main() -> tuple[Any, ...]:
        async with task_group() as g:
            g.spawn(with_default())
            await settle()
            g.cancel()
        return g.outcomes(), g.statistics().completed

    assert ((Completed("default"),), 1) == run(main())


def test_a_subsystem_that_fails_is_caught_or_forwarded() -> None:
    """Row 55, tokio-graceful-shutdown: partial shutdown inside, the tree outside as it was."""

    async def main() -> tuple[Any, ...]:
        async with task_group(name="root") as root:
            outside = root.spawn(sleep(3))
            try:
                async with task_group(name="subsystem") as subsystem:
                    inside = subsystem.spawn(never())
                    subsystem.spawn(failing(1))
            except* Boom:
                pass
        return type(outside.outcome()), type(inside.outcome())

    assert (Completed, Canceled) == run(main())


def test_spawning_during_the_shutdown_gives_a_canceled_task() -> None:
    """Row 55: the handle reads canceled at once, the body never runs."""

    async def main() -> tuple[bool, bool]:
        async with task_group() as g:
            g.cancel()
            task = g.spawn(failing())
            return task.done(), isinstance(task.outcome(), Canceled)

    assert (True, True) == run(main())


# -- asyncio.TaskGroup ----------------------------------------------------------------------------


def test_asyncio_taskgroup_errors_of_body_and_children_in_one_group() -> None:
    """test_taskgroup_02, 03, 22: children, body, and both, in the order of occurrence."""

    async def main() -> list[str]:
        try:
            async with task_group() as g:
                g.spawn(failing(1, Boom("child")))
                try:
                    await never()
                finally:
                    raise Boom("body")
        except ExceptionGroup as group:
            return [str(error) for error in group.exceptions]

    assert ["child", "body"] == run(main())


def test_asyncio_taskgroup_base_exceptions_are_raised_bare() -> None:
    """test_taskgroup_15, 20: KeyboardInterrupt and SystemExit of the body are in no group."""

    async def main(error: BaseException) -> None:
        async with task_group() as g:
            g.spawn(never())
            await settle()
            raise error

    for error in (KeyboardInterrupt(), SystemExit(2)):
        with pytest.raises(type(error)) as caught:
            run(main(error))
        assert error is caught.value


def test_asyncio_taskgroup_a_cancelled_child_is_no_error() -> None:
    """test_taskgroup_05, 07: neither by a handle, nor by raising CancelledError itself."""

    async def raising() -> None:
        raise asyncio.CancelledError

    async def main() -> list[type]:
        async with task_group() as g:
            g.spawn(never()).cancel()
            g.spawn(raising())
        return [type(outcome) for outcome in g.outcomes()]

    assert [Canceled, Canceled] == run(main())


def test_asyncio_taskgroup_nested_parent_cancel_is_not_swallowed() -> None:
    """Cpython #116720: the inner group fails while the outer is canceled: the outer's goes on."""

    async def main() -> tuple[Any, ...]:
        log: list[str] = []

        async def parent() -> None:
            async with task_group():
                try:
                    async with task_group() as inner:
                        inner.spawn(failing(1))
                        try:
                            await never()
                        finally:
                            spawn(_cancel(task))
                            await sleep(1)
                except* Boom:
                    log.append("handled")
                await sleep(9)
                log.append("went on")
            log.append("left")

        task = spawn(parent())
        outcome = await task.join()
        return log, type(outcome)

    assert (["handled"], Canceled) == run(main())


async def _cancel(task: Any) -> None:
    task.cancel("outer")


def test_asyncio_taskgroup_create_task_after_the_end_is_refused() -> None:
    """test_taskgroup_26: after the block, and before it; the coroutine is closed."""

    async def main() -> None:
        g = task_group()
        for _ in range(2):
            with pytest.raises(UsageError):
                g.spawn(sleep(1))
            if not g.closed:
                async with g:
                    pass

    run(main())


def test_asyncio_taskgroup_cancel_of_3_15() -> None:
    """TaskGroup.cancel: the block ends without an exception; before the body parks as well."""

    async def main() -> str:
        async with task_group() as g:
            g.spawn(never())
            g.cancel()
            await never()
        return "went on"

    assert "went on" == run(main())


# -- trio's nurseries ----------------------------------------------------------------------------


def test_trio_cancel_scope_of_a_nursery_is_absorbed_at_its_block() -> None:
    """test_cancel_scope…: the nursery's own cancel ends at the nursery; an outer one passes."""

    async def main() -> tuple[Any, ...]:
        log: list[str] = []
        async with task_group() as outer:
            async with task_group() as inner:
                inner.spawn(never())
                inner.cancel()
                await never()
            log.append("after inner")
            outer.cancel()
            async with task_group() as late:
                late.spawn(never())
                await never()
            log.append("never")
        return log, outer.canceled, late.canceled

    assert (["after inner"], True, True) == run(main())


def test_trio_a_nursery_waits_though_its_parent_is_in_a_shield() -> None:
    """test_cancel_shielding: children of a shielded nursery are not canceled from outside."""

    async def main() -> tuple[Any, ...]:
        log: list[Any] = []

        async def parent() -> None:
            with rescind.shielded():
                async with task_group() as g:
                    g.spawn(sleep(2))
            log.append(rescind.now())
            await sleep(1)

        task = spawn(parent())
        await settle()
        outcome = await task.cancel()
        return log, type(outcome)

    assert ([2.0], Canceled) == run(main())


def test_trio_a_task_cannot_outlive_the_nursery_it_was_started_in() -> None:
    """Started from another task, into a group that is about to end: it is waited for."""

    async def main() -> tuple[Any, ...]:
        late: list[Any] = []

        async def other(g: TaskGroup) -> None:
            late.append(g.spawn(sleep(5)))

        async with task_group() as g:
            spawn(other(g))
            g.spawn(sleep(1))
        return type(late[0].outcome()), rescind.now()

    assert (Completed, 5.0) == run(main())


def test_trio_cancellation_while_the_nursery_cleans_up_after_an_error() -> None:
    """test_nursery_cancel_doesnt_create_cyclic_garbage's scene: errors and a cancel at once."""

    async def main() -> tuple[Any, ...]:
        async def slow() -> None:
            try:
                await never()
            finally:
                await sleep(2)
                raise CleanupBoom

        async def parent() -> None:
            async with task_group() as g:
                g.spawn(slow())
                g.spawn(failing(1))

        task = spawn(parent())
        await sleep(2)
        outcome = await task.cancel()
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, ExceptionGroup)
        return [type(error) for error in outcome.exception.exceptions], rescind.now()

    assert ([Boom, CleanupBoom], 3.0) == run(main())


# -- Kotlin's and eio's rows ----------------------------------------------------------------------


def test_eio_daemons_end_when_only_they_are_left() -> None:
    """Switch: fork_daemon is canceled when the last fiber has ended, and is waited for (P56)."""

    async def main() -> tuple[Any, ...]:
        async with task_group() as g:
            daemon = g.spawn(never(), daemon=True)
            g.spawn(sleep(2))
        outcome = daemon.outcome()
        assert isinstance(outcome, Canceled)
        return outcome.reason.kind, rescind.now()

    assert (CancelKind.GROUP_EXIT, 2.0) == run(main())


def test_kotlin_a_supervisor_isolates_its_children() -> None:
    """supervisorScope: a child's failure stops there; its cancellation does not."""

    async def main() -> tuple[Any, ...]:
        async with task_group(policy="supervise") as g:
            g.spawn(failing(1))
            g.spawn(sleep(3))
        return [type(outcome) for outcome in g.outcomes()], rescind.now()

    assert ([Error, Completed], 3.0) == run(main())
