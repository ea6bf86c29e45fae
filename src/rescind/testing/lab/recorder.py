"""`Recorder`: writes down every step of a run, in words that are the same in each run.

*Threads.* The lab's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.phase import Phase
from rescind._core.reason import CancelRequest
from rescind._core.scope import Mask
from rescind.testing.lab.injection import INJECTOR, Injection
from rescind.testing.lab.places import way_of
from rescind.testing.lab.record import Step, cleaned

if TYPE_CHECKING:
    from rescind._core.task import Task
    from rescind.testing.lab.executor import LabExecutor
    from rescind.testing.lab.task import LabTask

__all__ = ["Recorder"]

_DID = {
    Phase.NEW: "polled",
    Phase.READY: "polled",
    Phase.REQUESTED: "canceled",
    Phase.CLEANING_READY: "cleanup",
    Phase.OVERDUE: "dropped",
}
_WIDTH = 60


class Recorder:
    """Writes the trace of one run."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        # The executor; set when the run begins.
        self.executor: LabExecutor | None = None
        self._notes: list[str] = []
        self._kept: list[str] = []
        self._did = ""
        self._ended = ""
        self._unwinding: frozenset[str] = frozenset()
        self._firing = False
        self._striking = False

    # -- told by the executor ---------------------------------------------------------------------

    def spawned(self, task: LabTask[Any], parent: Task[Any] | None) -> None:
        """Note a new task."""
        if parent is not None:
            self._notes.append(f"spawns {task.name}")

    def queued(self, task: LabTask[Any]) -> None:
        """Note that a task was woken."""
        if task.phase in (Phase.READY, Phase.CLEANING_READY):
            by = None if self.executor is None else self.executor.current
            if self._firing or (by is not None and by is not task):
                self._notes.append(f"wakes {task.name}")
        elif task.phase == Phase.OVERDUE:
            self._notes.append(f"the grace of {task.name} is over")

    def asked(self, task: LabTask[Any], request: CancelRequest) -> None:
        """Note that a task was asked to cancel."""
        reason = request.reason
        if self._striking and reason.by == INJECTOR:
            return  # that is what the line says already
        words = reason.kind.value + (f": {reason.message}" if reason.message else "")
        again = " again" if task.request is not None else ""
        self._notes.append(cleaned(f"asks {task.name} to cancel{again} ({words})"))

    def ended(self, task: LabTask[Any], outcome: Outcome[Any]) -> None:
        """Note that a task has ended."""
        words = _ending(outcome)
        if self.executor is not None and task is self.executor.current:
            self._ended = words
        else:
            self._notes.append(f"{task.name} ends: {words}")

    def begin(self, task: LabTask[Any]) -> None:
        """Note that a step begins."""
        self._did = _DID.get(task.phase, "polled")
        self._ended = ""
        self._unwinding = _unwinding(task)

    def end(self, task: LabTask[Any]) -> None:
        """Note that the step is over, and write it down."""
        waits, shields = "", 0
        now: frozenset[str] = frozenset()
        if task.ended is None:
            waits, shields = _wait(task.future)
            now = _unwinding(task)
            arrived = now - self._unwinding
            if arrived:
                self._notes.insert(0, f"the cancellation arrives in {', '.join(sorted(arrived))}")
            elif self._did == "canceled" and shields:
                self._notes.insert(0, "the cancellation is held back by a shield")
        self._write(
            task.path,
            task.name,
            self._did,
            place=None if task.ended is not None else task.place,
            waits=waits,
            ended=self._ended,
            shields=shields,
            cleaning=bool(now),
        )

    def fired(self) -> None:
        """Note that a timer fires."""
        self._firing = True

    def quiet(self) -> None:
        """Note that it has fired, and write it down."""
        self._firing = False
        self._write("", "", "timer")

    def strikes(self, injection: Injection) -> None:
        """Note that an injection strikes, in a line of its own."""
        self._kept, self._notes = self._notes, []
        self._notes.append(f"INJECTED {injection.kind.value}, {injection.spot.instant.value}")
        self._striking = True

    def struck(self, task: LabTask[Any]) -> None:
        """Note that it has struck, and write it down."""
        self._striking = False
        self._write(task.path, task.name, "injected", place=task.place)
        self._notes, self._kept = self._kept, []

    def _write(self, path: str, name: str, did: str, **more: Any) -> None:
        executor = self.executor
        at = 0.0 if executor is None else executor.host.time
        notes, self._notes = tuple(self._notes), []
        self.steps.append(Step(len(self.steps) + 1, at, path, name, did, notes=notes, **more))


def _unwinding(task: LabTask[Any]) -> frozenset[str]:
    """Return which coroutines on the way to what is waited for clean up after a cancellation."""
    names: set[str] = set()
    for future in way_of(task.future):
        if isinstance(future, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", future)
            if driver.unwinding or driver.floor:
                names.add(getattr(driver.coroutine, "__name__", "a coroutine"))
    return frozenset(names)


def _wait(future: Any) -> tuple[str, int]:
    """Return what is waited for, and in how many shields."""
    shields = 0
    current: Any = future
    while True:
        if isinstance(current, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", current)
            shields += sum(isinstance(scope, Mask) for scope in driver.scopes)
            inner: Any = driver.leaf
        else:
            inner = getattr(cast("object", current), "inner", None)
        if inner is None:
            break
        current = inner
    text = " ".join(cleaned(repr(cast("object", current))).split())
    return (text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"), shields


def _ending(outcome: Outcome[Any]) -> str:
    if isinstance(outcome, Completed):
        text = "" if outcome.value is None else f" with {outcome.value!r}"
        return cleaned(f"completed{text}")
    if isinstance(outcome, Canceled):
        how = ", abandoned" if outcome.abandoned else ", dropped" if outcome.dropped else ""
        also = "".join(f", and {error!r}" for error in outcome.also)
        return cleaned(f"canceled ({outcome.reason.kind.value}){how}{also}")
    return cleaned(f"failed with {outcome.exception!r}")
