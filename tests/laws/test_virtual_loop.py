"""The loops in virtual time: real loops, but for the clock."""

import asyncio
from collections.abc import Callable

import pytest

import rescind
from rescind.testing.laws.virtual_loop import has_uvloop, virtual_loop, virtual_uvloop

Make = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=["asyncio", "uvloop"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return what makes a loop."""
    if request.param == "asyncio":
        return virtual_loop
    if not has_uvloop():
        pytest.skip("uvloop is not installed")
    return virtual_uvloop


def test_sleeping_takes_no_time(make: Make) -> None:
    """An hour passes at once, and sleeps add up."""

    async def main() -> float:
        await rescind.sleep(3600)
        await asyncio.sleep(1800)
        return rescind.now()

    assert 5400 == rescind.run(main, host=make)


def test_the_clock_stands_still_while_anybody_can_run(make: Make) -> None:
    """However often callbacks ask for more callbacks, no timer fires meanwhile."""
    order: list[str] = []
    loop = make()

    def again(left: int) -> None:
        if left:
            loop.call_soon(again, left - 1)
        else:
            order.append(f"done at {loop.time():g}")

    try:
        loop.call_at(0.001, order.append, "timer")
        loop.call_at(1, loop.stop)
        loop.call_soon(again, 20)
        loop.run_forever()
    finally:
        loop.close()

    assert ["done at 0", "timer"] == order


def test_timers_come_in_order_of_time(make: Make) -> None:
    """Those that are canceled do not come, and no time passes for them."""
    order: list[object] = []
    loop = make()
    try:
        loop.call_at(2, order.append, "second")
        loop.call_later(1, order.append, "first")
        loop.call_at(3, order.append, "third")
        loop.call_at(9, loop.stop)
        loop.call_at(1.5, order.append, "never").cancel()
        loop.call_at(99, order.append, "never").cancel()
        loop.run_forever()
        assert 9 == loop.time()
    finally:
        loop.close()

    assert ["first", "second", "third"] == order
