"""Cancellation, seen from the parent: who decides whether a child goes on is whoever polls it.

A child future does nothing by itself. Its parent polls it, or does not, or stops doing so; and
the parent may be canceled, too, while its children are under way.
"""

import warnings

import rescind
from rescind import Canceled, Cancellation, CancelReason
from rescind.lowlevel import as_future


async def work(name: str, seconds: float) -> str:
    """Work for a while; say how it ended."""
    print(f"  {name} begins")
    try:
        await rescind.sleep(seconds)
    except Cancellation as canceled:
        print(f"  {name} is canceled: {why(canceled.reason)}")
        raise
    finally:
        await rescind.sleep(0.01)
        print(f"  {name} has cleaned up")
    return name


def why(reason: CancelReason) -> str:
    return ", because ".join(link.message or link.kind.value for link in reason.chain())


async def created_and_never_awaited() -> None:
    """A child that is created and never awaited: it is lazy, so nothing of it runs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        child = as_future(work("the child", 0.01))
        child.drop()  # or let it go out of scope: the same
        print(f"  dropped as a future: {len(caught)} warnings")
        forgotten = work("the child", 0.01)
        del forgotten
        warning = str(caught[0].message).partition("\n")[0]
        print(f"  dropped as a bare coroutine, Python warns: {warning}")


async def race_drops_the_slower() -> None:
    """A race: the slower child is canceled, and has cleaned up before the winner is returned."""
    winner = await rescind.race(work("tortoise", 60), work("hare", 0.02))
    print(f"  → the winner is the {winner}")


async def canceled_in_the_middle_of_a_race() -> None:
    """The parent is canceled in the middle of a race: first its children end, then itself."""

    async def parent() -> str:
        try:
            return await rescind.race(work("tortoise", 60), work("hare", 60))
        except Cancellation as canceled:
            print(f"  the parent is canceled: {why(canceled.reason)}")
            raise

    task = rescind.spawn(parent(), name="parent")
    await rescind.sleep(0.01)
    outcome = await task.cancel("rain")
    assert isinstance(outcome, Canceled)
    print(f"  → canceled: {why(outcome.reason)}")


async def main() -> None:
    for scene in (
        created_and_never_awaited,
        race_drops_the_slower,
        canceled_in_the_middle_of_a_race,
    ):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)
