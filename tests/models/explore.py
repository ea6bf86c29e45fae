"""Every interleaving of a few tasks, each with a few operations, by hand, canceled everywhere.

*What it is.* A `Task` is a list of operations. Whoever can go on is a choice: begin the next
operation, poll one that was woken, cancel one that is parked or woken, or drop it; and to stop,
where nobody can go on. `explore` makes every choice there is: each run is made anew from the
choices so far, so nothing has to be copied. What a run did is its history, which
`linear.explained` compares with a sequential model.

*Alike.* Tasks with equal scripts are interchangeable, so of those that have not begun only the
first may: every other run is one of these with its tasks renamed. Senders of other values are alike
too, if a model does not look at the values; the test says so.

*Bounds.* So many cancellations or drops per run; a budget of runs, beyond which it is an error, so
that what is said to be exhaustive is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rescind import Canceled, Completed, Outcome
from rescind.lowlevel import Future, Pending
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once

#: How one operation ended.
DONE, CANCELED, DROPPED, BLOCKED = "done", "canceled", "dropped", "blocked"


@dataclass(frozen=True)
class Op:
    """An operation.

    Attributes:
        name: for the model.
        argument: for the model, and for `start`.
        needs: it is left out unless the operation this many places before it took effect.
    """

    name: str
    argument: Any = None
    needs: int | None = None


@dataclass
class Call:
    """One operation of one task in a run: the interval in which it took effect, and its result."""

    task: int
    op: Op
    begun: int
    ended: int | None = None
    how: str = BLOCKED
    result: Any = None


@dataclass
class _Task:
    script: tuple[Op, ...]
    at: int = 0
    future: Future[Any] | None = None
    call: Call | None = None
    waker: CountingWaker = field(default_factory=CountingWaker)
    seen: int = 0
    canceling: bool = False
    calls: list[Call | None] = field(default_factory=list)
    over: bool = False
    begun: bool = False


#: Begins an operation: given what `make` returned, the task and the operation, it returns a future,
#: or the value if the operation never waits.
Start = Callable[[Any, int, Op], Any]


class Run:
    """One run."""

    def __init__(
        self, made: Any, start: Start, scripts: tuple[tuple[Op, ...], ...], before: Sequence[int]
    ) -> None:
        self.made = made
        self.start = start
        # For each task, the one before it that is alike, and begins first; -1: there is none.
        self.before = before
        self.tasks = [_Task(script) for script in scripts]
        self.history: list[Call] = []
        self.clock = 0

    def choices(self, strikes: int, ways: tuple[str, ...]) -> list[tuple[str, int]]:
        """Return what can happen next."""
        found: list[tuple[str, int]] = []
        for number, task in enumerate(self.tasks):
            self._skip(task)
            if task.over:
                continue
            first = self.before[number]
            if not task.begun and first >= 0 and not self.tasks[first].begun:
                continue
            if task.future is None or task.waker.wakes > task.seen:
                found.append(("go", number))
            if task.future is not None and strikes:
                begun = ("cancel",) if task.canceling else ()
                found += [(way, number) for way in ways if way not in begun]
        if found and all(what != "go" for what, _ in found):
            found.append(("stop", -1))
        return found

    def _skip(self, task: _Task) -> None:
        while task.future is None and not task.over:
            if task.at >= len(task.script):
                task.over = True
                return
            op = task.script[task.at]
            if _possible(op, task):
                return
            task.calls.append(None)
            task.at += 1

    def act(self, what: str, number: int) -> None:
        """Let that happen."""
        if what == "stop":
            return
        self.clock += 1
        task = self.tasks[number]
        self._skip(task)
        if what == "go":
            self._go(task, number)
            return
        assert task.future is not None
        if what == "drop":
            task.future.drop()
            self._end(task, DROPPED, None)
            return
        task.canceling = True
        self._poll(task)

    def _go(self, task: _Task, number: int) -> None:
        task.begun = True
        if task.future is None:
            op = task.script[task.at]
            task.call = Call(number, op, self.clock)
            self.history.append(task.call)
            task.calls.append(task.call)
            started = self.start(self.made, number, op)
            if not isinstance(started, Future):
                self._end(task, DONE, started)
                return
            task.future = started
            task.waker = CountingWaker()
        self._poll(task)

    def _poll(self, task: _Task) -> None:
        assert task.future is not None
        task.seen = task.waker.wakes
        poll = poll_cancel_once if task.canceling else poll_once
        outcome: Outcome[Any] | Pending = poll(task.future, context(task.waker))
        if isinstance(outcome, Pending):
            return
        if isinstance(outcome, Completed):
            self._end(task, DONE, outcome.value)
        elif isinstance(outcome, Canceled):
            self._end(task, CANCELED, None)
        else:
            self._end(task, DONE, type(outcome.exception).__name__)

    def _end(self, task: _Task, how: str, result: Any) -> None:
        assert task.call is not None
        task.call.how, task.call.result, task.call.ended = how, result, self.clock
        task.future = task.call = None
        task.canceling = False
        task.at += 1


def _before(scripts: tuple[tuple[Op, ...], ...], alike: tuple[int, ...]) -> list[int]:
    """Return for each task the last one before it that is alike, or -1."""
    found: list[int] = []
    for number, script in enumerate(scripts):
        same = [
            other
            for other in range(number)
            if scripts[other] == script or (number in alike and other in alike)
        ]
        found.append(same[-1] if same else -1)
    return found


def _possible(op: Op, task: _Task) -> bool:
    """Did what it depends on happen?"""
    if op.needs is None:
        return True
    before = task.calls[task.at - op.needs]
    return before is not None and before.how == DONE


def explore(
    make: Callable[[], Any],
    start: Start,
    scripts: tuple[tuple[Op, ...], ...],
    *,
    strikes: int = 1,
    ways: tuple[str, ...] = ("cancel", "drop"),
    budget: int = 200_000,
    alike: tuple[int, ...] = (),
) -> Iterator[tuple[list[tuple[str, int]], Run]]:
    """Yield every run, with the choices that led to it, depth first.

    Args:
        make: makes a new primitive.
        start: begins an operation.
        scripts: for each task, its operations.
        strikes: how many operations are canceled or dropped in one run, at most.
        ways: in which ways.
        budget: how many runs there may be; more are an error.
        alike: tasks that are interchangeable though their scripts are not equal.
    """
    before = _before(scripts, alike)
    # What could be chosen at each depth of the run before, and which of it was: as far as a run
    # goes the same way again it need not be asked what could happen.
    offered: list[list[tuple[str, int]]] = []
    trail: list[int] = []
    for _ in range(budget):
        run = Run(make(), start, scripts, before)
        made = [choices[index] for choices, index in zip(offered, trail, strict=True)]
        left = strikes
        for choice in made:
            left -= choice[0] != "go"
            run.act(*choice)
        while choices := run.choices(left, ways):
            if made and made[-1][0] == "stop":
                break
            offered.append(choices)
            trail.append(0)
            made.append(choices[0])
            left -= choices[0][0] != "go"
            run.act(*choices[0])
        yield [choice for choice in made if choice[0] != "stop"], run
        while trail and trail[-1] + 1 >= len(offered[-1]):
            trail.pop()
            offered.pop()
        if not trail:
            return
        trail[-1] += 1
    raise AssertionError(f"more than {budget} runs: the bounds are too wide to be exhaustive")
