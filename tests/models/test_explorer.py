"""The exhaustive search itself: nothing is left out, nothing is tried twice."""

from typing import Any

from rescind.sync import Mutex
from tests.models.explore import Op, Run, explore
from tests.models.linear import told

ACQUIRE = (Op("acquire"), Op("release", needs=1))


def _start(made: Mutex, _task: int, op: Op) -> Any:
    return made.acquire() if op.name == "acquire" else made.release()


def _renamed(run: Run) -> tuple[Any, ...]:
    """Return the history with tasks numbered in the order of their first operation."""
    names: dict[int, int] = {}
    return tuple((names.setdefault(task, len(names)), *rest) for task, *rest in told(run.history))


def test_no_run_is_made_twice() -> None:
    """Each way of choosing is taken once."""
    ways = [tuple(made) for made, _ in explore(Mutex, _start, (ACQUIRE * 2, ACQUIRE * 2))]

    assert len(ways) == len(set(ways)) > 20


def test_who_is_alike_is_left_out_under_another_name_alone() -> None:
    """With tasks that differ in a word nobody looks at, there are more runs, and no new history."""
    other = (Op("acquire"), Op("release", "other", needs=1))

    def start(made: Mutex, task: int, op: Op) -> Any:
        return _start(made, task, op)

    alike = [_renamed(run) for _, run in explore(Mutex, start, (ACQUIRE, ACQUIRE), strikes=2)]
    unlike = [_renamed(run) for _, run in explore(Mutex, start, (ACQUIRE, other), strikes=2)]

    def named(history: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple((task, op.name, *rest) for task, op, *rest in history)

    assert set(map(named, alike)) == set(map(named, unlike))
    assert 2 * len(alike) == len(unlike)
