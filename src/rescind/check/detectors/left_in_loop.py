"""What is still registered at the loop: readers and writers, timers, async generators.

*Threads.* The loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.detectors.compare import more_than
from rescind.check.record import Record, Symptom, shown

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["GeneratorsLeft", "TimersLeft"]


class TimersLeft(Detector):
    """Timers that nobody canceled: they keep what they refer to, and fire into the void."""

    name = "timers left"
    severity = "hint"

    def __init__(self) -> None:
        self._left: list[str] = []

    def settled(self, run: Run) -> None:
        scheduled: Iterable[Any] = getattr(run.loop, "_scheduled", ())
        self._left = sorted(
            _called(timer)
            for timer in scheduled
            if not timer.cancelled() and not _is_ours(timer._callback)
        )

    def fact(self, run: Run) -> list[str]:
        return self._left

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        name = TimersLeft.name
        extra = more_than(seen.facts.get(name, ()), clean.facts.get(name, ()))
        if extra:
            yield Symptom(
                f"{len(extra)} timer(s) are still set",
                expected="as many as without a cancellation",
                seen=", ".join(dict.fromkeys(extra)),
                remedy="cancel the handle of call_later in a finally",
            )


class GeneratorsLeft(Detector):
    """Async generators that were begun, and neither ended nor closed."""

    name = "generators left"

    def __init__(self) -> None:
        self._left: list[str] = []

    def settled(self, run: Run) -> None:
        begun: Iterable[Any] = getattr(run.loop, "_asyncgens", ())
        self._left = sorted(
            shown(generator.__qualname__)
            for generator in list(begun)
            if generator.ag_frame is not None
        )

    def fact(self, run: Run) -> list[str]:
        return self._left

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        name = GeneratorsLeft.name
        extra = more_than(seen.facts.get(name, ()), clean.facts.get(name, ()))
        if extra:
            yield Symptom(
                f"{len(extra)} async generator(s) were never closed",
                expected="as many as without a cancellation",
                seen=", ".join(extra),
                remedy="iterate inside 'async with contextlib.aclosing(generator)'",
            )


def _is_ours(callback: object) -> bool:
    """Is it the alarm of an executor, which looks by itself whether anybody still waits?"""
    return str(getattr(callback, "__module__", "")).startswith("rescind._core.")


def _called(timer: Any) -> str:
    callback = getattr(timer, "_callback", None)
    return str(getattr(callback, "__qualname__", None) or shown(callback))
