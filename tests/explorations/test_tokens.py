"""Tokens, joins, owned resources, timers: in every order, canceled everywhere."""

from typing import Any

import pytest

import rescind
from rescind.sync import Event
from rescind.testing import run_virtual
from tests.explorations.kit import hangs, holds


def test_a_guard_ends_with_its_token_and_leaves_nothing_there() -> None:
    """Canceled by the token, by itself or not at all: drained, and nobody waits afterwards (R8)."""

    async def main() -> None:
        token = rescind.CancellationToken()
        open_now: list[int] = []

        async def work(number: int) -> None:
            open_now.append(number)
            try:
                await rescind.sleep(2)
            finally:
                try:
                    await rescind.shield(rescind.sleep(1))
                finally:
                    open_now.remove(number)

        async def guarded(number: int) -> None:
            try:
                await token.guard(work(number))
            except rescind.TaskCanceled:
                assert token.canceled
            finally:
                assert number not in open_now

        tasks = [rescind.spawn(guarded(number)) for number in range(2)]
        await rescind.sleep(1)
        await rescind.race(tasks[0].join(), rescind.sleep(2.5))
        token.cancel("stop")
        for task in tasks:
            await task.join()
        assert 0 == token.statistics().waiters

    holds(main)


def test_a_guard_that_ended_in_time_is_forgotten() -> None:
    """Its token, which lives on, has nobody to tell."""

    async def main() -> None:
        token = rescind.CancellationToken()
        for _ in range(3):
            await token.guard(rescind.sleep(1))
        assert 0 == token.statistics().waiters

    holds(main, changes=0)


def test_what_is_guarded_by_a_canceled_token_is_not_begun() -> None:
    """Neither if it was canceled before the guard was made, nor between that and the first poll."""

    async def main() -> None:
        begun: list[str] = []

        async def work() -> None:
            begun.append("work")

        for early in (True, False):
            token = rescind.CancellationToken()
            if early:
                token.cancel()
            guard = token.guard(work())
            token.cancel()
            with pytest.raises(rescind.TaskCanceled):
                await guard
        assert [] == begun

    holds(main, changes=0)


def test_a_token_is_canceled_with_what_it_comes_from() -> None:
    """Whether that was canceled before or after it was made; and waiting for it ends (K1, K6)."""

    async def main() -> None:
        root = rescind.CancellationToken()
        other = rescind.CancellationToken()
        tokens = [root.child(), rescind.CancellationToken.linked(other, root)]
        tokens.append(tokens[0].child())

        async def waits(token: rescind.CancellationToken) -> None:
            await token.wait()

        tasks = [rescind.spawn(waits(token)) for token in tokens]
        await rescind.sleep(1)
        root.cancel("stop")
        for task in tasks:
            await task.join()
        late = [root.child(), rescind.CancellationToken.linked(other, root)]
        assert all(token.canceled for token in (*tokens, *late))
        await rescind.join(*[token.wait() for token in late])
        assert not other.canceled

    holds(main, changes=1)


def test_everything_below_a_token_is_marked_before_anybody_is_told() -> None:
    """The first callback sees the whole tree canceled (R13)."""

    async def main() -> None:
        root = rescind.CancellationToken()
        tokens = [root, root.child(), root.child().child()]
        seen: list[bool] = []
        for token in tokens:
            token.on_cancel(lambda _reason: seen.append(all(one.canceled for one in tokens)))
        root.cancel()
        assert [True] * 3 == seen

    holds(main, changes=0)


def test_a_callback_is_called_once_or_taken_back() -> None:
    """One that was removed is not called, also not by a callback that comes before it."""

    async def main() -> None:
        token = rescind.CancellationToken()
        called: list[str] = []
        registrations: list[rescind.Registration] = []

        def first(_reason: rescind.CancelReason) -> None:
            called.append("first")
            assert registrations[1].remove()

        registrations.append(token.on_cancel(first))
        registrations.append(token.on_cancel(lambda _reason: called.append("second")))
        token.cancel()
        token.cancel()
        assert ["first"] == called
        assert not registrations[0].remove()

    holds(main, changes=0)


def test_what_has_left_a_token_leaves_nothing_with_it() -> None:
    """Children that detached, or were canceled alone, and deadlines of tokens that were."""

    async def main() -> None:
        root = rescind.CancellationToken()
        left, canceled = root.child(), root.child(timeout=9)
        left.detach()
        canceled.cancel()
        assert 0 == root.statistics().children
        with rescind.CancellationToken.linked(root) as linked:
            assert 1 == root.statistics().children
        assert not linked.canceled
        assert 0 == root.statistics().children

    holds(main, changes=0)  # a timer that is left is a failure


def test_join_or_cancel_takes_its_task_along() -> None:
    """Canceled at any point: the task has ended, its value or its error is not lost (R17)."""

    async def main() -> None:
        ended: list[str] = []
        got: list[str] = []

        async def work() -> str:
            try:
                await rescind.sleep(2)
            except rescind.Cancellation:
                await rescind.sleep(1)
            ended.append("value")
            return "value"

        async def joins(task: rescind.Task[str]) -> None:
            got.append(await rescind.join_or_cancel(task))

        task = rescind.spawn(work())
        joiner = rescind.spawn(joins(task))
        await rescind.sleep(1)
        await joiner.cancel("stop", grace=None)
        if ended and isinstance(joiner.outcome(), rescind.Completed):
            assert ended == got
        await task.join()

    holds(main, changes=1)


def test_the_joined_has_no_more_time_than_its_joiner() -> None:
    """It is canceled in consequence, within what is left of that grace (R10)."""

    async def main() -> None:
        ended_at: list[float] = []

        async def joins() -> None:
            await rescind.join_or_cancel(task)

        task = rescind.spawn(hangs(ended_at))
        joiner = rescind.spawn(joins())
        await rescind.sleep(1)
        joiner.cancel("stop", grace=2)
        await task.join()
        assert [3] == ended_at

    holds(main, changes=0)


class Resource:
    """Says when it is closed."""

    def __init__(self, closed: list["Resource"]) -> None:
        self.closed = closed

    def close(self) -> None:
        """Note it."""
        self.closed.append(self)


class Slow(Resource):
    """The same, but it has to be awaited."""

    async def aclose(self) -> None:
        """Note it; in a cleanup nothing is due (R9), so a checkpoint does not park."""
        await rescind.checkpoint()
        await rescind.sleep(1)
        self.closed.append(self)


def test_owned_resources_are_closed_if_the_body_never_ran() -> None:
    """Once, the last first; canceled or dropped (R5)."""

    async def main() -> None:
        for grace, make in ((None, Resource), (None, Slow), (0, Resource)):
            closed: list[Resource] = []
            entered: list[str] = []
            resources = [make(closed), make(closed)]

            async def body(entered: list[str] = entered) -> None:
                entered.append("body")

            task = rescind.spawn(body(), owned=resources)
            task.cancel("before it runs", grace=grace)
            await task.join()
            assert [True, True] == [a is b for a, b in zip(resources, closed[::-1], strict=True)]
            assert [] == entered

    holds(main, changes=0)


def test_a_canceled_tick_is_not_taken() -> None:
    """The next one is due when it would have been (R7)."""

    async def main() -> None:
        ticks = rescind.interval(2)
        assert 0 == await ticks.tick()
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(ticks.tick(), 1)
        assert 2 == await ticks.tick()
        assert 2 == rescind.now()

    holds(main, changes=0)


def test_every_joiner_is_told_and_leaves_nothing() -> None:
    """Canceled joiners leave the line; the others, and whoever polls anew, are woken (K1, K2)."""

    async def main() -> None:
        opened = Event()
        task = rescind.spawn(opened.wait())
        told: list[Any] = []

        async def joins() -> None:
            told.append(await rescind.race(task.join(), rescind.never()))

        joiners = [rescind.spawn(joins()) for _ in range(3)]
        await rescind.sleep(1)
        await joiners[1].cancel("not interested", grace=0)
        waiting = sum(not one.done() for one in joiners)
        assert waiting == len(task.joiners())
        opened.set()
        for joiner in joiners:
            await joiner.join()
        assert waiting <= len(told)

    holds(main, changes=1)


def test_a_future_that_moves_wakes_who_polls_it_now() -> None:
    """Polled by one branch, then by another: the latest waker counts (R1)."""

    async def main() -> None:
        for make in (_sleeps, _joins, _waits):
            fut, complete = make()
            polled = rescind.poll_fn(fut.poll)
            try:
                await rescind.timeout(polled, 0.5)
            except rescind.TimedOut:
                pass
            await rescind.sleep(0.25)
            task = rescind.spawn(_again(fut))
            await rescind.sleep(0.25)
            complete()
            await task

    holds(main, changes=0)


async def _again(fut: Any) -> None:
    await rescind.poll_fn(fut.poll)


def _sleeps() -> tuple[Any, Any]:
    return rescind.sleep(2), lambda: None


def _joins() -> tuple[Any, Any]:
    opened = Event()
    return rescind.spawn(opened.wait()).join(), opened.set


def _waits() -> tuple[Any, Any]:
    opened = Event()
    return opened.wait(), opened.set


def test_what_a_joined_task_comes_to_is_not_lost_to_the_cancel_of_its_joiner() -> None:
    """A value is delivered; an error is with the joiner's cancellation (R7, R15, R17)."""

    async def stubborn(error: Exception | None) -> str:
        try:
            await rescind.never()
        except rescind.Cancellation:
            pass
        await rescind.sleep(1)
        if error is not None:
            raise error
        return "value"

    async def main() -> None:
        for error in (None, LookupError("late")):
            got: list[str] = []
            task = rescind.spawn(stubborn(error))

            async def joins(task: rescind.Task[str] = task, got: list[str] = got) -> None:
                got.append(await rescind.join_or_cancel(task))

            joiner = rescind.spawn(joins())
            await rescind.sleep(1)
            outcome = await joiner.cancel("stop")
            if error is None:
                assert ["value"] == got
            else:
                assert isinstance(outcome, rescind.Canceled)
                assert [error] == list(outcome.also)

    run_virtual(main).unwrap()  # in the lab, what a canceled task raises is a failure
