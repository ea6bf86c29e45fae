"""Tasks, their handles and their wakers: the cases of tokio's and async-task's own suites."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from rescind import (
    Canceled,
    Completed,
    Error,
    TaskCanceled,
    UsageError,
    current_task,
    never,
    ready,
    sleep,
    spawn,
    yield_now,
)
from rescind.lowlevel import PENDING, Context, Future, Waker
from rescind.testing import CountingWaker, context, poll_once

from .support import Boom, Flag, by_hand, logged, settle

# -- tokio task_abort --------------------------------------------------------------------------


def test_cancel_of_a_sleeping_task_raises_nothing(host: Any) -> None:
    """Tokio task_abort, without_panic_3157: a sleeping task is canceled; nobody else notices."""

    async def main() -> str:
        task = spawn(sleep(3600))
        await settle()
        task.cancel()
        return type(await task.join()).__name__

    with host() as runtime:
        assert "Canceled" == runtime.block_on(main())


def test_the_cleanup_is_done_when_a_foreign_threads_cancel_is_joined(host: Any) -> None:
    """Tokio task_abort, without_panic_3662: the destructor has run by the time of the join."""
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        finally:
            trace.append(f"cleanup on the loop's thread: {threading.get_ident() == home}")

    home = threading.get_ident()

    async def main() -> list[str]:
        task = spawn(body())
        await settle()
        handle = task.cancellation_handle()
        threading.Thread(target=handle.cancel).start()
        await task.join()
        return list(trace)

    with host() as runtime:
        assert ["cleanup on the loop's thread: True"] == runtime.block_on(main())


def test_a_canceled_task_whose_handle_is_dropped_is_still_torn_down() -> None:
    """Tokio task_abort, wakes_task_3964: the request alone suffices; nobody need join."""
    flag = Flag()
    with by_hand() as rt:
        rt.runtime.spawn(flag)
        rt.turn()
        (task,) = rt.runtime.tasks()
        task.cancel()
        del task
        rt.turn()
        assert (1, 0) == (flag.drops, len(rt.runtime.tasks()))


@pytest.mark.parametrize("payload", ["text", 17, None, ValueError("inner")], ids=repr)
def test_the_text_of_an_error_tells_its_payload(payload: object) -> None:
    """Tokio task_abort, join_error_display: whatever was raised can be read in the outcome."""

    async def fails() -> None:
        raise Boom(payload)

    with by_hand() as rt:
        task = rt.runtime.spawn(fails())
        rt.settle()
        assert f"Error(exception=Boom({payload!r}), also=())" == repr(task.outcome())


def test_the_text_of_a_canceled_join_tells_who_and_why() -> None:
    """Tokio task_abort, join_error_debug: our text also has the reason, which tokio's lacks."""

    async def main() -> str:
        task = spawn(never(), name="victim")
        await settle()
        task.cancel("no longer needed")
        with pytest.raises(TaskCanceled) as caught:
            await task
        return str(caught.value)

    with by_hand() as rt:
        text = rt.runtime.block_on(main())
        found = [
            words in text for words in ("canceled", "no longer needed", "'main'", __file__[-8:])
        ]
        assert [True, True, True, True] == found


# -- tokio task_id, runtime/tests/task ---------------------------------------------------------


def test_ids_are_unique_and_the_same_inside_and_outside() -> None:
    """Tokio task_id: no collisions; the task reads the id that its handle has."""

    async def own() -> int:
        return current_task().id

    with by_hand() as rt:
        tasks = [rt.runtime.spawn(own()) for _ in range(100)]
        rt.settle()
        assert [Completed(task.id) for task in tasks] == [task.outcome() for task in tasks]
        assert 100 == len({task.id for task in tasks})


@pytest.mark.parametrize("ending", ["completed", "canceled", "canceled unpolled"])
def test_the_current_task_can_be_read_in_cleanup_and_in_drop(ending: str) -> None:
    """Tokio task_id, task_local: the id is readable in destructors, on completion and on abort."""
    seen: list[int] = []

    class Leaf(Flag):
        def drop(self) -> None:
            seen.append(current_task().id)

    with by_hand() as rt:
        if ending == "canceled unpolled":
            task: Any = rt.runtime.spawn(Leaf())
            task.cancel()
        else:
            leaf = Leaf()

            async def body() -> None:
                try:
                    await leaf
                finally:
                    seen.append(current_task().id)

            task = rt.runtime.spawn(body())
            rt.turn()
            if ending == "completed":
                leaf.set()
            else:
                task.cancel()
        rt.settle()
        expected = {"completed": 1, "canceled": 2, "canceled unpolled": 1}[ending]
        assert [task.id] * expected == seen


def test_context_variables_of_the_task_are_seen_in_its_cleanup_and_its_drop() -> None:
    """Tokio task_local: a task-local value is readable in the destructor, on abort too."""
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="outside")
    seen: list[str] = []

    class Leaf(Flag):
        def drop(self) -> None:
            seen.append(f"drop {variable.get()}")

    async def body() -> None:
        variable.set("inside")
        try:
            await Leaf()
        finally:
            seen.append(f"cleanup {variable.get()}")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        task.cancel()
        rt.turn()
        assert (["drop inside", "cleanup inside"], "outside") == (seen, variable.get())


def test_there_is_no_current_task_outside_every_task() -> None:
    """Tokio task_id: asking for it outside any task is an error that says so."""
    with pytest.raises(UsageError, match="outside every task") as caught:
        current_task()
    assert "current_task()" in str(caught.value)


def test_handles_keep_neither_the_frame_nor_the_output() -> None:
    """Tokio drop_abort_handle: many handles and copies pin nothing of an ended task."""
    import copy

    class Value:
        pass

    async def body() -> Value:
        return Value()

    gc.collect()
    gc.disable()
    try:
        with by_hand() as rt:
            task = rt.runtime.spawn(body())
            handles = [task.cancellation_handle() for _ in range(3)]
            handles += [copy.copy(handles[0])]
            rt.settle()
            outcome = task.outcome()
            assert isinstance(outcome, Completed)
            value = weakref.ref(outcome.value)
            gone = weakref.ref(task)
            del outcome, task
            assert (None, None, [True] * 4, 1) == (
                value(),
                gone(),
                [handle.done() for handle in handles],
                len(set(handles)),
            )
    finally:
        gc.enable()


def test_one_yield_is_two_steps() -> None:
    """Tokio runtime/tests/task, schedule: a task that yields once takes exactly two polls."""
    with by_hand() as rt:
        rt.runtime.spawn(yield_now())
        assert [1, 1, 0] == [rt.steps_of() for _ in range(3)]


def test_a_task_that_yields_for_ever_dies_at_shutdown() -> None:
    """Tokio runtime/tests/task, shutdown: a never-ending yielder is canceled at its next park."""

    async def yielder() -> None:
        while True:
            await yield_now()

    with by_hand() as rt:
        task = rt.runtime.spawn(yielder())
        rt.turn(5)
    assert "Canceled" == type(task.outcome()).__name__


# -- async-task basic, cancel, join, ready -----------------------------------------------------


def test_cancel_that_waits_gives_the_value_of_a_task_that_had_ended() -> None:
    """Async-task cancel, after run: `cancel().await` yields the value."""

    async def main() -> object:
        task = spawn(ready(7))
        await settle()
        return await task.cancel()

    with by_hand() as rt:
        assert Completed(7) == rt.runtime.block_on(main())


def test_cancel_that_waits_returns_only_when_the_cleanup_is_over() -> None:
    """Async-task cancel: it resolves when the future is really gone; P12: for every canceller."""
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        finally:
            await sleep(5)
            trace.append("cleaned")

    async def canceller(task: Any, name: str) -> None:
        await task.cancel(name)
        trace.append(name)

    async def main() -> None:
        task = spawn(body())
        await settle()
        others = [spawn(canceller(task, name)) for name in ("first", "second")]
        for other in others:
            await other

    with by_hand() as rt:
        rt.runtime.block_on(main())
        assert ["cleaned", "first", "second"] == trace


def test_to_stop_waiting_for_a_cancel_withdraws_nothing() -> None:
    """Async-task cancel: the request stands, whether or not its result is awaited."""

    async def body() -> None:
        try:
            await never()
        finally:
            await sleep(5)

    async def waits(task: Any) -> None:
        await task.cancel("stands")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        waiter = rt.runtime.spawn(waits(task))
        rt.settle()
        waiter.cancel("impatient")
        rt.settle()
        gone = type(waiter.outcome()).__name__, task.done()
        rt.pass_time(5)
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (("Canceled", False), "stands") == (gone, outcome.reason.message)


def test_a_task_can_be_awaited_again_and_again() -> None:
    """Async-task join panics on a second await; here a task is no future, and gives its value
    again.
    """

    async def main() -> list[int]:
        task = spawn(ready(7))
        return [await task, await task, await task]

    with by_hand() as rt:
        assert [7, 7, 7] == rt.runtime.block_on(main())


def test_one_join_future_is_single_use() -> None:
    """Async-task join: polling one join after its end is refused."""
    with by_hand() as rt:
        task = rt.runtime.spawn(ready(7))
        rt.settle()
        join = task.join()
        kinds = [poll_once(join), poll_once(join)]
        assert isinstance(kinds[1], Error)
        assert (Completed(Completed(7)), "PolledAfterCompletion") == (
            kinds[0],
            type(kinds[1].exception).__name__,
        )


def test_a_join_that_was_polled_is_woken_once_and_only_by_its_latest_waker() -> None:
    """Async-task join, poll once then run: the awaiter's newest waker is the one that counts."""
    old, new = CountingWaker(), CountingWaker()
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(flag)
        rt.turn()
        join = task.join()
        pending = [poll_once(join, context(old)), poll_once(join, context(new))]
        flag.set(7)
        rt.turn()
        assert ([PENDING, PENDING], 0, 1, Completed(Completed(7))) == (
            pending,
            old.wakes,
            new.wakes,
            poll_once(join),
        )


@pytest.mark.parametrize("order", ["cancel then wake", "wake then cancel"])
def test_wake_and_cancel_in_one_turn_schedule_once(order: str) -> None:
    """Async-task waker_pending: wake and cancel, in either order, make one queue entry."""
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(flag)
        rt.turn()
        for act in order.split(" then "):
            task.cancel() if act == "cancel" else flag.nudge()
        assert (1, 1) == (rt.steps_of(), flag.drops)


# -- wakers: async-task waker_*, embassy, shuttle ----------------------------------------------


class SelfWaking(Future[str]):
    """Wakes itself a number of times in each of its first polls."""

    def __init__(self, wakes: list[int]) -> None:
        self.wakes = wakes
        self.polls = 0

    def poll(self, cx: Context) -> Any:
        self.polls += 1
        if not self.wakes:
            return "ended"
        for _ in range(self.wakes.pop(0)):
            cx.waker.wake()
        return PENDING


@pytest.mark.parametrize("wakes", [1, 2, 50])
def test_wakes_during_the_poll_requeue_once(wakes: int) -> None:
    """Async-task waker_pending, embassy double self-wake: any number of wakes is one poll more."""
    with by_hand() as rt:
        future = SelfWaking([wakes])
        task = rt.runtime.spawn(future)
        rt.settle()
        assert (2, Completed("ended")) == (future.polls, task.outcome())


def test_a_wake_during_the_poll_requeues_at_the_back() -> None:
    """Tokio: woken while it runs, a task comes up again after those that were ready before."""
    order: list[str] = []

    def noting(name: str) -> Future[None]:
        class Noting(SelfWaking):
            def poll(self, cx: Context) -> Any:
                order.append(name)
                return super().poll(cx)

        return Noting([1])

    with by_hand() as rt:
        for name in "abc":
            rt.runtime.spawn(noting(name))
        rt.settle()
        assert "abcabc" == "".join(order)


def test_wakes_while_queued_are_coalesced() -> None:
    """Tokio: a wake while queued does nothing."""
    with by_hand() as rt:
        flag = Flag()
        rt.runtime.spawn(flag)
        rt.turn()
        for _ in range(10):
            flag.nudge()
        assert ([1, 0], 2) == ([rt.steps_of(), rt.steps_of()], flag.polls)


def test_wakes_from_threads_are_coalesced_into_one_poll(host: Any) -> None:
    """Async-task waker_pending: threads wake at will; the task is polled once for all of them."""
    flag = Flag()

    async def main() -> int:
        task = spawn(flag)
        await settle()
        waker = flag.waker
        assert waker is not None
        threads = [threading.Thread(target=waker.wake) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await settle(8)
        task.cancel()
        await task.join()
        return flag.polls

    with host() as runtime:
        assert 2 == runtime.block_on(main())


@pytest.mark.parametrize("ending", ["completed", "canceled", "failed", "shut down"])
def test_a_waker_that_outlives_its_task_does_nothing(ending: str) -> None:
    """Async-task waker_ready, embassy, shuttle: a wake after the end neither polls nor queues."""
    flag = Flag()
    with by_hand() as rt, logged():
        task = rt.runtime.spawn(flag)
        rt.turn()
        waker = flag.waker
        assert waker is not None
        if ending == "completed":
            flag.set()
        elif ending == "failed":
            flag.fail(Boom())
        elif ending == "canceled":
            task.cancel()
        if ending != "shut down":
            rt.settle()
            polls = flag.polls
            waker.wake()
            assert (0, polls) == (rt.steps_of(), flag.polls)
    polls = flag.polls
    waker.wake()
    threading.Thread(target=waker.wake).start()
    assert polls == flag.polls
    assert task.done()


def test_a_kept_waker_keeps_no_frame_of_an_ended_task() -> None:
    """Async-task drop_last_waker: a waker clone keeps a little memory, and nothing of the
    future.
    """

    class Local:
        pass

    kept: list[Waker] = []
    refs: list[weakref.ref[Local]] = []

    class Keeps(Flag):
        def poll(self, cx: Context) -> Any:
            kept.append(cx.waker)
            return super().poll(cx)

    async def body() -> None:
        local = Local()
        refs.append(weakref.ref(local))
        await Keeps()

    gc.collect()
    gc.disable()
    try:
        with by_hand() as rt:
            task = rt.runtime.spawn(body())
            rt.turn()
            before = refs[0]() is not None
            task.cancel()
            rt.turn()
            assert (True, None, True) == (before, refs[0](), bool(kept))
    finally:
        gc.enable()


def test_a_parked_task_that_nobody_refers_to_is_not_lost() -> None:
    """Async-task drop_last_task destroys it; here the runtime holds it, and shutdown ends
    it (R25).
    """
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        finally:
            trace.append("cleanup")

    with by_hand() as rt:
        rt.runtime.spawn(body())
        rt.turn()
        gc.collect()
        before = list(trace)
    assert ([], ["cleanup"]) == (before, trace)


def test_spurious_wakes_resume_no_user_code() -> None:
    """Loom spurious_poll: a wake without progress polls the leaf; the coroutine does not notice."""
    resumed = 0
    flag = Flag()

    async def body() -> None:
        nonlocal resumed
        resumed += 1
        await flag
        resumed += 1

    with by_hand() as rt:
        rt.runtime.spawn(body())
        rt.turn()
        for _ in range(10):
            flag.nudge()
            rt.turn()
        before = resumed
        flag.set()
        rt.turn()
        assert (1, 2, 12) == (before, resumed, flag.polls)


# -- shuttle, maitake: where exactly a cancel lands --------------------------------------------


@pytest.mark.parametrize("awaits", range(4))
def test_cancel_after_n_awaits_lands_at_exactly_the_next(awaits: int) -> None:
    """Shuttle at_second_await_point: the exact (steps, result) for each moment of the request."""
    steps = 0
    flags = [Flag() for _ in range(3)]

    async def body() -> str:
        nonlocal steps
        for flag in flags:
            await flag
            steps += 1
        return "all"

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        for flag in flags[:awaits]:
            flag.set()
            rt.turn()
        task.cancel()
        rt.settle()
        expected = "Completed" if awaits == 3 else "Canceled"
        assert (awaits, expected) == (steps, type(task.outcome()).__name__)


@pytest.mark.parametrize("turns", range(5))
def test_cancel_at_a_yield_lands_at_it(turns: int) -> None:
    """A yield has no value that could be lost, so the cancellation lands at it, in every phase."""
    steps = 0

    async def body() -> str:
        nonlocal steps
        for _ in range(3):
            steps += 1
            await yield_now()
        return "all"

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn(turns)
        task.cancel()
        rt.settle()
        assert [
            (0, "Canceled"),
            (1, "Canceled"),
            (2, "Canceled"),
            (3, "Canceled"),
            (3, "Completed"),
        ][turns] == (steps, type(task.outcome()).__name__)


def test_a_woken_task_does_not_run_past_its_cancel_if_its_leaf_has_nothing() -> None:
    """Shuttle woken_task_does_not_run: woken, then canceled: it is canceled, not resumed."""
    trace: list[str] = []
    flag = Flag()

    async def body() -> None:
        await flag
        trace.append("resumed")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        flag.nudge()
        task.cancel()
        rt.settle()
        assert ([], "Canceled") == (trace, type(task.outcome()).__name__)


def test_the_handle_of_a_detached_task_still_cancels_it() -> None:
    """Shuttle, abort after detach: a cancellation handle works when the task object is gone."""
    with by_hand() as rt:
        flag = Flag()
        handle = rt.runtime.spawn(flag).cancellation_handle()
        rt.turn()
        accepted = handle.cancel().accepted
        rt.turn()
        assert (True, True, 1, False) == (
            accepted,
            handle.done(),
            flag.drops,
            handle.cancel().accepted,
        )


def test_a_thread_waits_for_a_task_through_its_handle(host: Any) -> None:
    """Maitake, shuttle: a plain thread cancels, and learns the outcome when the cleanup is over."""
    seen: list[object] = []
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        finally:
            await yield_now()
            trace.append("cleaned")

    def thread_body(handle: Any) -> None:
        handle.cancel("from the thread")
        outcome = handle.wait(timeout=20)
        seen.append((type(outcome).__name__, list(trace)))

    async def main() -> None:
        task = spawn(body())
        await settle()
        thread = threading.Thread(target=thread_body, args=(task.cancellation_handle(),))
        thread.start()
        while not seen:
            await sleep(0.001)
        thread.join()

    with host() as runtime:
        runtime.block_on(main())
        assert [("Canceled", ["cleaned"])] == seen


def test_a_task_that_failed_goes_with_the_last_reference_to_it() -> None:
    """K3: an error that nobody saw is logged when the last handle is gone, not at a collection."""

    async def fails() -> None:
        raise Boom("unseen")

    gc.collect()
    gc.disable()
    try:
        with by_hand() as rt, logged() as log:
            gone = weakref.ref(rt.runtime.spawn(fails()))
            rt.settle()
            assert (None, [True]) == (
                gone(),
                ["nobody joined it" in message for message in log.take()],
            )
    finally:
        gc.enable()
