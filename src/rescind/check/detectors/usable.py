"""What the scenario says must still work: ``env.usable(lambda: …)``.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.probe import stack_of
from rescind.check.record import Record, Symptom, end_of
from rescind.check.scenario import call

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Usable"]


class Usable(Detector):
    """Something that has to work after a cancellation too does not."""

    name = "usable"

    def __init__(self) -> None:
        self._failed: dict[str, str] = {}

    def asked(self, run: Run) -> None:
        loop = run.loop
        for name, (probe, within) in run.env.usables().items():
            run.allow(within)
            asked = run.probes.wrap(call(probe), f"usable {name}")
            task: asyncio.Task[Any] = loop.create_task(asked)
            timer = loop.call_later(within, loop.hang, f"it did not end in {within:g} s")
            loop.run_until(task)
            timer.cancel()
            end = end_of(task, stack_of(asked), loop.hung or "")
            if end.kind != "returned" or end.shown == "False":
                self._failed[name] = str(end)

    def fact(self, run: Run) -> dict[str, str]:
        return self._failed

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, str] = clean.facts.get(Usable.name) or {}
        now: dict[str, str] = seen.facts.get(Usable.name) or {}
        for name, failure in now.items():
            if name not in was:
                yield Symptom(
                    f"{name} is not usable any more",
                    expected="it still works after a cancellation",
                    seen=failure,
                    remedy="release in a finally what was taken",
                )
