"""What the model checks share: run every interleaving, and compare each new history once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from hypothesis import settings

from tests.models.explore import Call, Op, Run, Start, explore
from tests.models.linear import Step, Undo, explained, told


def thorough() -> bool:
    """Does the profile of hypothesis ask for more than usual?"""
    return settings().max_examples > 100


def check(
    make: Callable[[], Any],
    start: Start,
    scripts: Sequence[Sequence[Op]],
    *,
    initial: Hashable = None,
    step: Step | None = None,
    undo: Undo | None = None,
    conserved: Callable[[Any, list[Call]], None] | None = None,
    strikes: int = 1,
    ways: tuple[str, ...] = ("cancel", "drop"),
    alike: tuple[int, ...] = (),
    line: Callable[[Op], Hashable] | None = None,
) -> int:
    """Explore, and look at each run; return how many there were.

    Args:
        make: makes a new primitive.
        start: begins an operation.
        scripts: for each task, its operations.
        initial: the model's state at the beginning.
        step: the model.
        undo: what it means in the model that a dropped one passes on what it was given.
        conserved: raises if something is lost at the end of a run.
        strikes: how many cancellations or drops in one run; one more if the profile is thorough.
        ways: in which ways operations are ended.
        alike: tasks that are interchangeable though their scripts are not equal.
        line: as for `explained`.
    """
    known: set[Any] = set()
    runs = 0
    tuples = tuple(tuple(script) for script in scripts)
    budget = 5_000_000 if thorough() else 60_000
    struck = strikes + thorough()
    found_runs = explore(make, start, tuples, strikes=struck, ways=ways, budget=budget, alike=alike)
    for made, run in found_runs:
        runs += 1
        try:
            if conserved is not None:
                conserved(run.made, run.history)
            if step is not None and (key := told(run.history)) not in known:
                known.add(key)
                found = explained(run.history, initial, step, undo, line)
                assert found, "the model explains it in no order"
        except AssertionError as exc:
            exc.add_note(timeline(made, run))
            raise
        finally:
            end(run)
    return runs


def end(run: Run) -> None:
    """Drop what is still blocked."""
    for task in run.tasks:
        if task.future is not None:
            task.future.drop()


def timeline(made: list[tuple[str, int]], run: Run) -> str:
    """Tell a run: what happened, then each operation."""
    lines = ["what happened: " + ", ".join(f"{what} {number}" for what, number in made)]
    for call in run.history:
        until = "…" if call.ended is None else call.ended
        lines.append(
            f"  task {call.task}  {call.begun}-{until}  {call.op.name}({call.op.argument!r}) "
            f"{call.how} {call.result!r}"
        )
    return "\n".join(lines)


def results(history: list[Call], name: str, how: str = "done") -> list[Any]:
    """Return the results of the operations of this name that ended so."""
    return [call.result for call in history if call.op.name == name and call.how == how]


def blocked(history: list[Call], name: str | None = None) -> list[Call]:
    """Return the calls that have not ended."""
    return [one for one in history if one.how == "blocked" and name in (None, one.op.name)]
