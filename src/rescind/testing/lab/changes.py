"""`Changes`: by what a run differs from the plain one, and what one more change could be.

*What it is.* A run in the runtime's own order, without injections, has no changes. Each change is
a choice that differs, or an injection, at a numbered event of the run. To extend changes is to add
one at an event after the last: the run is the same up to there, so that every set of changes is
reached on exactly one way, and none twice.

*Threads.* Data; any.

*Source.* CHESS's iterative context bounding: few changes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rescind.testing.lab.injection import ROOT, Injection, Instant, Kind, Spot, spawned
from rescind.testing.lab.record import Run

__all__ = ["Bounds", "Changes", "Kinds", "extended", "kinds_for", "spots_of"]

#: Which kinds of injection there are at a point: by path, place and instant.
Kinds = Mapping[tuple[str, str, Instant], tuple[Kind, ...]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far `explore` goes from the runtime's own order.

    Attributes:
        changes: how many changes a run may have: choices that differ and injections together.
        deviations: how many of them may be choices.
        injections: how many may be injections.
        kinds: which injections.
        main: are injections made into main too? None: only if it spawns nothing.
        max_steps: after so many steps a run is a `Livelock`.
        runs: how many runs are made at most; None: as many as the budget allows.
    """

    changes: int = 3
    deviations: int = 2
    injections: int = 2
    kinds: tuple[Kind, ...] = tuple(Kind)
    main: bool | None = None
    max_steps: int = 2_000
    runs: int | None = None

    def __post_init__(self) -> None:
        for name in ("changes", "deviations", "injections"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative: {getattr(self, name)}")
        for name in ("max_steps", "runs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes a run differ from the plain one.

    Attributes:
        choices: by number of the choice, the index that was taken; each differs from 0.
        injections: in the order in which they strike.
        last: the number of the event at which the latest change is made; -1: there is none.
    """

    choices: Mapping[int, int] = field(default_factory=dict[int, int])
    injections: tuple[Injection, ...] = ()
    last: int = -1

    def __len__(self) -> int:
        return len(self.choices) + len(self.injections)

    @classmethod
    def of(cls, run: Run[Any], injections: tuple[Injection, ...]) -> Changes:
        """Return the changes that make this run again."""
        choices = {i: taken for i, taken in enumerate(run.choices) if taken}
        return cls(choices, injections)


def spots_of(run: Run[Any], *, main: bool) -> Iterator[tuple[int, Spot]]:
    """Yield each point of a run at which something can be canceled, with its event."""
    for event, task, place, visit, instant in run.passed:
        if spawned(task) or (main and task == ROOT):
            yield event, Spot(task, "" if place is None else place.key, visit, instant)


def kinds_for(spot: Spot, bounds: Bounds, kinds: Kinds, *, main: bool) -> list[Kind]:
    """Return which injections are to be made at a point."""
    parent = spot.task.rpartition("/")[0]
    of_main = not spawned(parent) and not (main and parent == ROOT)
    return [
        kind
        for kind in kinds.get((spot.task, spot.place, spot.instant), ())
        if kind in bounds.kinds and not (of_main and kind is Kind.PARENT)
    ]


def extended(
    changes: Changes, run: Run[Any], bounds: Bounds, kinds: Kinds, *, main: bool
) -> Iterator[Changes]:
    """Yield ``changes``, of which ``run`` was made, with one more change each, earliest first."""
    if len(changes) >= bounds.changes:
        return
    found: list[tuple[int, Changes]] = []
    if len(changes.choices) < bounds.deviations:
        for number, (event, offered, _) in enumerate(run.decisions):
            if event > changes.last:
                for index in range(1, offered):
                    choices = {**changes.choices, number: index}
                    found.append((event, Changes(choices, changes.injections, event)))
    if len(changes.injections) < bounds.injections:
        for event, spot in spots_of(run, main=main):
            if event > changes.last:
                for kind in kinds_for(spot, bounds, kinds, main=main):
                    injections = (*changes.injections, Injection(spot, kind))
                    found.append((event, Changes(changes.choices, injections, event)))
    found.sort(key=_event)
    for _, more in found:
        yield more


def _event(found: tuple[int, Changes]) -> int:
    return found[0]
