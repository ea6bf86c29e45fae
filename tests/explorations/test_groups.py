"""Task groups and supervision: in every order, canceled everywhere."""

import contextvars
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import rescind
from rescind.testing import run_virtual
from tests.explorations.kit import hangs, holds


def test_a_place_in_a_group_is_given_back() -> None:
    """With a limit of one, all children run, one after the other, whoever is canceled (U1, U3)."""

    async def main() -> None:
        running: list[int] = []

        async def work(number: int) -> int:
            running.append(number)
            assert [number] == running
            try:
                await rescind.sleep(1)
            finally:
                running.remove(number)
            return number

        async with rescind.task_group(limit=1) as g:
            tasks = [g.spawn(work(number)) for number in range(3)]
        assert all(task.done() for task in tasks)

    holds(main)


def test_a_generator_that_is_closed_waits_for_the_children() -> None:
    """They clean up, and may await in that, whoever is canceled; none outlives the generator."""

    async def main() -> None:
        alive: list[int] = []

        async def child(number: int) -> None:
            alive.append(number)
            try:
                await rescind.sleep(5)
            finally:
                try:
                    await rescind.sleep(1)
                finally:
                    alive.remove(number)

        async def items() -> AsyncGenerator[None]:
            try:
                async with rescind.task_group() as g:
                    g.spawn(child(1))
                    g.spawn(child(2))
                    await rescind.sleep(1)
                    yield
            finally:
                assert not alive

        async with aclosing(items()) as generator:
            async for _ in generator:
                break

    holds(main)


def test_errors_of_all_children_are_raised() -> None:
    """Of those that fail, and of those that fail while they are canceled for it (R15)."""

    class Failed(Exception):
        pass

    async def main() -> None:
        async def fails(number: int) -> None:
            try:
                await rescind.sleep(number)
            finally:
                raise Failed(number)

        async def group() -> None:
            async with rescind.task_group() as g:
                for number in (1, 2, 3):
                    g.spawn(fails(number))

        (outcome,) = await rescind.outcomes(group())
        assert isinstance(outcome, rescind.Error), outcome
        raised: Any = outcome.exception
        assert [1, 2, 3] == sorted(one.args[0] for one in raised.exceptions), raised

    run_virtual(main).unwrap()  # in the lab, what a canceled task raises is a failure


def test_children_in_a_canceled_stretch_are_marked_before_anything_is_delivered() -> None:
    """A deadline around a group is told to its children as soon as it has expired (R13)."""

    async def main() -> None:
        marked: list[bool] = []

        async def block() -> None:
            limit = rescind.deadline(1)

            async def child() -> None:
                await rescind.sleep(1)
                if limit.expired:
                    marked.append(rescind.cancel_requested() is not None)

            async with limit, rescind.task_group() as g:
                task = g.spawn(child())
                try:
                    await rescind.never()
                finally:
                    marked.append(task.done() or bool(task.cancel_reasons))

        await rescind.outcomes(block())
        assert all(marked), "delivered before it was marked"

    holds(main, changes=1)


def test_a_child_of_a_group_ends_within_its_parents_grace() -> None:
    """Whatever grace it has itself; a second request of its own does not lengthen it (R10)."""

    async def main() -> None:
        ended_at: list[float] = []

        async def parent() -> None:
            async with rescind.task_group(grace=9) as g:
                g.spawn(hangs(ended_at))
                await rescind.never()

        for again in (False, True):
            ended_at.clear()
            task = rescind.spawn(parent())
            await rescind.sleep(1)
            begun = rescind.now()
            task.cancel("stop", grace=2)
            if again:
                task.cancel("again", grace=20)
            await task.join()
            assert [begun + 2] == ended_at, (again, begun, ended_at)

    holds(main, changes=0)


def test_a_second_request_shortens_the_grace_and_never_lengthens_it() -> None:
    """The smallest that was asked for counts, whenever it was (R10)."""

    async def main() -> None:
        async def hangs() -> None:
            try:
                await rescind.never()
            finally:
                await rescind.never()

        for first, second, least in ((4, 1, 2), (1, 4, 1), (4, None, 4), (None, 2, 3)):
            task = rescind.spawn(hangs())
            await rescind.yield_now()
            begun = rescind.now()
            task.cancel("first", grace=first)
            await rescind.sleep(1 if least > 1 else 0.5)
            task.cancel("second", grace=second)
            await task.join()
            assert least == rescind.now() - begun, (first, second)
        task = rescind.spawn(_slow(5))
        await rescind.yield_now()
        task.cancel("first", grace=None)
        task.cancel("second")
        assert isinstance(await task.join(), rescind.Canceled)
        assert [True] == _SLOW

    _SLOW.clear()
    holds(main, changes=0, grace=2.0)


_SLOW: list[bool] = []


async def _slow(seconds: float) -> None:
    _SLOW.clear()
    try:
        await rescind.never()
    finally:
        await rescind.sleep(seconds / 2)
        await rescind.sleep(seconds / 2)
        _SLOW.append(True)


def test_a_canceled_child_is_not_restarted() -> None:
    """A supervised child that fails in its cleanup has ended (V2)."""

    async def main() -> None:
        begun: list[int] = []

        async def service() -> None:
            begun.append(1)
            try:
                await rescind.never()
            except rescind.Cancellation:
                raise LookupError from None

        async with rescind.task_group(policy="supervise") as g:
            task = g.spawn(service)
            await rescind.sleep(1)
            task.cancel("enough")
        assert [1] == begun

    run_virtual(main).unwrap()  # in the lab, what a canceled task raises is a failure


def test_restarts_of_long_ago_do_not_count() -> None:
    """Three a window are allowed, and go on being allowed."""

    async def main() -> None:
        left = [5]

        async def service() -> None:
            await rescind.sleep(4)
            if left[0]:
                left[0] -= 1
                raise LookupError

        policy = rescind.Supervise(max_restarts=1, within=3)
        async with rescind.task_group(policy=policy) as g:
            g.spawn(service)
        assert [0] == left

    holds(main, changes=0)


def test_each_has_its_own_context_variables() -> None:
    """What a child sets is seen by nobody else, be it a task or a branch (R18)."""
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")

    async def main() -> None:
        async def sets(value: str) -> str:
            word.set(value)
            await rescind.yield_now()
            return word.get()

        async with rescind.task_group() as g:
            tasks = [g.spawn(sets("a")), g.spawn(sets("b"))]
        assert ["a", "b"] == [task.outcome().unwrap() for task in tasks]  # type: ignore[union-attr]
        assert ("c", "d") == await rescind.join(sets("c"), sets("d"))
        assert "none" == word.get()

    holds(main, changes=1, injections=0)


def test_a_request_marks_the_whole_tree_at_once() -> None:
    """When `cancel` returns, everything below reads canceled, and nothing has run yet (R13)."""

    async def main() -> None:
        tasks: list[rescind.Task[Any]] = []
        log: list[str] = []

        async def tree(depth: int) -> None:
            try:
                async with rescind.task_group() as g:
                    for _ in range(2):
                        tasks.append(g.spawn(tree(depth - 1) if depth else rescind.never()))
            finally:
                log.append("cleaned up")

        root = rescind.spawn(tree(1))
        await rescind.sleep(1)
        root.cancel("stop")
        assert [True] * 6 == [bool(task.cancel_reasons) for task in tasks]
        assert [] == log
        await root.join()

    holds(main, changes=0)


def test_a_loser_has_the_grace_of_its_task() -> None:
    """A branch inherits it from the task in which it is polled, not from the runtime (R10)."""

    async def main() -> None:
        async def hangs() -> None:
            try:
                await rescind.never()
            finally:
                await rescind.never()

        task = rescind.spawn(rescind.race(hangs(), rescind.sleep(1)), grace=2)
        await task.join()
        assert 3 == rescind.now()

    holds(main, changes=0)


def test_what_a_cleanup_raises_is_in_the_outcome_once() -> None:
    """Dropped or drained: of each branch, then of what awaited them; nothing is lost (R15)."""

    async def main() -> None:
        async def fails(number: int) -> None:
            try:
                await rescind.never()
            finally:
                raise LookupError(number)

        async def both() -> None:
            try:
                await rescind.join(fails(1), fails(2))
            finally:
                raise LookupError(3)

        for make, numbers in ((lambda: fails(1), [1]), (both, [1, 2, 3])):
            for grace in (0, None):
                task = rescind.spawn(make())
                await rescind.yield_now()
                outcome = await task.cancel("now", grace=grace)
                assert isinstance(outcome, rescind.Canceled)
                assert outcome.dropped == (grace == 0)
                assert numbers == [one.args[0] for one in outcome.also], grace

    run_virtual(main).unwrap()  # in the lab, what a canceled task raises is a failure


def test_what_goes_on_after_its_drop_is_said_to_be_abandoned() -> None:
    """Its joiners are told, and go on (R10)."""

    async def main() -> None:
        async def stubborn() -> None:
            try:
                await rescind.never()
            except GeneratorExit:
                await rescind.never()

        task = rescind.spawn(stubborn())
        await rescind.yield_now()
        outcome = await task.cancel("now", grace=0)
        assert isinstance(outcome, rescind.Canceled)
        assert outcome.abandoned

    run_virtual(main).unwrap()
