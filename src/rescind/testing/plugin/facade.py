"""`LabRuntime`: what the fixture ``runtime`` gives in an explored run of the lab.

*What it is.* The part of `Runtime` that makes sense inside: to spawn, to look. There is no runtime
behind it, only the executor of the run.

*Threads.* The lab's.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar

from rescind._core.errors import UsageError
from rescind._core.grace import UNSET, Grace
from rescind._core.into import as_future
from rescind._core.statistics import RuntimeStatistics
from rescind._core.task import Task
from rescind.tasks.owned import Owned
from rescind.testing.lab.executor import LabExecutor

__all__ = ["LabRuntime"]

T = TypeVar("T")


class LabRuntime:
    """Stands for the `Runtime` in a run of the lab.

    Args:
        executor: that of the run.
    """

    def __init__(self, executor: LabExecutor) -> None:
        self._executor = executor

    @property
    def name(self) -> str:
        """The name, for messages."""
        return self._executor.name

    @property
    def executor(self) -> LabExecutor:
        """The executor, for authors of futures."""
        return self._executor

    def now(self) -> float:
        """Return the virtual time, in seconds."""
        return self._executor.now()

    def tasks(self) -> list[Task[Any]]:
        """Return the tasks that have not ended, in order of their making."""
        return list(self._executor.tasks.values())

    def statistics(self) -> RuntimeStatistics:
        """Return a snapshot of the counters."""
        return self._executor.statistics()

    def spawn(
        self,
        fut: Awaitable[T],
        *,
        name: str | None = None,
        grace: Grace = UNSET,
        owned: tuple[Any, ...] | list[Any] = (),
    ) -> Task[T]:
        """Start a task; see `Runtime.spawn`."""
        future = as_future(fut)
        if owned:
            future = Owned(future, owned)
        return self._executor.spawn(future, name=name, grace=grace)

    def block_on(self, fut: Awaitable[Any]) -> NoReturn:
        """Refuse: the lab runs already.

        Raises:
            UsageError: always.
        """
        as_future(fut).drop()
        raise UsageError("an explored run is under way, so that nothing can block: await instead")

    def shutdown(self, *_args: object, **_options: object) -> NoReturn:
        """Refuse: the end of a run belongs to the lab.

        Raises:
            UsageError: always.
        """
        raise UsageError("an explored run ends by itself, and cannot be shut down")

    def __repr__(self) -> str:
        return f"<LabRuntime, {len(self._executor.tasks)} tasks>"
