"""A race drains its losers, whatever its ``on_undelivered`` raises."""

import asyncio

from rescind import Cancellation, Completed, race, sleep
from rescind.testing import run_virtual


def test_cancelled_error_of_on_undelivered_leaves_no_loser_undrained() -> None:
    """An ``asyncio.CancelledError`` that it lets out is logged, as any other exception is."""
    trace: list[str] = []

    def undelivered(value: object) -> None:
        trace.append(f"back: {value}")
        raise asyncio.CancelledError

    async def late() -> str:
        try:
            await sleep(5)
        except Cancellation:
            pass
        return "late"

    async def slow() -> str:
        try:
            await sleep(5)
        finally:
            await sleep(3)
            trace.append("slow: drained")
        return "slow"

    async def first() -> str:
        await sleep(1)
        return "first"

    outcome = run_virtual(race(first(), late(), slow(), on_undelivered=undelivered))
    assert Completed("first") == outcome
    assert ["back: late", "slow: drained"] == trace
