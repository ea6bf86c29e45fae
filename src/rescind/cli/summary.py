"""`Tally`: what is said at the end of ``rescind run``: who was canceled by what, what was left.

*What it is.* A number for each reason that follows from no other, and a few names. It hears only of
tasks that had been asked to cancel. At a normal end it says what main left behind; after a signal
also who was canceled, and why.

*Threads.* The runtime's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rescind._core.outcome import Canceled, Outcome
from rescind._core.reason import CancelKind
from rescind._core.task import Task
from rescind._host.asyncio import AsyncioHost
from rescind._warn.settings import Warnings
from rescind._warn.watch import Watch
from rescind.runtime import Runtime

__all__ = ["Tally"]

#: So many causes, and so many names of a kind, are told; the rest is counted.
_SHOWN: Final = 5
#: So many different causes are kept apart.
_CAUSES: Final = 1000
_OTHERS: Final = "other reasons"


class _Names:
    """How many, and what the first ones are called."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, task: Task[Any]) -> None:
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(f"task {task.id} {task.name!r}")

    def __str__(self) -> str:
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        return ", ".join(self.first) + more


class Tally:
    """Counts the tasks of a runtime that were canceled.

    Args:
        runtime: told of its canceled tasks from now on.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._causes: dict[str, int] = {}
        self._absorbed = _Names()
        self._left = _Names()
        executor = runtime.executor
        watch = executor.vigil
        host = runtime.host
        if not isinstance(watch, Watch) and isinstance(host, AsyncioHost):  # nothing is warned of
            watch = Watch(executor, host.loop, Warnings.none())
            watch.start()
        if isinstance(watch, Watch):
            watch.tell_of_ends(self.add)

    def add(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        """Note the end of a task that had been asked to cancel."""
        cause = task.cancel_reasons[0].chain()[-1]
        if cause.kind is CancelKind.SHUTDOWN:
            self._left.add(task)
        elif isinstance(outcome, Canceled):
            line = cause.line()
            if line not in self._causes and len(self._causes) >= _CAUSES:
                line = _OTHERS
            self._causes[line] = self._causes.get(line, 0) + 1
        if task.absorbed:
            self._absorbed.add(task)

    def lines(self, *, interrupted: bool) -> list[str]:
        """Return what there is to say.

        Args:
            interrupted: was the program stopped by a signal?
        """
        return list(self._lines(interrupted))

    def _lines(self, interrupted: bool) -> Iterator[str]:
        # That the signal has canceled main, and main alone, has been said when it came.
        if interrupted and (sum(self._causes.values()) > 1 or self._absorbed.count):
            most = sorted(self._causes.items(), key=lambda cause: -cause[1])
            for line, count in most[:_SHOWN]:
                yield f"{_tasks(count)} canceled: {line}"
            if len(most) > _SHOWN:
                others = sum(count for _, count in most[_SHOWN:])
                yield f"{_tasks(others)} canceled for {len(most) - _SHOWN} more reasons"
            if self._absorbed.count:
                yield f"{_tasks(self._absorbed.count)} went on in spite of it: {self._absorbed}"
        if self._left.count:
            are = "was" if self._left.count == 1 else "were"
            yield (
                f"{_tasks(self._left.count)} {are} still running when main ended, and "
                f"{are} canceled: {self._left}"
            )


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
