"""Schedules: in which order what could happen next does happen.

*What it is.* Whenever more than one thing could happen next, the lab asks its schedule: which of
the tasks that are ready is stepped, or which of the timers that are due fires. Index 0 is always
what the runtime itself would do: timers in order of time, then tasks in order of waking.

*Threads.* The lab's.

*Source.* Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding
bugs" (PCT), ASPLOS 2010; shuttle; CHESS bounds preemptions, as `Exhaustive` bounds deviations.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Protocol

from rescind._core.current import local
from rescind._core.errors import UsageError

__all__ = ["Choice", "Deviate", "Exhaustive", "Fifo", "Pct", "RandomOrder", "Replay", "Schedule"]


class Choice(Protocol):
    """Something that can happen next.

    Attributes:
        path: of the task that is stepped, such as ``root/2``; ``timer`` for a timer.
    """

    @property
    def path(self) -> str: ...


class Schedule(Protocol):
    """Chooses."""

    def choose(self, options: Sequence[Choice]) -> int:
        """Return the index of what happens next; ``options`` has two or more, and is not kept."""
        ...


class Fifo:
    """The runtime's own order."""

    def choose(self, options: Sequence[Choice]) -> int:
        """Return 0."""
        return 0


class RandomOrder:
    """Any of them, each as likely as the others.

    Args:
        seed: the same one gives the same choices.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, options: Sequence[Choice]) -> int:
        """Return any index."""
        return int(self._random.random() * len(options))


class Pct:
    """Priorities, with a few points at which the one that is highest becomes the lowest.

    Finds a bug that needs ``depth`` ordered events with a probability of at least one in (tasks x
    steps to the power of depth - 1), however many orders there are.

    Args:
        depth: how many ordered events a bug needs; one less is the number of change points.
        seed: the same one gives the same choices.
        steps: about how many choices a run has; change points lie among so many.
    """

    def __init__(self, depth: int, seed: int, *, steps: int = 100) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._random = random.Random(seed)
        count = min(depth - 1, max(steps, 1))
        self._changes: set[int] = set()
        if count:
            self._changes.update(self._random.sample(range(max(steps, 1)), count))
        self._priorities: dict[str, float] = {}
        self._chosen = 0
        self._lowest = 0.0

    def choose(self, options: Sequence[Choice]) -> int:
        """Return the index of the highest priority, after a change if one is due."""
        priorities = self._priorities
        for option in options:
            if option.path not in priorities:
                priorities[option.path] = self._random.random()
        best = self._highest(options)
        if self._chosen in self._changes:
            self._lowest -= 1.0
            priorities[options[best].path] = self._lowest
            best = self._highest(options)
        self._chosen += 1
        return best

    def _highest(self, options: Sequence[Choice]) -> int:
        """Return the index of the first option that no other is above."""
        priorities = self._priorities
        best, highest = 0, priorities[options[0].path]
        for index, option in enumerate(options):
            priority = priorities[option.path]
            if priority > highest:
                best, highest = index, priority
        return best


class Deviate:
    """The runtime's own order, but for a few choices.

    Args:
        choices: by number of the choice, counted from 0, the index; one that is not offered counts
            as 0.
        state: called at each choice, for `Exhaustive`; returns None where it is not known.
    """

    def __init__(
        self, choices: Mapping[int, int], state: Callable[[], Hashable] | None = None
    ) -> None:
        self.choices = choices
        #: How many options each choice had so far.
        self.offered: list[int] = []
        #: The state at each choice; None if it is unknown.
        self.states: list[Hashable] = []
        self._state = state

    def choose(self, options: Sequence[Choice]) -> int:
        """Return the index that was given for this choice, or 0."""
        offered = self.offered
        index = self.choices.get(len(offered), 0)
        offered.append(len(options))
        if self._state is not None:
            self.states.append(self._state())
        return index if index < len(options) else 0


class Replay:
    """Choices that were made before, then the runtime's own order.

    Args:
        choices: the index of each, in order.

    Raises:
        UsageError: from the run, if a choice is not offered: the program has changed.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = tuple(choices)
        self._made = 0

    def choose(self, options: Sequence[Choice]) -> int:
        """Return the next choice."""
        made = self._made
        self._made = made + 1
        if made >= len(self._choices):
            return 0
        index = self._choices[made]
        if not 0 <= index < len(options):
            raise UsageError(
                f"choice {made} of this replay takes option {index}, but only {len(options)} are "
                "there: the program has changed, or does not do the same in each run"
            )
        return index


class Exhaustive:
    """Every schedule with at most so many deviations from the runtime's own order, depth first.

    Iterate over it, and make one run with each schedule before taking the next. The number of
    schedules grows as the power of the bound. Unless you say what the state of the program is, no
    states are compared, and nothing is left out.

    Args:
        deviations: how many choices may differ from the runtime's; None: any number.
        state: called at each choice of a run; returns *all* that decides how the program goes on,
            but for which tasks are ready, have yielded or wait for timers, in which order: how far
            each task has come, and every value that will be looked at, as one hashable; or None if
            that is not known there. Where a run comes to a state that was seen, with no more
            deviations left than then, it is not followed further. What is missing in the state may
            be missed by the search.

    Example:
        >>> import rescind
        >>> from rescind.testing import Exhaustive, Lab
        >>> async def say(word, said):
        ...     said.append(word)
        >>> async def main():
        ...     said = []
        ...     async with rescind.task_group() as g:
        ...         for word in "abc":
        ...             g.spawn(say(word, said))
        ...     return "".join(said)
        >>> sorted({Lab(main, schedule=s).run().unwrap() for s in Exhaustive(None)})
        ['abc', 'acb', 'bac', 'bca', 'cab', 'cba']

    Source: stateless search, as in VeriSoft and CHESS; with a state, that of SPIN.
    """

    def __init__(
        self, deviations: int | None = 2, *, state: Callable[[], Hashable] | None = None
    ) -> None:
        self.deviations = deviations
        self.state = state

    def __iter__(self) -> Iterator[Deviate]:
        """Yield each schedule, for one run."""
        waiting: list[dict[int, int]] = [{}]
        bound = self.deviations
        # With how many deviations left each state was followed.
        seen: dict[Hashable, float] = {}
        while waiting:
            choices = waiting.pop()
            schedule = Deviate(choices, self._whole if self.state is not None else None)
            yield schedule
            left = float("inf") if bound is None else bound - len(choices)
            if left <= 0:
                continue
            first = max(choices, default=-1) + 1
            more: list[dict[int, int]] = []
            for number in range(first, len(schedule.offered)):
                state = schedule.states[number] if schedule.states else None
                if state is not None:
                    if seen.get(state, -1) >= left:
                        break  # from here on it is a run that is, or will be, followed
                    seen[state] = left
                more += [{**choices, number: index} for index in range(1, schedule.offered[number])]
            waiting.extend(reversed(more))

    def _whole(self) -> Hashable | None:
        """Return the state of the program, with that of the lab it runs in; None if unknown."""
        assert self.state is not None
        state = self.state()
        known: Callable[[], Hashable | None] | None = getattr(local.executor, "standing", None)
        queues = None if state is None or known is None else known()
        return None if queues is None else (queues, state)
