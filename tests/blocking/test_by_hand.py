"""The future of a blocking call, polled by hand: every step visible, the threads at the bench."""

from __future__ import annotations

from typing import Any

import pytest

from rescind import Canceled, Completed, Error, PolledAfterCompletion, UsageError
from rescind.blocking.job import Job, JobState
from rescind.blocking.pool import ThreadPool
from rescind.blocking.threads import Blocking
from rescind.lowlevel import PENDING, Context
from rescind.testing import CountingWaker, poll_cancel_once, poll_once
from tests.core.kit import Bench, request


class HandPool(ThreadPool):
    """A pool without threads: the test is the thread."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job[Any]] = []

    def submit(self, job: Job[Any]) -> None:
        self.jobs.append(job)


class Call:
    """A blocking call on a bench."""

    def __init__(self, bench: Bench, fn: Any, *, detach: bool = False) -> None:
        self.bench = bench
        self.got: list[Any] = []
        self.job: Job[Any] = Job(fn, "call", bench.executor, self.got.append)
        self.pool = HandPool()
        self.future = Blocking(self.job, self.pool, detach=detach)
        self.waker = CountingWaker()
        self.cx = Context(self.waker, bench.executor)

    def poll(self) -> Any:
        return poll_once(self.future, self.cx)

    def cancel(self) -> Any:
        return poll_cancel_once(self.future, self.cx, "stop")

    def thread(self) -> bool:
        """Do what a thread of the pool would do next; False if the job was revoked."""
        job = self.pool.jobs.pop(0)
        if not job.begin():
            return False
        job.run()
        return True

    @property
    def outside(self) -> int:
        return self.bench.executor.outside


@pytest.fixture
def bench() -> Any:
    """A runtime that runs only when it is told to."""
    with Bench() as bench:
        yield bench


def test_nothing_happens_before_the_first_poll(bench: Bench) -> None:
    """Creating it submits nothing."""
    call = Call(bench, int)
    assert (call.pool.jobs, call.job.state, call.outside) == ([], JobState.QUEUED, 0)


def test_first_poll_submits_and_later_ones_do_not(bench: Bench) -> None:
    """Spurious polls are free; the job counts as work outside once."""
    call = Call(bench, int)
    assert [call.poll(), call.poll(), call.poll()] == [PENDING] * 3
    assert (len(call.pool.jobs), call.outside, call.waker.wakes) == (1, 1, 0)


def test_end_wakes_the_latest_waker_once_in_a_turn(bench: Bench) -> None:
    """Not from the thread: the executor does it; then the value is given once."""
    call = Call(bench, lambda: 42)
    earlier = CountingWaker()
    poll_once(call.future, Context(earlier, bench.executor))
    call.poll()
    call.thread()
    assert (call.waker.wakes, call.outside, call.job.state) == (0, 1, JobState.ENDED)
    bench.idle()
    assert (earlier.wakes, call.waker.wakes, call.outside) == (0, 1, 0)
    assert call.poll() == Completed(42)
    with pytest.raises(PolledAfterCompletion):
        call.future.poll(call.cx)


def test_drop_unpolled_does_nothing(bench: Bench) -> None:
    """The function never runs, nothing was counted."""
    call = Call(bench, int)
    call.future.drop()
    call.future.drop()
    assert (call.pool.jobs, call.outside) == ([], 0)


def test_cancel_unpolled_is_canceled_at_once(bench: Bench) -> None:
    """Nothing was submitted."""
    call = Call(bench, int)
    outcome = call.cancel()
    assert isinstance(outcome, Canceled)
    assert (call.pool.jobs, outcome.dropped) == ([], False)


def test_cancel_in_the_queue_revokes(bench: Bench) -> None:
    """The thread that takes the job finds it revoked, and holds nothing of it."""
    call = Call(bench, int)
    call.poll()
    assert isinstance(call.cancel(), Canceled)
    assert (call.thread(), call.job.state, call.outside) == (False, JobState.REVOKED, 0)
    assert call.job._call is None


def test_cancel_of_a_running_call_waits_for_it(bench: Bench) -> None:
    """It is asked once, however often the cancellation is driven; its value is delivered."""
    call = Call(bench, lambda: 42)
    call.poll()
    job = call.pool.jobs[0]
    job.begin()
    assert [call.cancel(), call.cancel()] == [PENDING, PENDING]
    assert job.reason is not None
    assert (job.reason.message, call.outside) == ("stop", 1)
    job.run()
    bench.idle()
    assert (call.waker.wakes, call.outside, call.cancel()) == (1, 0, Completed(42))


def test_cancel_after_the_end_delivers(bench: Bench) -> None:
    """The value was there first: nobody is asked."""
    call = Call(bench, lambda: 42)
    call.poll()
    call.thread()
    assert call.cancel() == Completed(42)
    assert call.job.reason is None
    bench.idle()
    assert call.outside == 0


def test_cancel_after_the_end_delivers_an_error(bench: Bench) -> None:
    """So was the error."""
    error = ValueError("mine")

    def fail() -> None:
        raise error

    call = Call(bench, fail)
    call.poll()
    call.thread()
    assert call.cancel() == Error(error)


def test_detaching_cancel_ends_at_once_and_the_late_value_is_handed_over(bench: Bench) -> None:
    """The waker hears nothing of it."""
    call = Call(bench, lambda: 42, detach=True)
    call.poll()
    job = call.pool.jobs[0]
    job.begin()
    outcome = call.cancel()
    assert isinstance(outcome, Canceled)
    assert (outcome.dropped, job.state, call.outside) == (True, JobState.DETACHED, 0)
    job.run()
    bench.idle()
    assert (call.got, call.waker.wakes, call.outside) == ([42], 0, 0)
    assert job._value is None


def test_ended_job_holds_neither_function_nor_arguments(bench: Bench) -> None:
    """Though somebody may hold the job (J4)."""
    call = Call(bench, lambda: 42)
    call.poll()
    call.thread()
    assert (call.job._call, call.job._context) == (None, None)


def test_detaching_cancel_after_the_end_delivers(bench: Bench) -> None:
    """There is nothing to detach."""
    call = Call(bench, lambda: 42, detach=True)
    call.poll()
    call.thread()
    assert (call.cancel(), call.got) == (Completed(42), [])


def test_drop_in_the_queue_revokes(bench: Bench) -> None:
    """As a cancellation does."""
    call = Call(bench, int)
    call.poll()
    call.future.drop()
    assert (call.thread(), call.outside, call.got) == (False, 0, [])


def test_drop_of_a_running_call_detaches(bench: Bench) -> None:
    """It is asked to end all the same."""
    call = Call(bench, lambda: 42)
    call.poll()
    job = call.pool.jobs[0]
    job.begin()
    call.future.drop()
    assert (job.reason is not None, job.state, call.outside) == (True, JobState.DETACHED, 0)
    job.run()
    bench.idle()
    assert (call.got, call.waker.wakes, call.outside) == ([42], 0, 0)


def test_drop_after_the_end_hands_the_value_over_once(bench: Bench) -> None:
    """It counts off once too, though the end was told meanwhile or not."""
    for told in (False, True):
        call = Call(bench, lambda: 42)
        call.poll()
        call.thread()
        if told:
            bench.idle()
        call.future.drop()
        call.future.drop()
        bench.idle()
        assert (call.got, call.outside) == ([42], 0)


def test_drop_in_the_midst_of_a_cancellation_detaches(bench: Bench) -> None:
    """The grace is over."""
    call = Call(bench, lambda: 42)
    call.poll()
    call.pool.jobs[0].begin()
    assert call.cancel() is PENDING
    call.future.drop()
    assert (call.job.state, call.outside) == (JobState.DETACHED, 0)
    call.job.run()
    assert call.got == [42]


def test_poll_without_a_runtime_is_refused() -> None:
    """It needs its executor."""
    with Bench() as bench, Bench() as other:
        call = Call(bench, int)
        for cx in (Context(CountingWaker()), Context(CountingWaker(), other.executor)):
            with pytest.raises(UsageError, match="belongs to the runtime"):
                call.future.poll(cx)


def test_ask_twice_keeps_the_first_reason(bench: Bench) -> None:
    """The function is asked once."""
    call = Call(bench, int)
    call.job.ask(request("one").reason)
    call.job.ask(request("two").reason)
    assert call.job.reason is not None
    assert call.job.reason.message == "one"


@pytest.mark.parametrize(
    ("detach", "when"),
    [(detach, when) for detach in (False, True) for when in ("queued", "running", "ended")],
)
def test_whatever_the_order_the_value_goes_to_one_place(
    detach: bool, when: str, bench: Bench
) -> None:
    """Cancel, then drop, at each stage: delivered, handed over, or never made (J2)."""
    ran: list[None] = []

    def work() -> int:
        ran.append(None)
        return 42

    call = Call(bench, work, detach=detach)
    call.poll()
    job = call.pool.jobs[0]
    if when == "running":
        job.begin()
    if when == "ended":
        call.thread()
    outcome = call.cancel()
    call.future.drop()
    if when == "running":
        job.run()
    bench.idle()
    delivered = [outcome.value] if isinstance(outcome, Completed) else []
    assert (len(ran), delivered + call.got) == ((0, []) if when == "queued" else (1, [42]))
    assert call.outside == 0
