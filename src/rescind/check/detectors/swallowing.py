"""What became of the cancellation: swallowed, replaced, or passed over for a while.

*Threads.* Any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rescind.check.detectors.base import Detector
from rescind.check.detectors.cleanup import is_cleanup
from rescind.check.points import Mode
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["RanOn", "Replaced", "Swallowed"]

#: Modes in which nothing around the scenario takes the request back when it has ended.
_BARE = frozenset({Mode.ASYNCIO, Mode.TWICE})
#: Modes in which it is raised at once, whatever is ready.
_AT_ONCE = _BARE | {Mode.TIMEOUT, Mode.GROUP}
_WAIT_FOR = "asyncio.wait_for, which before Python 3.12 returns what is done in the same moment"


class Swallowed(Detector):
    """It was canceled, and ended normally."""

    name = "swallowed"

    def __init__(self) -> None:
        self._requests = 0

    def ended(self, run: Run) -> None:
        done = None if run.way is None else run.way.done
        if isinstance(done, asyncio.Task):
            self._requests = done.cancelling()

    def fact(self, run: Run) -> int:
        return self._requests

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        if not seen.struck or seen.body.kind != "returned":
            return
        requests = int(seen.facts.get(Swallowed.name) or 0)
        # Canceled and not raised: the value that it had won (anyio, rescind). But a task that was
        # asked to, and whose innermost await caught it, has a request left that nobody answered.
        if not seen.thrown and not (requests and seen.plan.mode in _BARE):
            return
        culprit = _WAIT_FOR if seen.overruled else ""
        left = f", with task.cancelling() == {requests}" if requests else ""
        yield Symptom(
            f"the cancellation was swallowed by {culprit}"
            if culprit
            else "the cancellation was swallowed: the scenario went on and returned",
            expected="it ends canceled",
            seen=f"{seen.body}{left}",
            remedy="use asyncio.timeout() instead, or Python 3.12"
            if culprit
            else "re-raise CancelledError after the cleanup",
        )


class Replaced(Detector):
    """It was canceled, and ended with another error."""

    name = "replaced"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        if seen.struck and seen.body.kind == "raised":
            yield Symptom(
                "the cancellation was replaced by another error",
                expected="it ends canceled",
                seen=str(seen.body),
                remedy="let CancelledError pass; raise other errors of the cleanup as its context",
            )


class RanOn(Detector):
    """It ended canceled, but went on with its work before."""

    name = "ran on"
    severity = "hint"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        if not seen.thrown or seen.plan.mode not in _AT_ONCE or seen.body.kind != "canceled":
            return
        work = {point.stack for point, _ in clean.points}
        on = [stack for stack in seen.cleaned if stack in work and not is_cleanup(stack)]
        if on:
            yield Symptom(
                "it went on working after the cancellation, and ended canceled later",
                expected="after a cancellation only cleanup is awaited",
                seen="it awaited " + ", ".join(dict.fromkeys(stack[-1] for stack in on)),
                remedy="let CancelledError leave the loop or the function that was canceled",
            )
