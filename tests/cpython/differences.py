"""Which of CPython's tests are run here, and which of them cannot hold inside rescind, and why.

A test that is listed as one that cannot hold, and holds, fails the suite.
"""

import sys
from dataclasses import dataclass
from typing import Final

from tests.cpython.harness import WAYS

__all__ = ["DIFFERENCES", "MODULES", "Difference", "Module", "difference"]

ALL: Final = ((3, 11), (3, 12), (3, 13))
FROM_312: Final = ((3, 12), (3, 13))


@dataclass(frozen=True)
class Module:
    """A module of ``test.test_asyncio``.

    Attributes:
        name: such as ``test_locks``.
        classes: how the names of those classes begin that are run; others run the same tests on
            another selector, another watcher of child processes, or asyncio's tasks in Python.
        waits: does it need that real time passes: is there I/O, are there threads?
        ways: in which its coroutines are driven.
        left_out: tests that are not run, with the reason.
    """

    name: str
    classes: tuple[str, ...] = ("",)
    waits: bool = True
    ways: tuple[str, ...] = ("task", "branch")
    left_out: tuple[tuple[str, str], ...] = ()

    def runs(self, case: str) -> bool:
        """Is this one of its tests run?"""
        return case.startswith(self.classes) and case not in dict(self.left_out)


_SLEEPS: Final = "it sleeps for a second"

MODULES: Final = (
    Module("test_timeouts", waits=False, ways=WAYS),
    Module("test_taskgroups", waits=False, ways=WAYS),
    Module("test_locks", waits=False, ways=WAYS),
    Module("test_queues", waits=False, ways=WAYS),
    Module("test_waitfor", ways=WAYS),
    Module("test_futures2", waits=False, ways=WAYS),
    Module("test_staggered", waits=False, ways=WAYS),
    Module("test_runners"),
    Module("test_pep492"),
    Module("test_threads"),
    Module("test_eager_task_factory", ("CEager", "NonEagerTests", "EagerTests")),
    Module(
        "test_tasks",
        ("CTask_CFuture_Tests", "FutureGather", "CoroutineGather", "SleepTests"),
        left_out=(
            ("CTask_CFuture_Tests.test_task_del_collect", "it gives no coroutine away, slowly"),
        ),
    ),
    Module("test_streams"),
    Module("test_server", ways=("task",)),
    Module("test_buffered_proto", ways=("task",)),
    Module("test_sock_lowlevel", ("EPoll", "Kqueue"), ways=("task",)),
    Module("test_sendfile", ("EPoll", "Kqueue"), ways=("task",)),
    Module("test_unix_events", ways=("task",)),
    Module("test_base_events", ways=("task",)),
    Module(
        "test_subprocess",
        ("SubprocessThreadedWatcherTests",),
        ways=("task",),
        left_out=(
            ("SubprocessThreadedWatcherTests.test_kill_issue43884", _SLEEPS),
            ("SubprocessThreadedWatcherTests.test_read_stdout_after_process_exit", _SLEEPS),
            ("SubprocessThreadedWatcherTests.test_subprocess_send_signal_race", _SLEEPS),
        ),
    ),
)


@dataclass(frozen=True)
class Difference:
    """A test that cannot hold.

    Attributes:
        case: its name, with the module's and the class's.
        ways: how its coroutine is driven when it does not hold.
        reason: in what rescind differs, on purpose.
        pythons: where it does not hold.
    """

    case: str
    ways: tuple[str, ...]
    reason: str
    pythons: tuple[tuple[int, int], ...] = ALL


_LATER: Final = (
    "a combinator inside a task of asyncio's goes on one iteration of the loop later than the task"
)
_VALUE_FIRST: Final = "what it was handed before the cancellation is delivered is not lost (R7)"
_CLEANUP: Final = "an error in a cleanup does not turn a cancellation into an error (R15)"
_OWN_CONTEXT: Final = "a task, and each branch, has a copy of the context variables (R18)"
_COUNTS: Final = "it counts the tasks that asyncio's task factory makes, and rescind's is none"

#: In each task of asyncio's a combinator that drives its coroutine.
_BRANCHES: Final = (
    (
        _CLEANUP,
        ALL,
        "test_taskgroups.TestTaskGroup.test_taskgroup_08",
        "test_taskgroups.TestTaskGroup.test_taskgroup_11",
        "test_taskgroups.TestTaskGroup.test_taskgroup_12",
        "test_taskgroups.TestTaskGroup.test_taskgroup_15",
        "test_taskgroups.TestTaskGroup.test_taskgroup_16",
        "test_taskgroups.TestTaskGroup.test_taskgroup_18",
        "test_waitfor.AsyncioWaitForTest.test_wait_for_reraises_exception_during_cancellation",
    ),
    (
        _CLEANUP,
        ((3, 13),),
        "test_taskgroups.TestTaskGroup.test_error_and_cancel",
        "test_timeouts.TimeoutTests.test_timeout_taskgroup",
    ),
    (
        _OWN_CONTEXT,
        ALL,
        "test_taskgroups.TestTaskGroup.test_taskgroup_task_context",
    ),
    (
        _VALUE_FIRST,
        ALL,
        "test_locks.LockTests.test_cancel_race",
        "test_locks.LockTests.test_cancel_release_race",
        "test_locks.LockTests.test_finished_waiter_cancelled",
        "test_queues.QueuePutTests.test_cancelled_put_silence_value_error_exception",
        "test_queues.QueuePutTests.test_get_cancel_drop_many_pending_readers",
    ),
    (
        _VALUE_FIRST,
        ((3, 13),),
        "test_locks.ConditionTests.test_cancelled_error_re_aquire",
    ),
    (
        "what is raised inside is ours, a Cancellation, and not the CancelledError of the task",
        ((3, 13),),
        "test_locks.ConditionTests.test_cancelled_error_wakeup",
    ),
    (
        _LATER,
        ALL,
        "test_locks.SemaphoreTests.test_acquire_cancel_before_awoken",
        "test_locks.SemaphoreTests.test_acquire_hang",
        "test_locks.SemaphoreTests.test_acquire_no_hang",
    ),
)

DIFFERENCES: Final = (
    *(
        Difference(case, ("branches",), reason, pythons)
        for reason, pythons, *cases in _BRANCHES
        for case in cases
    ),
    Difference("test_runners.RunnerTests.test_run_keeps_context", ("task", "branch"), _OWN_CONTEXT),
    Difference(
        "test_runners.RunnerTests.test_interrupt_cancelled_task",
        ("task",),
        "Ctrl-C ends in KeyboardInterrupt, also if main was being canceled already",
    ),
    Difference(
        "test_runners.RunnerTests.test_interrupt_cancelled_task",
        ("branch",),
        "the current task, which it cancels, is the branch's; Ctrl-C cancels asyncio's around it",
    ),
    Difference(
        "test_runners.RunTests.test_asyncio_run_without_uncancel",
        ("task",),
        "it takes uncancel() from tasks of asyncio's task factory; rescind's is none",
    ),
    Difference(
        "test_streams.StreamTests.test_loop_is_closed_resource_warnings",
        ("task",),
        "a loop that was stopped from inside is a UsageError, and no RuntimeError",
    ),
    Difference(
        "test_tasks.CTask_CFuture_Tests.test_cancel_gather_2",
        ("task", "branch"),
        "what is said about a cancellation is text: the reason of an outcome, no argument",
    ),
    *(
        Difference(f"test_eager_task_factory.NonEagerTests.{name}", ("task",), _COUNTS, FROM_312)
        for name in ("test_awaitables_chain", "test_recursive_gather", "test_recursive_taskgroups")
    ),
)


def difference(case: str, way: str) -> Difference | None:
    """Return the difference that keeps the test from holding on this Python, if there is one."""
    for one in DIFFERENCES:
        if one.case == case and way in one.ways and sys.version_info[:2] in one.pythons:
            return one
    return None
