"""The guard around hand-written futures: the faults it finds, the good citizens it leaves be."""

from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, UsageError
from rescind._core.watched import Watched, watched
from rescind.lowlevel import PENDING, CancelRequest, Context, Future, Waker
from rescind.testing import CountingWaker, context, poll_cancel_once
from tests.core.kit import Bench, Leaf, SlowLeaf, request


class Scripted(Future[Any]):
    """A future whose `poll` is a function of itself and the context."""

    def __init__(self, poll: Callable[["Scripted", Context], Any]) -> None:
        self.script = poll
        self.kept: list[object] = []
        self.drops = 0

    def poll(self, cx: Context) -> Any:
        return self.script(self, cx)

    def drop(self) -> None:
        self.drops += 1


class Inner:
    """Not a future: something that holds a waker."""

    def __init__(self) -> None:
        self.waker: Waker | None = None


def never_read(fut: Scripted, cx: Context) -> object:
    """The waker is not even looked at."""
    return PENDING


def read_and_not_kept(fut: Scripted, cx: Context) -> object:
    """It is read, into a local."""
    waker = cx.waker
    assert waker is not None
    return PENDING


def kept_in_a_local_that_dies(fut: Scripted, cx: Context) -> object:
    """A list holds it, and lets go."""
    waiters = [cx.waker, cx]
    waiters.clear()
    return PENDING


def passed_on_to_one_that_lets_go(fut: Scripted, cx: Context) -> object:
    """An object that dies holds it."""
    inner = Inner()
    inner.waker = cx.waker
    return PENDING


def keeps_the_waker(fut: Scripted, cx: Context) -> object:
    """As documented."""
    fut.kept = [cx.waker]
    return PENDING


def keeps_the_context(fut: Scripted, cx: Context) -> object:
    """It is in there."""
    fut.kept = [cx]
    return PENDING


def keeps_the_bound_wake(fut: Scripted, cx: Context) -> object:
    """A method holds its object."""
    fut.kept = [cx.waker.wake]
    return PENDING


def keeps_it_in_a_closure(fut: Scripted, cx: Context) -> object:
    """A callback holds it."""
    waker = cx.waker
    fut.kept = [lambda: waker.wake()]  # noqa: PLW0108 - the closure is what holds it
    return PENDING


def hands_it_to_another_object(fut: Scripted, cx: Context) -> object:
    """A source of events holds it."""
    inner = Inner()
    inner.waker = cx.waker
    fut.kept = [inner]
    return PENDING


def polls_an_inner_future(fut: Scripted, cx: Context) -> object:
    """An inner future holds it."""
    if not fut.kept:
        fut.kept = [Leaf("inner")]
    return fut.kept[0].poll(cx)  # type: ignore[attr-defined]


def derives_a_context(fut: Scripted, cx: Context) -> object:
    """An inner future holds it, by way of another context."""
    leaf = Leaf("inner")
    fut.kept = [leaf]
    return leaf.poll(cx.derive(deadline_at=1.0))


def wakes_itself(fut: Scripted, cx: Context) -> object:
    """Nobody needs to hold it: it is woken already."""
    cx.waker.wake()
    return PENDING


LOST = [never_read, read_and_not_kept, kept_in_a_local_that_dies, passed_on_to_one_that_lets_go]
KEPT = [
    keeps_the_waker,
    keeps_the_context,
    keeps_the_bound_wake,
    keeps_it_in_a_closure,
    hands_it_to_another_object,
    polls_an_inner_future,
    derives_a_context,
    wakes_itself,
]


@pytest.mark.parametrize("poll", LOST)
def test_lost_waker_is_reported_at_once(poll: Callable[[Scripted, Context], object]) -> None:
    """PENDING with nothing that could wake it: a UsageError with the remedy; dropped once."""
    fut = Scripted(poll)
    guard = Watched(fut)
    with pytest.raises(UsageError) as caught:
        guard.poll(context())
    assert (
        "Scripted.poll returned PENDING without storing cx.waker, so nothing could ever wake it. "
        "Store it before returning, as in 'self.waker = cx.waker; return PENDING', and call wake() "
        "when there is progress"
    ) == str(caught.value)
    guard.drop()
    assert 1 == fut.drops


@pytest.mark.parametrize("poll", KEPT)
def test_stored_waker_is_no_false_alarm(poll: Callable[[Scripted, Context], object]) -> None:
    """However it is held, directly or by what holds it, poll after poll: PENDING is believed."""
    fut = Scripted(poll)
    guard = Watched(fut)
    assert [PENDING] * 4 == [guard.poll(context()) for _ in range(4)]
    guard.drop()
    assert 1 == fut.drops


def test_waker_kept_from_an_earlier_poll_wakes_the_latest_owner() -> None:
    """A future that stores the waker once only is right: it passes on to the latest one (R1)."""

    def stores_once(fut: Scripted, cx: Context) -> object:
        if not fut.kept:
            fut.kept = [cx.waker]
        return PENDING

    fut, first, second = Scripted(stores_once), CountingWaker(), CountingWaker()
    guard = Watched(fut)
    guard.poll(context(first))
    guard.poll(context(second))
    assert isinstance(fut.kept[0], Waker)
    fut.kept[0].wake()
    assert (0, 1) == (first.wakes, second.wakes)


def test_waker_let_go_after_a_wake_up_is_found_at_the_next_poll() -> None:
    """Stored at first, woken, let go, polled again without storing: that is a lost waker too."""

    def stores_first_time_only(fut: Scripted, cx: Context) -> object:
        fut.kept = [cx.waker] if fut.drops == 0 and not fut.kept else []
        return PENDING

    guard = Watched(Scripted(stores_first_time_only))
    assert PENDING is guard.poll(context())
    with pytest.raises(UsageError, match="without storing"):
        guard.poll(context())


def test_pending_cancel_without_a_stored_waker_is_reported() -> None:
    """The cleanup may hang as a poll may: the message names `poll_cancel`."""

    class Hanging(Scripted):
        def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
            self.kept = []
            return PENDING

    guard = Watched(Hanging(keeps_the_waker))
    guard.poll(context())
    with pytest.raises(UsageError, match=r"^.*Hanging\.poll_cancel returned PENDING without"):
        poll_cancel_once(guard)


def test_pending_cancel_with_a_stored_waker_goes_on() -> None:
    """A cleanup that awaits: PENDING, a wake-up, and then its outcome."""
    slow, waker = SlowLeaf(), CountingWaker()
    guard = Watched(slow)
    guard.poll(context())
    ask = request()
    assert PENDING is guard.poll_cancel(context(waker), ask)
    slow.settle(Canceled(ask.reason))
    assert (1, Canceled(ask.reason)) == (waker.wakes, guard.poll_cancel(context(waker), ask))
    assert ["leaf: poll", "leaf: cancel", "leaf: cancel"] == slow.trace


def test_polling_from_inside_the_poll_is_refused() -> None:
    """A re-entrant poll raises inside; the outer poll may go on (R1)."""
    caught: list[str] = []

    def polls_itself(fut: Scripted, cx: Context) -> object:
        for act in (lambda: guard.poll(cx), lambda: guard.poll_cancel(cx, request()), guard.drop):
            try:
                act()
            except UsageError as exc:
                caught.append(str(exc))
        return "done"

    fut = Scripted(polls_itself)
    guard = Watched(fut)
    outcome = guard.poll(context())
    assert [
        f"{fut!r} was polled from inside its own poll; to be polled again, call cx.waker.wake()",
        f"{fut!r} was polled from inside its own poll; to be polled again, call cx.waker.wake()",
        f"{fut!r} cannot be dropped while it is being polled",
    ] == caught
    assert ("done", 0) == (outcome, fut.drops)


def test_async_poll_is_refused_and_its_coroutine_closed() -> None:
    """`async def poll` would be an output that is a coroutine: it is closed, without a warning."""

    class Confused(Future[None]):
        async def poll(self, cx: Context) -> None:  # type: ignore[override]
            raise AssertionError("never runs")

    with pytest.raises(UsageError) as caught:
        Watched(Confused()).poll(context())
    assert (
        f"{Confused.__qualname__}.poll must be a plain function, not an 'async def': return "
        "PENDING or the output"
    ) == str(caught.value)


def test_context_of_the_poll_is_passed_on() -> None:
    """Executor, cell and deadline are those of the latest poll."""
    seen: list[tuple[object, ...]] = []

    def look(fut: Scripted, cx: Context) -> object:
        fut.kept = [cx]
        seen.append((cx.executor, cx.cell, cx.deadline_at))
        return PENDING

    with Bench() as bench:
        guard = Watched(Scripted(look))
        guard.poll(Context(CountingWaker(), bench.executor, None, 5.0))
        guard.poll(context())
        assert [(bench.executor, None, 5.0), (None, None, None)] == seen
        guard.drop()


def test_own_futures_are_not_watched() -> None:
    """Rescind's own keep the protocol; a user's future is wrapped, and looks like itself."""
    ready, leaf = rescind.ready(1), Leaf()
    guard = watched(leaf)
    assert (ready, Watched, "<leaf>") == (watched(ready), type(guard), repr(guard))


def test_lost_waker_of_an_awaited_future_is_raised_at_the_await() -> None:
    """In a task the fault appears where the future is awaited, so that it can be found."""
    with Bench() as bench:

        async def main() -> str:
            try:
                await Scripted(never_read)
            except UsageError as exc:
                return str(exc)[:35]
            return "nothing"

        task = bench.spawn(main())
        bench.idle()
        assert Completed("Scripted.poll returned PENDING with") == task.outcome()
