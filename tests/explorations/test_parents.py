"""Combinators: what becomes of values and failures that come at once, or too late."""

from typing import Any

import pytest

import rescind
from rescind.lowlevel import PENDING, CancelRequest, Context, Future
from rescind.testing import context, poll_cancel_once, poll_once, run_virtual
from tests.explorations.kit import holds


async def after(seconds: float, value: str) -> str:
    """Return a value later."""
    await rescind.sleep(seconds)
    return value


async def fails(seconds: float, number: int) -> str:
    """Raise later, or when it is canceled."""
    try:
        await rescind.sleep(seconds)
    finally:
        raise LookupError(number)


def test_the_first_success_wins_race_ok() -> None:
    """Not the first that ends."""

    async def main() -> None:
        assert "value" == await rescind.race_ok(fails(1, 1), after(2, "value"))
        with pytest.raises(ExceptionGroup):
            await rescind.race_ok(fails(1, 1), fails(2, 2))

    holds(main, changes=0)


def test_all_failures_of_a_join_are_kept() -> None:
    """The first is raised, those of the siblings' cleanups go with it (R15, R20)."""

    async def main() -> None:
        (outcome,) = await rescind.outcomes(rescind.join(fails(1, 1), fails(2, 2), fails(3, 3)))
        assert isinstance(outcome, rescind.Error)
        found = [one.args[0] for one in (outcome.exception, *outcome.also)]
        assert [1, 2, 3] == found

    holds(main, changes=0)


def test_the_value_of_a_winner_is_handed_back_if_nobody_gets_it() -> None:
    """Whatever is canceled while the losers are drained: it is delivered, or handed back (P47)."""

    async def main() -> None:
        back: list[str] = []
        got: list[str] = []

        async def slow() -> str:
            try:
                await rescind.never()
            finally:
                await rescind.sleep(2)

        async def races() -> None:
            wait = rescind.race(after(1, "value"), slow(), on_undelivered=back.append)
            got.append(await wait)

        task = rescind.spawn(races())
        await rescind.sleep(2)
        waits = not task.cancel_reasons
        task.cancel("now", grace=0)
        await task.join()
        assert not waits or ["value"] == got + back

    holds(main, changes=1)


def test_a_value_at_the_deadline_is_the_value() -> None:
    """Where both are there at once, the value wins, be it a leaf or a coroutine (R21)."""

    async def main() -> None:
        assert await rescind.timeout(rescind.sleep(1), 1) is None
        assert "value" == await rescind.timeout(after(1, "value"), 1)
        assert "value" == await rescind.timeout(rescind.race(after(1, "value"), rescind.never()), 1)

    holds(main, changes=0)


def test_all_of_a_shield_runs_and_what_it_gives_is_delivered() -> None:
    """A cancellation waits until it is done, whatever is in it (R12)."""

    async def main() -> None:
        for inner in (after(2, "value"), rescind.race(after(2, "value"), rescind.never())):
            got: list[str] = []

            async def waits(wait: Future[str], got: list[str]) -> None:
                got.append(await wait)
                await rescind.never()

            task = rescind.spawn(waits(rescind.shield(inner), got))
            await rescind.sleep(1)
            outcome = await task.cancel("stop")
            assert isinstance(outcome, rescind.Canceled)
            assert ["value"] == got

    holds(main, changes=0)


def test_a_parents_shorter_grace_bounds_a_timeout_that_cleans_up() -> None:
    """A parent of the user's own may hand on less time than the timeout has itself (R10)."""

    class Strict(Future[Any]):
        """Allows its child a second."""

        def __init__(self, inner: Future[Any]) -> None:
            self.inner = inner

        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            return self.inner.poll(cx)

        def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
            self.waker = cx.waker
            return self.inner.poll_cancel(cx, CancelRequest(request.reason, grace_at=3))

        def drop(self) -> None:
            self.inner.drop()

    async def main() -> None:
        async def hangs() -> None:
            try:
                await rescind.never()
            finally:
                await rescind.never()

        task = rescind.spawn(Strict(rescind.timeout(hangs(), 1, grace=9, on_overrun="drop")))
        await rescind.sleep(2)
        await task.cancel("stop", grace=None)
        assert 3 == rescind.now()

    run_virtual(main).unwrap()


def test_a_request_can_be_read_in_a_shield_that_is_polled_by_hand() -> None:
    """Also where no task is around from which it could be read (R12)."""
    seen: list[bool] = []
    polls: list[None] = []

    def parks_once(cx: Context) -> Any:
        polls.append(None)
        cx.waker.wake()
        return PENDING if len(polls) == 1 else None

    async def reads() -> None:
        seen.append(rescind.cancel_requested() is not None)
        await rescind.poll_fn(parks_once)
        seen.append(rescind.cancel_requested() is not None)

    shielded = rescind.shield(reads())
    assert poll_once(shielded, context()) is PENDING
    assert isinstance(poll_cancel_once(shielded, context()), rescind.Completed)
    assert [False, True] == seen
