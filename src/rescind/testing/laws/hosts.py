"""Hosts: P74. What a program does is decided by its order and its cancellations, not by its host.

*What it is.* A program is run in the lab and on real event loops in virtual time, with the same
order of tasks, and canceled at the same moment. The loops' own order of timers and callbacks
stays as it is: that is what is compared. In the lab timers may be late too, so its outcomes are
all that the hosts have, and more.

*Threads.* One.

*Source.* Differential testing (McKeeman 1998).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

import rescind
from rescind._core.executor import Executor
from rescind._core.fifo import fifo
from rescind._core.task import Task
from rescind._host.manual import ManualHost
from rescind.runtime import Runtime
from rescind.testing.lab.schedule import Choice, Exhaustive, Schedule
from rescind.testing.laws.interpret import Machine
from rescind.testing.laws.law import law
from rescind.testing.laws.program import Program
from rescind.testing.laws.stage import Choices, Setting, Stage, told
from rescind.testing.laws.virtual_loop import has_uvloop, virtual_loop, virtual_uvloop

__all__ = ["HOSTS", "Strike", "in_lab", "on_host"]

#: When a program that still runs is ended, as one that hangs: in virtual seconds.
_HORIZON: Final = 1000.0
#: How many orders are compared for one program.
_ORDERS: Final = 12

#: What takes time, or may wait for ever.
_TIMED: Final = ("Sleep", "Timeout", "Guard", "Cancel", "Never", "shared")

#: What a run was: how each program ended, what they did in order, and when all was over.
Seen: TypeAlias = "tuple[list[Any], tuple[str, ...], float]"


@dataclass(frozen=True)
class Strike:
    """A cancellation that a host can be told: one of the programs, at a moment.

    Attributes:
        program: which, counted from 0.
        yields: when a task beside it has yielded so often, if ``at`` is None.
        at: when the clock shows that.
    """

    program: int = 0
    yields: int = 0
    at: float | None = None


class _Ready(fifo[Task[Any]]):
    """The ready queue of an executor on a host, from which choices take the next task."""

    def __init__(self, choices: Iterable[int]) -> None:
        super().__init__()
        self._choices = iter(choices)

    def popleft(self) -> Task[Any]:
        count = len(self)
        index = next(self._choices, 0) % count if count > 1 else 0
        self._turn(index)
        task = super().popleft()
        self._turn(len(self) - index)
        return task

    def _turn(self, times: int) -> None:
        for _ in range(times):
            self.append(super().popleft())


class _TasksOnly:
    """A schedule of the lab that chooses among tasks, and leaves timers their order."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def choose(self, options: Sequence[Choice]) -> int:
        """Return the index of a task, or of the first timer."""
        return 0 if options[0].path == "timer" else self._schedule.choose(options)


async def _main(world: Machine, programs: Sequence[Program], strikes: Sequence[Strike]) -> Seen:
    """Run the programs beside each other; end what hangs; say how it went."""
    tasks = [rescind.spawn(world.run(one)) for one in programs]
    for strike in strikes:
        rescind.spawn(_cancel(tasks[strike.program], strike))
    for _ in range(2):  # what hangs may hang in its cleanup too
        try:
            everything = rescind.outcomes(*[task.join() for task in tasks])
            await rescind.timeout(everything, _HORIZON)
            break
        except rescind.TimedOut:
            for task in tasks:
                task.cancel("stuck")
    trace = tuple(entry.what for entry in world.trace)
    return [told(task.outcome()) for task in tasks], trace, rescind.now()


async def _cancel(task: rescind.Task[Any], strike: Strike) -> None:
    if strike.at is not None:
        await rescind.sleep(strike.at)
    for _ in range(strike.yields):
        await rescind.yield_now()
    task.cancel("r")


def in_lab(schedule: Schedule, programs: Sequence[Program], strikes: Sequence[Strike]) -> Seen:
    """Run programs in the lab, in an order of tasks."""
    with Stage(schedule=_TasksOnly(schedule)) as stage:
        main = stage.spawn(_main(Machine(), programs, strikes))
        stage.executor.drive(main.done)
        outcome = main.outcome()
    assert outcome is not None
    seen: Seen = outcome.unwrap()
    return seen


def on_host(
    make: Callable[[], Any],
    choices: Iterable[int],
    programs: Sequence[Program],
    strikes: Sequence[Strike],
) -> Seen:
    """Run programs on a host, with these choices among the tasks that are ready."""
    with _silenced(), Runtime(host=make(), grace=None) as runtime:
        executor: Executor = runtime.executor
        executor._ready = _Ready(choices)
        try:
            return runtime.block_on(_main(Machine(), programs, strikes))
        finally:
            runtime.shutdown("the run is over", grace=0)


def _uvloops() -> dict[str, Callable[[], Any]]:
    return {"uvloop": lambda: virtual_uvloop} if has_uvloop() else {}


#: The hosts by name: what makes what `Runtime` is given. uvloop is one if it is installed.
HOSTS: Final[dict[str, Callable[[], Any]]] = {
    "manual": ManualHost,
    "asyncio": lambda: virtual_loop,
    **_uvloops(),
}


@law(74, examples=30)
def every_host_gives_the_same(x: Program, at: float, quiet: Setting) -> None:
    """In the same order, and canceled at the same moment, each host does what the lab does."""
    strikes = ((), (Strike(at=at),), (Strike(yields=int(2 * at)),), (Strike(), Strike(at=at)))
    for strike in strikes:
        expected = in_lab(Choices(quiet.choices), (x,), strike)
        for name, make in HOSTS.items():
            seen = on_host(make, quiet.choices, (x,), strike)
            assert seen == expected, f"{name}: {seen}; the lab: {expected}; {strike}"


@law(74, x={"size": 3}, y={"size": 3}, examples=8)
def every_host_has_the_same_outcomes(x: Program, y: Program, at: float) -> None:
    """Over all orders of tasks, each host has the outcomes that the lab has; one, if it is one."""
    for strike in ((), (Strike(at=at),), (Strike(1, yields=1),)):
        found: dict[str, list[Seen]] = {name: [] for name in ("lab", *HOSTS)}
        for order in islice(Exhaustive(None), _ORDERS):
            found["lab"].append(in_lab(order, (x, y), strike))
            choices = [order.choices.get(number, 0) for number in range(len(order.offered))]
            for name, make in HOSTS.items():
                found[name].append(on_host(make, choices, (x, y), strike))
        for name, seen in found.items():
            assert seen == found["lab"], f"{name} differs from the lab, canceled: {strike}"


@law(74, x={"without": _TIMED}, y={"without": _TIMED}, examples=15)
def virtual_time_is_no_difference(x: Program, y: Program, quiet: Setting) -> None:
    """Programs that use no clock do the same on loops whose time is real."""
    loops: list[str] = ["asyncio", "uvloop"] if has_uvloop() else ["asyncio"]
    for strike in ((), (Strike(yields=1),), (Strike(1, yields=3),)):
        expected = in_lab(Choices(quiet.choices), (x, y), strike)[:2]
        for name in loops:
            seen = on_host(partial(str, name), quiet.choices, (x, y), strike)[:2]
            assert seen == expected, f"{name}: {seen}; the lab: {expected}; {strike}"


def _silence(_record: logging.LogRecord) -> bool:
    return False


@contextmanager
def _silenced() -> Generator[None]:
    """During the block, log nothing: programs of all kinds fail on purpose here."""
    log = logging.getLogger("rescind")
    log.addFilter(_silence)
    try:
        yield
    finally:
        log.removeFilter(_silence)
