"""`Trial`: makes runs of one program with given changes, and judges them.

*Threads.* The one that explores.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from rescind.testing.lab.changes import Bounds, Changes
from rescind.testing.lab.injection import Injection, Instant, Kind
from rescind.testing.lab.judge import LEAKS, Invariant, judge
from rescind.testing.lab.lab import Around, Lab, make_run
from rescind.testing.lab.outside import Outside
from rescind.testing.lab.record import Failure, Run
from rescind.testing.lab.schedule import Deviate, Schedule

__all__ = ["Main", "Trial"]

Main = Callable[..., Coroutine[Any, Any, Any] | Awaitable[Any]]
"""An async function without arguments; with one, if its data are drawn."""


class Trial:
    """One program, with what must hold.

    Attributes:
        main: the program.
        bounds: as given.
        invariants: what must hold after each run.
        allowed: exceptions that may come out of runs with injections.
        grace: for cleanups, in seconds of the virtual clock.
        around: what each run has before and after main; see `Lab`.
        leaks: which of `LEAKS` may not be left.
        kinds: which kinds of injection there are at the points that were seen.
        runs: how many were made.
        struck: how many injections have struck.
    """

    def __init__(
        self,
        main: Main,
        bounds: Bounds,
        invariants: tuple[Invariant, ...] = (),
        allowed: tuple[type[BaseException], ...] = (),
        grace: float | None = 30.0,
        *,
        around: Around | None = None,
        leaks: Collection[str] = LEAKS,
    ) -> None:
        self.main = main
        self.bounds = bounds
        self.invariants = invariants
        self.allowed = allowed
        self.grace = grace
        self.around = around
        self.leaks = leaks
        self._lab = Lab(main, max_steps=bounds.max_steps, grace=grace, around=around)
        self.kinds: dict[tuple[str, str, Instant], tuple[Kind, ...]] = {}
        self.runs = 0
        self.struck = 0
        self.outside = Outside()

    def run(self, changes: Changes, *, trace: bool = False) -> tuple[Run[Any], Failure | None]:
        """Make the run with these changes; inside of ``outside.shut()``."""
        return self.run_in(Deviate(changes.choices), changes.injections, trace=trace)

    def run_in(
        self, schedule: Schedule, injections: tuple[Injection, ...], *, trace: bool = False
    ) -> tuple[Run[Any], Failure | None]:
        """Make a run in the order of ``schedule``."""
        run = make_run(self._lab, schedule, injections, self.outside, self.kinds, trace=trace)
        self.runs += 1
        self.struck += len(run.struck)
        return run, judge(run, self.invariants, self.allowed, self.leaks)
