"""Combinators: the cases of futures-rs (abortable, select, shared) and futures-concurrency."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    TaskCanceled,
    UsageError,
    abortable,
    join,
    never,
    now_or_never,
    race,
    race_ok,
    ready,
    shared,
    sleep,
    spawn,
)
from rescind.lowlevel import PENDING, Context, Future
from rescind.testing import CountingWaker, context, poll_once

from .support import Boom, Flag, by_hand, settle


def drive(future: Future[Any]) -> Any:
    """Poll by hand for as long as that wakes: losers are canceled in a round of their own."""
    waker = CountingWaker()
    cx = context(waker)
    while True:
        before = waker.wakes
        outcome = poll_once(future, cx)
        if outcome is not PENDING or waker.wakes == before:
            return outcome


# -- abortable ---------------------------------------------------------------------------------


def test_abortable_gives_the_value_if_nobody_aborts() -> None:
    """Futures-rs future_abortable, resolves: the wrapper is transparent."""
    future, handle = abortable(ready(7))
    assert (Completed(7), False) == (poll_once(future), handle.aborted)


def test_abort_wakes_the_waiting_task_once() -> None:
    """Futures-rs future_abortable, wakes: one wake for any number of aborts; the first stands."""
    waker = CountingWaker()
    flag = Flag()
    future, handle = abortable(flag)
    cx = context(waker)
    before = poll_once(future, cx)
    handle.abort("first")
    handle.abort("second")
    woken = waker.wakes
    after = poll_once(future, cx)
    assert isinstance(after, Error)
    assert isinstance(after.exception, TaskCanceled)
    assert (PENDING, 1, "first", 1) == (before, woken, after.exception.reason.message, flag.drops)


def test_aborted_before_the_first_poll_never_polls() -> None:
    """Futures-rs abortable: the flag is looked at before the inner future."""
    flag = Flag()
    future, handle = abortable(flag)
    handle.abort()
    outcome = poll_once(future)
    assert isinstance(outcome, Error)
    assert ("TaskCanceled", 0, 1) == (type(outcome.exception).__name__, flag.polls, flag.drops)


def test_abort_of_a_future_that_is_ready_keeps_its_value() -> None:
    """Futures-rs: ties go to the abort; here completion wins, since the value would be lost
    (R16).
    """
    flag = Flag()
    future, handle = abortable(flag)
    poll_once(future)
    flag.set(7)
    handle.abort()
    assert Completed(7) == poll_once(future)


def test_abort_of_a_coroutine_whose_leaf_is_ready_keeps_its_value() -> None:
    """R7: the same through a coroutine: the leaf is polled before it is canceled."""
    flag = Flag()

    async def body() -> Any:
        return await flag

    future, handle = abortable(body())
    poll_once(future)
    flag.set(7)
    handle.abort()
    assert Completed(7) == poll_once(future)


def test_abort_after_the_end_is_a_no_op() -> None:
    """Futures-rs: the handle reads aborted although the future completed; its value stands."""
    future, handle = abortable(ready(7))
    first = poll_once(future)
    handle.abort()
    assert (Completed(7), True) == (first, handle.aborted)


def test_abort_from_a_thread_ends_the_await(host: Any) -> None:
    """Futures-rs: the handle works from any thread; here the future is drained before the await."""
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        finally:
            await sleep(0)
            trace.append("cleaned")

    async def main() -> str | None:
        future, handle = abortable(body())
        thread = threading.Thread(target=lambda: handle.abort("thread"))
        thread.start()
        try:
            with pytest.raises(TaskCanceled) as caught:
                await future
        finally:
            thread.join()
        return caught.value.reason.message

    with host() as runtime:
        message = runtime.block_on(main())
        # Aborted before or after the first poll: both are legal.
        assert ("thread", True) == (message, trace in ([], ["cleaned"]))


def test_dropping_the_abort_handle_does_nothing() -> None:
    """Futures-rs: a handle that is dropped aborts nothing."""
    flag = Flag()
    future, handle = abortable(flag)
    poll_once(future)
    del handle
    gc.collect()
    flag.set(7)
    assert Completed(7) == poll_once(future)


# -- race --------------------------------------------------------------------------------------


def test_race_of_none_is_refused() -> None:
    """Futures-concurrency race, empty: it panics there; here it is an error that says why."""
    with pytest.raises(UsageError, match="at least one") as caught:
        race()
    assert "never end" in str(caught.value)


@pytest.mark.parametrize("winner", range(3))
def test_race_of_one_ready_gives_it_at_any_position(winner: int) -> None:
    """Futures-concurrency race tuple/array/vec: whichever is ready wins; the others are dropped."""
    flags = [Flag() for _ in range(3)]
    future = race(*flags)
    first = poll_once(future)
    flags[winner].set(winner)
    outcome = drive(future)
    drops = [flag.drops for flag in flags]
    assert (PENDING, Completed(winner), [int(n != winner) for n in range(3)]) == (
        first,
        outcome,
        drops,
    )


def test_race_polls_in_argument_order_at_first_and_in_wake_order_later() -> None:
    """Futures-rs select: fairness; here by order of waking, or by argument if biased (R18)."""
    order: list[str] = []

    class Noting(Flag):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def poll(self, cx: Context) -> Any:
            order.append(self.name)
            return super().poll(cx)

    for biased, expected in ((False, "abccba"), (True, "abcabc")):
        order.clear()
        flags = [Noting(name) for name in "abc"]
        future = race(*flags, biased=biased)
        poll_once(future)
        for flag in reversed(flags):
            flag.nudge()
        poll_once(future)
        assert expected == "".join(order)


def test_race_polls_only_the_woken_child() -> None:
    """FuturesUnordered: a child that was not woken is not polled."""
    flags = [Flag() for _ in range(3)]
    future = race(*flags)
    poll_once(future)
    flags[1].nudge()
    poll_once(future)
    assert [1, 2, 1] == [flag.polls for flag in flags]


def test_race_hands_the_second_value_to_on_undelivered() -> None:
    """Futures-rs hands the loser back to the parent; a loser that completed is handed over (R7)."""
    undelivered: list[int] = []
    flags = [Flag(), Flag()]

    async def body(flag: Flag) -> Any:
        return await flag

    future = race(*(body(flag) for flag in flags), on_undelivered=undelivered.append)
    poll_once(future)
    flags[1].set(1)
    flags[0].set(0)
    outcome = poll_once(future)
    assert (Completed(1), [0]) == (outcome, undelivered)


def test_race_drains_the_loser_before_the_winner_is_known() -> None:
    """Holk: the result is held until the loser's cleanup is done (R19)."""
    trace: list[str] = []
    cleanup = Flag()

    async def loser() -> None:
        try:
            await never()
        finally:
            trace.append("cleanup")
            await cleanup
            trace.append("cleaned")

    async def main() -> str:
        result = await race(loser(), ready("winner"))
        trace.append("result")
        return str(result)

    with by_hand() as rt:
        task = rt.runtime.spawn(main())
        rt.settle()
        held = task.done()
        cleanup.set()
        rt.settle()
        assert (False, Completed("winner"), ["cleanup", "cleaned", "result"]) == (
            held,
            task.outcome(),
            trace,
        )


def test_race_tells_the_loser_why() -> None:
    """P46: the loser's reason has the kind, and names the winner."""
    from rescind import Cancellation

    seen: list[object] = []

    async def loser() -> None:
        try:
            await never()
        except Cancellation as exc:
            seen.append((exc.reason.kind, exc.reason.message))
            raise

    async def main() -> None:
        await race(loser(), ready(1))

    with by_hand() as rt:
        rt.runtime.block_on(main())
        assert [(CancelKind.RACE_LOST, "lost to child 1")] == seen


def test_race_canceled_as_a_whole_cancels_every_child_once() -> None:
    """Futures-rs: dropping the select drops all; here all are drained, each with the reason."""
    with by_hand() as rt:
        flags = [Flag() for _ in range(3)]
        task = rt.runtime.spawn(race(*flags))
        rt.turn()
        task.cancel("outer")
        rt.settle()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert ("outer", [1, 1, 1]) == (outcome.reason.message, [flag.drops for flag in flags])


def test_polling_a_race_after_its_end_is_refused() -> None:
    """Futures-concurrency race, resume after completion: asserts there, refused here."""
    future = race(ready(1))
    drive(future)
    again = poll_once(future)
    assert isinstance(again, Error)
    assert "PolledAfterCompletion" == type(again.exception).__name__


# -- race_ok -----------------------------------------------------------------------------------


async def fails(text: str, flag: Flag | None = None) -> Any:
    """Raise, at once or when the flag is set."""
    if flag is not None:
        await flag
    raise Boom(text)


def test_race_ok_all_ok_gives_the_first() -> None:
    """Futures-concurrency race_ok, all_ok."""
    assert Completed(1) == poll_once(race_ok(ready(1), ready(2)))


def test_race_ok_one_err_gives_the_success() -> None:
    """Futures-concurrency race_ok, one_err: a failure does not end it."""
    assert Completed(2) == poll_once(race_ok(fails("a"), ready(2)))


def test_race_ok_all_err_gives_every_error_in_argument_order() -> None:
    """Futures-concurrency race_ok, all_err: the aggregate keeps the input order, whoever came
    first.
    """
    flags = [Flag(), Flag()]
    future = race_ok(fails("a", flags[0]), fails("b", flags[1]))
    poll_once(future)
    flags[1].set()
    poll_once(future)
    flags[0].set()
    outcome = poll_once(future)
    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, ExceptionGroup)
    assert ["a", "b"] == [str(exc) for exc in outcome.exception.exceptions]


def test_race_ok_resume_after_completion_is_refused() -> None:
    """Futures-concurrency race_ok, resume_after_completion."""
    future = race_ok(ready(1))
    poll_once(future)
    again = poll_once(future)
    assert isinstance(again, Error)
    assert "PolledAfterCompletion" == type(again.exception).__name__


def test_race_ok_lets_each_error_go_once_the_race_is_won() -> None:
    """Futures-concurrency race_ok, drop_errors: a collected error dies with the race."""
    gone: list[weakref.ref[Boom]] = []

    async def failing() -> int:
        error = Boom("collected")
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.collect()
    gc.disable()
    try:
        flag = Flag()
        future = race_ok(failing(), flag)
        poll_once(future)
        flag.set(7)
        outcome = poll_once(future)
        del future
        assert (Completed(7), None) == (outcome, gone[0]())
    finally:
        gc.enable()


# -- join --------------------------------------------------------------------------------------


def test_join_of_none_is_empty_at_once() -> None:
    """Futures-concurrency join, empty; futures-rs join_all of none."""
    assert Completed(()) == poll_once(join())


def test_join_keeps_the_order_of_the_arguments() -> None:
    """Futures-concurrency join, smoke: values in argument order, in whatever order they came."""
    flags = [Flag() for _ in range(3)]
    future = join(*flags)
    seen = [poll_once(future)]
    for number in (2, 0, 1):
        flags[number].set(number)
        seen.append(poll_once(future))
    assert [PENDING, PENDING, PENDING, Completed((0, 1, 2))] == seen


def test_join_wakes_the_parent_once_for_each_child() -> None:
    """Tokio macros_join, two_await: each child wakes the parent, and only it is polled."""
    waker = CountingWaker()
    flags = [Flag(), Flag()]
    future = join(*flags)
    cx = context(waker)
    poll_once(future, cx)
    flags[0].set()
    first = waker.wakes
    poll_once(future, cx)
    flags[1].set()
    assert (1, 2, [2, 1]) == (first, waker.wakes, [flag.polls for flag in flags])


def test_join_fails_with_the_first_error_while_others_are_pending() -> None:
    """Tokio macros_try_join, err_abort_early: siblings are canceled, drained; then it raises."""
    flags = [Flag(), Flag()]
    future = join(fails("a", flags[0]), never(), flags[1])
    poll_once(future)
    flags[0].set()
    outcome = drive(future)
    assert isinstance(outcome, Error)
    assert ("a", 1) == (str(outcome.exception), flags[1].drops)


def test_a_pending_child_is_dropped_with_its_join() -> None:
    """Futures-concurrency join, does_not_leak_memory: an unfinished join drops what is pending."""
    ended, pending = Flag(), Flag()
    ended.set(1)
    future = join(ended, pending)
    poll_once(future)
    future.drop()
    assert ([0, 1], [1, 1]) == ([ended.drops, pending.drops], [ended.polls, pending.polls])


def test_join_does_not_poll_a_child_again_that_has_ended() -> None:
    """Futures-concurrency issue_135: neither after its end, nor after that of the whole."""
    flags = [Flag(), Flag()]
    flags[0].set(0)
    future = join(*flags)
    poll_once(future)
    flags[1].nudge()
    poll_once(future)
    flags[1].set(1)
    poll_once(future)
    again = poll_once(future)
    assert isinstance(again, Error)
    assert ("PolledAfterCompletion", [1, 3]) == (
        type(again.exception).__name__,
        [flag.polls for flag in flags],
    )


def test_a_child_that_is_always_ready_does_not_starve_its_sibling() -> None:
    """Tokio macros_join, does_not_allow_tasks_to_starve: the budget is shared in rounds."""
    steps = [0, 0]

    async def hot(index: int) -> None:
        while steps[index] < 1000:
            steps[index] += 1
            await ready(None)

    async def main() -> None:
        await join(hot(0), hot(1))

    worst = 0
    with by_hand(budget=16) as rt:
        task = rt.runtime.spawn(main())
        while not task.done():
            rt.executor.turn()
            worst = max(worst, abs(steps[0] - steps[1]))
            if rt.runtime.statistics().steps > 10_000:
                break
    assert (True, [1000, 1000]) == (task.done(), steps)


def test_a_finished_childs_frame_is_gone_while_its_sibling_runs() -> None:
    """Tokio, futures-concurrency: a finished child's future is destroyed at once inside the
    join.
    """

    class Local:
        pass

    refs: list[weakref.ref[Local]] = []

    async def body(flag: Flag) -> None:
        local = Local()
        refs.append(weakref.ref(local))
        await flag

    flag = Flag()
    future = join(body(flag), never())
    poll_once(future)
    before = refs[0]() is not None
    flag.set()
    poll_once(future)
    assert (True, None) == (before, refs[0]())
    future.drop()


# -- shared ------------------------------------------------------------------------------------


def test_shared_is_polled_once_for_all_and_wakes_all() -> None:
    """Futures-rs future_shared, threads: many waiters, one run, one value for all."""
    flag = Flag()

    async def main() -> object:
        both = shared(flag)

        async def waits() -> object:
            return await both

        tasks = [spawn(waits()) for _ in range(5)]
        await settle()
        flag.set("value")
        return [await task for task in tasks]

    with by_hand() as rt:
        assert (["value"] * 5, 2) == (rt.runtime.block_on(main()), flag.polls)


def test_shared_goes_on_when_the_one_that_drove_it_leaves() -> None:
    """Futures-rs future_shared, drop_on_one_task_ok: another takes over the polling."""
    flag = Flag()
    both = shared(flag)
    first, second = both.into_future(), both.into_future()
    wakers = [CountingWaker(), CountingWaker()]
    poll_once(first, context(wakers[0]))
    poll_once(second, context(wakers[1]))
    first.drop()
    flag.set(7)
    wakes = [waker.wakes for waker in wakers]
    outcome = poll_once(second, context(wakers[1]))
    assert ([0, 1], Completed(7), 0) == (wakes, outcome, flag.drops)


def test_shared_that_was_woken_hands_the_poll_on_when_its_driver_leaves() -> None:
    """Futures-rs future_shared: the driver is woken, and dropped before it polls: nothing
    is lost.
    """
    flag = Flag()
    both = shared(flag)
    first, second = both.into_future(), both.into_future()
    wakers = [CountingWaker(), CountingWaker()]
    poll_once(first, context(wakers[0]))
    poll_once(second, context(wakers[1]))
    flag.set(7)
    first.drop()
    assert (1, 1, Completed(7)) == (
        wakers[0].wakes,
        wakers[1].wakes,
        poll_once(second, context(wakers[1])),
    )


def test_shared_is_dropped_with_its_last_subscriber() -> None:
    """Futures-rs future_shared, drop_in_poll and counts: dropped exactly once, by the last."""
    flag = Flag()
    both = shared(flag)
    subscribers = [both.into_future() for _ in range(3)]
    for one in subscribers:
        poll_once(one)
    drops = []
    for one in subscribers:
        one.drop()
        drops.append(flag.drops)
    assert [0, 0, 1] == drops


def test_shared_peek_sees_only_what_was_polled_out() -> None:
    """Futures-rs future_shared, peek: nothing before the first poll, the value after it."""
    both = shared(ready(7))
    before = both.peek()
    poll_once(both.into_future())
    assert (None, Completed(7)) == (before, both.peek())


def test_shared_gives_every_subscriber_the_same_failure() -> None:
    """Futures-rs future_shared, panic_while_poll: every clone sees it, late ones too."""
    both = shared(fails("once"))
    seen = [poll_once(both.into_future()) for _ in range(3)]
    texts = [str(one.exception) for one in seen if isinstance(one, Error)]
    identities = {id(one.exception) for one in seen if isinstance(one, Error)}
    assert (["once"] * 3, 1) == (texts, len(identities))


def test_shared_whose_future_wakes_itself_is_polled_again_not_at_once() -> None:
    """Futures-rs future_shared, self-waking: a wake during the poll is one more poll, no
    recursion.
    """

    class SelfWaking(Future[int]):
        polls = 0

        def poll(self, cx: Context) -> Any:
            self.polls += 1
            if self.polls == 3:
                return 7
            cx.waker.wake()
            return PENDING

    inner = SelfWaking()

    async def main() -> int:
        return await shared(inner)

    with by_hand() as rt:
        assert (7, 3) == (rt.runtime.block_on(main()), inner.polls)


def test_shared_from_a_function_starts_anew_after_everybody_left() -> None:
    """P51: canceled iff all have left; a later await of a factory restarts it."""
    flags: list[Flag] = []

    def make() -> Flag:
        flags.append(Flag())
        return flags[-1]

    both = shared(make)
    first = both.into_future()
    poll_once(first)
    first.drop()
    second = both.into_future()
    poll_once(second)
    flags[1].set(7)
    assert (Completed(7), 2, [1, 0]) == (
        poll_once(second),
        len(flags),
        [flag.drops for flag in flags],
    )


# -- now_or_never ------------------------------------------------------------------------------


def test_now_or_never_polls_once_and_drops_what_is_pending() -> None:
    """Futures-rs now_or_never, futures-lite poll_once: a cancel primitive."""
    flag = Flag()
    assert (None, Completed(7), 1, 1) == (
        now_or_never(flag),
        now_or_never(ready(7)),
        flag.polls,
        flag.drops,
    )
