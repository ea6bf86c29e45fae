"""The poll protocol: defaults, single use, contexts, and what is refused."""

import pytest

import rescind
from rescind import Canceled, Completed, PolledAfterCompletion, UsageError
from rescind._core.poll import polled_after_end, take
from rescind.lowlevel import PENDING, Context, Future, IntoFuture, NoopWaker, Pending, Waker
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once
from tests.core.kit import Bench, Leaf, interpreted, request


class Slotted(Future[int]):
    """A user's future with slots, but none for the mark of its owner."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def poll(self, cx: Context) -> int:
        return self.value


class Again(IntoFuture[str]):
    """Can be awaited any number of times."""

    def into_future(self) -> Future[str]:
        return rescind.ready("fresh")


def test_pending_is_one_object_that_shows_its_name() -> None:
    """Compared by identity; printed as it is written."""
    assert (PENDING, "PENDING", [PENDING]) == (Pending("pending"), repr(PENDING), list(Pending))


def test_pending_has_no_truth_value() -> None:
    """`if fut.poll(cx):` would be wrong for a value that is false; the message has the remedy."""
    with pytest.raises(UsageError) as caught:
        bool(PENDING)
    expected = "PENDING has no truth value; compare it by identity: 'if fut.poll(cx) is PENDING'"
    assert expected == str(caught.value)


def test_future_without_a_poll_names_its_class() -> None:
    """A subclass that forgot `poll` is told so."""

    class Empty(Future[None]):
        pass

    with pytest.raises(NotImplementedError) as caught:
        Empty().poll(context())
    assert f"{Empty.__qualname__} must define poll(self, cx)" == str(caught.value)


def test_default_poll_cancel_drops_and_is_canceled() -> None:
    """R4: a hand-written future is canceled correctly without writing a line for it."""
    leaf, ask = Leaf(), request("why")
    assert Canceled(ask.reason) == Future.poll_cancel(leaf, context(), ask)
    assert ["leaf: drop"] == leaf.trace


def test_default_drop_does_nothing() -> None:
    """A future that holds nothing needs no drop."""
    assert poll_cancel_once(Slotted(1), request=(ask := request())) == Canceled(ask.reason)


def test_take_marks_a_future_once() -> None:
    """F2: the second owner is refused; the message says what became of it and what to use."""
    leaf = Leaf()
    assert leaf is take(leaf, "awaited")
    with pytest.raises(UsageError) as caught:
        take(leaf, "spawned")
    assert (
        "<leaf> cannot be spawned: it was already awaited, spawned or given to a combinator. A "
        "future is single-use; make a new one, or use rescind.shared(...) to await one result "
        "several times"
    ) == str(caught.value)


@interpreted
def test_slotted_future_without_room_for_the_mark_is_taken_unmarked() -> None:
    """F2: it cannot be checked, but it works."""
    future = Slotted(7)
    assert (future, future, Completed(7)) == (
        take(future, "x"),
        take(future, "x"),
        poll_once(future),
    )


def test_future_awaited_where_nothing_drives_it_is_refused() -> None:
    """Neither a runtime nor an asyncio task: a UsageError that says what to run, not a hang."""

    async def main() -> None:
        await Leaf()

    coro = main()
    with pytest.raises(UsageError, match=r"<leaf> was awaited where no runtime runs; use rescind"):
        coro.send(None)


def test_future_awaited_without_any_bridge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core alone, without the hosts, says the same."""
    from rescind._core.current import foreign

    monkeypatch.setattr(foreign, "drive", None)
    with pytest.raises(UsageError) as caught:
        next(Leaf().__await__())
    expected = "<leaf> was awaited where no runtime runs; use rescind.run(...)"
    assert expected == str(caught.value)


def test_future_awaited_twice_is_refused_in_a_task() -> None:
    """F2 at the await."""
    with Bench() as bench:
        fut = rescind.ready(1)

        async def main() -> None:
            await fut
            await fut

        task = bench.spawn(main())
        bench.idle()
        with pytest.raises(UsageError, match=r"^ready\(1\) cannot be awaited: it was already"):
            task.unwrap()


def test_into_future_is_awaited_any_number_of_times() -> None:
    """What is no future itself makes a new one for each await."""
    with Bench() as bench:
        again = Again()

        async def main() -> list[str]:
            return [await again, await again]

        task = bench.spawn(main())
        bench.idle()
        assert Completed(["fresh", "fresh"]) == task.outcome()


def test_interfaces_without_an_implementation_say_so() -> None:
    """`Waker.wake` and `IntoFuture.into_future` are for subclasses."""
    with pytest.raises(NotImplementedError):
        Waker().wake()
    with pytest.raises(NotImplementedError):
        IntoFuture().into_future()


def test_noop_waker_wakes_nobody() -> None:
    """It can be called and does nothing."""
    assert NoopWaker().wake() is None  # type: ignore[func-returns-value]


def test_polled_after_end_names_the_future() -> None:
    """R1: a PolledAfterCompletion, which is a UsageError."""
    with pytest.raises(PolledAfterCompletion) as caught:
        polled_after_end(rescind.ready(1))
    expected = (
        "ready(1) was polled after it had ended; its output was already given out: keep that, "
        "or use rescind.shared(...) to await one result several times"
    )
    assert expected == str(caught.value)


def test_derived_context_keeps_everything_that_is_not_given() -> None:
    """Waker, executor, cell and deadline go inwards."""
    with Bench() as bench:
        cx = Context(CountingWaker(), bench.executor, None, 5.0)
        inner = cx.derive()
        assert (cx.waker, cx.executor, cx.cell, 5.0) == (
            inner.waker,
            inner.executor,
            inner.cell,
            inner.deadline_at,
        )


def test_derived_context_takes_another_waker() -> None:
    """The outer context stays as it was."""
    cx, waker = context(), CountingWaker()
    assert (waker, True) == (cx.derive(waker=waker).waker, cx.waker is not waker)


@pytest.mark.parametrize(
    ("outer", "given", "inner"),
    [(None, None, None), (None, 3.0, 3.0), (2.0, None, 2.0), (2.0, 3.0, 2.0), (3.0, 2.0, 2.0)],
)
def test_derived_deadline_is_the_earlier_one(
    outer: float | None, given: float | None, inner: float | None
) -> None:
    """R21: the effective deadline is the smallest on the path."""
    cx = Context(NoopWaker(), deadline_at=outer)
    assert inner == cx.derive(deadline_at=given).deadline_at


def test_context_by_hand_has_no_runtime() -> None:
    """What needs a clock is refused by name, with the ways to give it one."""
    with pytest.raises(UsageError) as caught:
        context().runtime("sleep")
    assert (
        "sleep needs a runtime's clock, but it is polled by hand, without one: give its Context an "
        "executor, or run it with rescind.run(...) or run_virtual(...)"
    ) == str(caught.value)


def test_context_with_an_executor_gives_it() -> None:
    """Polled by hand with a clock."""
    with Bench() as bench:
        assert bench.executor is context(executor=bench.executor).runtime("sleep")
