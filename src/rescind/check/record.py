"""What a run found: how each part ended, and the facts that the detectors noted.

*Threads.* Data; any. Picklable, since runs may be made by other processes.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from rescind._core.frames import shortened
from rescind.check.places import outside
from rescind.check.points import Point, RunPlan

__all__ = ["End", "Finding", "Record", "Symptom", "end_of", "frames_of", "shown"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class End:
    """How a part of a run ended.

    Attributes:
        kind: ``hung`` and ``not run`` too are ends.
        shown: the value or the exception, as text without addresses; where it hangs.
        stack: the awaits at which it hangs, or the frames in which it failed.
    """

    kind: Literal["returned", "raised", "canceled", "hung", "not run"]
    shown: str = ""
    stack: tuple[str, ...] = ()

    def __str__(self) -> str:
        colon = ":" if self.kind == "hung" and self.shown else ""
        return f"{self.kind}{colon} {self.shown}".rstrip()

    def told(self) -> str:
        """Return the same, and for a failure where that was."""
        where = f", at {outside(self.stack)}" if self.kind == "raised" and self.stack else ""
        return f"{self}{where}"


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a detector says of one run.

    Attributes:
        sentence: what is broken, in one sentence.
        expected: what the clean run showed.
        seen: what this run showed.
        remedy: what usually mends it; may be empty.
        severity: ``hint`` where it is none of the scenario's doing, whatever the detector's own is.
    """

    sentence: str
    expected: str = ""
    seen: str = ""
    remedy: str = ""
    severity: Literal["hint"] | None = None


@dataclass(slots=True)
class Record:
    """One run.

    Attributes:
        plan: what was to be done.
        end: how the scenario ended.
        body: how it ended inside what the mode puts around it.
        struck: was the cancellation sent where it was meant to be? None: none was to be sent.
        thrown: how often a cancellation was raised inside the scenario's task.
        overruled: did `asyncio.wait_for` return a value instead, as it does before Python 3.12?
        diverged: why the run is worth nothing, if so: it went another way before the strike.
        points: where each task parked while the scenario ran, until it was struck, in order, and
            each task's start: ``(point, bare yield?)``. In a storm, of the first round.
        before: how many of the points were noted before it was struck.
        trace: what each callback in it was, if the plan's instant is between callbacks.
        callbacks: how many callbacks ran in it.
        cleanup: at how many suspensions the struck task parked after the strike.
        cleaned: the stacks at which it did so, in order.
        cleanup_seconds: how long, in the loop's time, from the strike to its end.
        landed: where a cancellation was raised inside the struck task, whichever that is.
        after: the stacks at which any task parked after the strike.
        again: where the second strike fell, if one did.
        follow_up: how the scenario ended when it was run again.
        crowd: how its copies ended.
        invariants: the failures of the user's own promises.
        facts: what each detector noted, by its name.
        teardown: how teardown failed after a cancellation; empty: it did not.
        threads: those that the run started and that have not ended.
        error: setup, an uncanceled run's teardown, or the checker itself failed; then
            nothing else is worth anything.
        sockets: how many connections the program made.
        seconds: real time.
    """

    plan: RunPlan
    end: End = field(default_factory=lambda: End("not run"))
    body: End = field(default_factory=lambda: End("not run"))
    struck: bool | None = None
    thrown: int = 0
    overruled: bool = False
    diverged: str = ""
    points: list[tuple[Point, bool]] = field(default_factory=list[tuple[Point, bool]])
    before: int = 0
    trace: list[str] = field(default_factory=list[str])
    callbacks: int = 0
    cleanup: int = 0
    cleaned: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    cleanup_seconds: float = 0.0
    landed: list[Point] = field(default_factory=list[Point])
    after: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    again: Point | None = None
    follow_up: End = field(default_factory=lambda: End("not run"))
    crowd: list[End] = field(default_factory=list[End])
    invariants: list[str] = field(default_factory=list[str])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    teardown: str = ""
    threads: list[str] = field(default_factory=list[str])
    error: str = ""
    sockets: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that a cancellation breaks.

    Attributes:
        detector: who found it.
        severity: a verdict is a fault; a hint explains others.
        plan: the run that shows it.
        symptom: what it shows.
        rate: the share of the runs that showed it.
        runs: how many runs that is the share of; 1: there was no time to make it again.
    """

    detector: str
    severity: Literal["verdict", "hint"]
    plan: RunPlan
    symptom: Symptom
    rate: float = 1.0
    runs: int = 1


def shown(value: object) -> str:
    """Return ``value`` as text that is the same in every run."""
    try:
        text = repr(value)
    except Exception as exc:  # a user's __repr__
        text = f"<{type(value).__qualname__} whose repr raises {exc!r}>"
    text = _ADDRESS.sub("", text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def end_of(done: asyncio.Future[Any], stack: tuple[str, ...] = (), hung: str = "") -> End:
    """Return how a task ended, or that it has not."""
    if not done.done():
        where = f", at {outside(stack)}" if stack else ""
        return End("hung", f"{hung or 'it has not ended'}{where}", stack)
    if done.cancelled():
        return End("canceled")
    exc = done.exception()
    if exc is not None:
        return End("raised", shown(exc), frames_of(exc))
    return End("returned", shown(done.result()))


def end_of_body(body: tuple[bool, Any] | None, *, closed: bool = False) -> End:
    """Return how the scenario ended, inside what the mode puts around it.

    Args:
        body: a result, or what was raised.
        closed: was it canceled by closing it? Then GeneratorExit is the cancellation.
    """
    if body is None:
        return End("not run")
    returned, value = body
    if returned:
        return End("returned", shown(value))
    if isinstance(value, asyncio.CancelledError) or (closed and isinstance(value, GeneratorExit)):
        return End("canceled")
    return End("raised", shown(value), frames_of(value))


def frames_of(exc: BaseException) -> tuple[str, ...]:
    """Return where ``exc`` was raised, outermost first, without the checker's own frames."""
    places: list[str] = []
    tb = exc.__traceback__
    while tb is not None:
        frame = tb.tb_frame
        if not frame.f_globals.get("__name__", "").startswith("rescind.check."):
            where = shortened(f"{frame.f_code.co_filename}:{tb.tb_lineno}")
            places.append(f"{where} in {frame.f_code.co_qualname}")
        tb = tb.tb_next
    return tuple(places)
