"""The semantic rules R1–R27, one direct test or more for each, by number.

Not here: what needs asyncio or trio (R28 to R32), which `tests/host` and `tests/ecosystem` show.
"""

import ast
import asyncio
import gc
import multiprocessing
import pickle
import re
import threading
import time
import weakref
from pathlib import Path
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
    Outcome,
    PolledAfterCompletion,
    Runtime,
    TaskCanceled,
    TimedOut,
    UsageError,
    blocking,
)
from rescind.lowlevel import PENDING, CancelRequest, Context, Future, ManualHost, Waker, as_future
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once, run_virtual


class Signal(Future[str]):
    """A future whose value is set from outside; it logs what is done to it."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.log = [] if log is None else log
        self.value: str | None = None
        self.waker: Waker | None = None

    def poll(self, cx: Context) -> Any:
        self.log.append("poll")
        if self.value is not None:
            return self.value
        self.waker = cx.waker
        return PENDING

    def drop(self) -> None:
        self.log.append("drop")

    def set(self, value: str) -> None:
        self.value = value
        if self.waker is not None:
            self.waker.wake()


def manual(**options: Any) -> Runtime:
    """Make a runtime on the manual host."""
    return Runtime(host=ManualHost(), **options)


def reason_of(outcome: Outcome[Any] | None) -> CancelReason:
    """Return why it was canceled."""
    assert isinstance(outcome, Canceled)
    return outcome.reason


# -- futures ---------------------------------------------------------------------------------------


def test_poll_returns_pending_or_the_output_and_only_the_latest_waker_counts() -> None:
    """R1: PENDING with the waker stored, then the output; a spurious poll is legal."""
    signal = Signal()
    future = as_future(signal)
    first, second = CountingWaker(), CountingWaker()

    polled = [poll_once(future, context(first)), poll_once(future, context(second))]
    signal.set("out")
    polled.append(poll_once(future, context(second)))

    assert polled == [PENDING, PENDING, Completed("out")]
    assert (first.wakes, second.wakes) == (0, 1)


def test_poll_after_the_end_and_reentrant_poll_are_errors() -> None:
    """R1: each wrong poll is diagnosed as what it is."""

    async def value() -> int:
        return 1

    ended = as_future(value())
    poll_once(ended)

    async def reenter() -> None:
        holder[0].poll(context())

    holder: list[Future[Any]] = [as_future(reenter())]
    inner = poll_once(holder[0])

    with pytest.raises(PolledAfterCompletion):
        ended.poll(context())
    assert isinstance(inner, Error)
    assert type(inner.exception) is UsageError


def test_wakes_coalesce_and_one_during_the_poll_requeues_once_at_the_back() -> None:
    """R2: two wakes while queued are one poll; a wake in the poll comes after the others."""
    log: list[str] = []

    def busy(cx: Context) -> Any:
        log.append("busy")
        if log.count("busy") < 3:
            cx.waker.wake()
            cx.waker.wake()
            return PENDING
        return None

    def other(_cx: Context) -> Any:
        log.append("other")

    with manual() as runtime:
        task = runtime.spawn(rescind.poll_fn(busy))
        runtime.spawn(rescind.poll_fn(other))
        runtime.block_on(task.join())

    assert log == ["busy", "other", "busy", "busy"]


def test_waker_after_the_end_is_a_no_op_and_keeps_no_frame_alive() -> None:
    """R2: whoever keeps a waker keeps nothing else."""

    class Local:
        pass

    wakers: list[Waker] = []
    refs: list[weakref.ref[Local]] = []

    async def body() -> None:
        local = Local()
        refs.append(weakref.ref(local))

        def poll(cx: Context) -> Any:
            wakers.append(cx.waker)
            return PENDING

        await rescind.poll_fn(poll)
        del local

    with manual() as runtime:
        task = runtime.spawn(body())
        runtime.block_on(rescind.yield_now())
        runtime.block_on(task.cancel())
        alive = refs[0]()
        wakers[0].wake()
        runtime.block_on(rescind.yield_now())
        assert (alive, type(task.outcome())) == (None, Canceled)


def test_drop_closes_leaf_first_once_and_cannot_await() -> None:
    """R3: `finally` runs, an await in it does not; the second drop has no effect."""
    log: list[str] = []

    async def body() -> None:
        try:
            await Signal(log)
        except GeneratorExit:
            log.append("GeneratorExit")
            raise
        finally:
            log.append("finally")

    future = as_future(body())
    poll_once(future)
    future.drop()
    future.drop()

    assert log == ["poll", "drop", "GeneratorExit", "finally"]


def test_future_never_polled_is_dropped_without_running_or_warning() -> None:
    """R3: nothing of the body, nothing on standard error; so it is out of scope, too."""
    log: list[str] = []

    async def body() -> None:
        log.append("ran")

    as_future(body()).drop()
    unnamed = as_future(body())
    del unnamed
    gc.collect()

    assert log == []


def test_future_out_of_scope_unfinished_is_dropped_by_its_finalizer() -> None:
    """R3: as a Rust value would be."""
    log: list[str] = []

    async def body() -> None:
        try:
            await Signal(log)
        finally:
            log.append("closed")

    future = as_future(body())
    poll_once(future)
    del future

    assert log == ["poll", "drop", "closed"]


def test_poll_cancel_defaults_to_drop_and_canceled() -> None:
    """R4: a hand-written future gets correct cancellation for free."""
    signal = Signal()
    request = CancelRequest(CancelReason(message="why"))

    outcome = signal.poll_cancel(context(), request)

    assert (outcome, signal.log) == (Canceled(request.reason), ["drop"])


def test_poll_cancel_again_continues_the_same_cleanup_and_poll_is_an_error() -> None:
    """R4: pending while the cleanup awaits; the second request starts nothing new."""
    log: list[str] = []
    gate = Signal()

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            log.append("begin")
            await gate
            log.append("end")

    future = as_future(body())
    poll_once(future)
    first = poll_cancel_once(future, request="first")
    with pytest.raises(UsageError):
        future.poll(context())
    again = poll_cancel_once(future, request="second")
    gate.set("go")
    last = poll_cancel_once(future, request="third")

    assert (first, again, log) == (PENDING, PENDING, ["begin", "end"])
    assert reason_of(last).message == "first"  # type: ignore[arg-type]


# -- delivery --------------------------------------------------------------------------------------


def test_cancel_before_the_first_poll_runs_nothing_and_closes_what_is_owned() -> None:
    """R5: the body is never entered; `owned` resources are closed, the last first."""
    log: list[str] = []

    class Resource:
        def __init__(self, name: str) -> None:
            self.name = name

        async def aclose(self) -> None:
            await rescind.yield_now()
            log.append(self.name)

    async def body() -> None:
        log.append("ran")

    async def main() -> Any:
        task = rescind.spawn(body(), owned=[Resource("first"), Resource("second")])
        return await task.cancel("early")

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert (reason_of(outcome.value).message, log) == ("early", ["second", "first"])


def test_request_is_delivered_at_the_await_that_is_parked() -> None:
    """R6: as `Cancellation`, an asyncio.CancelledError, with its reason; never mid-step."""
    log: list[str] = []

    async def body() -> None:
        rescind.current_task().cancel("mine")
        log.append("goes on to its next await")
        await rescind.ready(1)
        log.append("which was ready")
        try:
            await rescind.never()
        except asyncio.CancelledError as exc:
            log.append(f"{type(exc).__name__}: {str(exc).partition(', by')[0]}")
            raise

    async def main() -> Any:
        return await rescind.spawn(body()).join()

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert reason_of(outcome.value).message == "mine"
    assert log == ["goes on to its next await", "which was ready", "Cancellation: explicit: mine"]


def test_value_that_is_there_when_the_request_comes_is_delivered() -> None:
    """R7: the value first, the cancellation at the next park."""
    log: list[str] = []
    signal = Signal()

    async def body() -> None:
        log.append(await signal)
        await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        signal.set("value")
        return await task.cancel()

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert (type(outcome.value), log) == (Canceled, ["value"])


def test_both_finishers_of_a_race_are_accounted_for() -> None:
    """R7: the winner's value is returned, the second finisher's goes to `on_undelivered`."""
    one, two = Signal(), Signal()
    back: list[str] = []

    async def main() -> str:
        racing = rescind.spawn(
            rescind.race(_value_of(one), _value_of(two), on_undelivered=back.append)
        )
        await rescind.yield_now()
        one.set("one")
        two.set("two")
        return await racing

    assert (run_virtual(main), back) == (Completed("one"), ["two"])


async def _value_of(future: Future[str]) -> str:
    return await future


def test_budget_guarantees_that_a_next_park_comes() -> None:
    """R7: a loop over ready futures parks when its budget is spent.

    The value that is ready there is delivered first; the next time, it is canceled unpolled.
    """
    count = 0

    async def hot() -> None:
        nonlocal count
        rescind.current_task().cancel()
        while True:
            await rescind.ready(None)
            count += 1

    with manual(budget=16) as runtime:
        task = runtime.spawn(hot())
        runtime.block_on(task.join())

    assert (count, type(task.outcome())) == (2 * 16, Canceled)


def test_cleanup_runs_inside_out_last_in_first_out_all_of_it() -> None:
    """R8: leaf, then innermost frame, outwards; children before the parent; errors stop nothing."""
    log: list[str] = []

    async def child(name: str) -> None:
        try:
            await Signal([])
        finally:
            await rescind.yield_now()
            log.append(name)
            raise ValueError(name)

    async def inner() -> None:
        try:
            await rescind.join(child("first"), child("second"))
        finally:
            log.append("inner")
            raise KeyError("inner")

    async def outer() -> None:
        try:
            await inner()
        finally:
            log.append("outer")

    async def main() -> Any:
        task = rescind.spawn(outer())
        await rescind.yield_now()
        return await task.cancel()

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert log == ["first", "second", "inner", "outer"]
    assert [repr(error) for error in outcome.value.also] == [
        "ValueError('first')",
        "ValueError('second')",
        "KeyError('inner')",
    ]


def test_cleanup_may_await_and_the_same_request_comes_once() -> None:
    """R9: races, timeouts and spawns in a cleanup work as in a fresh task."""
    log: list[Any] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            log.append(await rescind.race(rescind.sleep(5), rescind.ready("race")))
            try:
                await rescind.timeout(rescind.never(), 1)
            except TimedOut:
                log.append("timeout")
            log.append(await rescind.spawn(rescind.ready("spawn")))

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        task.cancel("once")
        return await task.cancel("twice")

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert reason_of(outcome.value).message == "once"
    assert log == ["race", "timeout", "spawn"]


@pytest.mark.parametrize(
    ("own", "call", "second", "ends_at"),
    [(4.0, None, None, 4.0), (4.0, 2.0, None, 2.0), (4.0, None, 1.0, 1.0), (1.0, None, 4.0, 1.0)],
)
def test_grace_ladder_drops_when_the_grace_is_over(
    own: float, call: float | None, second: float | None, ends_at: float
) -> None:
    """R10: own grace, or the call's; a second request may shorten it, never lengthen it."""

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.never()

    async def main() -> tuple[float, Any]:
        task = rescind.spawn(body(), grace=own)
        await rescind.yield_now()
        request = task.cancel() if call is None else task.cancel(grace=call)
        if second is not None:
            task.cancel(grace=second)
        outcome = await request
        return rescind.now(), outcome

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    now, ended = outcome.value
    assert (now, ended.dropped, ended.abandoned) == (ends_at, True, False)


def test_frame_that_yields_even_when_dropped_is_abandoned() -> None:
    """R10: never polled again, reported, its joiners told."""
    log: list[str] = []

    async def body() -> None:
        for _ in range(3):
            try:
                await rescind.never()
            except BaseException as exc:
                log.append(type(exc).__name__)

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        outcome = await task.cancel(grace=1)
        return outcome, rescind.current_runtime().statistics().abandoned

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    ended, abandoned = outcome.value
    assert (ended.dropped, ended.abandoned, abandoned) == (True, True, 1)
    assert log[:2] == ["Cancellation", "GeneratorExit"]


def test_childs_grace_is_never_longer_than_what_is_left_of_its_parents() -> None:
    """R10: budgets nest."""

    async def stuck() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.never()

    async def main() -> float:
        task = rescind.spawn(rescind.race(stuck(), grace=100.0))
        await rescind.yield_now()
        await task.cancel(grace=3.0)
        return rescind.now()

    assert run_virtual(main) == Completed(3.0)


def test_swallowed_cancellation_is_completed_and_noted() -> None:
    """R11: a value returned despite it is a value; the task says that it absorbed one."""

    async def body() -> str:
        try:
            await rescind.never()
        except Cancellation:
            return "absorbed"

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        return await task.cancel(), task.absorbed

    assert run_virtual(main) == Completed((Completed("absorbed"), True))


def test_what_catches_and_carries_on_is_still_within_its_grace() -> None:
    """R11: nothing is immortal by accident."""

    async def body() -> None:
        try:
            await rescind.never()
        except Cancellation:
            await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(body(), grace=7)
        await rescind.yield_now()
        outcome = await task.cancel()
        return rescind.now(), outcome

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    now, ended = outcome.value
    assert (now, ended.dropped) == (7.0, True)


def test_shield_defers_delivery_and_its_gate_lets_it_in() -> None:
    """R12: deferred to the next park after the shield; the gate undoes only its own."""
    log: list[str] = []

    async def body() -> None:
        with rescind.shielded() as gate:
            await rescind.sleep(1)
            reason = rescind.cancel_requested()
            assert reason is not None
            log.append(f"shielded: {reason.message}")
            try:
                await gate.open(rescind.sleep(1))
            except Cancellation:
                log.append("let in by the gate")
                raise
        log.append("not reached")

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        return await task.cancel("wait")

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert (type(outcome.value), log) == (Canceled, ["shielded: wait", "let in by the gate"])


def test_leaving_a_shield_checks_nothing() -> None:
    """R12: the value of the shielded future is seen; the next park delivers."""
    log: list[str] = []

    async def slow() -> str:
        await rescind.sleep(1)
        return "value"

    async def body() -> None:
        log.append(await rescind.shield(slow()))
        log.append("after")
        await rescind.yield_now()
        log.append("not reached")

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        return await task.cancel()

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert (type(outcome.value), log) == (Canceled, ["value", "after"])


def test_shields_are_not_inherited_by_children() -> None:
    """R12: a child spawned inside a shield is cancelable; the parent forwards nothing."""
    log: list[str] = []

    async def main() -> Any:
        with rescind.shielded():
            child = rescind.spawn(rescind.never())
            await rescind.yield_now()
            log.append(type(await child.cancel()).__name__)

    assert (run_virtual(main), log) == (Completed(None), ["Canceled"])


def test_whole_subtree_is_marked_before_any_cleanup_runs() -> None:
    """R13: the first cleanup already finds every other child marked."""
    log: list[list[bool]] = []
    marks: list[Any] = []

    async def child(index: int) -> None:
        marks[index] = rescind.cancel_requested
        try:
            await rescind.never()
        finally:
            log.append([cell.request is not None for cell in cells])

    cells: list[Any] = []

    async def main() -> Any:
        marks.extend([None] * 3)
        future: Any = rescind.join(*(child(index) for index in range(3)))
        task = rescind.spawn(future)
        await rescind.yield_now()
        cells.extend(future._children.cells)
        return await task.cancel()

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert log == [[True, True, True]] * 3


# -- reasons and outcomes --------------------------------------------------------------------------


def test_reason_is_data_with_lineage() -> None:
    """R14: who, where, when and the cause; picklable; `str` has a line for each link."""
    seen: list[CancelReason] = []

    async def child() -> None:
        try:
            await rescind.never()
        except Cancellation as exc:
            seen.append(exc.reason)
            raise

    async def main() -> Any:
        task = rescind.spawn(rescind.race(child()))
        await rescind.sleep(2)
        task.cancel("first")
        task.cancel("second")
        await task.join()
        return [reason.message for reason in task.cancel_reasons]

    messages = run_virtual(main)
    [reason] = seen
    here, there = reason, reason.cause

    assert messages == Completed(["first", "second"])
    assert there is not None
    assert (here.kind, there.kind, there.message, there.at) == (
        CancelKind.PARENT,
        CancelKind.EXPLICIT,
        "first",
        2.0,
    )
    assert there.by is not None
    assert re.fullmatch(r"task \d+ 'main'", there.by)
    assert there.where is not None
    assert re.fullmatch(r".*test_rules\.py:\d+", there.where)
    assert pickle.loads(pickle.dumps(reason)) == reason
    assert len(str(reason).splitlines()) == len(reason.chain()) == 2


def test_every_kind_of_reason_that_is_built_has_its_source() -> None:
    """R14: each kind arises where the rule says."""
    kinds: dict[str, CancelKind] = {}

    def noting(name: str) -> Any:
        async def body() -> None:
            try:
                await rescind.never()
            except Cancellation as exc:
                kinds[name] = exc.reason.kind
                raise

        return body()

    async def fail() -> None:
        raise ValueError("failed")

    async def main() -> None:
        await rescind.race(noting("loser"), rescind.ready(1))
        with pytest.raises(ValueError, match="failed"):
            await rescind.join(noting("sibling"), fail())
        with pytest.raises(TimedOut):
            await rescind.timeout(noting("late"), 1)
        task = rescind.spawn(noting("asked"))
        child = rescind.spawn(rescind.race(noting("child")))
        rescind.spawn(noting("left"))
        await rescind.yield_now()
        await task.cancel()
        await child.cancel()

    run_virtual(main)

    assert kinds == {
        "loser": CancelKind.RACE_LOST,
        "sibling": CancelKind.SIBLING_FAILED,
        "late": CancelKind.DEADLINE,
        "asked": CancelKind.EXPLICIT,
        "child": CancelKind.PARENT,
        "left": CancelKind.SHUTDOWN,
    }


def test_outcome_is_frozen_and_the_same_for_every_joiner() -> None:
    """R15: before the end and after it, from the runtime and from a thread."""

    async def main() -> list[Any]:
        task = rescind.spawn(rescind.ready(5))
        early = task.join()
        seen: list[Any] = [await early, await task.join(), task.outcome()]
        thread = threading.Thread(
            target=lambda: seen.append(task.cancellation_handle().wait(60)),
        )
        thread.start()
        thread.join(60)
        return seen

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert outcome.value == [Completed(5)] * 4
    with pytest.raises(AttributeError):
        outcome.value[0].value = 6


def test_error_in_cleanup_does_not_turn_canceled_into_error() -> None:
    """R15: it is in `also`, once."""
    error = OSError("in cleanup")

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            raise error

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.yield_now()
        return await task.cancel("why")

    outcome = run_virtual(main)

    assert isinstance(outcome, Completed)
    assert outcome.value == Canceled(outcome.value.reason, (error,))


def test_completion_beats_a_request_not_yet_delivered() -> None:
    """R16: a task that ends in the step during which it was canceled has its value."""

    async def body() -> str:
        rescind.current_task().cancel()
        return "value"

    async def main() -> Any:
        task = rescind.spawn(body())
        return await task.join()

    assert run_virtual(main) == Completed(Completed("value"))


def test_cancel_of_a_finished_task_says_that_it_did_nothing() -> None:
    """R16: `accepted` is False, the outcome unchanged, awaiting it does not wait."""

    async def main() -> Any:
        task = rescind.spawn(rescind.ready(1))
        await task
        request = task.cancel()
        return request.accepted, await request, task.cancel_reasons

    assert run_virtual(main) == Completed((False, Completed(1), ()))


def test_awaiting_a_canceled_task_raises_task_canceled_not_cancellation() -> None:
    """R17: it was canceled, I was not."""

    async def main() -> Any:
        task = rescind.spawn(rescind.never())
        await rescind.yield_now()
        task.cancel("not you")
        try:
            await task
        except Exception as exc:
            return type(exc), rescind.cancel_requested()
        return None

    assert run_virtual(main) == Completed((TaskCanceled, None))


def test_canceled_joiner_never_cancels_the_joined() -> None:
    """R17: unless it says so, with join_or_cancel."""

    async def main() -> Any:
        target = rescind.spawn(rescind.sleep(1))
        joiner = rescind.spawn(target.join())
        taking = rescind.spawn(rescind.never())
        taker = rescind.spawn(rescind.join_or_cancel(taking))
        await rescind.yield_now()
        await joiner.cancel()
        await taker.cancel()
        return type(await target.join()), type(taking.outcome())

    assert run_virtual(main) == Completed((Completed, Canceled))


# -- parents ---------------------------------------------------------------------------------------


def test_children_are_polled_in_the_parents_task_only_when_woken() -> None:
    """R18: first polls in argument order, later ones in wake order; the others are left alone."""
    log: list[str] = []
    signals = [Signal(), Signal(), Signal()]

    async def child(index: int) -> None:
        log.append(f"{index} in {rescind.current_task().name}")
        await signals[index]
        log.append(str(index))

    async def main() -> Any:
        task = rescind.spawn(rescind.join(*map(child, range(3))), name="parent")
        await rescind.yield_now()
        signals[2].set("")
        signals[0].set("")
        await rescind.yield_now()
        await rescind.yield_now()
        polls = [len(signal.log) for signal in signals]
        signals[1].set("")
        await task
        return polls

    assert run_virtual(main) == Completed([2, 1, 2])
    assert log == ["0 in parent", "1 in parent", "2 in parent", "2", "0", "1"]


def test_losers_are_drained_before_the_winner_is_known() -> None:
    """R19: every loser's cleanup, all at once, then the result."""
    log: list[str] = []

    async def loser(seconds: float) -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(seconds)
            log.append(f"cleaned at {rescind.now():g}")

    async def main() -> Any:
        value = await rescind.race(loser(2), loser(3), rescind.ready("won"))
        log.append(f"{value} at {rescind.now():g}")

    run_virtual(main)

    assert log == ["cleaned at 2", "cleaned at 3", "won at 3"]


def test_join_fails_fast_outcomes_never_race_ok_takes_the_first_success() -> None:
    """R20: three answers to the same failures."""

    async def fail(name: str) -> str:
        raise ValueError(name)

    async def main() -> list[Any]:
        got: list[Any] = []
        try:
            await rescind.join(fail("a"), fail("b"), rescind.never())
        except ValueError as exc:
            got.append(str(exc))
        got.append([type(o).__name__ for o in await rescind.outcomes(fail("a"), rescind.ready(1))])
        got.append(await rescind.race_ok(fail("a"), rescind.ready("ok")))
        try:
            await rescind.race_ok(fail("a"), fail("b"))
        except ExceptionGroup as group:
            got.append([str(exc) for exc in group.exceptions])
        return got

    assert run_virtual(main) == Completed(
        ["a", ["Error", "Completed"], "ok", ["a", "b"]],
    )


def test_timeout_is_a_deadline_inside_and_timed_out_at_its_own_boundary() -> None:
    """R21: the smallest on the path fires; only its own boundary converts it."""
    log: list[str] = []

    async def work() -> None:
        try:
            await rescind.never()
        except Cancellation as exc:
            log.append(exc.reason.kind.name)
            raise

    async def main() -> float:
        try:
            async with rescind.deadline(9):
                try:
                    await rescind.timeout(work(), 4)
                except TimedOut:
                    log.append("inner")
        except TimedOut:
            log.append("outer")
        return rescind.now()

    assert run_virtual(main) == Completed(4.0)
    assert log == ["DEADLINE", "inner"]


def test_value_ready_at_the_deadline_wins() -> None:
    """R21: the value is polled before the timer."""

    async def main() -> Any:
        return await rescind.timeout(_value_after(3.0), 3.0)

    assert run_virtual(main) == Completed("value")


async def _value_after(seconds: float) -> str:
    await rescind.sleep(seconds)
    return "value"


def test_unfinished_children_are_driven_and_leaving_drains_them() -> None:
    """R22: the children of a combinator go on while one is handled."""
    log: list[str] = []

    async def child(seconds: float) -> None:
        try:
            await rescind.sleep(seconds)
            log.append(f"{seconds:g}")
        except Cancellation:
            log.append(f"{seconds:g} drained")
            raise

    async def main() -> None:
        task = rescind.spawn(rescind.outcomes(child(1), child(2), child(30)))
        await rescind.sleep(5)
        await task.cancel()
        log.append("left")

    run_virtual(main)

    assert log == ["1", "2", "30 drained", "left"]


# -- runtime and tasks -----------------------------------------------------------------------------


def test_turn_takes_what_is_ready_and_yields_run_after_io() -> None:
    """R23: a task that yields runs after the host has looked, and after what became ready."""
    log: list[str] = []

    async def yielder() -> None:
        for number in range(2):
            log.append(f"yielder {number}")
            await rescind.yield_now()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        one = rescind.spawn(yielder())
        two = rescind.spawn(yielder())
        loop.call_soon(log.append, "loop's callback")
        await rescind.join(one, two)

    rescind.run(main)

    assert log == ["yielder 0", "yielder 0", "loop's callback", "yielder 1", "yielder 1"]


def test_shutdown_cancels_drops_and_reports() -> None:
    """R24: cancel, grace, drop; what overran is in the report; later spawns are born canceled."""

    async def stuck() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.never()

    with manual(grace=5.0) as runtime:
        runtime.spawn(stuck(), name="stuck")
        runtime.spawn(rescind.never(), name="good")
        runtime.block_on(rescind.yield_now())
        report = runtime.shutdown()
        late = runtime.spawn(rescind.ready(1))

    assert (report.canceled, [one.task for one in report.overran]) == (2, ["stuck"])
    assert reason_of(late.outcome()).kind is CancelKind.SHUTDOWN


def test_handle_cancels_from_any_thread_and_holds_neither_frame_nor_output() -> None:
    """R25: cloneable, hashable, and the task's outcome is not kept by it."""

    class Output:
        pass

    async def make() -> Output:
        return Output()

    async def main() -> Any:
        task = rescind.spawn(rescind.never())
        handle = task.cancellation_handle()
        thread = threading.Thread(target=handle.cancel, args=("from a thread",))
        thread.start()
        while not handle.done():
            await rescind.yield_now()
        thread.join(60)
        ended = rescind.spawn(make())
        ref = weakref.ref(await ended)
        other = ended.cancellation_handle()
        del ended
        await rescind.yield_now()
        return reason_of(task.outcome()).message, ref(), other.done(), len({handle, handle})

    assert rescind.run(main) == ("from a thread", None, True, 1)


def test_runtime_holds_its_tasks_strongly() -> None:
    """R25: a task whose handle is dropped is detached, not lost to the collector."""
    log: list[str] = []

    async def body() -> None:
        await rescind.sleep(1)
        log.append("ended")

    async def main() -> None:
        rescind.spawn(body())
        await rescind.yield_now()
        gc.collect()
        await rescind.sleep(2)

    run_virtual(main)

    assert log == ["ended"]


# -- sets, groups, tokens, work outside ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["FutureSet", "select"])
def test_set_drives_its_members_while_the_body_awaits_and_leaving_drains_them(kind: str) -> None:
    """R22: also where nobody fetches; the rest is canceled (GROUP_EXIT) and waited for."""
    log: list[str] = []

    async def member(seconds: float) -> None:
        try:
            await rescind.sleep(seconds)
            log.append(f"{seconds:g} ended at {rescind.now():g}")
        except Cancellation as canceled:
            await rescind.sleep(2)
            log.append(f"{seconds:g} {canceled.reason.kind.name} at {rescind.now():g}")
            raise

    async def main() -> float:
        members: Any = rescind.FutureSet[int, None]()
        if kind == "select":
            members = rescind.select(member(1), member(30))
        async with members:
            if kind == "FutureSet":
                members.add(member(1))
                members.add(member(30))
            await rescind.sleep(5)
            log.append("body")
        return rescind.now()

    assert run_virtual(main) == Completed(7.0)
    assert log == ["1 ended at 1", "body", "30 GROUP_EXIT at 7"]


@pytest.mark.parametrize("leaves_by", ["value", "error", "cancel", "break", "drop"])
def test_group_is_left_by_no_way_with_a_child_alive(leaves_by: str) -> None:
    """R26: P52: value, error, cancellation, a jump out of the block, and a drop."""
    ends: list[float] = []
    alive_after: list[int] = []

    async def child() -> None:
        try:
            await rescind.sleep(3)
        finally:
            if leaves_by != "drop":
                await rescind.sleep(1)
            ends.append(rescind.now())

    async def parent() -> None:
        group = rescind.task_group()
        try:
            for _ in range(1):
                async with group as g:
                    g.spawn(child())
                    await rescind.sleep(1)
                    if leaves_by == "error":
                        raise ValueError
                    if leaves_by == "break":
                        break
                    if leaves_by in ("cancel", "drop"):
                        await rescind.never()
        finally:
            alive_after.append(len(group.tasks))

    async def main() -> None:
        task = rescind.spawn(parent())
        await rescind.sleep(1.5)
        if leaves_by in ("cancel", "drop"):
            await task.cancel(grace=0 if leaves_by == "drop" else 30)
        await task.join()

    assert run_virtual(main) == Completed(None)
    at = {"value": 4.0, "break": 4.0, "error": 2.0, "cancel": 2.5, "drop": 1.5}[leaves_by]
    assert (alive_after, ends) == ([0], [at])


def test_first_error_cancels_the_rest_and_a_canceled_child_nobody() -> None:
    """R26: P54: fail-fast, as one group of errors; to cancel one child concerns that child."""
    outcomes: list[Any] = []

    async def fail() -> None:
        await rescind.sleep(1)
        raise ValueError

    async def main() -> float:
        with pytest.raises(ExceptionGroup) as caught:
            async with rescind.task_group() as g:
                alone, other = g.spawn(rescind.never()), g.spawn(rescind.sleep(9))
                g.spawn(fail())
                await alone.cancel("alone")
                assert not other.cancel_reasons
                await rescind.never()
        outcomes.extend([len(caught.value.exceptions), reason_of(other.outcome()).kind])
        return rescind.now()

    assert run_virtual(main) == Completed(1.0)
    assert outcomes == [1, CancelKind.SIBLING_FAILED]


def test_child_spawned_after_the_cancel_is_born_canceled_and_after_the_close_refused() -> None:
    """R26: P55: its body never runs, and the group counts nobody."""
    log: list[str] = []

    async def body() -> None:
        log.append("ran")

    async def main() -> Any:
        async with rescind.task_group() as g:
            g.cancel("over")
            born = g.spawn(body())
        with pytest.raises(UsageError):
            g.spawn(body())
        return type(born.outcome()), g.statistics().alive

    assert (run_virtual(main), log) == (Completed((Canceled, 0)), [])


def test_policies_collect_and_supervise() -> None:
    """R26: the one raises all errors at the end, the other begins anew what failed."""
    runs: list[float] = []

    async def flaky() -> None:
        runs.append(rescind.now())
        if len(runs) < 3:
            raise ValueError

    async def fail(seconds: float) -> None:
        await rescind.sleep(seconds)
        raise ValueError(seconds)

    async def main() -> Any:
        with pytest.raises(ExceptionGroup) as caught:
            async with rescind.task_group(policy="collect") as g:
                g.spawn(fail(2))
                g.spawn(fail(1))
        policy = rescind.Supervise(backoff=1, max_restarts=None)
        async with rescind.task_group(policy=policy) as g:
            g.spawn(flaky)
        return [exc.args[0] for exc in caught.value.exceptions]

    assert (run_virtual(main), runs) == (Completed([1, 2]), [2, 3, 5])


def test_token_cancels_all_below_it_across_tasks_and_threads() -> None:
    """R26: marked before anybody is told; each reason leads back to the first."""
    root = rescind.CancellationToken()
    below = root.child().child()
    seen: list[bool] = []
    root.on_cancel(lambda _reason: seen.append(below.canceled))

    async def main() -> Any:
        task = rescind.spawn(below.guard(rescind.never()))
        await rescind.yield_now()
        thread = threading.Thread(target=root.cancel, args=("from a thread",))
        thread.start()
        outcome = await task.join()
        thread.join(60)
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, TaskCanceled)
        return outcome.exception.reason.chain()[-1].message

    assert (rescind.run(main), seen) == ("from a thread", [True])


def test_blocking_function_that_has_not_begun_never_runs_and_one_that_has_is_asked() -> None:
    """R27: the token is set; the task ends when the function does, or at once if detached."""
    begun, opened = threading.Event(), threading.Event()
    log: list[Any] = []

    def function() -> None:
        begun.set()
        blocking.wait_canceled(20)
        log.append("asked")
        opened.wait(60)

    async def main() -> Any:
        pool = blocking.ThreadPool(1)
        waiting = blocking.spawn_blocking(function, pool=pool)
        queued = blocking.spawn_blocking(log.append, "ran", pool=pool)
        while not begun.is_set():
            await rescind.sleep(0.001)
        never = await queued.cancel()
        request = waiting.cancel()
        await rescind.sleep(0.01)
        kept = not waiting.done()
        opened.set()
        ended = await request
        return type(never), kept, type(ended)

    assert rescind.run(main) == (Canceled, True, Completed)
    assert log == ["asked"]


def test_process_really_ends_when_its_task_is_canceled() -> None:
    """R27: SIGTERM, then SIGKILL before the grace is over; it is gone when the task has ended."""

    async def main() -> Any:
        task = blocking.spawn_process(time.sleep, 3600, grace=5)
        await rescind.sleep(0.2)
        outcome = await task.cancel()
        return type(outcome), multiprocessing.active_children()

    assert rescind.run(main) == (Canceled, [])


def test_every_rule_has_a_test_here() -> None:
    """The numbers R1 to R27 each begin the docstring of a test in this module."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    docs = [
        ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)
    ]
    numbers = {int(found[1]) for doc in docs if (found := re.match(r"R(\d+): ", doc))}

    assert numbers == set(range(1, 28))
