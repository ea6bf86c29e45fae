"""A gate lets in what is due in the shield's coroutine, also for a coroutine behind it."""

from rescind import (
    Canceled,
    Completed,
    never,
    race,
    self_cancel,
    shielded,
    sleep,
    spawn,
    task_group,
    timeout,
    yield_now,
)
from rescind.testing import run_virtual


async def canceling() -> str:
    """Cancel the task; go on if that is held back."""
    await self_cancel("mine")
    return "went on"


def test_self_cancel_in_a_coroutine_behind_a_gate_is_delivered() -> None:
    """It parks there, as it does without the shield, and nothing after it runs."""

    async def main() -> str:
        with shielded() as gate:
            return await gate.open(canceling())

    outcome = run_virtual(main)
    assert isinstance(outcome, Canceled)
    assert "mine" == outcome.reason.message


def test_self_cancel_in_a_branch_behind_a_gate_is_delivered() -> None:
    """The same in a child of a combinator, in the coroutine for which the gate is open."""

    async def branches() -> object:
        return await race(canceling(), never())

    async def main() -> object:
        with shielded() as gate:
            return await gate.open(branches())

    assert isinstance(run_virtual(main), Canceled)


def test_group_behind_a_gate_is_marked_with_its_parent() -> None:
    """Its children are marked by the request, before anybody runs again (R13)."""
    trace: list[str] = []

    async def child() -> None:
        trace.append("the child ran")

    async def group() -> None:
        async with task_group() as children:
            children.spawn(child())
            await self_cancel()

    async def main() -> None:
        with shielded() as gate:
            await gate.open(group())

    assert isinstance(run_virtual(main), Canceled)
    assert [] == trace


def test_yield_inside_a_coroutine_of_a_combinator_is_interrupted() -> None:
    """A yield that was over has no value to lose: the request is delivered at it, however deep."""
    trace: list[str] = []

    async def yields() -> None:
        await yield_now()
        trace.append("went on")

    async def inside() -> None:
        await timeout(yields(), 5)

    async def main() -> object:
        task = spawn(inside())
        await yield_now()
        task.cancel("now")
        return await task.join()

    outcome = run_virtual(main)
    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert [] == trace


def test_shield_around_a_gate_still_holds() -> None:
    """A gate opens its own shield alone: under another one the coroutine runs to its end."""

    async def main() -> str:
        with shielded():
            with shielded() as gate:
                value = await gate.open(canceling())
        await sleep(0)
        return value

    trace: list[str] = []

    async def outer() -> None:
        with shielded():
            trace.append(await main())

    run_virtual(outer)
    assert ["went on"] == trace
