"""rescind: an async runtime whose futures are polled; to cancel one is never to poll it again."""

from typing import TYPE_CHECKING

from rescind._core.errors import (
    Cancellation,
    Closed,
    Deadlock,
    InternalError,
    PolledAfterCompletion,
    ProcessDied,
    ProcessFailed,
    RemoteError,
    RescindError,
    TaskCanceled,
    TimedOut,
    UsageError,
    WouldBlock,
)
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.task import Task
from rescind._lazy import lazily

# What not every program needs is imported when it is asked for: a type checker sees where from.
if TYPE_CHECKING:
    from rescind._core.explanation import Explanation
    from rescind._core.handle import CancellationHandle
    from rescind._core.statistics import RuntimeStatistics
    from rescind._host.to_asyncio import to_asyncio_future
    from rescind._version import __version__
    from rescind.combinators.abortable import AbortHandle, abortable
    from rescind.combinators.cleanup import bracket, catch_cancel, finalize, on_cancel
    from rescind.combinators.concurrently import Concurrently, Progress, concurrently
    from rescind.combinators.future_set import FutureSet, FutureSetStatistics
    from rescind.combinators.join import join, outcomes
    from rescind.combinators.race import race, race_ok
    from rescind.combinators.select import Select, select
    from rescind.combinators.shared import Shared, now_or_never, shared
    from rescind.combinators.shield import shield, shielded
    from rescind.combinators.timeout import deadline, timeout
    from rescind.runtime import Runtime, ShutdownReport, Warnings, run
    from rescind.tasks.current import (
        cancel_requested,
        current_runtime,
        current_task,
        self_cancel,
        spawn,
    )
    from rescind.tasks.group import TaskGroup, task_group
    from rescind.tasks.group_children import GroupStatistics
    from rescind.tasks.joining import join_or_cancel
    from rescind.tasks.policy import GroupPolicy, Supervise
    from rescind.tasks.token import CancellationToken, Registration, TokenStatistics
    from rescind.time import (
        checkpoint,
        interval,
        never,
        now,
        poll_fn,
        ready,
        sleep,
        sleep_until,
        yield_now,
    )
    from rescind.top.serving import TopServer, serve_top
    from rescind.trace.dump import dump
    from rescind.trace.explain import explain
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "rescind._core.explanation": ("Explanation",),
            "rescind._core.handle": ("CancellationHandle",),
            "rescind._core.statistics": ("RuntimeStatistics",),
            "rescind._host.to_asyncio": ("to_asyncio_future",),
            "rescind._version": ("__version__",),
            "rescind.combinators.abortable": (
                "AbortHandle",
                "abortable",
            ),
            "rescind.combinators.cleanup": (
                "bracket",
                "catch_cancel",
                "finalize",
                "on_cancel",
            ),
            "rescind.combinators.concurrently": (
                "Concurrently",
                "Progress",
                "concurrently",
            ),
            "rescind.combinators.future_set": (
                "FutureSet",
                "FutureSetStatistics",
            ),
            "rescind.combinators.join": (
                "join",
                "outcomes",
            ),
            "rescind.combinators.race": (
                "race",
                "race_ok",
            ),
            "rescind.combinators.select": (
                "Select",
                "select",
            ),
            "rescind.combinators.shared": (
                "Shared",
                "now_or_never",
                "shared",
            ),
            "rescind.combinators.shield": (
                "shield",
                "shielded",
            ),
            "rescind.combinators.timeout": (
                "deadline",
                "timeout",
            ),
            "rescind.runtime": ("Runtime", "ShutdownReport", "Warnings", "run"),
            "rescind.tasks.current": (
                "cancel_requested",
                "current_runtime",
                "current_task",
                "self_cancel",
                "spawn",
            ),
            "rescind.tasks.group": (
                "TaskGroup",
                "task_group",
            ),
            "rescind.tasks.group_children": ("GroupStatistics",),
            "rescind.tasks.joining": ("join_or_cancel",),
            "rescind.tasks.policy": (
                "GroupPolicy",
                "Supervise",
            ),
            "rescind.tasks.token": (
                "CancellationToken",
                "Registration",
                "TokenStatistics",
            ),
            "rescind.time": (
                "checkpoint",
                "interval",
                "never",
                "now",
                "poll_fn",
                "ready",
                "sleep",
                "sleep_until",
                "yield_now",
            ),
            "rescind.top.serving": (
                "TopServer",
                "serve_top",
            ),
            "rescind.trace.dump": ("dump",),
            "rescind.trace.explain": ("explain",),
        },
        submodules=("combinators", "tasks", "time", "trace"),
    )

__all__ = [
    "AbortHandle",
    "CancelKind",
    "CancelReason",
    "CancelRequest",
    "Canceled",
    "Cancellation",
    "CancellationHandle",
    "CancellationToken",
    "Closed",
    "Completed",
    "Concurrently",
    "Deadlock",
    "Error",
    "Explanation",
    "FutureSet",
    "FutureSetStatistics",
    "GroupPolicy",
    "GroupStatistics",
    "InternalError",
    "Outcome",
    "PolledAfterCompletion",
    "ProcessDied",
    "ProcessFailed",
    "Progress",
    "Registration",
    "RemoteError",
    "RescindError",
    "Runtime",
    "RuntimeStatistics",
    "Select",
    "Shared",
    "ShutdownReport",
    "Supervise",
    "Task",
    "TaskCanceled",
    "TaskGroup",
    "TimedOut",
    "TokenStatistics",
    "TopServer",
    "UsageError",
    "Warnings",
    "WouldBlock",
    "__version__",
    "abortable",
    "bracket",
    "cancel_requested",
    "catch_cancel",
    "checkpoint",
    "concurrently",
    "current_runtime",
    "current_task",
    "deadline",
    "dump",
    "explain",
    "finalize",
    "interval",
    "join",
    "join_or_cancel",
    "never",
    "now",
    "now_or_never",
    "on_cancel",
    "outcomes",
    "poll_fn",
    "race",
    "race_ok",
    "ready",
    "run",
    "select",
    "self_cancel",
    "serve_top",
    "shared",
    "shield",
    "shielded",
    "sleep",
    "sleep_until",
    "spawn",
    "task_group",
    "timeout",
    "to_asyncio_future",
    "yield_now",
]
