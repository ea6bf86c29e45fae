"""The stage: one run of a program in the lab, with a chosen order and injected cancellations.

*What it is.* `play` runs a program on the lab's executor: what happens next is a choice, and the
choices are data, or a `Schedule`. So are the cancellations that come from outside: *before* the nth
step of a task (it was woken, and has not run), or *after* it (it has just parked). The same
arguments give the same run.

*What it is not.* A search: it makes the one run that it is told to make. And points are not named
by places, as tokens name them: a generated program has no lines, and its steps can be shrunk.

*Invariants.*
 J1  When nothing can run any more, every task that is left is canceled once, in the order in which
     they were spawned: programs that hang show how they are canceled. `Play.stuck` says so.
 J2  What then still hangs is dropped, and `Play.hung` names it.
 J3  A run that goes on and on is ended, and is an error.

*Threads.* One.

*Source.* shuttle's schedulers; loom's bounded search.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

from rescind._core.errors import TaskCanceled
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.phase import Phase
from rescind._core.poll import Waker
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.task import Task
from rescind.testing.lab.executor import LabExecutor
from rescind.testing.lab.injection import Instant, Kind
from rescind.testing.lab.lab import end, inside_of
from rescind.testing.lab.outside import Outside, refused
from rescind.testing.lab.places import Place
from rescind.testing.lab.schedule import Choice, Schedule
from rescind.testing.lab.targets import strike
from rescind.testing.lab.task import LabTask
from rescind.testing.laws.interpret import Boom, Entry, Machine
from rescind.testing.laws.program import Program

__all__ = [
    "PLAIN",
    "Choices",
    "Injection",
    "Play",
    "Runnable",
    "Setting",
    "Stage",
    "play",
    "told",
]

_STEPS: Final = 20_000

#: Called with a task, the number of a step, and whether that is before or after it.
Struck: TypeAlias = "Callable[[LabTask[Any], int, str], None]"

_AFTER: Final = (Instant.PARKED, Instant.CLEANUP)


@dataclass(frozen=True)
class Injection:
    """Cancel a task from outside.

    Attributes:
        task: which: 0 is the program's own, the others are counted as they are spawned.
        step: at which of its steps, from 1.
        when: just before that step, or just after it.
        word: the reason.
        grace: for the cleanup, in seconds; None: unbounded; 0: the task is dropped at once.
        kind: what is canceled: the task, or another of what the lab can inject there, for which
            ``word`` and ``grace`` mean nothing.
    """

    task: int = 0
    step: int = 1
    when: Literal["before", "after"] = "after"
    word: str = "injected"
    grace: float | None = None
    kind: Kind = Kind.TASK

    def __repr__(self) -> str:
        more = "" if self.grace is None else f", grace={self.grace!r}"
        more += "" if self.kind is Kind.TASK else f", kind={self.kind}"
        return f"Injection({self.task}, {self.step}, {self.when!r}, {self.word!r}{more})"


@dataclass(frozen=True)
class Setting:
    """What a run depends on besides its program.

    Attributes:
        choices: wherever several things can happen next, which does: a timer that is due, or a task
            that is ready, counted from the runtime's own choice; once they are used up, that one.
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
        choices: what was chosen wherever there was a choice.
        struck: the cancellations from outside that struck, each with the number of its task.
        reasons: why the program's own task was to be canceled, in order.
    """

    outcome: Outcome[Any]
    trace: list[Entry]
    at: float
    stuck: bool
    hung: tuple[str, ...]
    left: dict[str, int]
    machine: Machine
    choices: tuple[int, ...]
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


class Choices:
    """A schedule: which of what can happen next does, by a number for each choice.

    Args:
        choices: counted from what the runtime would do, modulo the number of options; once they are
            used up, what the runtime does.
    """

    def __init__(self, choices: Iterable[int]) -> None:
        self._choices = iter(choices)

    def choose(self, options: Sequence[Choice]) -> int:
        """Return the next number."""
        return next(self._choices, 0) % len(options)


class _Everybody:
    """All tasks, by path: any may be struck."""

    def __contains__(self, path: object) -> bool:
        return True


class _Executor(LabExecutor):
    """The lab's executor, whose tasks are struck by the numbers of their steps."""

    def __init__(
        self, outside: Outside, schedule: Schedule, struck: Struck, grace: float | None
    ) -> None:
        super().__init__(
            outside, schedule, {}, max_steps=_STEPS, grace=grace, recorder=None, kinds=None
        )
        self._struck = struck
        self._concerned = _Everybody()

    def come_by(
        self, task: LabTask[Any], place: Place | None, visit: int, instant: Instant
    ) -> None:
        if instant in _AFTER:
            self._struck(task, task.steps, "after")
        else:
            self._struck(task, task.steps + 1, "before")


class _Call(Waker):
    """Calls a function when its timer fires."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def wake(self) -> None:
        self._call()


class Stage:
    """The lab, for one run.

    Args:
        setting: the order, and the cancellations from outside.
        grace: for cleanups, in seconds; None: unbounded.
        schedule: the order, instead of the choices of the setting.
    """

    def __init__(
        self,
        setting: Setting = PLAIN,
        *,
        grace: float | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self._outside = Outside()
        order = Choices(setting.choices) if schedule is None else schedule
        self.executor: LabExecutor = _Executor(self._outside, order, self._strike, grace)
        self.stuck = False
        self.struck: list[tuple[Injection, int]] = []
        # Called with each injection that is about to take effect.
        self.on_strike: Callable[[Injection], None] | None = None
        self._injections = setting.injections
        self._open = ExitStack()

    def __enter__(self) -> Stage:
        """Be where the runtime's code runs, with no world outside, until the block is left."""
        self._open.enter_context(self._outside.shut())
        self._open.enter_context(inside_of(self.executor))
        return self

    def __exit__(self, kind: object, *_exc: object) -> None:
        with self._open:
            end(self.executor, self.tasks(), at_once=True)
            self.executor.made.clear()
        if kind is None and self._outside.touched is not None:
            raise refused(self._outside.touched)

    # -- the schedule -----------------------------------------------------------------------------

    def _strike(self, task: LabTask[Any], step: int, when: str) -> None:
        for one in self._injections:
            if (one.task, one.step, one.when) == (task.number, step, when):
                if self.on_strike is not None:
                    self.on_strike(one)
                self.struck.append((one, task.number))
                if one.kind is Kind.TASK:
                    task.cancel(one.word, grace=one.grace)
                else:
                    strike(task, one.kind)

    @staticmethod
    def steps(task: Task[Any]) -> int:
        """Return how many steps of a task have begun."""
        assert isinstance(task, LabTask)
        return task.steps

    # -- running ----------------------------------------------------------------------------------

    def spawn(self, fut: Awaitable[Any]) -> Task[Any]:
        """Spawn a task; the first one is the program's own, number 0."""
        return self.executor.spawn(as_future(fut), name="main")

    def tasks(self) -> list[LabTask[Any]]:
        """Return those that have not ended, in the order in which they were spawned."""
        return [task for task in self.executor.made if task.ended is None]

    def now(self) -> float:
        """Return the virtual time, in seconds."""
        return self.executor.now()

    def call_at(self, at: float, call: Callable[[], object]) -> None:
        """Call a function from outside, at this virtual time."""
        self.executor.add_timer(at, _Call(call))

    def advance(self) -> bool:
        """Let one thing happen; return False if nothing can."""
        return self.executor.advance()

    def idle(self) -> None:
        """Run until nothing can happen any more."""
        while self.executor.advance():
            pass

    def finish(self) -> tuple[str, ...]:
        """Run to the end (J1); return what hangs even so (J2)."""
        self.idle()
        while alive := [task for task in self.tasks() if task.request is None]:
            self.stuck = True
            for task in alive:
                task.cancel("stuck")
            self.idle()
        hung = tuple(f"{task!r}" for task in self.tasks())
        self.stuck = self.stuck or bool(hung)
        return hung


Runnable: TypeAlias = "Program | Callable[[Machine], Awaitable[Any]]"


def play(
    program: Runnable,
    setting: Setting = PLAIN,
    *,
    schedule: Schedule | None = None,
    grace: float | None = None,
    unstick: bool = True,
    machine: Machine | None = None,
) -> Play:
    """Run a program once, and say how that went.

    Args:
        program: a tree, or an async function of the `interpret.Machine`, for what no tree can say.
        setting: the order of the tasks, and the cancellations from outside.
        schedule: the order, instead of the choices of the setting.
        grace: for cleanups, in seconds; None: unbounded.
        unstick: cancel what hangs (J1); otherwise it is dropped at once.
        machine: the world; by default a new one.
    """
    world = Machine() if machine is None else machine
    with Stage(setting, grace=grace, schedule=schedule) as stage:
        executor = stage.executor
        world.steps = stage.steps
        main = stage.spawn(world.run(program) if isinstance(program, Program) else program(world))
        ended_at: list[float] = []
        timers: list[int] = []

        def ended(_outcome: Outcome[Any]) -> None:
            ended_at.append(stage.now())
            timers.append(0 if stage.tasks() else executor.timers)

        main.on_end(ended)
        if unstick:
            hung = stage.finish()
        else:
            stage.idle()
            hung = tuple(f"{task!r}" for task in stage.tasks())
        left = {
            "timers": sum(timers),
            "ready": executor.ready,
            "abandoned": len(executor.abandoned),
        }
        trace = list(world.trace)
        stuck = stage.stuck or (not unstick and bool(hung))
        at = ended_at[0] if ended_at else stage.now()
        choices = tuple(decision.taken for decision in executor.decisions)
    outcome = main.outcome()
    assert outcome is not None and main.phase == Phase.DONE
    reasons = main.cancel_reasons
    return Play(outcome, trace, at, stuck, hung, left, world, choices, stage.struck, reasons)
