"""Random programs over sets: whatever happens, each member has one fate, and nothing is left."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import rescind
from rescind import Canceled, Completed, Error, FutureSet, concurrently, sleep, timeout
from tests.combinators.kit import virtual


@dataclass(frozen=True)
class Plan:
    """How one member behaves: for how long, how it ends, how long it cleans up, what it adds."""

    seconds: float
    ends: str
    cleanup: float
    adds: tuple[Plan, ...] = ()


@dataclass
class Books:
    """What became of each member, by its number."""

    added: int = 0
    begun: set[int] = field(default_factory=set[int])
    open: set[int] = field(default_factory=set[int])
    fetched: dict[int, str] = field(default_factory=dict[int, str])
    back: list[int] = field(default_factory=list[int])
    made: set[int] = field(default_factory=set[int])
    raised: set[int] = field(default_factory=set[int])
    most: int = 0


seconds = st.sampled_from([0.0, 0.5, 1.0, 2.0])
ends = st.sampled_from(["value", "error", "absorb", "never", "cleanup error"])
leaves = st.builds(Plan, seconds, ends, seconds)
plans = st.recursive(
    leaves,
    lambda inner: st.builds(Plan, seconds, ends, seconds, st.tuples(inner)),
    max_leaves=3,
)
steps = st.one_of(
    st.tuples(st.just("add"), plans),
    st.tuples(st.just("next"), seconds),
    st.tuples(st.just("sleep"), seconds),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("cancel_all"), st.none()),
)


async def member(plan: Plan, number: int, books: Books, s: FutureSet[int, int]) -> int:
    """Behave as planned, and write it down."""
    books.begun.add(number)
    books.open.add(number)
    books.most = max(books.most, len(books.open))
    try:
        try:
            await (rescind.never() if plan.ends == "never" else sleep(plan.seconds))
        except rescind.Cancellation:
            await sleep(plan.cleanup)
            if plan.ends == "absorb":
                books.made.add(number)
                return number
            if plan.ends == "cleanup error":
                books.raised.add(number)
                raise ValueError(number) from None
            raise
        for following in plan.adds:
            add(following, books, s)
        if plan.ends == "error":
            books.raised.add(number)
            raise ValueError(number)
        books.made.add(number)
        return number
    finally:
        books.open.discard(number)


def add(plan: Plan, books: Books, s: FutureSet[int, int]) -> None:
    """Add a member under the next number."""
    number = books.added
    books.added += 1
    assert number == s.add(member(plan, number, books, s), number)


def note(item: tuple[int, Any] | None, books: Books) -> None:
    """Write down what was fetched; nothing may be fetched twice."""
    if item is not None:
        number, outcome = item
        assert number not in books.fetched
        books.fetched[number] = type(outcome).__name__
        if isinstance(outcome, Completed):
            assert number == outcome.value


async def program(
    script: list[tuple[str, Any]], books: Books, options: dict[str, Any], left: list[Any]
) -> None:
    """Follow the script, then leave the block."""
    async with FutureSet[int, int](on_undelivered=books.back.append, **options) as s:
        left.append(s)
        for what, argument in script:
            if what == "add":
                add(argument, books, s)
            elif what == "next":
                try:
                    note(await timeout(s.next(), argument), books)
                except rescind.TimedOut:
                    pass
            elif what == "sleep":
                await sleep(argument)
            elif what == "cancel":
                s.cancel(argument)
            else:
                s.cancel_all()


class Log(logging.Handler):
    """Which members' failures were logged."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.exc_info is not None
        self.failures.append(int(str(record.exc_info[1])))


@given(
    script=st.lists(steps, max_size=12),
    limit=st.sampled_from([None, 1, 2]),
    biased=st.booleans(),
    cancel_at=st.sampled_from([None, 0.0, 0.5, 1.0, 2.5]),
)
@settings(max_examples=300, deadline=None)
def test_every_member_has_exactly_one_fate(
    script: list[tuple[str, Any]], limit: int | None, biased: bool, cancel_at: float | None
) -> None:
    """Fetched, handed back, logged, or canceled without news: each once; the limit held (P52)."""
    books, left = Books(), list[Any]()
    log = Log()
    logger = logging.getLogger("rescind")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(log)
    try:
        ended = virtual(
            lambda: program(script, books, {"limit": limit, "biased": biased}, left),
            cancel_at=cancel_at,
        )
    finally:
        logger.removeHandler(log)
        logger.propagate = propagate
    assert isinstance(ended.outcome, (Completed, Canceled))
    assert (set(), True) == (books.open, limit is None or books.most <= limit)
    values = {number for number, how in books.fetched.items() if how == "Completed"}
    assert sorted(books.made) == sorted([*values, *books.back])
    # A failure is either in an outcome that was fetched, or in the log, once.
    logged = log.failures
    assert len(logged) == len(set(logged))
    assert books.raised == {n for n in books.fetched if n in books.raised} | set(logged)
    assert not set(logged) & set(books.fetched)
    for number, how in books.fetched.items():
        assert (how == "Completed") == (number in books.made)
        if how == "Error":
            assert number in books.raised
    if left:
        statistics = left[0].statistics()
        assert (0, 0, 0, books.added, len(books.fetched)) == (
            statistics.waiting,
            statistics.running,
            statistics.unfetched,
            statistics.added,
            statistics.fetched,
        )


@given(
    items=st.lists(st.tuples(seconds, st.sampled_from(["value", "value", "error"])), max_size=8),
    limit=st.integers(1, 3),
    ordered=st.booleans(),
    outcomes=st.booleans(),
    block=st.booleans(),
    stop=st.sampled_from([None, 1, 3]),
    pace=st.sampled_from([0.0, 1.5]),
    cancel_at=st.sampled_from([None, 0.0, 0.5, 1.0, 2.5]),
)
@settings(max_examples=300, deadline=None)
def test_every_item_has_exactly_one_fate(
    *,
    items: list[tuple[float, str]],
    limit: int,
    ordered: bool,
    outcomes: bool,
    block: bool,
    stop: int | None,
    pace: float,
    cancel_at: float | None,
) -> None:
    """No value is lost or doubled, no more than ``limit`` run, in order if that was asked for."""
    made: set[int] = set()
    back: list[Any] = []
    got: list[Any] = []
    running: set[int] = set()
    most = [0]

    async def work(number: int) -> int:
        running.add(number)
        most[0] = max(most[0], len(running))
        try:
            await sleep(items[number][0])
            if items[number][1] == "error":
                raise ValueError(number)
            made.add(number)
            return number
        finally:
            running.discard(number)

    async def consume(results: Any) -> None:
        async for result in results:
            got.append(result)
            await sleep(pace)
            if len(got) == stop:
                break

    async def main() -> None:
        results = concurrently(
            work,
            range(len(items)),
            limit=limit,
            ordered=ordered,
            on_error="outcomes" if outcomes else "raise",  # type: ignore[arg-type]
            on_undelivered=back.append,
        )
        if block:
            async with results:
                await consume(results)
        else:
            await consume(results)

    logger = logging.getLogger("rescind")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler := logging.NullHandler())
    try:
        ended = virtual(main, cancel_at=cancel_at)
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
    values = [r.value if isinstance(r, Completed) else r for r in got if not isinstance(r, Error)]
    assert (set(), True) == (running, most[0] <= limit)
    assert sorted(made) == sorted([*values, *back])
    if ordered:
        assert values == sorted(values)
    if isinstance(ended.outcome, Error):
        assert not outcomes
        assert isinstance(ended.outcome.exception, ValueError)
    elif isinstance(ended.outcome, Completed) and stop is None:
        assert len(got) == len(items)
