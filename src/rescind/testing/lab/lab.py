"""`Lab`: one run of a program, in an order that is chosen, with cancellations that are injected.

*What it is.* The runtime's own tasks and futures on an executor whose order is a parameter, in
virtual time that moves only when nothing can run. The same schedule and injections give the same
run.

*What it is not.* A mock: no future knows that it is in the lab.

*Threads.* The one that calls.

*Source.* loom and shuttle for Rust; Lincheck, which cancels what is suspended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from rescind._core.current import local
from rescind._core.errors import Deadlock, UsageError
from rescind._core.grace import checked_grace
from rescind._core.into import as_future
from rescind._core.outcome import Error
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.task import Task
from rescind._lifetime import refuse_to_block
from rescind._uncollected import Uncollected
from rescind.testing.lab.errors import Livelock, OutOfTime
from rescind.testing.lab.executor import LabExecutor, SeenKinds, Strike
from rescind.testing.lab.injection import Injection, Instant
from rescind.testing.lab.outside import Outside, refused
from rescind.testing.lab.record import NOTHING, Leftovers, Run
from rescind.testing.lab.recorder import Recorder
from rescind.testing.lab.schedule import Fifo, Schedule
from rescind.testing.lab.targets import strike
from rescind.testing.lab.task import LabTask

__all__ = ["Around", "Lab", "end", "inside_of", "make_run"]

T = TypeVar("T")

Around = Callable[[Callable[[], None]], None]
"""Called for a run with what plays main; what it does before and after belongs to the run."""

_SHUTDOWN = CancelReason(CancelKind.SHUTDOWN, "main has ended")


class Lab(Generic[T]):
    """Runs a program once, in a chosen order and with chosen cancellations.

    Args:
        main: an async function without arguments; called for each run.
        schedule: chooses what happens next; by default the runtime's own order. One that was used
            goes on where it was: give each run its own.
        injections: the cancellations; one whose point the run does not come by does not strike.
        max_steps: after so many steps and timers the run is a `Livelock`.
        grace: for the cleanup of canceled tasks, in seconds of the virtual clock.
        trace: write down every step; costs about as much as the run itself.
        around: called for the run with a function, which it has to call, and which runs main.
            Before and after, it may spawn and drive on the lab's executor; what it raises counts as
            if main had.

    Example:
        >>> import rescind
        >>> from rescind.testing import Lab
        >>> async def main():
        ...     await rescind.sleep(3600)
        ...     return "done"
        >>> run = Lab(main).run()
        >>> run.unwrap(), run.time, run.steps
        ('done', 3600.0, 3)
    """

    def __init__(
        self,
        main: Callable[[], Coroutine[Any, Any, T] | Awaitable[T]],
        *,
        schedule: Schedule | None = None,
        injections: Sequence[Injection] = (),
        max_steps: int = 10_000,
        grace: float | None = 30.0,
        trace: bool = True,
        around: Around | None = None,
    ) -> None:
        if not callable(main):
            raise TypeError(
                f"the lab needs an async function that it can call for each run, not {main!r}"
            )
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, not {max_steps}")
        checked_grace(grace)
        self.main = main
        self.schedule: Schedule = Fifo() if schedule is None else schedule
        self.injections = tuple(injections)
        self.max_steps = max_steps
        self.grace = grace
        self.trace = trace
        self.around: Around = _bare if around is None else around

    def run(self) -> Run[T]:
        """Make the run.

        Returns:
            What it was. A hang, and a run that does not end, are in its ``error``.

        Raises:
            UsageError: the program reached for the world outside; or a loop or a runtime runs here.
        """
        refuse_to_block("the lab")
        outside = Outside()
        with outside.shut():
            return make_run(self, self.schedule, self.injections, outside, trace=self.trace)


def make_run(
    lab: Lab[T],
    schedule: Schedule,
    injections: tuple[Injection, ...],
    outside: Outside,
    kinds: SeenKinds | None = None,
    *,
    trace: bool = False,
) -> Run[T]:
    """Make a run of ``lab`` inside of ``outside.shut()``.

    Args:
        lab: the program and all; but the next two, and ``trace``, are instead of its own.
        schedule: chooses what happens next.
        injections: the cancellations.
        outside: what refuses the world outside.
        kinds: filled with the kinds of injection that there are at the points; None: not asked.
        trace: write down every step.
    """
    recorder = Recorder() if trace else None
    struck: list[Injection] = []
    strikes: dict[str, dict[tuple[str, int, Instant], list[Strike]]] = {}
    for one in injections:
        spot = one.spot
        key = (spot.place, spot.visit, spot.instant)
        strikes.setdefault(spot.task, {}).setdefault(key, []).append(partial(_strike, one, struck))
    executor = LabExecutor(
        outside,
        schedule,
        strikes,
        max_steps=lab.max_steps,
        grace=lab.grace,
        recorder=recorder,
        kinds=kinds,
    )
    if recorder is not None:
        recorder.executor = executor
    outside.touched = None
    outside.unawaited.clear()
    with inside_of(executor):
        return _run(lab, executor, outside, injections, struck)


@contextmanager
def inside_of(executor: LabExecutor) -> Generator[None]:
    """During the block, be where the runtime's code runs, with the collector held off (X2)."""
    uncollected = Uncollected()
    uncollected.hold()  # finalizers run where references end, not where the collector happens to
    local.executor = executor
    try:
        yield
    finally:
        executor.stopped = True  # nothing of it can run any more: no dump shows it
        local.executor = None
        uncollected.release()


def _bare(play: Callable[[], None]) -> None:
    play()


def _strike(injection: Injection, struck: list[Injection], task: LabTask[Any]) -> None:
    recorder = task.lab.recorder
    task.lab.reached.add(injection.spot)
    if recorder is not None:
        recorder.strikes(injection)
    if strike(task, injection.kind):
        struck.append(injection)
    if recorder is not None:
        recorder.struck(task)


def _run(
    lab: Lab[T],
    executor: LabExecutor,
    outside: Outside,
    injections: tuple[Injection, ...],
    struck: list[Injection],
) -> Run[T]:
    error: BaseException | None = None
    misuse: UsageError | None = None
    main: list[Task[T]] = []

    def play() -> None:
        main.append(executor.spawn(as_future(lab.main()), name="main"))
        executor.drive(main[0].done)

    around: BaseException | None = None
    try:
        lab.around(play)
    except (Deadlock, Livelock) as exc:
        error = exc
    except UsageError as exc:
        misuse = exc
    except OutOfTime:
        end(executor, [task for task in executor.made if task.ended is None], at_once=True)
        raise
    except BaseException as exc:
        if lab.around is _bare or isinstance(exc, (KeyboardInterrupt, SystemExit)):
            raise
        around = exc
    outcome = main[0].outcome() if main else None
    if around is not None and not isinstance(outcome, Error):
        outcome = Error(around)
    if isinstance(outcome, Error) and _reached_outside(outcome.exception):
        misuse = refused(str(outcome.exception))
    time, steps = executor.host.time, executor.taken
    left = [task for task in executor.made if task.ended is None]
    timers = 0 if left else executor.timers
    decisions, passed = tuple(executor.decisions), tuple(executor.passed)
    if left:
        end(executor, left, at_once=error is not None or misuse is not None)
    if misuse is not None or outside.touched is not None:
        raise misuse or refused(outside.touched or "")
    unseen = [(task.path, exc) for task in executor.made for exc in task.unseen()]
    names = {task.path: task.name for task in executor.made}
    executor.made.clear()
    leftovers = NOTHING
    if left or timers or outside.unawaited:
        leftovers = Leftovers(
            tuple(f"{task.path} {task.name!r}" for task in left) if error is None else (),
            timers,
            tuple(outside.unawaited),
        )
    return Run(
        outcome if error is None else None,
        error,
        time,
        steps,
        () if executor.recorder is None else tuple(executor.recorder.steps),
        decisions,
        passed,
        tuple(struck),
        tuple([one for one in injections if one.spot not in executor.reached]),
        leftovers,
        tuple(unseen),
        names,
    )


def end(executor: LabExecutor, left: list[LabTask[Any]], *, at_once: bool) -> None:
    """End the tasks that are left, as the shutdown of a runtime would."""
    executor.close(_SHUTDOWN)
    executor.forbear()
    if not at_once:
        grace = executor.grace
        for task in left:
            request = CancelRequest(_SHUTDOWN)
            request.shorten(None if grace is None else executor.now() + grace)
            task.ask(request)
        try:
            executor.drive(lambda: all(task.ended is not None for task in left))
        except (Deadlock, Livelock):
            pass  # it hangs in its cleanup: dropped, as at the end of the grace
    for task in left:
        if task.ended is None:
            task.drop_now(CancelRequest(_SHUTDOWN))


def _reached_outside(exc: BaseException) -> bool:
    return isinstance(exc, RuntimeError) and str(exc) == "no running event loop"
