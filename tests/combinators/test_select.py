"""`select`: several futures under names; each outcome handled, none left unpolled meanwhile."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import rescind
import rescind.lowlevel
from rescind import Canceled, CancelKind, Completed, UsageError, never, ready, select, sleep
from tests.combinators.kit import Ended, Hand, Ledger, Probe, kinds, sweep, virtual


def test_positional_ones_are_named_by_index_the_others_by_name() -> None:
    """Outcomes come in the order of ends, each under its name."""
    work = Ledger().work

    async def main() -> Any:
        async with select(work("x", 3, "x"), work("y", 1, "y"), z=work("z", 2, "z")) as s:
            return s.keys(), [(name, outcome.unwrap()) async for name, outcome in s]

    expected = ((0, 1, "z"), [(1, "y"), ("z", "z"), (0, "x")])
    assert Ended(Completed(expected), 3.0) == virtual(main)


def test_first_polls_are_in_argument_order() -> None:
    """Nothing is polled before the block is entered (R1); then positional ones come first."""
    log: list[str] = []
    a, b, c = (Probe(name, log) for name in "abc")
    block = select(a, b, name=c)

    async def main() -> None:
        async with block:
            await never()

    hand = Hand(main())
    before = list(log)
    hand.poll()
    hand.poll()
    assert ([], ["a.poll", "b.poll", "c.poll"]) == (before, log)
    hand.drop()


def test_first_gives_the_first_and_leaving_drains_the_rest() -> None:
    """The losers are canceled when the block is left, and waited for (R19)."""
    ledger = Ledger()

    async def main() -> Any:
        async with select(
            fast=ledger.work("fast", 1, 1), slow=ledger.work("slow", 9, cleanup=2)
        ) as s:
            first = await s.first()
        return first, rescind.now()

    assert Completed((("fast", Completed(1)), 3.0)) == virtual(main).outcome
    assert ["+fast", "+slow", "-fast", "-slow"] == ledger.events


def test_first_after_the_last_is_refused() -> None:
    """It would wait for ever: nothing is left that could end."""

    async def main() -> Any:
        async with select(ready(1), ready(2)) as s:
            found = [await s.first(), await s.first()]
            with pytest.raises(UsageError, match="every outcome had been fetched"):
                await s.first()
            return found

    assert Completed([(0, Completed(1)), (1, Completed(2))]) == virtual(main).outcome


def test_a_branch_is_begun_anew_under_its_name() -> None:
    """The loop that other systems get wrong: no branch restarts because another one ended."""
    log: list[Any] = []

    async def read(n: int) -> int:
        await sleep(3)
        return n

    async def main() -> None:
        async with select(read=read(1), tick=sleep(2)) as s:
            async for name, outcome in s:
                log.append((name, rescind.now()))
                assert outcome.unwrap() in (None, 1)
                if len(log) == 5:
                    break
                s.add(sleep(2) if name == "tick" else read(1), name)

    virtual(main)
    assert [("tick", 2.0), ("read", 3.0), ("tick", 4.0), ("read", 6.0), ("tick", 6.0)] == log


def test_unfinished_branches_run_while_a_handler_awaits() -> None:
    """No futurelock: the handler waits for what a branch does, and gets it (R19, R22)."""

    async def main() -> float:
        wakers: list[Any] = []
        done: list[bool] = []

        def wait(cx: Any) -> Any:
            wakers.append(cx.waker)
            return None if done else rescind.lowlevel.PENDING

        async def branch() -> None:
            await sleep(2)
            done.append(True)
            wakers[-1].wake()
            await never()

        async with select(a=branch(), b=sleep(1)) as s:
            name, _ = await s.first()
            assert name == "b"
            await rescind.poll_fn(wait)
            return rescind.now()

    assert Completed(2.0) == virtual(main).outcome


def test_bad_arguments_drop_the_others() -> None:
    """The message tells which argument; nothing is left to be warned of."""
    probe, other = Probe(), Probe()
    with pytest.raises(TypeError, match="expected an awaitable") as caught:
        select(probe, good=other, bad=3)  # type: ignore[call-overload]
    assert ((0, 0, 1), (0, 0, 1)) == (probe.vector, other.vector)
    assert [
        "as argument 2 of select()",
        "the arguments of select() are, in order: 0, good, bad",
    ] == caught.value.__notes__
    with pytest.raises(UsageError, match="at least one future"):
        select()


def test_never_entered_it_runs_nothing() -> None:
    """A select that is forgotten drops its coroutines without a warning (R3)."""
    log: list[str] = []

    async def work() -> None:
        log.append("runs")

    forgotten = repr(select(work(), b=work()))
    gc.collect()
    assert ("<select of 2, not entered>", []) == (forgotten, log)


def test_entered_where_nothing_runs_it_drops_its_futures() -> None:
    """What it was given is not kept for a second attempt that cannot succeed."""
    probe = Probe()
    with pytest.raises(UsageError, match="no runtime and no asyncio loop"):
        select(probe).__aenter__().send(None)
    assert (0, 0, 1) == probe.vector


def test_leaving_cancels_with_the_reason_of_the_block() -> None:
    """Kind GROUP_EXIT, and by whom."""
    probe = Probe()

    async def main() -> None:
        async with select(probe, ready(1)) as s:
            await s.first()

    virtual(main)
    reason = probe.reasons[0]
    assert (CancelKind.GROUP_EXIT, "the block of the select was left") == (
        reason.kind,
        reason.message,
    )
    assert "'main'" in str(reason.by)


def test_canceled_at_every_park() -> None:
    """P45: all branches are canceled and waited for, then the coroutine is canceled."""

    async def program(ledger: Ledger) -> Any:
        async with select(
            ledger.work("a", 1, "a", cleanup=1), b=ledger.work("b", 2, ValueError(), cleanup=1)
        ) as s:
            async for _ in s:
                with ledger.entry("handler"):
                    await sleep(0.5)
        return "done"

    found = sweep(program)
    assert (True, "Canceled") == (len(found) > 6, kinds(found)[0])
    assert all(isinstance(s.outcome, Canceled) for s in found if not s.woken)
