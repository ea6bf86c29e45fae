"""`explore`: every order and every cancellation, few changes first.

*What it is.* A search over runs. The plain run is made twice, and must be the same twice. Then
every run with one change of it, then every run with two, and so on. Beside these, from two changes
on, every fourth run is one of random order and random injections, which goes deep where the
systematic ones have not come yet. The first failure is shrunk and reported.

*What it is not.* A proof: what it says holds within the bounds that it reached. No state is
compared and no order is left out as equivalent, since a program's state is out of our reach.

*Threads.* The one that calls.

*Source.* CHESS (iterative bounding), PCT, shuttle's portfolio; Lincheck.
"""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, Final, cast

from rescind._core.outcome import Completed
from rescind._lifetime import refuse_to_block
from rescind._uncollected import Uncollected
from rescind.testing.lab import regressions as store
from rescind.testing.lab.changes import Bounds, Changes, extended, spots_of
from rescind.testing.lab.data import explore_data
from rescind.testing.lab.exploration import Exploration
from rescind.testing.lab.injection import ROOT, Injection, Instant, Spot, spawned
from rescind.testing.lab.judge import Invariant
from rescind.testing.lab.lab import Lab
from rescind.testing.lab.record import Failure, Run, cleaned
from rescind.testing.lab.schedule import Fifo, Pct, RandomOrder, Schedule
from rescind.testing.lab.shrink import shrunk
from rescind.testing.lab.token import Token, encode, fingerprint, name_of
from rescind.testing.lab.trial import Main, Trial

__all__ = ["TOO_FEW", "explore", "search"]

#: Why an exploration is unresolved in which not every run with one change was made.
TOO_FEW: Final = "the budget was over before one change"

#: One run in so many is random, from two changes on.
_RANDOM_SHARE = 4
_OUTCOMES_KEPT = 1000
#: After so many runs the collector may look.
_UNCOLLECTED = 16
#: Values of which one is printed as it always is.
_PLAIN: Final = (type(None), bool, int, str)
#: How many are made for each example that is drawn.
_RUNS_FOR_EACH = 300


def explore(
    main: Main,
    *,
    invariants: Sequence[Invariant] = (),
    bounds: Bounds | None = None,
    seed: int = 0,
    budget: float = 5.0,
    allowed: tuple[type[BaseException], ...] = (),
    grace: float | None = 30.0,
    regressions: str | os.PathLike[str] | None = None,
    program: Any = None,
    examples: int = 50,
) -> Exploration:
    """Run a program in many orders and cancel it at many points; report the first failure, shrunk.

    A run fails if an exception comes out of main, or out of a task that nobody looks at; if an
    invariant does not hold; if nothing can run any more, or the steps do not end; or if main has
    completed and left tasks, timers or coroutines behind. `TaskCanceled`, and `TimedOut` after a
    deadline was injected, are no failures of a run with injections.

    Args:
        main: an async function without arguments; called for each run, so that what it shares
            between runs must not matter.
        invariants: called with each `Run`; broken if one returns False or raises.
        bounds: how far to go; see `Bounds`.
        seed: for the random runs.
        budget: seconds of real time; shrinking comes on top.
        allowed: exceptions that may come out of runs with injections.
        grace: for the cleanup of canceled tasks, in seconds of the virtual clock.
        regressions: a file of tokens: those of this program are replayed first, and a new failure
            is added.
        program: a strategy of hypothesis; ``main`` is called with what it draws, and the data
            with which it fails are shrunk too. Unless ``bounds`` says otherwise, 300 runs are made
            for each example.
        examples: how many are drawn at most.

    Returns:
        The report. Its ``check()`` raises if the verdict is not ``pass``.

    Raises:
        UsageError: the program reaches for the world outside; or a runtime or loop runs here.

    Example:
        >>> import rescind
        >>> from rescind.sync import Mutex
        >>> from rescind.testing import explore
        >>> async def main():
        ...     first, second = Mutex(), Mutex()
        ...
        ...     async def both(one, other):
        ...         async with one, other:
        ...             pass
        ...
        ...     async with rescind.task_group() as g:
        ...         g.spawn(both(first, second))
        ...         g.spawn(both(second, first))
        >>> report = explore(main)
        >>> report.verdict, report.within
        ('pass', 3)

    Source: CHESS, Lincheck; see `Pct`.
    """
    refuse_to_block("explore()")
    if not budget > 0:
        raise ValueError(f"budget must be a positive number of seconds, not {budget!r}")
    if program is not None:
        if regressions is not None:
            raise ValueError("regressions= names runs of one program: not together with program=")
        bounds = bounds or Bounds()
        options: dict[str, Any] = {
            "allowed": allowed,
            "bounds": bounds if bounds.runs is not None else replace(bounds, runs=_RUNS_FOR_EACH),
            "budget": float("inf"),
            "grace": grace,
            "invariants": invariants,
            "seed": seed,
        }
        return explore_data(
            lambda data: explore(partial(main, data), **options),
            program,
            seed=seed,
            budget=budget,
            examples=examples,
        )
    Lab(main)  # looks whether it can be called
    trial = Trial(main, bounds or Bounds(), tuple(invariants), tuple(allowed), grace)
    return search(trial, seed=seed, budget=budget, regressions=regressions)


def search(
    trial: Trial, *, seed: int, budget: float, regressions: str | os.PathLike[str] | None
) -> Exploration:
    """Explore a program that is prepared; see `explore`."""
    with Uncollected() as uncollected, trial.outside.shut():
        return _Search(trial, seed, budget, regressions, uncollected).result()


class _Search:
    """One exploration."""

    def __init__(
        self,
        trial: Trial,
        seed: int,
        budget: float,
        regressions: str | os.PathLike[str] | None,
        uncollected: Uncollected,
    ) -> None:
        self._trial = trial
        self._random = random.Random(seed)
        self._began = monotonic()
        self._until = self._began + budget
        self._regressions = regressions
        self._outcomes: dict[str, None] = {}
        self._within = -1
        # May main itself be canceled?
        self._main = False
        # The points of the plain run, and those at which some run was canceled.
        self._spots: set[Spot] = set()
        self._canceled: set[Spot] = set()
        # How many runs did not come by the point that they were made for.
        self._diverged = 0
        self._replayed = (0, 0)
        self._steps = 1
        # The points that were seen, sorted.
        self._seen: list[tuple[str, str, Instant]] = []
        # How the last run ended.
        self._ended: object = None
        # Holds the collector off, outside of runs too; lets go of it now and then.
        self._uncollected = uncollected

    def result(self) -> Exploration:
        """Search, and report."""
        plain, failure = self._run(Changes())
        again, _ = self._run(Changes())
        if plain.signature() != again.signature():
            return self._report("unresolved", _difference(plain, again), run=plain)
        if failure is not None:
            return self._fail(Changes(), failure)
        bounds = self._trial.bounds
        main = bounds.main
        spawns = any(path.startswith(f"{ROOT}/") for path in plain.names)
        self._main = not spawns if main is None else main
        self._spots = {spot for _, spot in spots_of(plain, main=self._main)}
        self._steps = max(len(plain.decisions), 1)
        self._within = 0
        known = self._replay()
        if known is not None:
            return known
        found = self._levels(plain)
        if found is not None:
            return self._fail(*found)
        if self._diverged:
            return self._report(
                "unresolved",
                f"{self._diverged} runs did not come by the point that they were to change: the "
                "program does not do the same in each run",
                run=plain,
            )
        if self._within < 1 <= bounds.changes:
            return self._report("unresolved", TOO_FEW, run=plain)
        return self._report("pass", "", run=plain)

    # -- searching --------------------------------------------------------------------------------

    def _levels(self, plain: Run[Any]) -> tuple[Changes, Failure] | None:
        """Make every run with one change, then with two, and so on."""
        parents: deque[Iterator[Changes]] = deque([self._extended(Changes(), plain)])
        for level in range(1, self._trial.bounds.changes + 1):
            children: deque[Iterator[Changes]] = deque()
            count = 0
            while parents:
                source = parents.popleft()
                changes = next(source, None)
                if changes is None:
                    continue
                if self._over():
                    return None
                parents.append(source)  # each parent in turn: what is far apart is tried early
                run, failure = self._run(changes)
                if failure is not None:
                    return changes, failure
                if level < self._trial.bounds.changes:
                    children.append(self._extended(changes, run))
                count += 1
                if level > 1 and count % _RANDOM_SHARE == 0:
                    found = self._randomly()
                    if found is not None:
                        return found
            self._within = level
            parents = children
        return None

    def _extended(self, changes: Changes, run: Run[Any]) -> Iterator[Changes]:
        trial = self._trial
        return extended(changes, run, trial.bounds, trial.kinds, main=self._main)

    def _randomly(self) -> tuple[Changes, Failure] | None:
        """Make one run of random order, with random injections."""
        chance = self._random
        bounds = self._trial.bounds
        schedule: Schedule
        depth, order = chance.randrange(4), chance.getrandbits(32)
        if not bounds.deviations:
            schedule = Fifo()
        elif depth == 0:
            schedule = RandomOrder(order)
        else:
            schedule = Pct(depth, order, steps=self._steps)
        points = self._points()
        injections: list[Injection] = []
        for _ in range(chance.randint(0, bounds.injections) if points else 0):
            task, place, instant = chance.choice(points)
            kinds = [k for k in self._trial.kinds[task, place, instant] if k in bounds.kinds]
            if kinds and (spawned(task) or (self._main and task == ROOT)):
                visit = min(1 + int(chance.expovariate(1)), 5) if place else 0
                injections.append(
                    Injection(Spot(task, place, visit, instant), chance.choice(kinds))
                )
        run, failure = self._trial.run_in(schedule, tuple(injections))
        self._note(run)
        return None if failure is None else (Changes.of(run, run.struck), failure)

    def _points(self) -> list[tuple[str, str, Instant]]:
        """Return the points that were seen, in an order that is the same in each exploration."""
        kinds = self._trial.kinds
        if len(self._seen) != len(kinds):
            self._seen = sorted(kinds, key=str)
        return self._seen

    def _run(self, changes: Changes) -> tuple[Run[Any], Failure | None]:
        run, failure = self._trial.run(changes)
        self._note(run)
        if run.missed:
            self._diverged += 1
        return run, failure

    def _note(self, run: Run[Any]) -> None:
        # Between runs alone, and not after each: that takes as long as a step.
        if self._trial.runs % _UNCOLLECTED:
            self._uncollected.hold()
        else:
            self._uncollected.release()
        if run.struck:
            self._canceled.update(one.spot for one in run.struck)
        ended = run.outcome if run.error is None else run.error
        # Most runs end in the same way, with None or a small number: that is not said each time.
        same = self._ended
        if type(ended) is Completed and type(same) is Completed:
            value: object = cast("Completed[object]", ended).value
            if value is cast("Completed[object]", same).value and type(value) in _PLAIN:
                return
        self._ended = ended
        if len(self._outcomes) < _OUTCOMES_KEPT:
            self._outcomes[cleaned(repr(ended))] = None

    def _over(self) -> bool:
        most = self._trial.bounds.runs
        return monotonic() >= self._until or (most is not None and self._trial.runs >= most)

    # -- reporting --------------------------------------------------------------------------------

    def _replay(self) -> Exploration | None:
        """Make the runs again that have failed before."""
        if self._regressions is None:
            return None
        failed = passed = 0
        first: tuple[Changes, Failure] | None = None
        for _, token in store.known(self._regressions, name_of(self._trial.main)):
            _, failure = self._run(token.changes)
            self._diverged = 0  # of a program as it was
            if failure is None:
                passed += 1
            else:
                failed += 1
                first = first or (token.changes, failure)
        self._replayed = (failed, passed)
        return None if first is None else self._fail(*first)

    def _fail(self, changes: Changes, failure: Failure) -> Exploration:
        trial = self._trial
        changes, run, failure = shrunk(trial, changes, failure)
        token = encode(
            Token(
                name_of(trial.main),
                fingerprint(trial.main, run),
                changes,
                trial.bounds.max_steps,
                trial.grace,
            )
        )
        if self._regressions is not None:
            store.add(self._regressions, token, f"{name_of(trial.main)}: {failure}")
        return self._report(
            "fail", str(failure), run=run, failure=failure, changes=changes, token=token
        )

    def _report(self, verdict: str, why: str, **more: Any) -> Exploration:
        return Exploration(
            verdict,
            why,
            name_of(self._trial.main),
            self._trial.bounds,
            self._within,
            self._trial.runs,
            monotonic() - self._began,
            len(self._spots),
            len(self._spots & self._canceled),
            self._trial.struck,
            tuple(self._outcomes),
            replayed=self._replayed,
            **more,
        )


def _difference(first: Run[Any], second: Run[Any]) -> str:
    words = "two runs that should be the same differ"
    for number, (one, other) in enumerate(zip(first.points, second.points, strict=False), 1):
        if one != other:
            places = f"{one[0]} is at {one[1]!r}, then {other[0]} at {other[1]!r}"
            return f"{words}: at point {number} {places}"
    return f"{words} in how long they are, or how they end"
