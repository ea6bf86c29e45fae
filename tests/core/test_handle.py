"""`CancellationHandle`: cancels from any thread, waits in any but its own, holds nothing."""

import gc
import threading

import pytest

import rescind
from rescind import (
    Canceled,
    CancellationHandle,
    CancelReason,
    Completed,
    UsageError,
)
from tests.core.kit import Bench


def test_handle_holds_nothing_and_survives_its_task() -> None:
    """R25: cloneable, hashable; after the end it says so, and a cancel is not accepted."""
    import copy

    with Bench() as bench:
        task = bench.spawn(rescind.never(), name="t")
        handle = task.cancellation_handle()
        twin, other = copy.copy(handle), bench.spawn(rescind.never()).cancellation_handle()
        assert ({handle}, False, False) == ({handle, twin}, handle == other, handle.done())
        assert f"<CancellationHandle of task {task.id} 't', running>" == repr(handle)
        assert handle.cancel("by handle").accepted
        bench.idle()
        assert (True, "by handle") == (handle.done(), task.cancel_reasons[0].message)
        task_id = task.id
        del task
        gc.collect()
        assert (False, True, handle) == (
            handle.cancel().accepted,
            handle.done(),
            copy.copy(handle),
        )
        assert f"<CancellationHandle of task {task_id} 't', done>" == repr(handle)
        with pytest.raises(UsageError, match=r"^'t' has ended, and its outcome is gone"):
            handle.wait()


def test_handle_waits_in_a_thread() -> None:
    """R25: blocks a plain thread until the end; an ended task answers at once."""
    with rescind.Runtime() as rt:
        gate = rescind.ready(None)
        task = rt.spawn(rescind.never(), name="t")
        handle = task.cancellation_handle()
        got: list[object] = []
        reason = CancelReason(message="from a thread")

        def wait() -> None:
            handle.cancel(reason)
            got.append(handle.wait(60))

        thread = threading.Thread(target=wait)
        thread.start()
        rt.block_on(task.join())
        rt.block_on(gate)
        while thread.is_alive():
            rt.block_on(rescind.sleep(0.001))
            thread.join(0.01)
        assert ([Canceled(reason)], Canceled(reason)) == (got, handle.wait())


def test_handle_wait_times_out() -> None:
    """TimeoutError names the task and the seconds."""
    caught: list[str] = []

    def wait() -> None:
        with pytest.raises(TimeoutError) as exc:
            handle.wait(0)
        caught.append(str(exc.value))

    with Bench() as bench:
        handle = bench.spawn(rescind.never(), name="t").cancellation_handle()
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
        assert ["'t' has not ended within 0 s"] == caught


def test_handle_wait_on_the_runtimes_own_thread_is_refused() -> None:
    """It would wait for itself."""
    with Bench() as bench:

        async def main() -> str:
            with pytest.raises(UsageError) as caught:
                handle.wait()
            return str(caught.value)

        handle = bench.spawn(rescind.never(), name="t").cancellation_handle()
        task = bench.spawn(main())
        bench.idle()
        assert isinstance(handle, CancellationHandle)
        expected = "waiting for 't' would block the thread that runs it; await the task"
        assert Completed(expected) == task.outcome()


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_handle_wait_for_no_duration_is_refused(timeout: float) -> None:
    """A timeout that is negative or NaN is named, whether or not the task has ended."""
    with Bench() as bench:
        task = bench.spawn(rescind.ready(1))
        bench.idle()
        with pytest.raises(ValueError, match=r"^timeout must be") as caught:
            task.cancellation_handle().wait(timeout)
        expected = (
            f"timeout must be a number of seconds that is not negative and not NaN: {timeout!r}"
        )
        assert expected == str(caught.value)


def test_handle_waits_without_end_for_infinity() -> None:
    """Infinity is no timeout at all, where a lock of the standard library would refuse it."""
    with rescind.Runtime() as rt:
        task = rt.spawn(rescind.never())
        handle = task.cancellation_handle()
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(handle.wait(float("inf"))))
        thread.start()
        handle.cancel("enough")
        outcome = rt.block_on(task.join())
        rt.block_on(rescind.yield_now())
        while thread.is_alive():
            rt.block_on(rescind.yield_now())
        thread.join()
    assert [outcome] == seen
