"""Injected cancellations: each strikes at its point, in its way, and nowhere else."""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

import rescind
from rescind.sync import Event
from rescind.testing import (
    Bounds,
    Changes,
    Injection,
    Instant,
    Kind,
    Lab,
    Run,
    Spot,
    explore,
)
from rescind.testing.lab.trial import Trial
from tests.testing.programs import run, three

log: list[str] = []


async def _worker() -> str:
    try:
        await rescind.sleep(1)
        log.append("slept")
        await rescind.sleep(1)
        return "done"
    except rescind.Cancellation as exc:
        log.append(f"canceled: {exc.reason.message}")
        await rescind.sleep(5)
        log.append("cleaned")
        raise


async def _main() -> str:
    log.clear()
    outcome = await rescind.spawn(_worker(), name="worker").join()
    return type(outcome).__name__


def _struck(
    instant: Instant, place: str, visit: int, kind: Kind = Kind.TASK, **more: Any
) -> Run[str]:
    return Lab(
        _main, injections=[Injection(Spot("root/1", place, visit, instant), kind)], **more
    ).run()


def test_before_the_first_poll_nothing_of_the_body_runs() -> None:
    """The task is canceled unstarted (R5)."""
    made = _struck(Instant.UNSTARTED, "", 0)

    assert "Canceled" == made.unwrap()
    assert [] == log
    assert 1 == len(made.struck)


def test_parked_is_canceled_at_its_await() -> None:
    """The cancellation arrives where it is parked, and the cleanup runs."""
    made = _struck(Instant.PARKED, "_worker+2", 1)

    assert "Canceled" == made.unwrap()
    assert ["canceled: injected", "cleaned"] == log
    assert 5.0 == made.time


def test_woken_not_resumed_gets_its_value_first() -> None:
    """The sleep is over: that is delivered, and the cancellation comes at the next park (R7)."""
    made = _struck(Instant.WOKEN, "_worker+2", 1)

    assert "Canceled" == made.unwrap()
    assert ["slept", "canceled: injected", "cleaned"] == log
    assert 6.0 == made.time


def test_a_second_request_in_the_cleanup_changes_nothing() -> None:
    """Two injections: the second one meets the cleanup, which goes on (R9)."""
    first = Injection(Spot("root/1", "_worker+2", 1, Instant.PARKED))
    second = Injection(Spot("root/1", "_worker+8", 1, Instant.CLEANUP), Kind.SECOND)
    made = run(_main, injections=[first, second])

    assert ["canceled: injected", "cleaned"] == log
    assert (first, second) == made.struck


def test_a_grace_that_is_over_drops_the_cleanup() -> None:
    """The cleanup is cut where it is parked (R10)."""
    first = Injection(Spot("root/1", "_worker+2", 1, Instant.PARKED))
    second = Injection(Spot("root/1", "_worker+8", 1, Instant.CLEANUP), Kind.GRACE)
    made = run(_main, injections=[first, second])

    assert ["canceled: injected"] == log
    assert 0.0 == made.time


def test_the_parent_is_canceled_for_its_child() -> None:
    """Kind PARENT cancels the spawner."""
    made = _struck(Instant.PARKED, "_worker+2", 1, Kind.PARENT)

    assert isinstance(made.outcome, rescind.Canceled)
    assert ("root/1 'worker'",) == made.leftovers.tasks


def test_a_group_is_canceled_as_a_whole() -> None:
    """Kind GROUP cancels the group of the task: its siblings end too."""
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await rescind.never()
        finally:
            ended.append(name)

    async def parent() -> str:
        async with rescind.task_group() as g:
            g.spawn(child("a"))
            g.spawn(child("b"))
        return "after"

    (spot,) = [
        Spot(task, place, visit, Instant.PARKED)
        for task, place, visit, instant in run(parent).points
        if task == "root/2" and instant == Instant.PARKED.value
    ]
    made = run(parent, injections=[Injection(spot, Kind.GROUP)])

    assert "after" == made.unwrap()
    assert ["a", "b"] == sorted(ended[-2:])


def test_a_group_is_found_from_its_block() -> None:
    """A task parked in the block of its own group has that group canceled."""

    async def parent() -> str:
        async with rescind.task_group():
            await rescind.never()
        return "after"

    spot = Spot("root", f"{parent.__qualname__}+2", 1, Instant.PARKED)

    assert "after" == run(parent, injections=[Injection(spot, Kind.GROUP)]).unwrap()


def test_a_token_is_canceled_around_what_it_guards() -> None:
    """Kind TOKEN cancels the token whose guard the task is parked in."""

    async def guarded() -> str:
        try:
            await rescind.CancellationToken().guard(rescind.never())
        except rescind.TaskCanceled as exc:
            return str(exc.reason.message)
        return "not reached"

    spot = Spot("root", f"{guarded.__qualname__}+2", 1, Instant.PARKED)

    assert (
        "injected into the token" == run(guarded, injections=[Injection(spot, Kind.TOKEN)]).unwrap()
    )


@pytest.mark.parametrize("form", ["timeout", "deadline"])
def test_a_deadline_expires_before_its_time(form: str) -> None:
    """Kind DEADLINE lets the innermost timeout or deadline pass now."""

    async def limited() -> float:
        try:
            if form == "timeout":
                await rescind.timeout(rescind.never(), 100)
            else:
                async with rescind.deadline(100):
                    await rescind.never()
        except rescind.TimedOut:
            return rescind.now()
        return -1.0

    (point,) = {point for point in run(limited).points if point[3] == Instant.PARKED.value}
    spot = Spot(point[0], point[1], point[2], Instant.PARKED)

    assert 0.0 == run(limited, injections=[Injection(spot, Kind.DEADLINE)]).unwrap()


def test_what_is_not_there_does_not_strike() -> None:
    """An injection whose kind has no object, or whose point is not passed, changes nothing."""
    plain = run(three())
    nowhere = Injection(Spot("root/9", "x+1", 1, Instant.PARKED))
    no_token = Injection(Spot("root/1", "", 0, Instant.UNSTARTED), Kind.TOKEN)
    made = run(three(), injections=[nowhere, no_token])

    assert () == made.struck
    assert plain.signature() == made.signature()


def test_an_empty_injection_is_a_plain_run() -> None:
    """P76: with no injection the run is that without the machinery."""
    assert run(three(3)).trace == run(three(3), injections=[]).trace


def test_a_strike_is_a_line_of_the_trace() -> None:
    """It says what was injected, when and where."""
    made = _struck(Instant.PARKED, "_worker+2", 1)
    (step,) = [step for step in made.trace if step.did == "injected"]

    assert "worker" == step.name
    assert ("INJECTED task cancel, parked",) == step.notes
    arrived = made.trace[step.number + 0]
    assert "canceled" == arrived.did
    assert "the cancellation arrives in _worker" in arrived.notes


def test_two_injections_strike_at_one_point_in_their_order() -> None:
    """A request, and at once one that leaves no grace: the task is dropped where it is parked."""
    spot = Spot("root/1", "_worker+2", 1, Instant.PARKED)
    both = [Injection(spot), Injection(spot, Kind.GRACE)]
    made = run(_main, injections=both)

    assert both == list(made.struck)
    assert [] == log
    assert () == run(_main, injections=both[::-1]).missed
    assert both[:1] == list(run(_main, injections=both[::-1]).struck)


def test_a_grace_is_over_when_the_cleanup_was_woken() -> None:
    """What the cleanup awaits is there, and it has not gone on yet: it is dropped all the same."""
    first = Injection(Spot("root/1", "_worker+2", 1, Instant.PARKED))
    woken = Spot("root/1", "_worker+8", 1, Instant.CLEANUP_WOKEN)
    made = run(_main, injections=[first, Injection(woken, Kind.GRACE)])

    assert 2 == len(made.struck)
    assert ["canceled: injected"] == log
    assert 5.0 == made.time


def test_a_second_request_when_the_cleanup_was_woken_changes_nothing() -> None:
    """The cleanup goes on with what it awaited."""
    first = Injection(Spot("root/1", "_worker+2", 1, Instant.PARKED))
    woken = Spot("root/1", "_worker+8", 1, Instant.CLEANUP_WOKEN)
    made = run(_main, injections=[first, Injection(woken, Kind.SECOND)])

    assert 2 == len(made.struck)
    assert ["canceled: injected", "cleaned"] == log


# -- race lost -------------------------------------------------------------------------------------


def _racing(sibling: Callable[[], Awaitable[str]]) -> Callable[[], Coroutine[Any, Any, str]]:
    """Return a program in which work of two awaits races something."""

    async def work() -> str:
        try:
            await rescind.sleep(1)
            await rescind.sleep(1)
            return "work"
        except rescind.Cancellation as exc:
            log.append(exc.reason.kind.name)
            await rescind.sleep(0.5)
            log.append("cleaned")
            raise

    async def main() -> str:
        log.clear()
        return await rescind.race(work(), sibling())

    return main


async def _late() -> str:
    await rescind.sleep(60)
    return "late"


@pytest.mark.parametrize(("line", "at"), [(2, 0.5), (3, 1.5)])
def test_a_race_is_lost_where_a_child_is_parked(line: int, at: float) -> None:
    """The sibling's timer fires there: it wins, and the child is canceled by the race itself."""
    spot = Spot("root", f"{_racing.__qualname__}.<locals>.work+{line}", 1, Instant.PARKED)
    made = run(_racing(_late), injections=[Injection(spot, Kind.RACE_LOST)])

    assert "late" == made.unwrap()
    assert ["RACE_LOST", "cleaned"] == log
    assert at == made.time


def test_a_limit_of_the_sibling_is_not_what_wins() -> None:
    """Of a sibling with a timeout, what it waits for comes, and not the end of its patience."""

    async def limited() -> str:
        return await rescind.timeout(_late(), 30)

    spot = Spot("root", f"{_racing.__qualname__}.<locals>.work+2", 1, Instant.PARKED)
    made = run(_racing(limited), injections=[Injection(spot, Kind.RACE_LOST)])

    assert "late" == made.unwrap()


def test_the_other_child_loses_if_only_the_first_can_win() -> None:
    """If the first child alone waits for a timer, the others lose."""

    async def first() -> str:
        return await rescind.race(_late(), rescind.never())

    spot = Spot("root", f"{_late.__qualname__}+1", 1, Instant.PARKED)
    made = run(first, injections=[Injection(spot, Kind.RACE_LOST)])

    assert "late" == made.unwrap()
    assert 0.0 == made.time


def _kinds(main: Callable[[], Coroutine[Any, Any, Any]], *more: Injection) -> set[tuple[str, Kind]]:
    """Return the kinds that are offered in a run, each with its instant."""
    trial = Trial(main, Bounds())
    with trial.outside.shut():
        trial.run(Changes(injections=more))
    return {(key[2].name, kind) for key, kinds in trial.kinds.items() for kind in kinds}


def test_no_race_is_lost_to_who_cannot_win() -> None:
    """Not where nobody waits for a timer: who comes first is then a question of order."""

    async def main() -> None:
        event, other = Event(), Event()
        async with rescind.task_group() as g:
            g.spawn(rescind.race(event.wait(), other.wait()))
            await rescind.sleep(1)
            event.set()

    offered = _kinds(main)

    assert ("PARKED", Kind.TASK) in offered
    assert Kind.RACE_LOST not in {kind for _, kind in offered}


def test_who_was_woken_first_does_not_lose() -> None:
    """Once a child is woken, a sibling that is woken after it comes too late (R18)."""
    offered = _kinds(_racing(_late))

    assert {"PARKED"} == {instant for instant, kind in offered if kind is Kind.RACE_LOST}


def test_a_race_that_is_decided_is_not_lost_again() -> None:
    """While its losers clean up, and wait for timers there, the race has its winner."""

    async def cleans() -> None:
        try:
            await rescind.sleep(5)
        finally:
            await rescind.sleep(1)

    async def main() -> None:
        await rescind.race(cleans(), cleans(), rescind.sleep(2))

    trial = Trial(main, Bounds())
    with trial.outside.shut():
        trial.run(Changes())
    places = {place for (_, place, _), kinds in trial.kinds.items() if Kind.RACE_LOST in kinds}

    assert {f"{cleans.__qualname__}+2"} == places


def test_a_race_in_a_cleanup_can_be_lost_too() -> None:
    """Races, deadlines and tokens within a cleanup are those of any code (P41)."""

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            with contextlib.suppress(rescind.TimedOut):
                await rescind.timeout(_racing(_late)(), 10)

    async def main() -> None:
        log.clear()
        await rescind.spawn(cleans(), name="cleans").join()

    canceled = Injection(Spot("root/1", f"{cleans.__qualname__}+2", 1, Instant.PARKED))
    place = f"{_racing.__qualname__}.<locals>.work+2"
    spot = Spot("root/1", place, 1, Instant.CLEANUP)
    made = run(main, injections=[canceled, Injection(spot, Kind.RACE_LOST)])

    assert ["RACE_LOST", "cleaned"] == log
    assert 2 == len(made.struck)
    offered = _kinds(main, canceled)
    assert {("CLEANUP", Kind.RACE_LOST), ("CLEANUP", Kind.DEADLINE)} <= offered


def test_a_race_lost_at_the_wrong_moment_is_found() -> None:
    """Who is canceled between taking and noting loses an item, though no run is late by itself."""
    items: list[int] = []

    async def take() -> int:
        item = items.pop()
        await rescind.sleep(1)  # wrong: the item is nobody's meanwhile
        return item

    async def main() -> None:
        items[:] = [7]
        got = await rescind.race(take(), rescind.sleep(60))
        assert [7] == [*items, *([] if got is None else [got])], "the item is lost"

    found = explore(main, bounds=Bounds(kinds=(Kind.RACE_LOST,), changes=1), budget=50)

    assert "fail" == found.verdict
    assert [Kind.RACE_LOST] == [one.kind for one in found.changes.injections]


# -- every kind at every instant -------------------------------------------------------------------


async def _everything() -> None:
    """A task in a group, a guard, a timeout and a race; it cleans up in the same way."""

    async def waits() -> None:
        inner = rescind.timeout(rescind.sleep(1), 50)
        await rescind.CancellationToken().guard(rescind.race(inner, rescind.sleep(60)))

    async def works() -> None:
        try:
            await waits()
        finally:
            with contextlib.suppress(rescind.TimedOut, rescind.TaskCanceled):
                await waits()

    async def spawns() -> None:
        with contextlib.suppress(rescind.TimedOut, rescind.TaskCanceled):
            async with rescind.task_group() as g:
                g.spawn(works())

    await rescind.spawn(spawns()).join()


_TABLE = {
    Instant.UNSTARTED: {Kind.TASK, Kind.PARENT, Kind.GROUP},
    Instant.PARKED: set(Kind) - {Kind.SECOND, Kind.GRACE},
    Instant.WOKEN: set(Kind) - {Kind.SECOND, Kind.GRACE, Kind.RACE_LOST},
    Instant.CLEANUP: {Kind.SECOND, Kind.GRACE, Kind.TOKEN, Kind.DEADLINE, Kind.RACE_LOST},
    Instant.CLEANUP_WOKEN: {Kind.SECOND, Kind.GRACE},
}


def test_every_kind_strikes_at_every_instant_at_which_it_means_something() -> None:
    """And it strikes there; the others do not."""
    trial = Trial(_everything, Bounds())
    with trial.outside.shut():
        plain, _ = trial.run(Changes())
        task = "root/1/1"
        parked = next(p for p in plain.points if p[0] == task and p[3] == "parked")
        canceled = Injection(Spot(*parked[:3], Instant.PARKED))
        runs = [((), plain), ((canceled,), trial.run(Changes(injections=(canceled,)))[0])]
        tried: dict[Instant, set[Kind]] = {instant: set() for instant in Instant}
        for before, run in runs:
            for path, place, visit, value in run.points:
                spot = Spot(path, place, visit, Instant(value))
                for kind in trial.kinds.get((path, place, spot.instant), ()):
                    if path != task:
                        continue
                    injection = Injection(spot, kind)
                    made, _ = trial.run(Changes(injections=(*before, injection)))
                    if injection in made.struck:  # what is offered at a place may be gone later
                        tried[spot.instant].add(kind)

    assert _TABLE == tried
