"""`Agenda`: which run comes next, where what can be planned is known only bit by bit.

*What it is.* Runs of one mode and judge (a kind) are planned from the clean runs of that kind,
which cost time too: they are asked for when the first run of the kind may be due, not before. The
order is that of `weight`, as if all had been known from the beginning.

*What it is not.* Who makes runs, or judges them.

*Threads.* The sweep's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice, product

from rescind.check.plan import INSTANTS, Options, available_modes, plans_for, weight
from rescind.check.points import ROOT, Instant, Judge, Mode, Point, RunPlan
from rescind.check.record import Record

__all__ = ["Agenda", "Kind"]

Kind = tuple[Mode, Judge]
"""The runs that are compared with the same clean run."""

Place = tuple[Point | None, Instant]
"""Where and when a run strikes, in whatever mode."""


class Agenda:
    """The runs of one sweep that are still to be made.

    Args:
        options: what to try.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        kinds = list(product(available_modes(options.modes), options.judges))
        self._rank = {kind: number for number, kind in enumerate(kinds)}
        # By the least weight that a run of it can have.
        first = min(options.instants, key=INSTANTS.index, default=Instant.PARKED)
        self._floor = {kind: weight(RunPlan(Point(ROOT), first, *kind)) for kind in kinds}
        self._pending = sorted(kinds, key=self._floor.__getitem__)
        self._clean: dict[Kind, Record] = {}
        self._guess: dict[Kind, int] = {}
        self._plans: deque[RunPlan] = deque()
        self._later: deque[RunPlan] = deque()
        # Where something hung, and it took a limit in real time to see it.
        self._slow: set[Place] = set()

    def due(self) -> Kind | None:
        """Return the kind whose clean runs are needed to tell what comes next; None: none are."""
        if not self._pending:
            return None
        kind = self._pending[0]
        late = not self._plans or weight(self._plans[0]) >= self._floor[kind]
        return kind if late else None

    def waits_for(self, kind: Kind) -> bool:
        """Is nothing known of this kind yet?"""
        return kind in self._pending

    def know(self, kind: Kind, clean: Record | None) -> None:
        """Plan the runs of a kind, given its clean run; None: none can be made."""
        self._pending.remove(kind)
        if clean is None:
            return
        self._clean[kind] = clean
        if len(self._clean) == 1:
            # How many the others will be is a guess: as if they parked where this one does.
            self._guess = {one: len(self._planned(one, clean)) for one in self._pending}
        new = self._planned(kind, clean)
        self._later += [plan for plan in new if _place(plan) in self._slow]
        plans = [*self._plans, *(plan for plan in new if _place(plan) not in self._slow)]
        plans.sort(key=lambda plan: (weight(plan), self._rank[plan.mode, plan.judge]))
        self._plans = deque(plans)

    def _planned(self, kind: Kind, clean: Record) -> list[RunPlan]:
        # What is a task of asyncio's is known from the clean runs of its mode.
        others = {one: record for one, record in self._clean.items() if one[0] is Mode.ASYNCIO}
        known = {**(others if kind[0] is Mode.RESCIND else {}), kind: clean}
        return [one for one in plans_for(known, self._options) if (one.mode, one.judge) == kind]

    def add(self, plans: Iterable[RunPlan]) -> None:
        """Make these too, after all others."""
        self._later += plans

    def postpone(self, struck: RunPlan) -> None:
        """Make the other runs that strike where this one does after all others.

        It hung until a limit was over, and so may they: with a budget, other places come first.
        """
        self._slow.add(_place(struck))
        kept: deque[RunPlan] = deque()
        for plan in self._plans:
            (self._later if _place(plan) in self._slow else kept).append(plan)
        self._plans = kept

    def ahead(self, number: int) -> list[RunPlan]:
        """Return the next runs, at most so many, as far as nothing else may come between them."""
        if not self._pending:
            return [*islice(self._plans, number), *islice(self._later, number)][:number]
        floor = self._floor[self._pending[0]]
        return [plan for plan in islice(self._plans, number) if weight(plan) < floor]

    def take(self) -> RunPlan | None:
        """Take the next run out; None: there is none."""
        plans = self._plans or self._later
        return plans.popleft() if plans else None

    def __len__(self) -> int:
        """How many are to be made, as far as that is known."""
        guessed = sum(self._guess.get(kind, 0) for kind in self._pending)
        return len(self._plans) + len(self._later) + guessed


def _place(plan: RunPlan) -> Place:
    return plan.point, plan.instant
