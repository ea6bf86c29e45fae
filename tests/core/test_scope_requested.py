"""What the running code can read of its own cancellation, wherever it stands."""

from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelReason, Completed
from rescind._core.deadline import Deadline
from rescind._core.scope import pending_request
from tests.core.kit import Bench


def requests_seen(where: str) -> list[str | None]:
    """Return what `cancel_requested` says before, during and after a request, in this position."""
    seen: list[str | None] = []

    def look() -> None:
        reason: CancelReason | None = rescind.cancel_requested()
        seen.append(None if reason is None else reason.message)

    async def body() -> None:
        look()
        try:
            await rescind.sleep(1)
            look()
            await rescind.never()
        finally:
            look()

    async def main() -> None:
        if where == "plain":
            await body()
        elif where == "shielded":
            with rescind.shielded():
                look()
                await rescind.sleep(1)
                look()
            await rescind.never()
        elif where == "shield future":
            await rescind.shield(shorter())
            await rescind.never()
        elif where == "child":
            await rescind.race(body())
        elif where == "child of a shield":
            with rescind.shielded():
                await rescind.race(shorter())
            await rescind.never()
        elif where == "timeout":
            await rescind.timeout(body(), 99)
        elif where == "cleanup":
            try:
                await rescind.never()
            finally:
                await rescind.sleep(1)
                look()
                await rescind.race(shorter())

    async def shorter() -> None:
        look()
        await rescind.sleep(1)
        look()

    with Bench() as bench:
        task = bench.spawn(main())
        bench.advance(0.5)
        task.cancel("why")
        bench.advance(9)
        assert task.done()
    return seen


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        ("plain", [None, "why"]),
        ("shielded", [None, "why"]),
        ("shield future", [None, "why"]),
        ("child of a shield", [None, "why"]),
        ("timeout", [None, "why"]),
        ("cleanup", ["why", "why", "why"]),
    ],
)
def test_cancel_requested_tells_the_truth_in_every_position(
    where: str, seen: list[str | None]
) -> None:
    """R12, P27: before the request None; after it the reason, shielded or not, in cleanup too."""
    assert seen == requests_seen(where)


def test_cancel_requested_in_a_child_is_the_childs_own_request() -> None:
    """A child was asked by its parent, which was asked with words: the chain has both."""
    seen = requests_seen("child")
    assert (None, True) == (seen[0], len(seen) == 2)


@pytest.mark.parametrize("place", ["task", "race in a task", "shielded task", "race", "shield"])
def test_self_cancel_that_is_no_part_of_a_coroutine_cancels_too(place: str) -> None:
    """P2: the task's future may be `self_cancel` itself, or a combinator around it."""

    async def awaiting(fut: Any) -> str:
        await fut
        return "went on"

    fut: Any = rescind.self_cancel("why")
    if "race" in place:
        fut = rescind.race(fut, rescind.never())
    elif "shield" in place:
        fut = rescind.shield(fut)
    with Bench() as bench:
        task = bench.spawn(fut if "task" in place else awaiting(fut))
        bench.idle()
        outcome = task.outcome()
        how = outcome.reason.message if isinstance(outcome, Canceled) else outcome
        expected = {"shielded task": Completed(None), "shield": Completed("went on")}
        assert expected.get(place, "why") == how


def test_cancel_requested_outside_everything_is_none() -> None:
    """No task, no request."""
    assert rescind.cancel_requested() is None


def test_deadline_that_has_expired_is_due_in_a_branch_too() -> None:
    """It is requested of a stretch of the coroutine around, and of no task or branch."""
    seen: list[str | None] = []

    async def branch(scope: Deadline) -> None:
        assert pending_request() is None
        scope.wake()
        due = pending_request()
        seen.append(None if due is None else due.reason.message)

    async def main() -> None:
        async with rescind.deadline(60) as scope:
            await rescind.race(branch(scope))

    with Bench() as bench:
        task = bench.spawn(main())
        bench.idle()
        assert (["the deadline of 60 s has passed"], Completed(None)) == (seen, task.outcome())
