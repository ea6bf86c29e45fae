"""What happens when …: the edge cases on which the runtimes of the field disagree, one by one.

Each test states what rescind decides. The manual host shows every step; where threads or a loop
matter, the test says so.
"""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    Completed,
    Deadlock,
    Error,
    Runtime,
    TaskCanceled,
    UsageError,
    current_task,
    join,
    never,
    on_cancel,
    race,
    ready,
    sleep,
    spawn,
    yield_now,
)
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Pending, as_future
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once

from .support import Boom, CleanupBoom, Flag, by_hand, logged, settle

# -- canceled before the first poll ------------------------------------------------------------


def test_cancel_before_first_poll_runs_nothing_of_a_coroutine() -> None:
    """Tokio, async-task: the queue entry destroys it; the outcome says why, and the body
    never ran.
    """
    trace: list[str] = []

    async def body() -> None:
        trace.append("body")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        task.cancel("too early")
        steps = rt.steps_of()
        assert (1, Canceled(task.cancel_reasons[0]), []) == (steps, task.outcome(), trace)


def test_cancel_before_first_poll_drops_a_hand_written_future_unpolled() -> None:
    """Futures-rs: the inner future is untouched; it is dropped once, and never polled."""
    with by_hand() as rt:
        flag = Flag()
        rt.runtime.spawn(flag).cancel()
        rt.turn()
        assert (0, 1) == (flag.polls, flag.drops)


def test_poll_cancel_of_an_unstarted_body_does_not_run_it_to_its_first_await() -> None:
    """Holk's prototype runs the prefix of the body here, and panics if it never awaits; we
    do not.
    """
    trace: list[str] = []

    async def no_await() -> None:
        trace.append("no await")

    async def awaits() -> None:
        trace.append("awaits")
        await never()

    kinds = [type(poll_cancel_once(as_future(make()))) for make in (no_await, awaits)]
    assert ([Canceled, Canceled], []) == (kinds, trace)


def test_cancel_before_first_poll_closes_what_the_task_owned() -> None:
    """R5: a resource handed to a task that never starts is closed for it, the last one first."""
    closed: list[str] = []

    class Resource:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            closed.append(self.name)

    with by_hand() as rt:
        task = rt.runtime.spawn(never(), owned=[Resource("a"), Resource("b")])
        task.cancel()
        rt.turn()
        assert (["b", "a"], True) == (closed, task.done())


def test_cancel_before_first_poll_runs_the_finalizer_around_the_body() -> None:
    """P42: the body is not entered, but a finalizer registered around it runs, once."""
    trace: list[str] = []

    async def body() -> None:
        trace.append("body")

    with by_hand() as rt:
        task = rt.runtime.spawn(on_cancel(body(), lambda _: trace.append("finalizer")))
        task.cancel()
        rt.settle()
        assert ["finalizer"] == trace


def test_cancel_from_a_thread_before_the_first_poll_runs_nothing(host: Any) -> None:
    """Shuttle abort_before_first_poll: what another thread asked for first takes effect first."""
    trace: list[str] = []

    async def body() -> None:
        trace.append("body")

    async def main() -> str:
        task = spawn(body())
        thread = threading.Thread(target=task.cancellation_handle().cancel)
        thread.start()
        thread.join()
        return type(await task.join()).__name__

    with host() as runtime:
        assert ("Canceled", []) == (runtime.block_on(main()), trace)


# -- canceled while idle -----------------------------------------------------------------------


def test_cancel_while_idle_takes_one_step_and_no_resumption() -> None:
    """Tokio: the request queues the task once, and that entry destroys it."""
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(flag)
        first = rt.steps_of()
        task.cancel()
        second = rt.steps_of()
        third = rt.steps_of()
        assert (1, 1, 0, 1) == (first, second, third, flag.drops)


def test_cancel_while_idle_asks_the_leaf_for_its_value_first() -> None:
    """R7: the leaf is polled once more, so that a value that came without a wake-up is not lost."""
    with by_hand() as rt:
        flag = Flag()

        async def body() -> Any:
            return await flag

        task = rt.runtime.spawn(body())
        rt.turn()
        flag._result = ("there", None)
        task.cancel()
        rt.turn()
        assert (Completed("there"), 2, 0) == (task.outcome(), flag.polls, flag.drops)


def test_cancel_of_a_woken_hand_written_task_keeps_the_value_that_is_there() -> None:
    """R7, R16: wake and cancel in one turn: the value is not lost, whoever wrote the future."""
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(flag)
        rt.turn()
        flag.set("there")
        task.cancel()
        rt.turn()
        assert (Completed("there"), 0) == (task.outcome(), flag.drops)


# -- canceled during the poll ------------------------------------------------------------------


@pytest.mark.parametrize("ends", [False, True], ids=["then parks", "then ends"])
@pytest.mark.parametrize("by", ["self", "thread"])
def test_cancel_during_the_poll_lets_the_poll_finish(by: str, ends: bool) -> None:
    """Tokio: a poll goes on; if it parks the future is canceled, if it ends the value is kept."""
    trace: list[str] = []

    async def body() -> str:
        handle = current_task().cancellation_handle()
        if by == "self":
            handle.cancel()
        else:
            thread = threading.Thread(target=handle.cancel)
            thread.start()
            thread.join()
        trace.append("went on")
        if not ends:
            await never()
        return "value"

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.settle()
        expected = "Completed" if ends else "Canceled"
        assert (expected, ["went on"]) == (type(task.outcome()).__name__, trace)


def test_cancel_during_the_poll_is_seen_by_a_computation_that_asks() -> None:
    """R12: a request is visible at once, though it is delivered only at the next park."""
    from rescind import cancel_requested

    seen: list[object] = []

    async def body() -> None:
        seen.append(cancel_requested())
        current_task().cancel("now")
        reason = cancel_requested()
        seen.append(None if reason is None else reason.message)

    with by_hand() as rt:
        rt.runtime.spawn(body())
        rt.settle()
        assert [None, "now"] == seen


# -- canceled after the end, canceled twice ----------------------------------------------------


def test_cancel_of_a_finished_task_says_that_it_was_not_accepted() -> None:
    """Tokio: a no-op, join is Ok; here it also says so, and awaiting it gives the outcome
    at once.
    """

    async def main() -> object:
        task = spawn(ready("value"))
        await settle()
        request = task.cancel("late")
        return request.accepted, await request, task.cancel_reasons

    with by_hand() as rt:
        assert (False, Completed("value"), ()) == rt.runtime.block_on(main())


def test_a_second_cancel_continues_the_same_cleanup() -> None:
    """Holk cancel_while_canceling: the cleanup runs once; both reasons are kept, the first
    stands.
    """
    trace: list[str] = []
    gate = Flag()

    async def body() -> None:
        try:
            await never()
        finally:
            trace.append("cleanup")
            await gate
            trace.append("cleaned")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        task.cancel("first")
        rt.turn()
        task.cancel("second")
        idle = rt.steps_of()
        gate.set()
        rt.turn()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (0, "first", ["first", "second"], ["cleanup", "cleaned"]) == (
            idle,
            outcome.reason.message,
            [reason.message for reason in task.cancel_reasons],
            trace,
        )


def test_a_hundred_cancels_take_one_step() -> None:
    """P11: k requests leave the same trace as one; all requesters are in the record."""
    with by_hand() as rt:
        flag = Flag()
        task = rt.runtime.spawn(flag)
        rt.turn()
        for number in range(100):
            task.cancel(str(number))
        assert (1, 1, 100) == (rt.steps_of(), flag.drops, len(task.cancel_reasons))


# -- a task that ignores its cancellation ------------------------------------------------------


class Stubborn(Future[None]):
    """Cleans up for ever."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.waker: Any = None

    def poll(self, cx: Context) -> Pending:
        self.calls.append("poll")
        self.waker = cx.waker
        return PENDING

    def poll_cancel(self, cx: Context, request: Any) -> Pending:
        self.calls.append("poll_cancel")
        self.waker = cx.waker
        return PENDING

    def drop(self) -> None:
        self.calls.append("drop")


def test_a_poll_cancel_that_never_ends_is_dropped_when_its_grace_is_over() -> None:
    """Holk's prototype wedges here; the ladder goes on: request, grace, drop."""
    future = Stubborn()
    with by_hand(grace=5.0) as rt, logged() as log:
        task = rt.runtime.spawn(future)
        rt.turn()
        task.cancel()
        rt.turn()
        rt.pass_time(4.9)
        before = list(future.calls)
        rt.pass_time(0.2)
        assert (["poll", "poll_cancel"], ["poll", "poll_cancel", "drop"]) == (before, future.calls)
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (True, False) == (outcome.dropped, outcome.abandoned)
        assert ["overran its grace" in message for message in log.take()] == [True]


def test_a_hanging_cleanup_is_dropped_with_a_warning_that_names_its_await() -> None:
    """R10: the finally block of the dropped coroutine is closed; the warning says where it was
    stuck.
    """
    trace: list[str] = []

    async def stuck_cleanup() -> None:
        try:
            await never()
        finally:
            try:
                trace.append("cleanup")
                await never()
            finally:
                trace.append("closed")

    with by_hand(grace=5.0) as rt, logged() as log:
        task = rt.runtime.spawn(stuck_cleanup(), name="stuck")
        rt.turn()
        task.cancel()
        rt.turn()
        rt.pass_time(5.0)
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        (warning,) = log.take()
        assert (["cleanup", "closed"], True, False, (), True, True) == (
            trace,
            outcome.dropped,
            outcome.abandoned,
            outcome.also,
            "of stuck overran its grace" in warning,
            "stuck_cleanup" in warning,
        )


def test_a_frame_that_outlives_its_drop_is_abandoned_and_its_joiners_are_told() -> None:
    """R10: it is never polled again; it is reported as a leak; whoever joins gets an outcome."""
    leaving = False

    async def immortal() -> None:
        while not leaving:
            try:
                await never()
            except BaseException:
                pass

    with by_hand(grace=1.0) as rt, logged():
        task = rt.runtime.spawn(immortal())
        joiner = rt.runtime.spawn(task.join())
        rt.turn()
        task.cancel()
        rt.turn()
        rt.pass_time(1.0)
        steps = rt.steps_of(3)
        outcome = joiner.outcome()
        assert isinstance(outcome, Completed)
        told = outcome.value
        assert isinstance(told, Canceled)
        assert (True, True, 1, 0) == (
            told.dropped,
            told.abandoned,
            rt.runtime.statistics().abandoned,
            steps,
        )
        leaving = True
        for error in rt.executor.abandoned:
            for coroutine in error.coroutines:
                coroutine.close()  # type: ignore[attr-defined]
        rt.executor.abandoned.clear()


def test_a_second_request_shortens_the_grace_and_none_lengthens_it() -> None:
    """Graceful-shutdown's abort overrides its shutdown; R10: shorter counts, longer does not."""
    with by_hand() as rt, logged():
        task = rt.runtime.spawn(Stubborn())
        rt.turn()
        task.cancel("patient", grace=100.0)
        rt.turn()
        task.cancel("hurry", grace=2.0)
        task.cancel("no hurry", grace=1000.0)
        rt.pass_time(1.9)
        early = task.done()
        rt.pass_time(0.2)
        assert (False, True) == (early, task.done())


def test_grace_zero_is_the_drop_of_rust() -> None:
    """R10: with grace=0 no cleanup awaits; finally blocks run, once, in the very next step."""
    trace: list[str] = []

    async def body() -> None:
        try:
            await never()
        except Cancellation:
            trace.append("cancellation")
        finally:
            trace.append("finally")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        task.cancel(grace=0)
        steps = rt.steps_of()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (1, ["finally"], True) == (steps, trace, outcome.dropped)


def test_a_hot_loop_over_ready_futures_is_canceled_because_its_budget_makes_it_park() -> None:
    """Tokio coop: code that never parks cannot be canceled there for ever; the budget parks it."""
    rounds = 0

    async def hot() -> None:
        nonlocal rounds
        while True:
            await ready(None)
            rounds += 1

    with by_hand(budget=16) as rt:
        task = rt.runtime.spawn(hot())
        rt.turn()
        task.cancel()
        rt.settle()
        assert ("Canceled", True) == (type(task.outcome()).__name__, rounds % 16 == 0)


# -- failures in drop, in cleanup, in poll -----------------------------------------------------


class DropFails(Flag):
    """Raises from its drop."""

    def drop(self) -> None:
        super().drop()
        raise CleanupBoom("drop")


@pytest.mark.parametrize("joined", [True, False], ids=["joined", "unjoined"])
def test_an_exception_in_drop_is_contained_and_kept(joined: bool) -> None:
    """Tokio panics_on_drop_contained / _returned: it ends nobody else; whoever joins finds it."""
    flag = DropFails()
    with by_hand() as rt, logged():
        other = rt.runtime.spawn(never())
        task = rt.runtime.spawn(flag)
        joiner = rt.runtime.spawn(task.join()) if joined else None
        rt.turn()
        task.cancel()
        del task
        rt.settle()
        found = None
        if joiner is not None:
            outcome = joiner.outcome()
            assert isinstance(outcome, Completed)
            found = [str(exc) for exc in outcome.value.also]
        assert (["drop"] if joined else None, 1, False) == (found, flag.drops, other.done())


def test_an_exception_of_the_leafs_drop_reaches_the_coroutine_that_is_canceled() -> None:
    """R8, R15: inside out: the leaf's failure comes with the cancellation, and is in `also`."""
    seen: list[str] = []

    async def body() -> None:
        try:
            await DropFails()
        except BaseException as exc:
            seen.append(type(exc).__name__)
            raise

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        task.cancel()
        rt.settle()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (["Cancellation"], ["drop"]) == (seen, [str(exc) for exc in outcome.also])


def test_a_finalizer_runs_although_the_future_inside_fails_to_clean_up() -> None:
    """P33: a raising cleanup does not stop the next one out."""
    trace: list[str] = []

    def finalizer(outcome: object) -> None:
        assert isinstance(outcome, Canceled)
        trace.append(f"finalizer saw {[str(exc) for exc in outcome.also]}")

    with by_hand() as rt:
        task = rt.runtime.spawn(on_cancel(DropFails(), finalizer))
        rt.turn()
        task.cancel()
        rt.settle()
        assert (["finalizer saw ['drop']"], "Canceled") == (trace, type(task.outcome()).__name__)


def test_every_cleanup_error_of_nested_frames_is_kept_once_in_order() -> None:
    """R15: the errors of several cleanups are listed inside out, and the task is still Canceled."""

    async def inner() -> None:
        try:
            await never()
        finally:
            raise CleanupBoom("inner")

    async def outer() -> None:
        try:
            await join(inner())
        except Cancellation:
            raise CleanupBoom("outer") from None

    with by_hand() as rt:
        task = rt.runtime.spawn(outer())
        rt.turn()
        task.cancel()
        rt.settle()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert ["inner", "outer"] == [str(exc) for exc in outcome.also]


def test_a_future_that_completed_is_not_dropped() -> None:
    """Tokio: a destructor that fails after the end cannot take the value: here there is none."""
    flag = DropFails()
    with by_hand() as rt:
        task = rt.runtime.spawn(flag)
        rt.turn()
        flag.set("value")
        rt.turn()
        assert (Completed("value"), 0) == (task.outcome(), flag.drops)


def test_an_exception_in_poll_ends_this_task_and_no_other() -> None:
    """Tokio: join says so; other tasks go on; the future that raised is neither polled nor
    dropped.
    """
    flag = Flag()
    boom = Boom("poll")
    with by_hand() as rt:
        task = rt.runtime.spawn(flag)
        other = rt.runtime.spawn(yield_now())
        rt.turn()
        flag.fail(boom)
        rt.settle()
        assert (Error(boom), Completed(None), 2, 0) == (
            task.outcome(),
            other.outcome(),
            flag.polls,
            flag.drops,
        )


def test_the_exception_of_a_task_is_raised_in_each_joiner_with_its_own_traceback() -> None:
    """R15: the same exception object for all; its traceback does not grow from joiner to joiner."""
    import traceback

    async def fails() -> None:
        raise Boom("once")

    async def main() -> object:
        task = spawn(fails())
        lengths = []
        identities = set()
        for _ in range(5):
            try:
                await task
            except Boom as exc:
                lengths.append(len(traceback.extract_tb(exc.__traceback__)))
                identities.add(id(exc))
        return len(set(lengths)), len(identities)

    with by_hand() as rt:
        assert (1, 1) == rt.runtime.block_on(main())


# -- races -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (("set", "cancel"), "Completed"),
        (("cancel", "set"), "Completed"),
        (("set", "turn", "cancel"), "Completed"),
        (("cancel", "turn", "set"), "Canceled"),
    ],
    ids=["value first", "request first", "value seen first", "request seen first"],
)
def test_join_racing_cancel_has_one_outcome_for_each_order(
    order: tuple[str, ...], expected: str
) -> None:
    """Tokio loom: both outcomes occur; which one follows from the order, and neither is lost."""
    with by_hand() as rt:
        flag = Flag()

        async def body() -> Any:
            return await flag

        task = rt.runtime.spawn(body())
        joiner = rt.runtime.spawn(task.join())
        rt.turn()
        act = {"set": lambda: flag.set(1), "cancel": task.cancel, "turn": rt.turn}
        for what in order:
            act[what]()
        rt.settle()
        outcome = joiner.outcome()
        assert isinstance(outcome, Completed)
        assert expected == type(outcome.value).__name__


def test_cancels_from_threads_racing_completion_lose_no_joiner(host: Any) -> None:
    """Tokio loom, shuttle: whatever the interleaving, each joiner gets Completed or Canceled."""
    many = 200

    async def body(number: int) -> int:
        for _ in range(number % 5):
            await yield_now()
        return number

    async def main() -> tuple[int, set[str], int]:
        tasks = [spawn(body(number)) for number in range(many)]
        handles = [task.cancellation_handle() for task in tasks]
        threads = [
            threading.Thread(target=lambda some: [one.cancel() for one in some], args=(part,))
            for part in (handles[::3], handles[1::3])
        ]
        for thread in threads:
            thread.start()
        outcomes = [await task.join() for task in tasks]
        for thread in threads:
            thread.join()
        right = sum(
            isinstance(outcome, Canceled) or outcome == Completed(number)
            for number, outcome in enumerate(outcomes)
        )
        untouched = sum(isinstance(outcome, Completed) for outcome in outcomes[2::3])
        return right, {type(outcome).__name__ for outcome in outcomes}, untouched

    with host() as runtime:
        right, kinds, untouched = runtime.block_on(main())
        assert (many, True, len(range(2, many, 3))) == (
            right,
            kinds <= {"Completed", "Canceled"},
            untouched,
        )


def test_race_with_a_task_that_has_already_ended_takes_its_value() -> None:
    """Tokio select: a completed branch may panic when polled again; joining an ended task
    is safe.
    """

    async def main() -> object:
        done = spawn(ready("done"))
        await settle()
        return [await race(done, never()), await race(never(), done), await done]

    with by_hand() as rt:
        assert ["done", "done", "done"] == rt.runtime.block_on(main())


def test_race_given_a_future_that_was_used_says_so_instead_of_hanging() -> None:
    """Futures-rs needs a fused future here; a future is single-use, and the second use is
    refused.
    """

    async def main() -> None:
        used = ready(1)
        await used
        with pytest.raises(UsageError, match="already awaited"):
            race(used, ready(2))

    with by_hand() as rt:
        rt.runtime.block_on(main())
        assert 0 == rt.runtime.statistics().alive


# -- handles, runtimes, cycles -----------------------------------------------------------------


def test_a_dropped_handle_detaches_and_the_output_dies_at_the_end() -> None:
    """Tokio: the scheduler destroys the output of a task whose handle is gone."""

    class Value:
        pass

    flag = Flag()
    made: list[weakref.ref[Value]] = []

    async def body() -> Value:
        await flag
        value = Value()
        made.append(weakref.ref(value))
        return value

    with by_hand() as rt:
        gc.collect()
        gc.disable()
        try:
            rt.runtime.spawn(body())
            rt.turn()
            flag.set()
            rt.turn()
            assert (1, None) == (rt.runtime.statistics().completed, made[0]())
        finally:
            gc.enable()


def test_an_unconsumed_output_that_fails_in_its_finalizer_harms_nobody() -> None:
    """Tokio join_handle_panic: the destructor of an output nobody took does not propagate."""
    import sys

    class Value:
        def __del__(self) -> None:
            raise Boom("finalizer")

    unraisable: list[str] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda arg: unraisable.append(str(arg.exc_value))
    try:
        with by_hand() as rt:
            task = rt.runtime.spawn(ready(Value()))
            other = rt.runtime.spawn(yield_now())
            rt.turn()
            del task
            rt.settle()
            assert (["finalizer"], Completed(None)) == (unraisable, other.outcome())
    finally:
        sys.unraisablehook = hook


def test_leaving_the_runtime_cancels_what_is_pending_for_shutdown() -> None:
    """Tokio: every pending task is destroyed, polled or not; handles read canceled, with a
    reason.
    """
    trace: list[str] = []

    async def parked(name: str) -> None:
        trace.append(f"{name} body")
        try:
            await never()
        finally:
            trace.append(f"{name} cleanup")

    with by_hand() as rt:
        started = rt.runtime.spawn(parked("started"))
        rt.turn()
        unstarted = rt.runtime.spawn(parked("unstarted"))
    kinds = []
    for task in (started, unstarted):
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        kinds.append(outcome.reason.kind)
    assert [CancelKind.SHUTDOWN, CancelKind.SHUTDOWN] == kinds
    assert ["started body", "started cleanup"] == trace


def test_a_runtime_that_is_collected_drops_its_tasks() -> None:
    """Async-executor: dropping the executor destroys its tasks; nothing is polled, nothing
    leaks.
    """
    trace: list[str] = []

    class Leaf(Flag):
        def poll(self, cx: Context) -> Any:
            trace.append("poll")
            return super().poll(cx)

        def drop(self) -> None:
            trace.append("drop")

    async def body() -> None:
        try:
            await Leaf()
        finally:
            trace.append("finally")

    runtime = Runtime(host=ManualHost())
    runtime.executor.thread = threading.get_ident()
    parked = weakref.ref(runtime.spawn(body()))
    runtime.executor.turn()
    unpolled = weakref.ref(runtime.spawn(Leaf()))
    with pytest.warns(ResourceWarning, match="never shut down"):
        del runtime
    gc.collect()
    assert (None, None, ["poll", "drop", "finally", "drop"]) == (parked(), unpolled(), trace)


def test_joining_after_the_runtime_is_gone_gives_the_outcome() -> None:
    """Tokio runtime_gone: a join resolves with no runtime present at all."""
    with by_hand() as rt:
        task = rt.runtime.spawn(never())
        rt.turn()
        pending = task.join()
        before = poll_once(pending)
    after = poll_once(pending)
    late = poll_once(task.join())
    assert isinstance(after, Completed)
    assert isinstance(late, Completed)
    assert (PENDING, True, True) == (
        before,
        isinstance(after.value, Canceled),
        after.value == late.value,
    )


def test_spawning_after_the_shutdown_gives_a_canceled_task_whose_body_never_runs() -> None:
    """Tokio: spawn during or after shutdown destroys the future unpolled, and the handle
    says so.
    """
    flag = Flag()
    with by_hand() as rt:
        pass
    task = rt.runtime.spawn(flag)
    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert (CancelKind.SHUTDOWN, 0, 1) == (outcome.reason.kind, flag.polls, flag.drops)


def test_two_tasks_that_join_each_other_are_a_deadlock_and_no_leak() -> None:
    """Tokio drop_tasks_with_reference_cycle: nothing is left once the runtime is gone.

    The first to be canceled is canceled; by then the other's await has its output, that the first
    was canceled, which is delivered (R7, R17).
    """
    tasks: list[Any] = []

    async def waits_for(other: int) -> object:
        return await tasks[other]

    with logged(), by_hand() as rt:
        tasks.append(rt.runtime.spawn(waits_for(1), name="left"))
        tasks.append(rt.runtime.spawn(waits_for(0), name="right"))
        with pytest.raises(Deadlock) as caught:
            rt.runtime.block_on(never())
    message = str(caught.value)
    del caught
    refs = [weakref.ref(task) for task in tasks]
    left, right = (task.outcome() for task in tasks)
    assert isinstance(right, Error)
    kinds = [type(left).__name__, type(right.exception).__name__]
    del left, right
    tasks.clear()
    gc.collect()
    assert (["Canceled", "TaskCanceled"], [None, None]) == (kinds, [ref() for ref in refs])
    assert [True, True] == [name in message for name in ("left", "right")], message


def test_a_task_that_joins_itself_is_told_so() -> None:
    """A task that waits for its own end could never end: it is an error that says so."""

    async def body() -> None:
        await current_task()

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.settle()
        outcome = task.outcome()
        assert isinstance(outcome, Error)
        assert "waits for itself" in str(outcome.exception)


def test_a_canceled_joiner_leaves_the_task_and_a_canceled_task_leaves_its_joiner() -> None:
    """R17: whose cancellation it is decides what is raised, and nobody else is touched."""

    async def waits(task: Any, trace: list[str]) -> None:
        try:
            await task
        except TaskCanceled as exc:
            trace.append(f"it was: {exc.reason.message}")
        except Cancellation as exc:
            trace.append(f"I am: {exc.reason.message}")
            raise

    trace: list[str] = []
    with by_hand() as rt:
        task = rt.runtime.spawn(never())
        leaver = rt.runtime.spawn(waits(task, trace))
        stayer = rt.runtime.spawn(waits(task, trace))
        rt.turn()
        leaver.cancel("leaver")
        rt.settle()
        unharmed = task.done(), stayer.done()
        task.cancel("task")
        rt.settle()
        assert ((False, False), ["I am: leaver", "it was: task"], Completed(None)) == (
            unharmed,
            trace,
            stayer.outcome(),
        )


# -- wakes in odd places -----------------------------------------------------------------------


class WakesInDrop(Flag):
    """Wakes its owner from inside its drop."""

    def drop(self) -> None:
        waker = self.waker
        super().drop()
        if waker is not None:
            waker.wake()


def test_a_wake_during_drop_is_absorbed() -> None:
    """Tokio, async-task: the task is complete; the wake neither polls it again nor queues it."""
    flag = WakesInDrop()
    with by_hand() as rt:
        task = rt.runtime.spawn(flag)
        rt.turn()
        task.cancel()
        rt.turn()
        assert (1, 1, 0, True) == (flag.polls, flag.drops, rt.steps_of(), task.done())


def test_a_drop_may_spawn_and_cancel_other_tasks() -> None:
    """Tokio spawn_during_shutdown: a destructor that uses the runtime is harmless."""
    spawned: list[Any] = []
    with by_hand() as rt:
        victim = rt.runtime.spawn(never())

        class Busy(Flag):
            def drop(self) -> None:
                spawned.append(spawn(ready("from drop")))
                victim.cancel("from drop")

        task = rt.runtime.spawn(Busy())
        rt.turn()
        task.cancel()
        rt.settle()
        assert (Completed("from drop"), "Canceled") == (
            spawned[0].outcome(),
            type(victim.outcome()).__name__,
        )


def test_a_drop_that_cancels_its_own_task_changes_nothing() -> None:
    """Tokio: shutdown inside the destructor is legal; the inner call returns, the outer
    finishes.
    """
    with by_hand() as rt:

        class Again(Flag):
            def drop(self) -> None:
                super().drop()
                task.cancel("again", grace=0)

        flag = Again()
        task = rt.runtime.spawn(flag)
        rt.turn()
        task.cancel("first")
        rt.settle()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert ("first", 1) == (outcome.reason.message, flag.drops)


def test_a_cancel_with_grace_zero_from_inside_the_poll_drops_it_after_the_poll() -> None:
    """S2: the future is off the stack before it is dropped; a poll is never interrupted."""
    trace: list[str] = []

    async def body() -> None:
        try:
            current_task().cancel(grace=0)
            trace.append("still here")
            await never()
        finally:
            trace.append("finally")

    with by_hand() as rt:
        task = rt.runtime.spawn(body())
        rt.turn()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert (["still here", "finally"], True) == (trace, outcome.dropped)


def test_shutdown_cannot_be_called_from_inside_a_task() -> None:
    """Tokio: dropping a runtime in async code panics with a clear message."""

    async def body() -> str:
        with pytest.raises(UsageError, match="from inside") as caught:
            rt.runtime.shutdown()
        return str(caught.value)

    with by_hand() as rt:
        assert "cancel the task" in rt.runtime.block_on(body())


def test_timers_of_a_canceled_sleep_are_gone_at_once() -> None:
    """Tokio time_sleep: dropping a sleep removes its timer."""
    with by_hand() as rt:
        task = rt.runtime.spawn(sleep(3600))
        rt.turn()
        before = rt.runtime.statistics().timers
        task.cancel(grace=None)
        rt.turn()
        assert (1, 0) == (before, rt.runtime.statistics().timers)


def test_polling_by_hand_after_the_end_is_refused_and_drop_is_a_no_op() -> None:
    """Every future of ours: poll after ready raises, drop after ready does nothing."""
    future = as_future(_value())
    waker = CountingWaker()
    first = poll_once(future, context(waker))
    second = poll_once(future, context(waker))
    future.drop()
    assert isinstance(second, Error)
    assert (Completed(7), "PolledAfterCompletion", 0) == (
        first,
        type(second.exception).__name__,
        waker.wakes,
    )


async def _value() -> int:
    return 7
