"""The counts and times that OpenTelemetry is told.

*What it is.* One instrument each, made once. Times are of the clock of the runtime: under a virtual
clock they are virtual too. How many tasks are alive is not counted along, but asked for when it is
read, so that it is right from the first moment on.

*Threads.* Any.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from rescind._core.current import live_executors
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.task import Task

try:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation
except ImportError as exc:
    raise ImportError(
        "rescind.trace.otel needs opentelemetry-api; install it with: pip install 'rescind[otel]'"
    ) from exc

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.executor import Executor
    from rescind._core.reason import CancelReason

__all__ = ["Metrics"]

#: In seconds: from one turn of the loop to the default grace, and beyond.
_BUCKETS: Final = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The instruments."""

    def __init__(self, meter: Meter) -> None:
        self._closed = False
        # Runtimes of the process that this one was forked from.
        self._foreign: weakref.WeakSet[Executor] = weakref.WeakSet()
        self._spawned = meter.create_counter(
            "rescind.task.spawned", "{task}", "Tasks that were made."
        )
        self._ended = meter.create_counter(
            "rescind.task.ended", "{task}", "Tasks that have ended, by outcome."
        )
        self._abandoned = meter.create_counter(
            "rescind.task.abandoned", "{task}", "Frames that went on even after they were dropped."
        )
        self._requested = meter.create_counter(
            "rescind.cancel.requested",
            "{request}",
            "Tasks and children that were asked to cancel, by the kind of the first reason.",
        )
        self._absorbed = meter.create_counter(
            "rescind.cancel.absorbed", "{task}", "Tasks that returned a value though canceled."
        )
        self._overran = meter.create_counter(
            "rescind.cleanup.overran", "{cleanup}", "Cleanups that overran their grace."
        )
        self._until_delivered = meter.create_histogram(
            "rescind.cancel.delivery.duration",
            "s",
            "From the first request for a cancellation to the await at which it was raised.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._until_ended = meter.create_histogram(
            "rescind.cleanup.duration",
            "s",
            "From the await at which a cancellation was raised to the end.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        observed = weakref.WeakMethod(self._alive)  # a meter lets go of nothing

        def alive(options: CallbackOptions) -> Iterable[Observation]:
            method = observed()
            return () if method is None else method()

        meter.create_observable_up_down_counter(
            "rescind.task.alive", [alive], "{task}", "Tasks that have not ended."
        )

    # -- events -----------------------------------------------------------------------------------

    def spawned(self, cell: Cell[Any]) -> None:
        """A task was made."""
        self._spawned.add(1, _runtime(cell))

    def requested(self, cell: Cell[Any], reason: CancelReason) -> None:
        """A task or child was asked to cancel, for the first time."""
        self._requested.add(
            1, {**_runtime(cell), **_sort(cell), "rescind.cancel.kind": reason.kind.name.lower()}
        )

    def delivered(self, cell: Cell[Any], seconds: float) -> None:
        """That was raised, so long after."""
        self._until_delivered.record(seconds, {**_runtime(cell), **_sort(cell)})

    def ended(self, cell: Cell[Any], outcome: Outcome[Any], delivered_at: float | None) -> None:
        """A task or child has ended."""
        about = _runtime(cell)
        executor = cell.cx.executor
        if delivered_at is not None and executor is not None:
            self._until_ended.record(executor.now() - delivered_at, {**about, **_sort(cell)})
        if isinstance(cell, Task):
            self._ended.add(1, {**about, "rescind.outcome": how(outcome)})
            if cell.absorbed:
                self._absorbed.add(1, about)

    def overran(self, cell: Cell[Any] | None) -> None:
        """A cleanup overran its grace."""
        self._overran.add(1, _runtime(cell))

    def abandoned(self, cell: Cell[Any] | None) -> None:
        """Something was abandoned."""
        self._abandoned.add(1, _runtime(cell))

    # -- what is read -----------------------------------------------------------------------------

    def close(self) -> None:
        """Have nothing to say any more."""
        self._closed = True

    def forked(self) -> None:
        """Forget the runtimes there are: they are those of the parent process."""
        self._foreign = weakref.WeakSet(live_executors())

    def _alive(self) -> list[Observation]:
        if self._closed:
            return []
        alive: dict[str, int] = {}
        for executor in live_executors():
            if executor not in self._foreign:
                alive[executor.name] = alive.get(executor.name, 0) + len(executor.tasks)
        return [Observation(count, {"rescind.runtime": name}) for name, count in alive.items()]


def how(outcome: Outcome[Any]) -> str:
    """Return the word for an outcome."""
    if isinstance(outcome, Completed):
        return "completed"
    return "canceled" if isinstance(outcome, Canceled) else "failed"


def _runtime(cell: Cell[Any] | None) -> dict[str, str]:
    executor = None if cell is None else cell.cx.executor
    return {} if executor is None else {"rescind.runtime": executor.name}


def _sort(cell: Cell[Any]) -> dict[str, str]:
    return {"rescind.cell": "task" if isinstance(cell, Task) else "child"}
