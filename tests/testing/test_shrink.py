"""Shrinking: what is not needed goes, the rest comes earlier, and the failure stays the same."""

from collections.abc import Callable, Coroutine
from typing import Any

import rescind
from rescind.testing import Bounds, Changes, Injection, Instant, Kind, Spot
from rescind.testing.lab.shrink import shrunk
from rescind.testing.lab.trial import Trial


def shrink(
    main: Callable[[], Coroutine[Any, Any, Any]], changes: Changes, **options: Any
) -> tuple[Changes, str]:
    """Return the smallest changes found, and the sign of their failure."""
    trial = Trial(main, Bounds())
    with trial.outside.shut():
        _, failure = trial.run(changes)
        assert failure is not None
        found, _, same = shrunk(trial, changes, failure, **options)
    assert failure.same(same)
    return found, same.sign


async def fails_by_order() -> None:
    """Raise one error if b was first and c was canceled, another if c was canceled only."""
    said: list[str] = []

    async def say(word: str) -> None:
        said.append(word)

    async def canceled() -> None:
        try:
            for _ in range(3):
                await rescind.yield_now()
        except rescind.Cancellation:
            raise LookupError if said[:1] == ["b"] else OSError from None

    async with rescind.task_group() as g:
        g.spawn(say("a"))
        g.spawn(say("b"))
        g.spawn(canceled())


def _spot(visit: int, instant: Instant = Instant.PARKED) -> Spot:
    return Spot("root/3", "fails_by_order.<locals>.canceled+3", visit, instant)


def test_a_smaller_run_that_fails_otherwise_is_not_taken() -> None:
    """P77: without the change of order it fails too, but with another exception."""
    found, sign = shrink(fails_by_order, Changes({0: 1}, (Injection(_spot(1)),)))

    assert sign.startswith("LookupError")
    assert {0: 1} == found.choices
    assert (Injection(_spot(1)),) == found.injections


def test_changes_that_are_not_needed_go() -> None:
    """An order that matters to nobody, and a second injection, are left out."""
    more = Injection(_spot(1, Instant.CLEANUP), Kind.SECOND)
    found, sign = shrink(fails_by_order, Changes({1: 1, 7: 2}, (Injection(_spot(1)), more)))

    assert sign.startswith("OSError")
    assert {} == found.choices
    assert (Injection(_spot(1)),) == found.injections


def test_injections_move_to_the_earliest_point_and_the_simplest_kind() -> None:
    """The third visit fails as the first does; a canceled group as a canceled task."""
    late = Injection(_spot(3, Instant.WOKEN), Kind.GROUP)
    found, _ = shrink(fails_by_order, Changes({}, (Injection(_spot(3)),)))

    assert (Injection(_spot(1)),) == found.injections
    simpler, _ = shrink(fails_by_order, Changes({}, (Injection(_spot(2), late.kind),)))
    assert (Injection(_spot(1)),) == simpler.injections


def test_many_choices_are_left_out_together() -> None:
    """A run of random order has dozens of choices; few runs are enough to drop them."""
    choices = dict.fromkeys(range(3, 60), 1)
    found, _ = shrink(fails_by_order, Changes(choices, (Injection(_spot(1)),)), runs=40)

    assert {} == found.choices


def test_without_runs_nothing_is_shrunk() -> None:
    """What is returned fails as before, however little is tried; choices that were no choice go."""
    late = Changes({50: 1}, (Injection(_spot(3)),))
    found, _ = shrink(fails_by_order, late, runs=0)

    assert (Injection(_spot(3)),) == found.injections
    assert {} == found.choices


def test_what_is_minimal_is_left_alone_after_few_runs() -> None:
    """Each candidate must be smaller: the search ends by itself."""
    trial = Trial(fails_by_order, Bounds())
    changes = Changes({}, (Injection(_spot(1)),))
    with trial.outside.shut():
        _, failure = trial.run(changes)
        assert failure is not None
        found, _, _ = shrunk(trial, changes, failure)

    assert changes.injections == found.injections
    assert trial.runs < 15
