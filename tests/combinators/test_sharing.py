"""`abortable`, `shared`, `now_or_never`, `join_or_cancel`."""

import threading
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancelReason,
    Completed,
    Error,
    TaskCanceled,
    abortable,
    join,
    join_or_cancel,
    never,
    now,
    now_or_never,
    ready,
    shared,
    sleep,
    spawn,
)
from rescind.lowlevel import PENDING
from rescind.testing import run_virtual
from tests.combinators.kit import (
    BY_HAND,
    Ended,
    Hand,
    Ledger,
    Probe,
    by_hand,
    kinds,
    sweep,
    virtual,
)

# -- abortable -------------------------------------------------------------------------------------


def test_abort_cancels_drains_and_raises_the_reason() -> None:
    """Aborted while parked: canceled, drained, TaskCanceled with the reason."""
    probe = Probe(cleanup=True)
    future, handle = abortable(probe)
    hand = Hand(future)
    hand.poll()
    handle.abort(BY_HAND)
    woken = hand.wakes
    answers = [hand.poll(), hand.poll()]
    probe.clean()
    answer = hand.poll()
    assert ([PENDING, PENDING], 1, [BY_HAND] * 2) == (answers, woken, probe.reasons)
    assert isinstance(answer, Error)
    assert (TaskCanceled, BY_HAND) == (type(answer.exception), answer.exception.reason)  # type: ignore[attr-defined]


def test_abort_before_the_first_poll_runs_nothing() -> None:
    """Aborted unpolled: dropped, and the await raises (R5)."""
    probe = Probe()
    future, handle = abortable(probe)
    handle.abort("early")
    answer = Hand(future).poll()
    assert (TaskCanceled, (0, 0, 1)) == (type(getattr(answer, "exception", None)), probe.vector)


def test_first_abort_stands_and_abort_after_the_end_is_a_no_op() -> None:
    """Two aborts: the first reason; after the end nothing happens."""
    future, handle = abortable(ready(1))
    hand = Hand(future)
    answer, wakes = hand.poll(), hand.wakes
    handle.abort("one")
    handle.abort("two")
    assert (Completed(1), wakes, True) == (answer, hand.wakes, handle.aborted)
    assert handle.reason is not None
    assert ("one", CancelKind.EXPLICIT) == (handle.reason.message, handle.reason.kind)


def test_value_that_is_there_is_delivered_despite_the_abort() -> None:
    """The leaf has its value when the abort comes: the value is delivered (R7, R16)."""
    leaf = Probe()

    async def child() -> Any:
        return await leaf

    future, handle = abortable(child())
    hand = Hand(future)
    hand.poll()
    leaf.give("value")
    handle.abort()
    assert Completed("value") == hand.poll()


def test_abort_from_another_thread_wakes_the_task() -> None:
    """abort() may be called from any thread."""

    def aborter(handle: rescind.AbortHandle) -> None:
        handle.abort("from a thread")

    async def main() -> str:
        future, handle = abortable(never())
        task = spawn(future)
        await sleep(0)
        thread = threading.Thread(target=aborter, args=(handle,))
        thread.start()
        thread.join()
        outcome = await task.join()
        assert isinstance(outcome, Error)
        return str(outcome.exception.reason.message)  # type: ignore[attr-defined]

    assert Completed("from a thread") == virtual(main).outcome


def test_outer_cancel_of_an_abortable_is_that_of_its_future() -> None:
    """Canceled by the parent: Canceled with the parent's reason, children drained."""
    probe = Probe(cleanup=True)
    hand = Hand(abortable(probe)[0])
    hand.poll()
    request = by_hand()
    assert hand.cancel(request) is PENDING
    probe.clean()
    assert Canceled(BY_HAND) == hand.cancel(request)


def test_abortable_canceled_at_every_park_leaves_nothing() -> None:
    """Waiting and being aborted: drained wherever the parent is canceled too."""

    async def main(ledger: Ledger) -> str:
        future, handle = abortable(ledger.work("a", 9, cleanup=2))

        async def aborter() -> None:
            await sleep(1)
            handle.abort("enough")

        try:
            await join(future, aborter())
        except TaskCanceled:
            return "aborted"
        return "value"

    found = sweep(main)
    assert {"+a", "-a"} == {event for swept in found for event in swept.ledger.events}
    assert {"Canceled", "Completed('aborted')"} == set(kinds(found))


# -- shared ----------------------------------------------------------------------------------------


def test_shared_runs_once_and_gives_everybody_the_result() -> None:
    """Three subscribers, before and after the end: one run, the same value for all (P51)."""
    ledger = Ledger()
    result = object()

    async def main() -> Any:
        one = shared(ledger.work("a", 2, result))
        await sleep(1)
        before = list(ledger.events)
        found = await join(one, one, one)
        return before, [value is result for value in (*found, await one)], one.peek()

    assert Ended(Completed(([], [True] * 4, Completed(result))), 3.0) == virtual(main)
    assert ["+a", "-a"] == ledger.events


def test_shared_error_is_everybodys() -> None:
    """The same exception for every subscriber (H3)."""
    boom = KeyError("boom")

    async def main() -> Any:
        one = shared(Ledger().work("a", 1, boom))
        return await rescind.outcomes(one, one)

    assert Completed((Error(boom), Error(boom))) == virtual(main).outcome


def test_one_subscribers_cancel_is_invisible_to_the_others() -> None:
    """The first in line, who polls, is canceled: the next one goes on polling (H1, P51)."""
    ledger = Ledger()

    async def main() -> Any:
        one = shared(ledger.work("a", 3, "a"))
        tasks = [spawn(_await(one)) for _ in range(3)]
        await sleep(1)
        canceled = await tasks[0].cancel()
        return type(canceled), [await task for task in tasks[1:]]

    assert Ended(Completed((Canceled, ["a", "a"])), 3.0) == virtual(main)
    assert ["+a", "-a"] == ledger.events


async def _await(one: Any) -> Any:
    return await one


def test_cancel_of_the_polling_subscriber_between_wake_and_poll_hands_the_poll_on() -> None:
    """The wake-up was for one who leaves: the next in line is woken instead (H1)."""
    probe = Probe()
    one = shared(probe)
    first, second = Hand(one.into_future()), Hand(one.into_future())
    first.poll()
    second.poll()
    probe.give("value")
    wakes = (first.wakes, second.wakes)
    first.drop()
    assert ((1, 0), 1, Completed("value")) == (wakes, second.wakes, second.poll())


def test_last_subscriber_that_leaves_cancels_and_drains() -> None:
    """Both are canceled: the last one drains the future, with its cleanup (H2)."""
    ledger = Ledger()

    async def main() -> Any:
        one = shared(ledger.work("a", 9, cleanup=2))
        tasks = [spawn(_await(one)) for _ in range(2)]
        await sleep(1)
        await tasks[0].cancel()
        first_at, alive = now(), list(ledger.open)
        await tasks[1].cancel()
        return first_at, alive, now(), one.peek()

    ended = virtual(main)
    assert isinstance(ended.outcome, Completed)
    first_at, alive, last_at, peeked = ended.outcome.value
    assert (1.0, ["a"], 3.0, Canceled, []) == (
        first_at,
        alive,
        last_at,
        type(peeked),
        ledger.open,
    )


@pytest.mark.parametrize("factory", [False, True])
def test_await_after_the_cancellation(factory: bool) -> None:
    """A future stays canceled: TaskCanceled; a function is called anew (P51)."""
    ledger = Ledger()

    async def main() -> Any:
        one: Any = (
            shared(lambda: ledger.work("a", 2, "a")) if factory else shared(ledger.work("a", 2))
        )
        task = spawn(_await(one))
        await sleep(1)
        await task.cancel()
        try:
            return await one
        except TaskCanceled as exc:
            return exc.reason.message

    assert Completed("a" if factory else "the last subscriber left") == virtual(main).outcome


def test_dropping_the_last_subscription_drops_the_future() -> None:
    """Two subscriptions dropped: with the second the future is dropped, once (R3)."""
    probe = Probe()
    one = shared(probe)
    first, second = Hand(one.into_future()), Hand(one.into_future())
    first.poll()
    second.poll()
    first.drop()
    before = probe.vector
    second.drop()
    assert ((1, 0, 0), (1, 0, 1)) == (before, probe.vector)


def test_unpolled_subscription_neither_starts_nor_cancels() -> None:
    """A subscription that was never polled is none."""
    probe = Probe()
    one = shared(probe)
    hand = Hand(one.into_future())
    assert (Canceled(BY_HAND), (0, 0, 0)) == (hand.cancel(), probe.vector)
    probe.drop()


def test_shared_canceled_at_every_park_leaves_nothing() -> None:
    """Two children share one future: canceled at any park, it is drained, once."""

    async def main(ledger: Ledger) -> Any:
        one = shared(ledger.work("a", 2, "a", cleanup=1))
        return await join(one, one)

    found = sweep(main)
    assert [["+a", "-a"]] * len(found) == [swept.ledger.events for swept in found]
    assert "Completed(('a', 'a'))" == kinds(found)[-1]


def _cycle(names: str, between: Any) -> tuple[Any, list[str]]:
    """Make shared futures that await each other in a circle; return the first, and what they saw.

    Each awaits the next by ``between(next)``.
    """
    ring: list[Any] = []
    seen: list[str] = []

    async def member(name: str, number: int) -> str:
        await sleep(0.1)
        try:
            await between(ring[(number + 1) % len(ring)])
        except rescind.UsageError as exc:
            seen.append(f"{name}: {str(exc).partition(') ')[2]}")
        return name

    ring += [shared(member(name, number)) for number, name in enumerate(names)]
    return ring, seen


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
@pytest.mark.parametrize(
    "between",
    [lambda one: one, lambda one: join(one, sleep(1)), lambda one: rescind.timeout(one, 1e9)],
    ids=["itself", "in a join", "in a timeout"],
)
def test_shared_that_waits_for_itself_is_refused(names: str, between: Any) -> None:
    """H4: at the await that closes the circle, however long that is; the others go on."""
    ring, seen = _cycle(names, between)

    async def main() -> str:
        first: str = await ring[0]
        return first

    refused = f"{names[-1]}: waits for itself, so it could never end"
    assert (Completed("a"), [refused]) == (run_virtual(main()), seen)


def test_circle_of_shared_futures_with_a_subscriber_each_is_refused() -> None:
    """H4: they wait for each other, though none is polled inside of another."""
    ring, seen = _cycle("abc", lambda one: one)

    async def main() -> tuple[str, ...]:
        return await join(*ring)

    assert (Completed(("a", "b", "c")), 1) == (run_virtual(main()), len(seen))


def test_shared_future_may_be_awaited_on_several_ways_that_meet() -> None:
    """H4 refuses circles only: two others that await the same one are none."""
    one = shared(sleep(0.1))

    async def way(number: int) -> int:
        await one
        return number

    async def main() -> tuple[int, ...]:
        ways = [shared(way(number)) for number in (1, 2)]
        return await join(*ways, *ways)

    assert Completed((1, 2, 1, 2)) == run_virtual(main())


# -- now_or_never ----------------------------------------------------------------------------------


def test_now_or_never_polls_once() -> None:
    """Ready: its outcome. Failed: an Error. Pending: dropped, None."""
    boom = KeyError("boom")
    probe = Probe()

    async def fails() -> None:
        raise boom

    assert (Completed(1), Error(boom), None) == (
        now_or_never(ready(1)),
        now_or_never(fails()),
        now_or_never(probe),
    )
    assert (1, 0, 1) == probe.vector


def test_now_or_never_has_a_budget_of_its_own() -> None:
    """What is ready is had, however hot the task is; and the task is no cooler for it (D7)."""

    async def value() -> int:
        return await ready(1)

    async def main() -> tuple[Any, int]:
        executor = rescind.current_runtime().executor
        while executor.budget > 0:
            await ready(None)
        found = now_or_never(value())
        return found, executor.budget

    assert Completed((Completed(1), 0)) == run_virtual(main)


def test_now_or_never_leaves_no_timer() -> None:
    """A pending sleep is dropped with its timer."""

    async def main() -> tuple[Any, int]:
        return now_or_never(sleep(5)), rescind.current_runtime().statistics().timers

    assert Completed((None, 0)) == virtual(main).outcome


# -- join_or_cancel --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["value", "error", "canceled"])
def test_join_or_cancel_gives_what_the_task_gives(end: str) -> None:
    """Not canceled: the value, the exception, or TaskCanceled, as ``await task`` does."""
    boom = KeyError("boom")

    async def main() -> Any:
        task = spawn(Ledger().work("t", 1, boom if end == "error" else "value"))
        if end == "canceled":
            task.cancel("by somebody else")
        try:
            return await join_or_cancel(task)
        except (KeyError, TaskCanceled) as exc:
            return type(exc)

    expected = {"value": "value", "error": KeyError, "canceled": TaskCanceled}[end]
    assert Completed(expected) == virtual(main).outcome


def test_join_or_cancel_takes_the_task_along() -> None:
    """I am canceled: the task is canceled because of it, drained, and I am Canceled (P50)."""
    ledger = Ledger()
    reasons: list[CancelReason] = []

    async def main() -> None:
        task = spawn(ledger.work("t", 9, cleanup=2))
        try:
            await join_or_cancel(task)
        finally:
            outcome = task.outcome()
            assert isinstance(outcome, Canceled)
            reasons.append(outcome.reason)

    ended = virtual(main, cancel_at=1)
    [reason] = reasons
    assert (3.0, Canceled, ["+t", "-t"]) == (ended.at, type(ended.outcome), ledger.events)
    assert (CancelKind.PARENT, "its joiner was canceled", "outside") == (
        reason.kind,
        reason.message,
        reason.cause.message if reason.cause else None,
    )


def test_join_or_cancel_delivers_a_value_that_came_after_all() -> None:
    """The task absorbs its cancellation and completes: its value is handed to me (P50)."""
    log: list[Any] = []

    async def stubborn() -> str:
        try:
            await never()
        except Cancellation:
            await sleep(2)
        return "after all"

    async def main() -> None:
        log.append(await join_or_cancel(spawn(stubborn())))
        await sleep(1)

    ended = virtual(main, cancel_at=1)
    assert (3.0, Canceled, ["after all"]) == (ended.at, type(ended.outcome), log)


def test_plain_join_leaves_the_task_alone() -> None:
    """For contrast: a canceled joiner never cancels the joined (R17, P7)."""

    async def main() -> Any:
        task = spawn(Ledger().work("t", 3, "kept"))
        joiner = spawn(_await(task))
        await sleep(1)
        return type(await joiner.cancel()), await task

    assert Ended(Completed((Canceled, "kept")), 3.0) == virtual(main)


def test_join_or_cancel_canceled_at_every_park_never_gives_a_third_case() -> None:
    """Canceled, or the value; nothing else; the task has ended either way (P50)."""

    async def main(ledger: Ledger) -> Any:
        return await join_or_cancel(spawn(ledger.work("t", 1, "t", cleanup=1)))

    found = sweep(main)
    assert {"Canceled", "Completed('t')"} == set(kinds(found))


def test_now_or_never_keeps_what_it_had_to_abandon() -> None:
    """R10: a coroutine that goes on after its close is said so, and kept from the collector."""

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await rescind.never()
            except GeneratorExit:
                pass

    async def main() -> tuple[str, int]:
        try:
            rescind.now_or_never(stubborn())
        except rescind.RescindError as exc:
            kept = rescind.current_runtime().statistics().abandoned
            return type(exc).__name__, kept
        return "nothing", 0

    assert rescind.Completed(("Abandoned", 1)) == run_virtual(main)


def test_shared_future_that_waits_for_a_task_which_awaits_it_is_named_as_a_deadlock() -> None:
    """It is not refused, since somebody may cancel either; nobody does."""

    async def work() -> None:
        await rescind.spawn(again(), name="again").join()

    async def again() -> None:
        await both

    async def main() -> None:
        await both

    both = shared(work)
    with pytest.raises(rescind.Deadlock) as caught:
        run_virtual(main)
    (again_waits, work_waits) = str(caught.value).splitlines()[-2:]
    assert again_waits.split()[:2] == ["again", "shared(<coroutine"]
    assert "child 0: " in work_waits
    assert " join of <Task " in work_waits
    assert "'again' parked>" in work_waits


def test_shared_future_that_waits_for_a_task_which_awaits_it_goes_on_if_that_is_canceled() -> None:
    """Why it is not refused: the task's end is what the future waits for."""
    tasks: list[rescind.Task[None]] = []

    async def work() -> rescind.Outcome[None]:
        tasks.append(rescind.spawn(again()))
        return await tasks[0].join()

    async def again() -> None:
        await both

    async def main() -> None:
        user = rescind.spawn(both.into_future())
        await rescind.sleep(1)
        tasks[0].cancel("one of them")
        assert isinstance(await user, Canceled)

    both = shared(work)
    run_virtual(main).unwrap()
