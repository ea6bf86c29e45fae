"""`OnceCell`: made once; who fails to make it leaves that to the next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rescind import (
    Canceled,
    Completed,
    UsageError,
    WouldBlock,
    join,
    never,
    sleep,
    spawn,
    timeout,
    yield_now,
)
from rescind.lowlevel import PENDING, Context, Future
from rescind.sync import Notify, OnceCell, OnceCellStatistics
from rescind.testing import run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, error, in_threads, parked, sweep, value, wakes


class Maker:
    """Makes a value when it is let."""

    def __init__(self, result: object = "made") -> None:
        self.calls = 0
        self.go = Notify()
        self.result = result

    async def __call__(self) -> Any:
        self.calls += 1
        await self.go.notified()
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


async def fail_if_called() -> Any:
    """Be the function of one who has to wait."""
    raise AssertionError("a second initialiser ran")


def test_value_is_made_once_and_all_get_it() -> None:
    """I1: others wait, and their functions are never called."""
    cell: OnceCell[str] = OnceCell()
    make = Maker()
    maker, *others = parked(
        cell.get_or_init(make), cell.get_or_init(fail_if_called), cell.get_or_init(fail_if_called)
    )
    make.go.notify_one()

    assert Completed("made") == maker.poll()
    assert ([1, 1], [Completed("made")] * 2) == (wakes(others), [p.poll() for p in others])
    assert Completed("made") == Party(cell.get_or_init(fail_if_called)).poll()
    assert (1, "made", True) == (make.calls, cell.get(), cell.is_set())


def test_nothing_is_called_before_the_first_poll() -> None:
    """Futures are lazy; a dropped one makes nothing."""
    cell: OnceCell[str] = OnceCell()
    cell.get_or_init(fail_if_called).drop()
    assert OnceCellStatistics(False, False, 0) == cell.statistics()


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_canceled_initialiser_leaves_it_to_the_next(end: str) -> None:
    """I2: with the function of that one."""
    cell: OnceCell[str] = OnceCell()
    first, second = Maker("first"), Maker("second")
    maker, heir, third = parked(
        cell.get_or_init(first), cell.get_or_init(second), cell.get_or_init(fail_if_called)
    )
    outcome = getattr(maker, end)()
    assert outcome is None or isinstance(outcome, Canceled)
    assert ([1, 0], PENDING, 1) == (wakes([heir, third]), heir.poll(), second.calls)
    second.go.notify_one()

    assert [Completed("second")] * 2 == [heir.poll(), third.poll()]


def test_failed_initialiser_raises_and_leaves_it_to_the_next() -> None:
    """I2: the error is its own; the next does not see it."""
    cell: OnceCell[str] = OnceCell()
    broken, good = Maker(ValueError("broken")), Maker("good")
    maker, heir = parked(cell.get_or_init(broken), cell.get_or_init(good))
    broken.go.notify_one()
    good.go.notify_one()

    assert "broken" == str(error(maker.poll()))
    assert Completed("good") == heir.poll()


def test_failed_initialiser_with_nobody_waiting_leaves_it_empty() -> None:
    """Somebody may try again."""
    cell: OnceCell[str] = OnceCell()

    async def broken() -> str:
        raise ValueError("broken")

    def call_fails() -> Any:
        raise ValueError("no coroutine at all")

    assert isinstance(error(Party(cell.get_or_init(broken)).poll()), ValueError)
    assert isinstance(error(Party(cell.get_or_init(call_fails)).poll()), ValueError)
    assert OnceCellStatistics(False, False, 0) == cell.statistics()
    cell.set("value")
    assert "value" == cell.get()


def test_heir_that_is_dropped_before_it_began_tells_the_next() -> None:
    """I3: it was told to make it, and never ran."""
    cell: OnceCell[str] = OnceCell()
    good = Maker("good")
    maker, heir, third = parked(
        cell.get_or_init(Maker()), cell.get_or_init(fail_if_called), cell.get_or_init(good)
    )
    maker.drop()
    heir.drop()
    good.go.notify_one()

    assert ([1], Completed("good")) == (wakes([third]), third.poll())


def test_heir_that_is_canceled_before_it_began_begins_and_is_canceled_inside() -> None:
    """R7: its turn is delivered; the cancellation arrives at its first park, and the next goes."""
    cell: OnceCell[str] = OnceCell()
    second = Maker("second")
    maker, heir, third = parked(
        cell.get_or_init(Maker()), cell.get_or_init(second), cell.get_or_init(Maker("third"))
    )
    maker.drop()

    assert isinstance(heir.cancel(), Canceled)
    assert (1, 1) == (second.calls, third.wakes)


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_waiter_that_leaves_changes_nothing(end: str) -> None:
    """O2."""
    cell: OnceCell[str] = OnceCell()
    make = Maker()
    maker, gone = parked(cell.get_or_init(make), cell.get_or_init(fail_if_called))
    getattr(gone, end)()
    make.go.notify_one()
    assert (Completed("made"), 0) == (maker.poll(), cell.statistics().waiting)


def test_set_lets_it_have_a_value_once() -> None:
    """Not twice, and not while one is being made."""
    cell: OnceCell[Any] = OnceCell(name="config")
    with pytest.raises(WouldBlock, match="<OnceCell 'config', empty> has no value yet"):
        cell.get()
    (maker,) = parked(cell.get_or_init(Maker()))
    with pytest.raises(UsageError, match="being made> cannot be set while its value is being made"):
        cell.set(1)
    maker.drop()
    cell.set(None)
    with pytest.raises(UsageError, match="<OnceCell 'config', set> has a value already"):
        cell.set(2)
    assert (None, True) == (cell.get(), cell.is_set())


@pytest.mark.parametrize("around", ["plain", "join", "timeout", "future"])
def test_initialiser_that_asks_for_the_value_itself_is_refused(around: str) -> None:
    """It would wait for itself for ever; through combinators as well."""
    cell: OnceCell[Any] = OnceCell()

    async def inner() -> Any:
        return await cell.get_or_init(fail_if_called)

    def make() -> Any:
        if around == "join":
            return join(inner(), never())
        if around == "timeout":
            return timeout(inner(), 5)
        return cell.get_or_init(fail_if_called) if around == "future" else inner()

    async def main() -> str:
        with pytest.raises(UsageError) as caught:
            await cell.get_or_init(make)
        return str(caught.value)

    assert "was asked for its value by what makes it" in value(run_virtual(main))
    assert not cell.statistics().initializing


def test_another_cell_may_be_asked_inside() -> None:
    """Only the same one is refused."""

    async def main() -> str:
        outer: OnceCell[str] = OnceCell()
        inner: OnceCell[str] = OnceCell()

        async def make_inner() -> str:
            return "inner"

        async def make_outer() -> str:
            return "outer of " + await inner.get_or_init(make_inner)

        return await outer.get_or_init(make_outer)

    assert "outer of inner" == value(run_virtual(main))


def test_what_is_no_function_is_refused() -> None:
    """A coroutine is closed, without a warning."""
    cell: OnceCell[Any] = OnceCell()
    for bad in (fail_if_called(), "made", None):
        with pytest.raises(TypeError, match="needs an async function without arguments, not"):
            cell.get_or_init(bad)  # type: ignore[arg-type]


def test_what_the_function_returns_may_be_any_awaitable() -> None:
    """A hand-written future, for one."""

    class Three(Future[int]):
        def poll(self, cx: Context) -> int:
            return 3

    cell: OnceCell[int] = OnceCell()
    assert Completed(3) == Party(cell.get_or_init(Three)).poll()


def test_reprs_say_what_is_waited_for() -> None:
    """The leaf of a waiter names the cell."""
    cell: OnceCell[str] = OnceCell(name="config")
    maker, waiter = parked(cell.get_or_init(Maker()), cell.get_or_init(Maker()))
    leaf = waiter.future.leaf  # type: ignore[attr-defined]
    assert "get_or_init of <OnceCell 'config', being made>" == repr(leaf)
    assert OnceCellStatistics(False, True, 1) == cell.statistics()
    waiter.drop()
    maker.drop()
    assert "<OnceCell 'config', empty>" == repr(cell)


def test_canceled_at_every_park_somebody_makes_it() -> None:
    """The first to come is ended at each park."""

    async def scenario(victim: Victim) -> None:
        cell: OnceCell[str] = OnceCell()

        async def make() -> str:
            await sleep(1)
            await sleep(1)
            return "value"

        async def use() -> str:
            return await cell.get_or_init(make)

        tasks = [spawn(victim(use())), spawn(use()), spawn(use())]
        values = [await task for task in tasks]
        assert ["value", "value"] == values[1:]
        assert OnceCellStatistics(True, False, 0) == cell.statistics()

    assert sweep(scenario) >= 2


def test_canceled_at_every_park_of_one_who_waits_the_maker_goes_on() -> None:
    """The victim is the second: it waits, then inherits."""

    async def scenario(victim: Victim) -> None:
        cell: OnceCell[str] = OnceCell()
        first, second, third = Maker(ValueError("broken")), Maker("second"), Maker("third")
        for make in (first, second, third):
            make.go.notify_one()
        slow = Notify()

        async def broken() -> str:
            await slow.notified()
            return str(await first())

        async def use(make: Any) -> str:
            return await cell.get_or_init(make)

        tasks = [spawn(use(broken))]
        tasks += [spawn(victim(use(second))), spawn(use(third))]
        await yield_now()
        slow.notify_one()
        outcomes = [await task.join() for task in tasks]
        assert outcomes[2].unwrap() in ("second", "third")

    assert sweep(scenario) >= 1


def test_it_works_on_every_host(host: HostFactory) -> None:
    """Ten ask, one makes."""

    async def main() -> list[str]:
        cell: OnceCell[str] = OnceCell()
        make = Maker()
        make.go.notify_one()

        async def use() -> str:
            return await cell.get_or_init(make)

        values = [await task for task in [spawn(use()) for _ in range(10)]]
        assert 1 == make.calls
        return values

    with host() as runtime:
        assert ["made"] * 10 == runtime.block_on(main())


@pytest.mark.parametrize("kind", ["rescind", "asyncio"])
def test_tasks_of_two_threads_share_it(kind: str) -> None:
    """One makes it, whichever comes first."""
    cell: OnceCell[object] = OnceCell()

    async def make() -> object:
        await asyncio.sleep(0.001)
        return object()

    async def main() -> object:
        return await cell.get_or_init(make)

    values = in_threads(main, main, main, host=kind)
    assert 1 == len(set(values))


def test_canceled_asyncio_initialiser_leaves_it_to_the_next() -> None:
    """From plain asyncio tasks."""

    async def main() -> str:
        cell: OnceCell[str] = OnceCell()

        async def slow() -> str:
            await asyncio.sleep(60)
            return "slow"

        async def quick() -> str:
            return "quick"

        async def use(make: Any) -> str:
            return await cell.get_or_init(make)

        first = asyncio.ensure_future(use(slow))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(use(quick))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await second

    assert "quick" == asyncio.run(main())
