"""Who looks after an executor: told of long turns, and of the ends of canceled tasks."""

from time import monotonic
from typing import Any

import rescind
from rescind import Canceled, Completed
from rescind._core.executor import Executor
from rescind._core.outcome import Outcome
from rescind._core.task import Task
from rescind._core.vigil import Vigil
from rescind._host.manual import ManualHost


class Notes(Vigil):
    """Writes down what it is told."""

    def __init__(self, slow: float, *, wants: bool = False, ends: bool = True) -> None:
        self.slow = slow
        self.wants = wants
        self.ends = ends
        self.turns: list[tuple[float, int, str | None]] = []
        self.ended_ones: list[tuple[str, Outcome[Any]]] = []
        self.unawaited_ones: list[str] = []

    def turned(self, executor: Executor, seconds: float, steps: int) -> None:
        last = executor.current
        self.turns.append((seconds, steps, None if last is None else last.name))

    def ended(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        self.ended_ones.append((task.name, outcome))

    def unawaited(self, future: Any) -> None:
        self.unawaited_ones.append(repr(future))

    def stop(self) -> None:
        self.slow = float("inf")


def _run(main: Any, vigil: Vigil) -> None:
    with rescind.Runtime(host=ManualHost()) as runtime:
        runtime.executor.vigil = vigil
        runtime.block_on(main())


def test_only_turns_that_take_longer_than_its_limit_are_told() -> None:
    """With their length, their steps, and the task that was stepped last."""

    async def main() -> None:
        rescind.current_task().name = "busy"
        await rescind.yield_now()
        until = monotonic() + 0.03
        while monotonic() < until:
            pass
        await rescind.yield_now()

    vigil = Notes(0.03)
    _run(main, vigil)
    # On a machine that is busy with other things a turn more may have taken so long.
    assert vigil.turns
    assert any(steps == 1 and name == "busy" for _, steps, name in vigil.turns)
    assert all(seconds > 0.03 for seconds, _, _ in vigil.turns)
    vigil = Notes(1000)
    _run(main, vigil)
    assert vigil.turns == []


def test_one_that_wants_to_know_is_told_of_the_next_turn() -> None:
    """However short that is."""

    async def main() -> None:
        await rescind.yield_now()

    vigil = Notes(1000, wants=True)
    _run(main, vigil)
    assert len(vigil.turns) >= 2


def test_the_end_of_a_task_that_was_asked_to_cancel_is_told_and_no_other() -> None:
    """However it ended: canceled, or with a value in spite of it."""

    async def absorbs() -> str:
        try:
            await rescind.never()
        except rescind.Cancellation:
            pass
        return "anyway"

    async def main() -> None:
        tasks: list[Task[Any]] = [
            rescind.spawn(rescind.never(), name="canceled"),
            rescind.spawn(absorbs(), name="absorbs"),
            rescind.spawn(rescind.yield_now(), name="ends"),
        ]
        await rescind.sleep(1)
        for task in tasks:
            task.cancel("enough")
        for task in tasks:
            await task.join()

    vigil = Notes(1000)
    _run(main, vigil)
    assert [name for name, _ in vigil.ended_ones] == ["canceled", "absorbs"]
    assert isinstance(vigil.ended_ones[0][1], Canceled)
    assert vigil.ended_ones[1][1] == Completed("anyway")

    vigil = Notes(1000, ends=False)
    _run(main, vigil)
    assert [name for name, _ in vigil.ended_ones] == ["absorbs"]
