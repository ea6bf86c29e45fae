"""Tasks: one outcome for every joiner, requests from anywhere, and errors that nobody saw."""

import threading
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    Cancellation,
    Completed,
    Error,
    Task,
    TaskCanceled,
    UsageError,
)
from rescind._core.task import Join
from rescind.lowlevel import PENDING, Context
from rescind.testing import CountingWaker, context, poll_once
from tests.core.kit import Bench, Leaf


async def answer() -> int:
    """Return seven."""
    return 7


async def fails(message: str = "x") -> None:
    """Raise."""
    raise ValueError(message)


def cx(bench: Bench) -> tuple[Context, CountingWaker]:
    """Return a context on the bench's runtime, outside every task, with its waker."""
    waker = CountingWaker()
    return context(waker, executor=bench.executor), waker


def test_joiners_before_and_after_the_end_get_the_same_outcome() -> None:
    """K1, R15: the very same object, whoever asks, however often."""
    with Bench() as bench:
        leaf = Leaf()
        task = bench.spawn(leaf)
        bench.idle()
        early = [task.join() for _ in range(2)]
        polled = [(fut.poll(cx_), waker) for fut in early for cx_, waker in [cx(bench)]]
        leaf.complete("v")
        bench.idle()
        late = task.join().poll(cx(bench)[0])
        outcomes = [fut.poll(cx(bench)[0]) for fut in early]
        assert [(PENDING, 1)] * 2 == [(value, waker.wakes) for value, waker in polled]
        assert Completed("v") == task.outcome()
        assert all(outcome is task.outcome() for outcome in [*outcomes, late])


def test_joiners_are_woken_in_order_of_their_coming() -> None:
    """FIFO."""
    with Bench() as bench:
        leaf, trace = Leaf(), []

        async def joiner(name: str, task: Task[Any]) -> None:
            trace.append((name, await task.join()))

        task = bench.spawn(leaf)
        for name in "abc":
            bench.spawn(joiner(name, task))
        bench.idle()
        leaf.complete(1)
        bench.idle()
        assert [(name, Completed(1)) for name in "abc"] == trace


def test_canceled_joiner_leaves_no_trace_in_the_task() -> None:
    """K2, R17: it is taken out of the queue, and the task goes on."""
    with Bench() as bench:
        leaf = Leaf()
        task = bench.spawn(leaf)
        joiner = bench.spawn(task.join())
        bench.idle()
        before = len(task.joiners())
        joiner.cancel()
        bench.idle()
        assert (1, 0, False) == (before, len(task.joiners()), task.done())
        leaf.complete(None)


def test_dropped_join_leaves_the_queue_and_drops_once() -> None:
    """K2 by hand: dropping it again, or unpolled, is harmless."""
    with Bench() as bench:
        task = bench.spawn(Leaf())
        polled, unpolled = task.join(), task.into_future()
        polled.poll(cx(bench)[0])
        for fut in (polled, polled, unpolled):
            fut.drop()
        assert (0, f"join of {task!r}", f"join of {task!r}") == (
            len(task.joiners()),
            repr(polled),
            repr(unpolled),
        )


def test_latest_waker_of_a_joiner_counts() -> None:
    """R1: polled by another owner, it wakes that one."""
    with Bench() as bench:
        leaf = Leaf()
        task, join = bench.spawn(leaf), None
        bench.idle()
        join = task.join()
        (first_cx, first), (second_cx, second) = cx(bench), cx(bench)
        join.poll(first_cx)
        join.poll(second_cx)
        leaf.complete(None)
        bench.idle()
        assert (0, 1) == (first.wakes, second.wakes)


def test_join_polled_after_its_output_is_refused() -> None:
    """R1: by the name of the join."""
    with Bench() as bench:
        task = bench.spawn(rescind.ready(1))
        bench.idle()
        join = task.join()
        join.poll(cx(bench)[0])
        with pytest.raises(rescind.PolledAfterCompletion, match=r"^join of <Task .* was polled"):
            join.poll(cx(bench)[0])


def test_awaiting_gives_value_or_exception_or_task_canceled() -> None:
    """R17: the three ends of a task, at the await."""
    with Bench() as bench:

        async def main() -> list[str]:
            seen = [repr(await rescind.spawn(rescind.ready(1)))]
            for fut in (fails(), rescind.self_cancel("why")):
                try:
                    await rescind.spawn(fut)
                except (ValueError, TaskCanceled) as exc:
                    seen.append(repr(exc).partition("(")[0])
            return seen

        task = bench.spawn(main())
        bench.idle()
        assert Completed(["1", "ValueError", "TaskCanceled"]) == task.outcome()


def test_awaiting_tasks_that_have_ended_costs_budget() -> None:
    """E3: a coroutine that never has to wait lets others run all the same."""
    with Bench(budget=2) as bench:
        trace: list[str] = []
        ended = bench.spawn(answer())
        bench.idle()

        async def hot(name: str) -> None:
            for _ in range(4):
                trace.append(f"{name}{await ended}")

        for name in "ab":
            bench.spawn(hot(name))
        bench.idle()
        assert ["a7", "a7", "b7", "b7", "a7", "a7", "b7", "b7"] == trace


def test_each_await_raises_the_exception_with_a_fresh_traceback() -> None:
    """R15: awaiting a failed task many times does not grow its traceback."""
    with Bench() as bench:
        depths = []

        async def main() -> None:
            task = rescind.spawn(fails())
            for _ in range(4):
                try:
                    await task
                except ValueError as exc:
                    depth, tb = 0, exc.__traceback__
                    while tb is not None:
                        depth, tb = depth + 1, tb.tb_next
                    depths.append(depth)

        bench.spawn(main())
        bench.idle()
        assert 1 == len(set(depths))
        assert 4 == len(depths)


def test_task_that_waits_for_itself_is_refused() -> None:
    """A hang that can be seen coming: directly, and from inside a child."""
    with Bench() as bench:

        async def main(how: str) -> str:
            me = rescind.current_task()
            try:
                await {"join": me.join, "value": me.into_future}.get(
                    how, lambda: rescind.race(me.join())
                )()
            except UsageError as exc:
                return str(exc).partition("> ")[2]
            return "nothing"

        tasks = [bench.spawn(main(how)) for how in ("join", "value", "child")]
        bench.idle()
        expected = Completed("waits for itself, so it could never end")
        assert [expected] * 3 == [task.outcome() for task in tasks]


def test_task_of_another_runtime_is_refused() -> None:
    """The message names both, and what a thread can do."""
    with Bench(name="mine") as mine, Bench(name="yours") as yours:
        task = yours.spawn(rescind.never())
        with pytest.raises(UsageError) as caught:
            task.join().poll(cx(mine)[0])
        assert (
            f"{task!r} belongs to another runtime (yours) than the one that awaits it (mine); wait "
            "for it with task.cancellation_handle().wait() in a thread"
        ) == str(caught.value)


def test_join_by_hand_without_a_runtime_works() -> None:
    """A context without an executor belongs to no other runtime."""
    with Bench() as bench:
        task = bench.spawn(rescind.ready(1))
        before = poll_once(task.join())
        bench.idle()
        assert (PENDING, Completed(Completed(1))) == (before, poll_once(task.join()))


def test_task_describes_itself() -> None:
    """Name, id, phase, time of making; a name can be given later."""
    with Bench() as bench:
        bench.advance(5)
        task = bench.spawn(rescind.never())
        expected = (f"task-{task.id}", f"<Task {task.id} 'task-{task.id}' new>", 5.0)
        assert expected == (task.name, repr(task), task.created_at)
        task.name = "given"
        bench.idle()
        assert (f"<Task {task.id} 'given' parked>", None, False, ()) == (
            repr(task),
            task.outcome(),
            task.done(),
            task.cancel_reasons,
        )


def test_all_requesters_are_kept_in_order() -> None:
    """P11, Q1: k cancels have the effect of one, and all are in the record."""
    with Bench() as bench:
        task = bench.spawn(rescind.never())
        bench.idle()
        requests = [task.cancel(word) for word in ("a", "b", "c")]
        bench.idle()
        outcome = task.outcome()
        assert isinstance(outcome, Canceled)
        assert ("a", ["a", "b", "c"], [True] * 3) == (
            outcome.reason.message,
            [reason.message for reason in task.cancel_reasons],
            [ask.accepted for ask in requests],
        )


def test_cancel_of_a_finished_task_says_so_and_changes_nothing() -> None:
    """R16, P13: not accepted; awaiting it gives the outcome that there was."""
    with Bench() as bench:
        task = bench.spawn(rescind.ready(1))
        bench.idle()
        ask = task.cancel("late")
        assert (False, (), Completed(1)) == (ask.accepted, task.cancel_reasons, task.outcome())
        assert Completed(Completed(1)) == poll_once(ask.into_future())


def test_cancel_checks_its_arguments_before_it_asks() -> None:
    """A wrong grace or reason is refused, and nothing was asked."""
    with Bench() as bench:
        task = bench.spawn(rescind.never())
        with pytest.raises(ValueError, match="grace must be a number of seconds"):
            task.cancel(grace=-1)
        with pytest.raises(TypeError, match="a reason must be a str or a CancelReason"):
            task.cancel(3)  # type: ignore[arg-type]
        assert () == task.cancel_reasons


def test_cancel_from_another_thread_takes_effect_in_a_turn() -> None:
    """R25, E4: the request goes through the inbox."""
    with Bench() as bench:
        task = bench.spawn(rescind.never())
        bench.idle()
        thread = threading.Thread(target=task.cancel, args=("from a thread",))
        thread.start()
        thread.join()
        before = (task.cancel_reasons, task.done())
        bench.idle()
        assert (((), False), ["from a thread"], True) == (
            before,
            [reason.message for reason in task.cancel_reasons],
            task.done(),
        )


def test_absorbed_cancellation_is_recorded() -> None:
    """R11: Completed, and the task and the statistics say that a cancellation was swallowed."""
    with Bench() as bench:

        async def main() -> str:
            try:
                await rescind.never()
            except Cancellation:
                return "absorbed"

        task, other = bench.spawn(main()), bench.spawn(rescind.ready(1))
        bench.idle()
        task.cancel()
        bench.idle()
        assert (Completed("absorbed"), True, False, 1) == (
            task.outcome(),
            task.absorbed,
            other.absorbed,
            bench.runtime.statistics().absorbed,
        )


def test_value_that_beat_the_request_is_not_absorbed() -> None:
    """R16: nothing was raised inside, so nothing was swallowed."""
    with Bench() as bench:

        async def main() -> object:
            return await leaf

        leaf = Leaf()
        task = bench.spawn(main())
        bench.idle()
        leaf.complete("value")
        task.cancel()
        bench.idle()
        assert (Completed("value"), False) == (task.outcome(), task.absorbed)


def test_on_end_calls_back_with_the_outcome() -> None:
    """Before the end: in order of registering; after it: at once."""
    with Bench() as bench:
        seen: list[tuple[str, object]] = []
        task = bench.spawn(rescind.ready(1))
        for name in "ab":
            task.on_end(lambda outcome, name=name: seen.append((name, outcome)))
        bench.idle()
        task.on_end(lambda outcome: seen.append(("late", outcome)))
        assert [(name, Completed(1)) for name in ("a", "b", "late")] == seen


def test_error_keeps_what_else_failed() -> None:
    """R15: `also` of the outcome."""
    with Bench() as bench:
        failure = ValueError("cleanup")

        async def main() -> None:
            try:
                await rescind.never()
            finally:
                raise failure

        task = bench.spawn(main())
        bench.idle()
        reason = task.cancel().reason
        bench.idle()
        assert Canceled(reason, (failure,)) == task.outcome()
        assert not isinstance(task.outcome(), Error)


def test_join_is_a_future_of_the_core() -> None:
    """The class authors may look for in a dump."""
    with Bench() as bench:
        assert isinstance(bench.spawn(rescind.never()).join(), Join)
