"""`concurrently`: so many calls at a time, results as they come, everything drained and closed."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    Progress,
    TaskCanceled,
    TimedOut,
    UsageError,
    concurrently,
    ready,
    sleep,
    timeout,
)
from tests.combinators.kit import Ended, Ledger, kinds, sweep, virtual


class Bench:
    """A function of seconds, and a book of its calls."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.under_way = 0
        self.most = 0
        self.begun: list[Any] = []
        self.reasons: list[CancelKind] = []

    async def work(self, seconds: float) -> float:
        """Sleep; fail after 13 s; clean up for one."""
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.begun.append(seconds)
        try:
            with self.ledger.entry(f"{seconds}"):
                try:
                    await sleep(seconds)
                except rescind.Cancellation as exc:
                    self.reasons.append(exc.reason.kind)
                    await sleep(1)
                    raise
                if seconds == 13:
                    raise ValueError(seconds)
                return seconds
        finally:
            self.under_way -= 1


class Source:
    """An async generator that notes what is pulled from it, and when it is closed."""

    def __init__(self, *items: Any, each: float = 0, cleanup: float = 0) -> None:
        self.items = items
        self.each = each
        self.cleanup = cleanup
        self.pulled: list[Any] = []
        self.closed: list[float] = []
        self.started = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.iterate()

    async def iterate(self) -> AsyncIterator[Any]:
        """Yield the items; raise those that are exceptions."""
        self.started = True
        try:
            for item in self.items:
                if self.each:
                    await sleep(self.each)
                if isinstance(item, BaseException):
                    raise item
                self.pulled.append(item)
                yield item
        finally:
            try:
                if self.cleanup:
                    await sleep(self.cleanup)
            finally:
                self.closed.append(rescind.now())


def collected(
    items: Any, *, bench: Bench | None = None, block: bool = True, **options: Any
) -> Ended:
    """Run ``work`` over the items in virtual time, and collect ``(result, when)``."""
    work = (bench or Bench()).work

    async def main() -> list[Any]:
        if block:
            async with concurrently(work, items, **options) as results:
                return [(r, rescind.now()) async for r in results]
        return [(r, rescind.now()) async for r in concurrently(work, items, **options)]

    return virtual(main)


both = pytest.mark.parametrize("block", [True, False], ids=["block", "plain"])
sources = pytest.mark.parametrize(
    "wrap", [list, lambda items: Source(*items)], ids=["sync", "async"]
)


# -- order and limit -------------------------------------------------------------------------------


@both
@sources
def test_results_come_in_the_order_of_ends(wrap: Any, block: bool) -> None:
    """At most ``limit`` are under way; one that is handed out makes room for the next (Y1)."""
    bench = Bench()
    ended = collected(wrap([3, 1, 2, 1]), bench=bench, block=block, limit=2)
    assert Ended(Completed([(1, 1.0), (3, 3.0), (2, 3.0), (1, 4.0)]), 4.0) == ended
    assert (2, [3, 1, 2, 1], []) == (bench.most, bench.begun, bench.ledger.open)


@both
@sources
def test_ordered_gives_the_results_in_the_order_of_items(wrap: Any, block: bool) -> None:
    """Those that wait for an earlier one count against the limit: memory is bounded (Y1)."""
    bench = Bench()
    ended = collected(wrap([3, 1, 2, 1]), bench=bench, block=block, limit=2, ordered=True)
    assert Completed([(3, 3.0), (1, 3.0), (2, 5.0), (1, 5.0)]) == ended.outcome
    assert (2, [3, 1, 2, 1]) == (bench.most, bench.begun)


@both
@sources
def test_nothing_to_do_is_the_end(wrap: Any, block: bool) -> None:
    """An empty source gives no result."""
    assert Ended(Completed([]), 0.0) == collected(wrap([]), block=block, limit=2)


@sources
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_a_slow_body_holds_the_calls_back(wrap: Any, ordered: bool) -> None:
    """Results that were not fetched count: no more than ``limit`` are ever computed ahead (Y1)."""
    bench = Bench()
    ahead: list[int] = []

    async def main() -> None:
        async with concurrently(bench.work, wrap([1] * 12), limit=3, ordered=ordered) as results:
            handled = 0
            async for _ in results:
                await sleep(100)
                handled += 1
                ahead.append(len(bench.begun) - handled)

    virtual(main)
    assert (12, 3) == (len(ahead), max(ahead))


def test_calls_run_while_the_body_handles_a_result() -> None:
    """The body's own awaits cost no time: ``limit`` calls are under way meanwhile (R22)."""

    async def main() -> float:
        async with concurrently(Bench().work, [2, 2, 2, 2], limit=1) as results:
            async for _ in results:
                await sleep(2)
        return rescind.now()

    assert Completed(10.0) == virtual(main).outcome


def test_items_are_pulled_only_when_there_is_room() -> None:
    """Neither a generator nor an async one is asked for more than can begin (Y1)."""
    pulled: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            number += 1
            pulled.append(number)
            yield number

    source = Source(*range(1, 100))

    async def main() -> Any:
        for items in (endless(), source):
            async with concurrently(Bench().work, items, limit=3) as results:
                await sleep(0.5)
                async for _ in results:
                    break

    virtual(main)
    assert ([1, 2, 3, 4], [1, 2, 3, 4]) == (pulled, source.pulled)


# -- failures --------------------------------------------------------------------------------------


@both
@sources
def test_the_first_failure_cancels_the_others_and_is_raised_after_them(
    wrap: Any, block: bool
) -> None:
    """What had ended before it comes first; the others are drained (Y2)."""
    bench = Bench()
    got: list[float] = []

    async def main() -> None:
        results = concurrently(bench.work, wrap([20, 13, 2, 30, 40]), limit=3)
        if block:
            async with results:
                async for r in results:
                    got.append(r)
        else:
            async for r in results:
                got.append(r)

    ended = virtual(main)
    assert isinstance(ended.outcome, Error)
    assert ("ValueError(13)", 14.0, [2]) == (repr(ended.outcome.exception), ended.at, got)
    assert ["call number 1 of concurrently() failed"] == ended.outcome.exception.__notes__
    assert ([20, 13, 2, 30], [CancelKind.SIBLING_FAILED] * 2) == (bench.begun, bench.reasons)
    assert [] == bench.ledger.open


def test_a_failure_cancels_at_once_even_if_the_body_is_busy() -> None:
    """The others do not run on until somebody asks for the next result (Y2)."""
    bench = Bench()

    async def main() -> None:
        async with concurrently(bench.work, [1, 13, 30], limit=3) as results:
            async for _ in results:
                await sleep(100)

    ended = virtual(main)
    assert isinstance(ended.outcome, Error)
    assert ["+1", "+13", "+30", "-1", "-13", "-30"] == bench.ledger.events
    assert [CancelKind.SIBLING_FAILED] == bench.reasons


def test_ordered_results_before_the_failure_are_handed_out() -> None:
    """Up to the first gap; what comes behind it goes to ``on_undelivered`` (Y2, Y3)."""
    back: list[float] = []
    got: list[float] = []

    async def main() -> None:
        async with concurrently(
            Bench().work, [1, 2, 30, 13, 3], limit=5, ordered=True, on_undelivered=back.append
        ) as results:
            await sleep(20)
            async for r in results:
                got.append(r)

    ended = virtual(main)
    assert isinstance(ended.outcome, Error)
    assert ([1, 2], [3]) == (got, back)


def test_other_failures_are_kept_with_the_first() -> None:
    """What fails while it is drained is in the notes of what is raised (Y3, R20)."""

    async def work(n: int) -> None:
        try:
            await sleep(n)
        finally:
            raise ValueError(n)

    async def main() -> None:
        async with concurrently(work, [1, 5, 6], limit=3) as results:
            async for _ in results:
                pass

    outcome = virtual(main).outcome
    assert isinstance(outcome, Error)
    assert ("1", ["5", "6"]) == (str(outcome.exception), [str(exc) for exc in outcome.also])


@both
@sources
def test_outcomes_never_fail(wrap: Any, block: bool) -> None:
    """With ``on_error="outcomes"`` a failure is a result; a call that was canceled too."""
    bench = Bench()

    async def work(n: float) -> float:
        if n == 7:
            raise asyncio.CancelledError("by a library")
        return await bench.work(n)

    async def main() -> Any:
        results = concurrently(work, wrap([20, 13, 7, 1]), limit=2, on_error="outcomes")
        if not block:
            return [type(o).__name__ async for o in results]
        async with results:
            return [type(o).__name__ async for o in results]

    assert Completed(["Error", "Canceled", "Completed", "Completed"]) == virtual(main).outcome


def test_a_call_that_was_canceled_by_somebody_else_fails() -> None:
    """As a child of `join` does: with TaskCanceled, which is no cancellation of mine (R17)."""

    async def work(_: int) -> None:
        raise asyncio.CancelledError("by a library")

    async def main() -> None:
        async with concurrently(work, [1], limit=2) as results:
            async for _ in results:
                pass

    outcome = virtual(main).outcome
    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, TaskCanceled)
    assert "by a library" == outcome.exception.reason.message


@sources
@pytest.mark.parametrize("on_error", ["raise", "outcomes"])
def test_a_source_that_fails_ends_it(wrap: Any, on_error: Any) -> None:
    """Whatever is to be done with failing calls: there are no more items."""
    boom = KeyError("boom")

    def failing() -> Iterator[Any]:
        yield 1
        raise boom

    items = failing() if wrap is list else Source(1, boom)
    ended = collected(items, limit=3, on_error=on_error)
    assert (Error(boom), 0.0) == (ended.outcome, ended.at)
    assert ["the source of the items failed"] == boom.__notes__


def test_after_the_end_there_is_nothing_more() -> None:
    """An iterator that has ended, or failed, stays so; in the block and without."""

    async def main() -> Any:
        found: list[Any] = []
        for items in ([1], [13]):
            plain = concurrently(Bench().work, items, limit=1)
            block = concurrently(Bench().work, items, limit=1)
            for results in (plain, await block.__aenter__()):
                try:
                    found.append([r async for r in results])
                except ValueError:
                    found.append("failed")
                found.append([r async for r in results])
            await block.__aexit__(None, None, None)
        return found

    assert Completed([[1], [], [1], [], "failed", [], "failed", []]) == virtual(main).outcome


# -- bad input -------------------------------------------------------------------------------------


def test_a_function_that_is_not_async_is_named() -> None:
    """The error says what it returned, and the calls under way are drained."""
    ledger = Ledger()

    def work(n: int) -> Any:
        return ledger.work("good", 5) if n else n

    async def main() -> None:
        async with concurrently(work, [1, 0], limit=2) as results:
            async for _ in results:
                pass

    outcome = virtual(main).outcome
    assert isinstance(outcome, Error)
    assert "needs an async function, but test_a_function_that" in str(outcome.exception)
    assert "returned 0, which cannot be awaited" in str(outcome.exception)
    assert [] == ledger.open


def test_a_call_that_raises_before_it_is_awaited_fails_like_any_other() -> None:
    """A plain function that returns awaitables may raise: that is the call's outcome."""

    def work(n: int) -> Any:
        return ready(1 // n)

    async def main() -> Any:
        async with concurrently(work, [1, 0], limit=2, on_error="outcomes") as results:
            return [type(o).__name__ async for o in results]

    assert Completed(["Completed", "Error"]) == virtual(main).outcome


@pytest.mark.parametrize(
    ("fn", "items", "options", "error", "words"),
    [
        (3, [], {}, TypeError, "needs an async function of one item"),
        (ready, 3, {}, TypeError, "needs an iterable, sync or async, not 3"),
        (ready, [], {"limit": 0}, ValueError, "at least 1"),
        (ready, [], {"limit": None}, TypeError, "must be an int"),
        (ready, [], {"on_error": "ignore"}, ValueError, "on_error must be"),
        (ready, [], {"on_progress": 3}, TypeError, "on_progress must be a plain function"),
        (ready, [], {"on_progress": Bench().work}, TypeError, "on_progress must be"),
        (ready, [], {"grace": -1}, ValueError, "grace"),
    ],
)
def test_bad_arguments_are_refused(
    fn: Any, items: Any, options: Any, error: type[Exception], words: str
) -> None:
    """At the call, before anything runs."""
    call: Any = concurrently
    with pytest.raises(error, match=words):
        call(fn, items, **{"limit": 1, **options})


def test_a_coroutine_instead_of_a_function_is_closed() -> None:
    """The mistake is told; there is no warning of a coroutine that was never awaited."""
    with pytest.raises(TypeError, match="needs an async function"):
        concurrently(Bench().work(1), [], limit=1)  # type: ignore[call-overload]
    gc.collect()


def test_the_block_is_entered_once() -> None:
    """And not after iterating without it has begun."""

    async def main() -> None:
        results = concurrently(Bench().work, [1, 2], limit=1)
        await anext(results)
        with pytest.raises(UsageError, match="already entered"):
            async with results:
                pass

    assert Completed(None) == virtual(main).outcome


# -- progress --------------------------------------------------------------------------------------


def test_progress_is_told_at_each_end() -> None:
    """With the total if the source has a length."""
    told: list[Progress] = []

    async def main() -> None:
        for items in ([3, 13, 1], Source(3, 13, 1)):
            async with concurrently(
                Bench().work, items, limit=2, on_error="outcomes", on_progress=told.append
            ) as results:
                async for _ in results:
                    pass

    virtual(main)
    expected = [(1, 0, 1), (2, 0, 1), (2, 1, 0)]
    assert [Progress(*counts, 3) for counts in expected] == told[:3]
    assert [Progress(*counts, None) for counts in expected] == told[3:]


def test_progress_that_raises_is_a_failure() -> None:
    """The calls are canceled and drained, and it is raised."""
    bench = Bench()

    def tell(_: Progress) -> None:
        raise KeyError("told")

    ended = collected([1, 5], bench=bench, limit=2, on_progress=tell)
    assert isinstance(ended.outcome, Error)
    assert ("KeyError('told')", [], 2.0) == (
        repr(ended.outcome.exception),
        bench.ledger.open,
        ended.at,
    )


# -- leaving early ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["break", "raise", "cancel", "nothing"])
def test_leaving_the_block_drains_and_closes(way: str) -> None:
    """The calls are canceled, their cleanup awaited, the source closed, on every way out."""
    bench = Bench()
    source = Source(1, 50, 60, 70, each=0.25, cleanup=2)

    async def main() -> Any:
        async with concurrently(bench.work, source, limit=3) as results:
            if way == "nothing":
                await sleep(2)
                return
            async for _ in results:
                if way == "break":
                    break
                if way == "raise":
                    raise ValueError(way)

    ended = virtual(main, cancel_at=2 if way == "cancel" else None)
    kind = CancelKind.GROUP_EXIT
    assert ([], [kind] * len(bench.reasons)) == (bench.ledger.open, bench.reasons)
    assert (1, ended.at) == (len(source.closed), source.closed[0])
    assert len(bench.reasons) >= 1


def test_a_source_that_is_awaited_is_canceled_and_closed() -> None:
    """Left while the source itself waits for its next item: canceled there, then closed (R8)."""
    source = Source(1, 2, each=10, cleanup=1)

    async def main() -> float:
        async with concurrently(Bench().work, source, limit=3):
            await sleep(5)
        return rescind.now()

    assert (Completed(6.0), [6.0], []) == (virtual(main).outcome, source.closed, source.pulled)


def test_the_source_has_one_identity_throughout() -> None:
    """A deadline inside an async generator spans its yields, as in a plain loop."""

    async def source() -> AsyncIterator[int]:
        async with rescind.deadline(4.5):
            for number in range(1, 10):
                await sleep(1)
                yield number

    async def main() -> Any:
        last = 0
        async with concurrently(ready, source(), limit=1) as results:
            try:
                async for number in results:
                    last = number
            except TimedOut as exc:
                return last, rescind.now(), exc.__notes__

    assert Completed((4, 4.5, ["the source of the items failed"])) == virtual(main).outcome


def test_values_that_were_not_fetched_are_handed_back() -> None:
    """On leaving, ordered or not, once each (Y3)."""
    for ordered in (False, True):
        back: list[float] = []

        async def main(ordered: bool = ordered, back: list[float] = back) -> Any:
            async with concurrently(
                Bench().work, [1, 2, 3, 50], limit=4, ordered=ordered, on_undelivered=back.append
            ) as results:
                first = await anext(results)
                await sleep(10)
            return first

        assert (Completed(1), [2, 3]) == (virtual(main).outcome, back)


def test_a_failure_that_nobody_asked_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The block was left before the failure could be raised: it is not lost (Y3)."""

    async def main() -> str:
        async with concurrently(Bench().work, [13], limit=4):
            await sleep(20)
        return "left"

    with caplog.at_level(logging.ERROR, "rescind"):
        assert Completed("left") == virtual(main).outcome
    assert ["13"] == [str(record.exc_info[1]) for record in caplog.records]  # type: ignore[index]


def test_break_without_a_block_drops_the_calls_at_once() -> None:
    """The iterator goes out of scope, and the calls with it (R3): nobody else is told."""
    log: list[str] = []

    async def work(n: int) -> int:
        try:
            await sleep(n)
        finally:
            log.append(f"end of {n} at {rescind.now():g}")
        return n

    async def main() -> float:
        async for _ in concurrently(work, [1, 50, 60], limit=3):
            break
        log.append("after")
        await sleep(5)
        return rescind.now()

    assert Completed(6.0) == virtual(main).outcome
    assert ["end of 1 at 1", "end of 50 at 1", "end of 60 at 1", "after"] == log


def test_break_without_a_block_still_closes_the_source() -> None:
    """A task closes it, as a loop does with async generators that go out of scope."""
    source = Source(1, 50, 60, cleanup=2)

    async def main() -> Any:
        async for _ in concurrently(Bench().work, source, limit=1):
            break
        await sleep(5)

    virtual(main)
    assert [3.0] == source.closed


def test_a_cancellation_without_a_block_drains() -> None:
    """At the await of a plain loop the calls are canceled and drained before it is raised."""
    bench = Bench()
    source = Source(1, 50, 60, 70, 80, cleanup=2)

    async def main() -> None:
        async for _ in concurrently(bench.work, source, limit=3):
            pass

    ended = virtual(main, cancel_at=2)
    assert isinstance(ended.outcome, Canceled)
    assert (4.0, [], [CancelKind.GROUP_EXIT] * 3) == (ended.at, bench.ledger.open, bench.reasons)
    assert 1 == len(source.closed)


def test_an_iterator_that_was_never_used_does_nothing() -> None:
    """Creating it runs nothing, and dropping it warns of nothing (R1, R3)."""
    source = Source(1)
    concurrently(Bench().work, source, limit=1)
    gc.collect()
    assert [] == source.pulled


# -- cancellation of one fetch ---------------------------------------------------------------------


def test_a_canceled_anext_in_a_block_takes_nothing() -> None:
    """A timeout around one result leaves it for the next (R7)."""

    async def main() -> Any:
        async with concurrently(Bench().work, [3, 5], limit=2) as results:
            with pytest.raises(TimedOut):
                await timeout(anext(results), 2)
            return [(r, rescind.now()) async for r in results]

    assert Completed([(3, 3.0), (5, 5.0)]) == virtual(main).outcome


def test_a_canceled_anext_without_a_block_ends_it() -> None:
    """There it is the only place where the calls can be drained, so they are."""
    bench = Bench()

    async def main() -> Any:
        results = concurrently(bench.work, [3, 5], limit=2)
        with pytest.raises(TimedOut):
            await timeout(anext(results), 2)
        return len(bench.ledger.open), rescind.now(), len([r async for r in results])

    assert Completed((0, 3.0, 0)) == virtual(main).outcome


@both
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_canceled_at_every_park(block: bool, ordered: bool) -> None:
    """Nothing begun is left, the source is closed, each value fetched or handed back (Y3, P45)."""
    books: list[tuple[list[Any], list[Any], list[Any], Source]] = []

    async def program(ledger: Ledger) -> Any:
        made: list[Any] = []
        got: list[Any] = []
        back: list[Any] = []
        source = Source(3, 1, 2, 1, each=0.25, cleanup=0.5)
        books.append((made, got, back, source))

        async def work(n: int) -> int:
            await ledger.work(f"{n}", n, cleanup=0.25)
            made.append(n)
            return n

        results = concurrently(work, source, limit=2, ordered=ordered, on_undelivered=back.append)
        if block:
            async with results:
                async for r in results:
                    got.append(r)
                    with ledger.entry("body"):
                        await sleep(0.5)
        else:
            async for r in results:
                got.append(r)
        return got

    found = sweep(program)
    assert (True, "Canceled") == (len(found) > 10, kinds(found)[0])
    for made, got, back, source in books:
        assert (sorted(made), 1) == (
            sorted([*got, *back]),
            len(source.closed) or not source.started,
        )


def test_many_items_cost_what_they_cost() -> None:
    """Twenty thousand items: steps are linear in them, and nothing is kept."""
    many = 20_000

    async def main() -> Any:
        before = rescind.current_runtime().statistics().steps
        total = 0
        async with concurrently(ready, range(many), limit=100) as results:
            async for _ in results:
                total += 1
            kept = len(results._work)
        return total, kept, rescind.current_runtime().statistics().steps - before < many

    assert Completed((many, 0, True)) == virtual(main).outcome
