"""Blocks with a deadline, timeouts, shields: in every order, canceled everywhere."""

from typing import Any

import pytest

import rescind
from rescind.lowlevel import PENDING, Context, Future, effective_deadline
from tests.explorations.kit import holds


class CleanupFailed(Exception):
    """What a cleanup raises."""


def test_a_block_that_ends_in_time_leaves_no_timer() -> None:
    """Whatever ends first, and whoever is canceled: the clock has nothing left to do."""

    async def main() -> None:
        async def work() -> None:
            try:
                async with rescind.deadline(2):
                    await rescind.sleep(1)
            except rescind.TimedOut:
                pass

        async with rescind.task_group() as g:
            g.spawn(work())
            g.spawn(work())

    holds(main)


def test_a_rescheduled_deadline_expires_at_its_new_time_alone() -> None:
    """Not at the old one, be that earlier or later."""

    async def main() -> None:
        for first, second, ends in ((1, 3, 3), (3, 1, 1)):
            begun = rescind.now()
            with pytest.raises(rescind.TimedOut):
                async with rescind.deadline(first) as limit:
                    limit.reschedule(second)
                    await rescind.never()
            assert ends == rescind.now() - begun

    holds(main, changes=0)


def test_a_deadline_around_a_cleanup_waits_until_it_is_done() -> None:
    """The cleanup of an inner deadline is not interrupted by the outer one (R9)."""

    async def main() -> None:
        ended: list[str] = []

        async def work() -> None:
            async with rescind.deadline(2):
                async with rescind.deadline(1):
                    try:
                        await rescind.never()
                    finally:
                        ended.append("begins")
                        await rescind.sleep(2)
                        ended.append("ends")

        with pytest.raises(rescind.TimedOut):
            await work()
        assert ["begins", "ends"] == ended
        assert 3 == rescind.now()

    holds(main, changes=0)


def test_after_a_deadline_the_one_around_works() -> None:
    """What was protected from it while the inner one was cleaned up after is not any more."""

    async def main() -> None:
        with pytest.raises(rescind.TimedOut):
            async with rescind.deadline(3):
                with pytest.raises(rescind.TimedOut):
                    async with rescind.deadline(1):
                        await rescind.never()
                await rescind.never()
        assert 3 == rescind.now()

    holds(main, changes=0)


def test_after_a_deadline_the_task_can_be_canceled() -> None:
    """Its block is left, and a request is delivered at the next park."""

    async def main() -> None:
        async def work() -> None:
            with rescind.shielded():
                pass
            try:
                async with rescind.deadline(1):
                    await rescind.never()
            except rescind.TimedOut:
                pass
            await rescind.never()

        task = rescind.spawn(work())
        await rescind.sleep(2)
        outcome = await task.cancel("stop")
        assert isinstance(outcome, rescind.Canceled)
        assert "stop" == outcome.reason.message

    holds(main, changes=0)


def test_a_deadline_in_a_cleanup_works() -> None:
    """Also one that is entered after a block within the canceled stretch was left."""

    async def main() -> None:
        times: list[float] = []

        async def work() -> None:
            async with rescind.deadline(1):
                try:
                    async with rescind.deadline(9):
                        await rescind.never()
                finally:
                    with pytest.raises(rescind.TimedOut):
                        async with rescind.deadline(2):
                            await rescind.never()
                    times.append(rescind.now())

        with pytest.raises(rescind.TimedOut):
            await work()
        assert [3] == times

    holds(main, changes=0)


def test_a_deadline_works_inside_a_shield_and_waits_for_one_inside_of_it() -> None:
    """A shield holds back what comes from outside of it, and nothing else (C1)."""

    async def main() -> None:
        with rescind.shielded():
            with pytest.raises(rescind.TimedOut):
                async with rescind.deadline(1):
                    await rescind.never()
            assert 1 == rescind.now()
        with pytest.raises(rescind.TimedOut):
            async with rescind.deadline(1):
                with rescind.shielded():
                    await rescind.sleep(2)
                await rescind.never()
        assert 3 == rescind.now()

    holds(main, changes=0)


@pytest.mark.parametrize("kind", ["deadline", "timeout", "timeout, dropped"])
def test_what_fails_in_the_cleanup_is_with_the_timeout(kind: str) -> None:
    """`TimedOut` carries it in `also` (R15)."""

    async def fails() -> None:
        try:
            await rescind.never()
        finally:
            raise CleanupFailed

    async def block() -> None:
        async with rescind.deadline(1):
            await rescind.join(fails())

    async def main() -> None:
        grace = 0.0 if kind == "timeout, dropped" else 9.0
        wait: Any = block() if kind == "deadline" else rescind.timeout(fails(), 1, grace=grace)
        with pytest.raises(rescind.TimedOut) as caught:
            await wait
        assert [CleanupFailed] == [type(one) for one in caught.value.also]

    holds(main, changes=0)


def test_a_value_in_spite_of_the_timeout_is_the_value() -> None:
    """What completes after all is delivered, and not `TimedOut` (R7)."""

    async def stubborn() -> str:
        try:
            await rescind.never()
        except rescind.Cancellation:
            return "after all"

    async def main() -> None:
        assert "after all" == await rescind.timeout(stubborn(), 1)

    holds(main, changes=0)


def test_what_is_inside_can_read_the_deadline() -> None:
    """The smallest on the path, of blocks and of timeouts."""

    async def main() -> None:
        async def inside() -> float | None:
            return effective_deadline()

        async with rescind.deadline(3):
            assert 2 == await rescind.timeout(inside(), 2)
            assert 3 == await rescind.timeout(inside(), 4)
        begun = rescind.now()
        assert begun + 2 == await rescind.timeout(rescind.timeout(inside(), 5), 2)
        assert begun + 2 == await rescind.timeout(rescind.timeout(inside(), 2), 5)

    holds(main, changes=0)


def test_a_second_expiry_of_a_block_changes_nothing() -> None:
    """A block that is canceled twice is left once, as canceled for the first reason."""

    async def block() -> rescind.TaskGroup:
        async with rescind.task_group() as g:
            g.cancel("first")
            g.cancel("second")
            try:
                await rescind.never()
            finally:
                g.cancel("third")
        return g

    async def main() -> None:
        group = await block()
        assert group.reason is not None
        assert "first" == group.reason.message

    holds(main, changes=0)


class Kept(Future[str]):
    """Has a value from the moment in which it is woken; it can be had once."""

    def __init__(self) -> None:
        self.waker: Any = None
        self.ready = False
        self.given = 0

    def complete(self) -> None:
        """Have the value."""
        self.ready = True
        if self.waker is not None:
            self.waker.wake()

    def poll(self, cx: Context) -> Any:
        if self.ready:
            self.given += 1
            return "value"
        self.waker = cx.waker
        return PENDING


@pytest.mark.parametrize(
    "around", ["task", "nothing", "coroutine", "race", "timeout", "guard", "shield"]
)
def test_a_value_that_is_there_is_never_lost_to_a_cancellation(around: str) -> None:
    """Who was waiting for it when it came is given it, whatever is canceled then (R7)."""

    async def main() -> None:
        leaf = Kept()
        got: list[str] = []
        token = rescind.CancellationToken()

        def wrapped() -> Any:
            match around:
                case "race":
                    return rescind.race(leaf, rescind.never())
                case "timeout":
                    return rescind.timeout(leaf, 1)
                case "guard":
                    return token.guard(leaf)
                case "shield":
                    return rescind.shield(leaf)
                case "coroutine":
                    return _awaited(leaf)
                case _:
                    return leaf

        async def consume() -> None:
            try:
                got.append(await wrapped())
            except (rescind.TimedOut, rescind.TaskCanceled):
                pass

        task: rescind.Task[Any] = rescind.spawn(leaf if around == "task" else consume())
        await rescind.sleep(1)
        waits = not task.done() and not task.cancel_reasons
        leaf.complete()
        token.cancel("late")
        outcome = await task.join()
        if around == "task" and isinstance(outcome, rescind.Completed):
            got.append(outcome.value)
        assert waits <= len(got) <= 1

    holds(main, changes=2, runs=600)


async def _awaited(fut: Future[str]) -> str:
    return await fut
