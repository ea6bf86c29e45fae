"""Finalizers and brackets: in every order, canceled everywhere, cut short everywhere."""

from typing import Any

import rescind
from rescind.testing import Kind, Run
from tests.explorations.kit import holds


def test_a_finalizer_runs_once_and_all_of_it() -> None:
    """However its future ends; only the end of the grace cuts it short (Z1, Z2)."""
    begun: list[str] = []
    ended: list[str] = []

    async def finalizer(_outcome: Any) -> None:
        begun.append("finalizer")
        await rescind.sleep(1)
        await rescind.checkpoint()
        await rescind.sleep(1)
        ended.append("finalizer")

    async def main() -> None:
        begun.clear()
        ended.clear()

        async def work() -> None:
            await rescind.finalize(rescind.sleep(1), finalizer)

        task = rescind.spawn(work())
        await rescind.sleep(1.5)
        task.cancel("again")
        await task.join()

    def once(run: Run[Any]) -> bool:
        cut = any(one.kind is Kind.GRACE for one in run.struck)
        return len(begun) <= 1 and (begun == ended or cut)

    holds(main, invariants=[once])


def test_a_dropped_finalizer_is_not_begun_again() -> None:
    """Its future is dropped while it waits: it has run as far as it goes (Z1)."""

    async def main() -> None:
        begun: list[str] = []

        async def finalizer(_outcome: Any) -> None:
            begun.append("finalizer")
            await rescind.never()

        task = rescind.spawn(rescind.finalize(rescind.sleep(1), finalizer))
        await rescind.sleep(2)
        await task.cancel("now", grace=0)
        assert ["finalizer"] == begun

    holds(main, changes=0)


def test_nothing_is_due_in_a_finalizer() -> None:
    """It is a shield: what looks for a cancellation finds none, and goes on (Z2)."""

    async def main() -> None:
        log: list[str] = []

        async def finalizer(_outcome: Any) -> None:
            await rescind.checkpoint()
            log.append("after the checkpoint")

        async def work() -> None:
            with rescind.shielded():
                await rescind.sleep(2)
                await rescind.finalize(rescind.ready(1), finalizer)

        for fut in (work(), rescind.finalize(rescind.sleep(2), finalizer)):
            task = rescind.spawn(fut)
            await rescind.sleep(1)
            await task.cancel("stop")
        assert ["after the checkpoint"] * 2 == log

    holds(main, changes=0)


def test_what_was_acquired_is_released_once() -> None:
    """Canceled or dropped at any point: acquired in one piece, and released if it was (P35)."""
    log: list[str] = []

    async def acquire() -> str:
        log.append("acquire")
        await rescind.sleep(1)
        log.append("acquired")
        return "resource"

    async def use(_resource: str) -> None:
        await rescind.sleep(1)

    async def main() -> None:
        log.clear()

        async def work() -> None:
            await rescind.bracket(acquire, use, lambda _resource: log.append("released"))

        await rescind.spawn(work()).join()

    def balanced(run: Run[Any]) -> bool:
        whole = ["acquire", "acquired", "released"]
        cut = any(one.kind is Kind.GRACE for one in run.struck)
        return log in (whole, []) or (cut and log == ["acquire"])

    holds(main, invariants=[balanced])


def test_a_resource_is_released_if_its_user_is_dropped_before_it_begins() -> None:
    """Canceled while it is acquired, and the grace is over when it has been (P35, Z1)."""

    async def main() -> None:
        log: list[str] = []
        task: rescind.Task[None]

        async def acquire() -> str:
            for _ in range(128):  # all of the budget: what comes next is not polled in this step
                await rescind.ready(None)
            log.append("acquired")
            return "resource"

        async def use(_resource: str) -> None:
            log.append("used")

        task = rescind.spawn(
            rescind.bracket(acquire, use, lambda _resource: log.append("released"))
        )
        while not log:
            await rescind.yield_now()
        await task.cancel("now", grace=0)
        assert ["acquired", "released"] == [one for one in log if one != "used"]

    holds(main, changes=0)
