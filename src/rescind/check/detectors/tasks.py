"""Tasks that are still running when everything has settled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.probe import Probe, stack_of
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["TasksLeft"]


class TasksLeft(Detector):
    """Tasks that the scenario made go on without it."""

    name = "tasks left"

    def __init__(self) -> None:
        self._before: set[Any] = set()
        self._left: list[tuple[str, str]] = []

    def set_up(self, run: Run) -> None:
        self._before = set(asyncio.all_tasks(run.loop))

    def settled(self, run: Run) -> None:
        for task in asyncio.all_tasks(run.loop) - self._before:
            probe = task.get_coro()
            if isinstance(probe, Probe) and not task.done():
                stack = stack_of(probe)
                self._left.append((probe.__qualname__, stack[-1] if stack else "its start"))

    def fact(self, run: Run) -> list[tuple[str, str]]:
        return sorted(self._left)

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        before: list[tuple[str, str]] = list(clean.facts.get(TasksLeft.name, ()))
        extra: list[tuple[str, str]] = []
        for task in seen.facts.get(TasksLeft.name, ()):
            if task in before:
                before.remove(task)
            else:
                extra.append(task)
        if extra and len(extra) > 0:
            what = ", ".join(f"{name} at {place}" for name, place in extra)
            yield Symptom(
                f"{len(extra)} task(s) still run",
                expected="as many as when nothing is canceled",
                seen=what,
                remedy="cancel and await the tasks that you start, in a finally or a TaskGroup",
            )
