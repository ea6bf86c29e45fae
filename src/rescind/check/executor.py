"""`ProbedExecutor`: rescind's own tasks get probes too, as asyncio's do from the task factory.

*What it is.* What a `Runtime` uses on the loop of a run: the one of mode ``rescind``, and whatever
the program attaches to that loop. So their tasks have paths and points, and can be canceled.

*Threads.* The loop's.
"""

from __future__ import annotations

from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import Any, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.executor import Executor
from rescind._core.hostport import Host
from rescind._core.outcome import Outcome
from rescind._core.poll import Future
from rescind._core.task import Task
from rescind.check.probe import Probe, Probes

__all__ = ["ProbedExecutor"]


class ProbedExecutor(Executor):
    """An executor of which each task has a probe (see `Probes`).

    Args:
        host, options: as of an `Executor`.
        probes: who makes the probes.
    """

    def __init__(self, host: Host, *, probes: Probes, **options: Any) -> None:
        super().__init__(host, **options)
        self._probes = probes
        self._by_task: dict[int, Probe] = {}

    def admit(self, task: Task[Any], cleanup: bool = False) -> None:
        probe = self._probe_of(task.future)
        if probe is not None:
            self._by_task[task.id] = probe
            probe.wakes = True
        super().admit(task, cleanup)
        if probe is not None:
            self._probes.made(probe, task)

    def _probe_of(self, future: Future[Any] | None) -> Probe | None:
        """Return the probe of a task's coroutine; None if it has none, and has begun elsewhere."""
        if not isinstance(future, CoroutineFuture):
            return None
        driver = cast("CoroutineFuture[object]", future)
        coro = driver.coroutine
        if isinstance(coro, Probe):
            return coro
        if not isinstance(coro, CoroutineType) or getcoroutinestate(coro) != CORO_CREATED:
            return None
        driver._coro = probe = self._probes.wrap(coro)
        return probe

    def enqueue(self, task: Task[Any]) -> None:
        super().enqueue(task)
        probe = self._by_task.get(task.id)
        if probe is not None and probe.on_woken is not None:
            told, probe.on_woken = probe.on_woken, None
            told()

    def forget(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        self._by_task.pop(task.id, None)
        super().forget(task, outcome)
