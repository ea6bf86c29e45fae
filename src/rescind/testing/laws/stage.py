"""The stage: one deterministic run of a program, with a chosen order and injected cancellations.

*What it is.* `play` runs a program on the manual host. Which of the ready tasks is next is a
choice; the choices are data. So are the cancellations that come from outside: *before* the nth step
of a task (it was woken, and has not run), or *after* it (it has just parked). The same arguments
give the same run.

*What it is not.* A search: it makes the one run that it is told to make.

*Invariants.*
 J1  When nothing can run any more, every task that is left is canceled once, in the order in which
     they were spawned: programs that hang show how they are canceled. `Play.stuck` says so.
 J2  What then still hangs is dropped, and `Play.hung` names it.
 J3  A run that goes on and on is ended, and is an error.

*Threads.* One.

*Source.* shuttle's schedulers; loom's bounded search.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any, Literal, TypeAlias, cast

from rescind._core.current import local
from rescind._core.errors import InternalError, TaskCanceled
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.phase import Phase
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.task import Task
from rescind._host.manual import ManualHost
from rescind.runtime import Runtime
from rescind.testing.laws.interpret import Boom, Entry, Machine
from rescind.testing.laws.program import Program

__all__ = ["PLAIN", "Injection", "Play", "Runnable", "Setting", "Stage", "play", "silenced", "told"]

_STEPS = 20_000

_log = logging.getLogger("rescind")


def _silence(_record: logging.LogRecord) -> bool:
    return False


@contextmanager
def silenced() -> Generator[None]:
    """During the block, log nothing: programs of all kinds fail on purpose here."""
    _log.addFilter(_silence)
    try:
        yield
    finally:
        _log.removeFilter(_silence)


@dataclass(frozen=True)
class Injection:
    """Cancel a task from outside.

    Attributes:
        task: which: 0 is the program's own, the others are counted as they are spawned.
        step: at which of its steps, from 1.
        when: just before that step, or just after it.
        word: the reason.
        grace: for the cleanup, in seconds; None: unbounded; 0: the task is dropped at once.
    """

    task: int = 0
    step: int = 1
    when: Literal["before", "after"] = "after"
    word: str = "injected"
    grace: float | None = None

    def __repr__(self) -> str:
        grace = "" if self.grace is None else f", grace={self.grace!r}"
        return f"Injection({self.task}, {self.step}, {self.when!r}, {self.word!r}{grace})"


@dataclass(frozen=True)
class Setting:
    """What a run depends on besides its program.

    Attributes:
        choices: at each step with several ready tasks, which is next, counted from the oldest,
            modulo their number; once they are used up, the oldest.
        injections: the cancellations from outside.
    """

    choices: tuple[int, ...] = ()
    injections: tuple[Injection, ...] = ()

    def __repr__(self) -> str:
        return f"Setting({self.choices!r}, {self.injections!r})"


PLAIN = Setting()


@dataclass
class Play:
    """How a run went.

    Attributes:
        outcome: how the program ended.
        trace: what it did, in order, until the last task ended.
        at: when it ended, in virtual seconds.
        stuck: could nothing run any more before all had ended (J1)?
        hung: what did not even end then (J2).
        left: what the runtime still had at the end: queued tasks, abandoned ones, and the timers
            that were left when the program ended, if it had no other tasks.
        machine: what it noted.
        requests: for each task that was canceled from outside, its number and all its reasons.
    """

    outcome: Outcome[Any]
    trace: list[Entry]
    at: float
    stuck: bool
    hung: tuple[str, ...]
    left: dict[str, int]
    machine: Machine
    struck: list[tuple[Injection, int]] = field(default_factory=list[tuple[Injection, int]])
    reasons: tuple[CancelReason, ...] = ()

    @property
    def ended(self) -> tuple[Any, ...]:
        """How it ended, in terms that can be compared between runs."""
        ended: tuple[Any, ...] = told(self.outcome)
        return ended

    def seen(self) -> tuple[Any, ...]:
        """Return what a user can see of the run."""
        return (self.ended, tuple(entry.what for entry in self.trace), self.at, self.stuck)


def told(value: Any) -> Any:
    """Return an outcome, or a value with outcomes in it, without what differs from run to run.

    Of a reason that is kind and words, of an exception its type: not where, by whom or when.
    """
    if isinstance(value, Completed):
        return ("completed", told(value.value))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(value, Error):
        return ("error", told(value.exception))
    if isinstance(value, Canceled):
        return ("canceled", *told(value.reason), value.dropped, value.abandoned)
    if isinstance(value, CancelReason):
        # What follows from a parent's is the parent's: how many are between is not compared.
        chain = [link for link in value.chain() if link.kind is not CancelKind.PARENT]
        root = chain[0] if chain else value
        return (root.kind.name, root.message)
    if isinstance(value, BaseExceptionGroup):
        group: Any = value  # pyright: ignore[reportUnknownVariableType]
        return (type(group).__name__, tuple(told(one) for one in group.exceptions))
    if isinstance(value, TaskCanceled):
        return (type(value).__name__, told(value.reason))
    if isinstance(value, Boom):
        return (type(value).__name__, *value.args)
    if isinstance(value, BaseException):
        return (type(value).__name__,)
    if isinstance(value, tuple | list):
        items = cast("tuple[Any, ...]", value)
        return tuple(told(one) for one in items)
    return value


class _Ready(deque[Task[Any]]):
    """The executor's ready queue, from which the stage takes the next task."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def popleft(self) -> Task[Any]:
        self._stage.between_steps()
        index = self._stage.choose(len(self))
        if index:
            self.rotate(-index)
            task = super().popleft()
            self.rotate(index)
        else:
            task = super().popleft()
        self._stage.begins(task)
        return task


class _Host(ManualHost):
    """A manual host that tells its stage when a step is over."""

    stage: Stage | None = None

    def advance(self) -> bool:
        if self.stage is not None:
            self.stage.between_steps()
        return super().advance()


class Stage:
    """A runtime that makes one run."""

    def __init__(self, setting: Setting = PLAIN, *, grace: float | None = None) -> None:
        self.host = _Host()
        self.runtime = Runtime(host=self.host, grace=grace)
        self.executor = self.runtime.executor
        self.executor.thread = get_ident()
        self.executor._ready = _Ready(self)
        self.host.stage = self
        self.stuck = False
        self.struck: list[tuple[Injection, int]] = []
        # Called with each injection that is about to take effect.
        self.on_strike: Callable[[Injection], None] | None = None
        self._setting = setting
        self._choices = iter(setting.choices)
        self._steps: dict[int, int] = {}
        self._total = 0
        self._first_id: int | None = None
        self._last: Task[Any] | None = None

    def __enter__(self) -> Stage:
        _log.addFilter(_silence)
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            self.runtime.shutdown("the run is over", grace=0)
        finally:
            _log.removeFilter(_silence)

    # -- the schedule -----------------------------------------------------------------------------

    def choose(self, ready: int) -> int:
        """Return which of so many ready tasks is next."""
        return next(self._choices, 0) % ready if ready > 1 else 0

    def begins(self, task: Task[Any]) -> None:
        """Count a step that is about to begin; cancel before it, if that was asked for."""
        self._total += 1
        if self._total > _STEPS:
            raise InternalError(f"the program goes on and on: {_STEPS} steps, without an end (J3)")
        step = self.steps(task) + 1
        self._last = task
        self._strike(task, step, "before")
        self._steps[task.id] = step

    def between_steps(self) -> None:
        """Note that a step may have ended; cancel after it, if that was asked for."""
        task, self._last = self._last, None
        if task is not None and not task.done():
            self._strike(task, self.steps(task), "after")

    def _strike(self, task: Task[Any], step: int, when: str) -> None:
        first = self._first_id
        number = 0 if first is None else task.id - first
        for one in self._setting.injections:
            if (one.task, one.step, one.when) == (number, step, when):
                if self.on_strike is not None:
                    self.on_strike(one)
                self.struck.append((one, number))
                task.cancel(one.word, grace=one.grace)

    def steps(self, task: Task[Any]) -> int:
        """Return how many steps of a task have begun."""
        return self._steps.get(task.id, 0)

    # -- running ----------------------------------------------------------------------------------

    def spawn(self, fut: Awaitable[Any]) -> Task[Any]:
        """Spawn the program's own task, number 0."""
        task = self.runtime.spawn(fut, name="main")
        if self._first_id is None:
            self._first_id = task.id
        return task

    def idle(self) -> None:
        """Run until nothing can happen any more."""
        while self.host.advance():
            pass

    def finish(self) -> tuple[str, ...]:
        """Run to the end (J1); return what hangs even so (J2)."""
        self.idle()
        while alive := [task for task in self.runtime.tasks() if task.request is None]:
            self.stuck = True
            for task in alive:
                task.cancel("stuck")
            self.idle()
        hung = tuple(f"{task!r}" for task in self.runtime.tasks())
        self.stuck = self.stuck or bool(hung)
        return hung

    @contextmanager
    def inside(self) -> Generator[None]:
        """During the block, be where the runtime's code runs, between two steps."""
        outer, local.executor = local.executor, self.executor
        try:
            yield
        finally:
            local.executor = outer


Runnable: TypeAlias = "Program | Callable[[Machine], Awaitable[Any]]"


def play(
    program: Runnable,
    setting: Setting = PLAIN,
    *,
    grace: float | None = None,
    unstick: bool = True,
    machine: Machine | None = None,
) -> Play:
    """Run a program once, and say how that went.

    Args:
        program: a tree, or an async function of the `interpret.Machine`, for what no tree can say.
        setting: the order of the tasks, and the cancellations from outside.
        grace: for cleanups, in seconds; None: unbounded.
        unstick: cancel what hangs (J1); otherwise it is dropped at once.
        machine: the world; by default a new one.
    """
    world = Machine() if machine is None else machine
    with Stage(setting, grace=grace) as stage:
        world.steps = stage.steps
        main = stage.spawn(world.run(program) if isinstance(program, Program) else program(world))
        ended_at: list[float] = []
        timers: list[int] = []

        def ended(_outcome: Outcome[Any]) -> None:
            ended_at.append(stage.host.now())
            timers.append(0 if stage.runtime.tasks() else stage.runtime.statistics().timers)

        main.on_end(ended)
        if unstick:
            hung = stage.finish()
        else:
            stage.idle()
            hung = tuple(f"{task!r}" for task in stage.runtime.tasks())
        counts = stage.runtime.statistics()
        left = {"timers": sum(timers), "ready": counts.ready, "abandoned": counts.abandoned}
        trace = list(world.trace)
        stuck = stage.stuck or (not unstick and bool(hung))
    outcome = main.outcome()
    assert outcome is not None and main.phase == Phase.DONE
    at = ended_at[0] if ended_at else stage.host.now()
    reasons = main.cancel_reasons
    return Play(outcome, trace, at, stuck, hung, left, world, stage.struck, reasons)
