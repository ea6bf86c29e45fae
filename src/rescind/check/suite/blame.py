"""Is it the code under test that breaks, or the test itself, which never meant to be canceled?

*What it is.* A test starts helpers, opens things, and closes them in its last lines: canceled in
between, it leaves them, and that is nobody's fault. So each finding is held against one more run,
in which the test is abandoned just before the line whose await was canceled: the cancellation is
raised in the test's own frame, and the code under test is not even called. What breaks then too is
the test's own, and no fault; what breaks only if the await was entered is a fault of what it
awaits.

What a test has started and not asked for yet may be ended by that line, rightly: for what nobody
was told, the test is abandoned just after the line as well. And two things need no other run: if
the cancellation was raised in frames of the test alone, it is the test, or the standard library,
that has caught it; and an exception that the test's own code has raised is its own.

*What it is not.* Asked where that await is the ``__aexit__`` of the line's own context manager: it
is entered to clean up, and abandoning the test before would be another story.

*Threads.* pytest's; uses `sys.settrace` for single runs, and puts back what was there.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from rescind.check.detectors import Detector, detectors_for
from rescind.check.places import is_standard, parts_of
from rescind.check.points import Mode, Point, RunPlan
from rescind.check.record import Finding, Record
from rescind.check.run import Run

if TYPE_CHECKING:
    from rescind.check.scenario import Scenario

__all__ = ["attributed", "is_own"]

#: Promises of the author hold in the test too, however it is abandoned.
_ALWAYS = frozenset({"invariant"})

#: What a test has started and not asked for yet may be ended by the awaited call itself, rightly:
#: then nobody is told either if the test is abandoned just after the line.
_UNTOLD = frozenset({"never retrieved", "never awaited", "noise"})

Line = tuple[str, int]


#: Who catches a cancellation is a frame of the stack in which it was raised.
_CAUGHT = frozenset({"swallowed", "replaced"})


def attributed(
    findings: Iterable[Finding], scenario: Scenario, files: frozenset[str]
) -> list[Finding]:
    """Return the findings; those that are the test's own making are hints.

    Args:
        findings: what a sweep of ``scenario`` found.
        scenario: the test.
        files: those that belong to the tests, as absolute paths.
    """
    return [
        replace(finding, severity="hint")
        if finding.severity == "verdict" and is_own(finding, scenario, files)
        else finding
        for finding in findings
    ]


def is_own(finding: Finding, scenario: Scenario, files: frozenset[str]) -> bool:
    """Does the test, abandoned just before the line that was canceled, break just so?"""
    if finding.detector in _ALWAYS or finding.plan.point is None:
        return False
    witness = _Witness(files)
    record = _traced(scenario, finding.plan, witness)
    if finding.detector in _CAUGHT and _only_in(files, record.landed):
        return True
    if finding.detector in _UNTOLD and witness.raised and all(witness.raised):
        return True
    if witness.line is None or witness.leaving:
        return False
    abandoned = RunPlan(mode=Mode.ASYNCIO, judge=finding.plan.judge)
    detectors = detectors_for(scenario)
    clean = Run(scenario, abandoned, [one() for one in detectors]).execute()
    for after in (False, True) if finding.detector in _UNTOLD else (False,):
        deserter = _Deserter(files, witness.line, witness.count, after=after)
        record = _traced(scenario, abandoned, deserter)
        if not deserter.left or record.error:
            continue
        record.struck, record.thrown = True, 1  # which is what it amounts to
        symptoms = [one.judge(record, clean) for one in detectors if one.name == finding.detector]
        if any(True for some in symptoms for _ in some):
            return True
    return False


def _only_in(files: frozenset[str], landed: list[Point]) -> bool:
    """Was it raised in frames of the tests, and of the standard library that they call, alone?"""
    return bool(landed) and all(
        is_standard(place) or os.path.abspath(parts_of(place)[0]) in files
        for place in landed[0].stack
    )


def _traced(scenario: Scenario, plan: RunPlan, tracer: _Tracer) -> Record:
    before = sys.gettrace()
    run = Run(scenario, plan, [tracer, *(one() for one in detectors_for(scenario))])
    try:
        record = run.execute()
    finally:
        sys.settrace(before)
    tracer.heard(run.problems)
    return record


class _Tracer(Detector):
    """Counts how often each line of the tests is begun, by frame."""

    name = "tracer"

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self.counts: Counter[tuple[int, int]] = Counter()
        self.run: Run | None = None

    def set_up(self, run: Run) -> None:
        self.run = run
        sys.settrace(self._called)

    def settled(self, run: Run) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._traced if frame.f_code.co_filename in self._files else None

    def _traced(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.counts[id(frame), frame.f_lineno] += 1
            self.begins(frame)
        return self._traced

    def begins(self, frame: FrameType) -> None:
        """Look at a line that begins."""

    def heard(self, problems: list[dict[str, Any]]) -> None:
        """Look at what the loop was told of."""


class _Witness(_Tracer):
    """Sees which line of the test awaits what is canceled.

    Attributes:
        line: file and number; None: none was found.
        count: how often that line had begun, in its frame.
        leaving: is it the end of an ``async with`` of that line?
        raised: of each exception that nobody was told of, whether the tests' own code raised it.
    """

    line: Line | None = None
    count = 0
    leaving = False
    raised: tuple[bool, ...] = ()

    def set_up(self, run: Run) -> None:
        super().set_up(run)
        strike: Callable[[Callable[[], object]], None] = run._strike._strike

        def watched(cancel: Callable[[], object]) -> None:
            if self.line is None:
                self._look(run)
            strike(cancel)

        run._strike._strike = watched  # type: ignore[method-assign]

    def _look(self, run: Run) -> None:
        if run.way is None:
            return
        frames = _frames(run.way.probe.coroutine)
        for frame, callee in reversed(list(zip(frames, [*frames[1:], None], strict=True))):
            if frame.f_code.co_filename in self._files:
                self.line = frame.f_code.co_filename, frame.f_lineno
                self.count = self.counts[id(frame), frame.f_lineno]
                self.leaving = callee is not None and callee.f_code.co_name == "__aexit__"
                return

    def heard(self, problems: list[dict[str, Any]]) -> None:
        errors = (one.get("exception") for one in problems)
        self.raised = tuple(_file_of(one) in self._files for one in errors)


class _Deserter(_Tracer):
    """Raises the cancellation where a line of the test begins, or where the one after it does.

    Attributes:
        left: did it?
    """

    def __init__(self, files: frozenset[str], line: Line, count: int, *, after: bool) -> None:
        super().__init__(files)
        self._line, self._count, self._after = line, count, after
        self._there: FrameType | None = None
        self.left = False

    def settled(self, run: Run) -> None:
        super().settled(run)
        self._there = None  # else the frame would live on

    def begins(self, frame: FrameType) -> None:
        if self._there is not None:
            if frame is self._there and frame.f_lineno != self._line[1]:
                self._there = None
                self._leave()
            return
        if (frame.f_code.co_filename, frame.f_lineno) != self._line:
            return
        if self.counts[id(frame), frame.f_lineno] != self._count:
            return
        way = None if self.run is None else self.run.way
        task = asyncio.current_task()
        if task is not None and (way is None or way.done is task):
            if self._after:
                self._there = frame
            else:
                self._leave()

    def _leave(self) -> None:
        self.left = True
        # What raises in a tracer is raised in the frame; and the tracer is taken off.
        asyncio.get_running_loop().call_soon(sys.settrace, self._called)
        raise asyncio.CancelledError("abandoned by rescind check")


def _file_of(exc: BaseException | None) -> str:
    """Return the file whose line has raised it; of the standard library's, who called that."""
    file = ""
    tb = None if exc is None else exc.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        if not is_standard(f"{code.co_filename}:1 in f"):
            file = code.co_filename
        tb = tb.tb_next
    return file


def _frames(coro: Any) -> list[FrameType]:
    frames: list[FrameType] = []
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)
        frame = frame or getattr(coro, "ag_frame", None)
        if frame is not None:
            frames.append(frame)
        coro = (
            getattr(coro, "cr_await", None)
            or getattr(coro, "gi_yieldfrom", None)
            or getattr(coro, "ag_await", None)
        )
    return frames
