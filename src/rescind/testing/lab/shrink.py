"""Shrinking: fewer changes, and earlier ones, that still give the same failure.

*What it is.* Greedy, and bounded: first changes are left out, many at once, then one by one; then
each is moved to an earlier point, or made simpler. A candidate counts if its failure is the same
(P77) and it is smaller, by the order of `_size`.

*Threads.* The one that explores.

*Source.* Zeller's delta debugging; QuickCheck.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rescind.testing.lab.changes import Changes
from rescind.testing.lab.injection import Injection, Kind, Spot
from rescind.testing.lab.record import Failure, Run
from rescind.testing.lab.trial import Trial

__all__ = ["shrunk"]

_SIMPLE = {kind: number for number, kind in enumerate(Kind)}


def shrunk(
    trial: Trial, changes: Changes, failure: Failure, *, runs: int = 400
) -> tuple[Changes, Run[Any], Failure]:
    """Return the smallest changes found in so many runs, with the run, recorded, and its failure.

    What is returned fails as ``failure`` does, and is no larger than ``changes``.
    """
    run, _ = trial.run(changes)
    size = _size(changes, run)
    left = runs
    going_on = True
    while going_on and left > 0:
        going_on = False
        for candidate in _smaller(changes, run):
            left -= 1
            tried, found = trial.run(candidate)
            if found is not None and failure.same(found) and _size(candidate, tried) < size:
                changes, run, size = candidate, tried, _size(candidate, tried)
                going_on = True
                break
            if left <= 0:
                break
    changes = _effective(changes, run)
    run, found = trial.run(changes, trace=True)
    return changes, run, found or failure


def _size(changes: Changes, run: Run[Any]) -> tuple[int, ...]:
    """Return what is compared: changes, then how long the run is, then how early they come."""
    positions = 0
    for number in changes.choices:
        positions += run.decisions[number].event if number < len(run.decisions) else 1_000_000
    kinds = 0
    for injection in changes.injections:
        kinds += _SIMPLE[injection.kind]
        positions += _event_of(injection.spot, run)
    return (len(changes), run.steps, positions, kinds, sum(changes.choices.values()))


def _event_of(spot: Spot, run: Run[Any]) -> int:
    for event, task, place, visit, instant in run.passed:
        if (task, visit, instant) == (spot.task, spot.visit, spot.instant) and spot.place == (
            "" if place is None else place.key
        ):
            return event
    return 1_000_000


def _smaller(changes: Changes, run: Run[Any]) -> Iterator[Changes]:
    choices, injections = dict(changes.choices), changes.injections
    count = len(choices) // 2
    while count > 1:
        numbers = sorted(choices)
        for first in range(0, len(numbers), count):
            out = set(numbers[first : first + count])
            yield Changes({n: c for n, c in choices.items() if n not in out}, injections)
        count //= 2
    for index in range(len(injections)):
        yield Changes(choices, injections[:index] + injections[index + 1 :])
    for number in sorted(choices, reverse=True):
        yield Changes({n: c for n, c in choices.items() if n != number}, injections)
    for index, injection in enumerate(injections):
        for simpler in _simpler(injection, run):
            yield Changes(choices, (*injections[:index], simpler, *injections[index + 1 :]))
    for number, choice in sorted(choices.items()):
        rest = {n: c for n, c in choices.items() if n != number}
        for earlier in range(number + 1):
            if earlier not in rest and earlier < len(run.decisions):
                highest = choice if earlier == number else run.decisions[earlier].offered
                for index in range(1, highest):
                    yield Changes({**rest, earlier: index}, injections)


def _simpler(injection: Injection, run: Run[Any]) -> Iterator[Injection]:
    """Yield the injection as a simpler kind, then at each earlier point of its task."""
    spot = injection.spot
    if injection.kind is not Kind.TASK:
        yield Injection(spot)
    until = _event_of(spot, run)
    for event, task, place, visit, instant in run.passed:
        if event >= until:
            return
        if task == spot.task:
            earlier = Spot(task, "" if place is None else place.key, visit, instant)
            yield Injection(earlier, injection.kind)


def _effective(changes: Changes, run: Run[Any]) -> Changes:
    """Return the changes without choices that were not offered."""
    taken = run.choices
    choices = {n: c for n, c in changes.choices.items() if n < len(taken) and taken[n] == c}
    return Changes(choices, changes.injections, changes.last)
