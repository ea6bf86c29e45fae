"""Generated programs under the explorer: orders, injections and programs are searched together."""

from typing import Any

import rescind
from rescind.sync import Semaphore
from rescind.testing import Bounds, Kind, explore, laws
from rescind.testing.laws.program import Permitted, Program, size

# What ends in every order, and leaves nothing behind that nobody waits for.
ENDS = ("Never", "SpawnJoin", "Cancel", "Send", "Receive", "Locked")
BOUNDS = Bounds(changes=2, runs=60)


async def conserves(program: Program, world: laws.Machine) -> None:
    """Run a program beside another one; then all has ended, and all permits are back."""
    async with rescind.task_group() as g:
        first = g.spawn(rescind.catch_cancel(world.run(program)))
        second = g.spawn(rescind.catch_cancel(world.run(Permitted(program))))
    assert first.done()
    assert second.done()
    assert world.open == {}, f"without an end: {world.open}"
    assert world.semaphore.available == 2, world.semaphore
    for finalizer in world.finalizers:
        assert finalizer.begun <= 1, finalizer


async def main(program: Program) -> None:
    """Run it in a world of its own; that it fails, or is canceled, is no fault of it."""
    world = laws.Machine()
    try:
        await conserves(program, world)
    except* laws.Boom:
        pass


def test_programs_are_explored_within_bounds() -> None:
    """Every run with two changes, of any kind, keeps P8, P31 and P71."""
    report = explore(main, program=laws.prog(without=ENDS), bounds=BOUNDS, budget=50, examples=25)

    assert "fail" != report.verdict, report
    assert report.injections > 100


class Leaky(Semaphore):
    """Keeps the permit of who is canceled while it waits behind somebody."""

    async def __aexit__(self, kind: Any, *exc: Any) -> None:
        if kind is None or not issubclass(kind, GeneratorExit):
            await super().__aexit__(kind, *exc)


async def leaks(program: Program) -> None:
    """Run it in a world whose semaphore leaks if its holder is dropped."""
    world = laws.Machine()
    world.semaphore = Leaky(2)
    try:
        await conserves(program, world)
    except* laws.Boom:
        pass


def test_what_is_found_is_shrunk_with_its_program() -> None:
    """The program is one node that parks in its cleanup; the run is two injections."""
    report = explore(leaks, program=laws.prog(without=ENDS), bounds=Bounds(runs=300), budget=50)

    assert "fail" == report.verdict
    assert size(report.data) <= 4, report.data
    assert Kind.GRACE in {one.kind for one in report.changes.injections}
    assert "AssertionError" in str(report.failure)
