"""Which runs are planned, and in which order."""

import asyncio
import socket
from itertools import product

import pytest

from rescind.check import (
    Env,
    Instant,
    Judge,
    Mode,
    Options,
    Point,
    Progress,
    RunPlan,
    sweep,
)
from rescind.check.agenda import Agenda
from rescind.check.plan import available_modes, plans_for, second_strikes, weight
from rescind.check.points import ALL_HELD, Held, Until
from rescind.check.record import Record
from tests.check.kit import run

ROOT = Point("root")
FIRST, SECOND = Point("root", ("a.py:1 in f",), 1), Point("root", ("a.py:2 in f",), 1)
CHILD = Point("root/1", ("a.py:3 in g",), 1)
COPY = Point("crowd/1", ("a.py:1 in f",), 1)
SETUPS = Point("setup/1", ("a.py:9 in h",), 1)


def clean(*points: tuple[Point, bool], sockets: int = 0, trace: int = 0) -> Record:
    """Make the record of an uncanceled run."""
    record = Record(RunPlan(), points=list(points), sockets=sockets)
    record.trace = ["a callback"] * trace
    return record


def plans(record: Record, mode: Mode = Mode.ASYNCIO, **options: object) -> list[RunPlan]:
    """Plan for one mode and one judge."""
    return plans_for({(mode, Judge.LOOK): record}, Options(**options))  # type: ignore[arg-type]


def test_each_point_is_met_at_each_of_its_instants() -> None:
    """A start before the first poll; an await parked and woken; a bare yield parked alone."""
    planned = plans(clean((ROOT, False), (FIRST, False), (SECOND, True)))
    assert [(plan.point, plan.instant) for plan in planned] == [
        (FIRST, Instant.PARKED),
        (SECOND, Instant.PARKED),
        (FIRST, Instant.WOKEN),
        (ROOT, Instant.UNSTARTED),
    ]


@pytest.mark.parametrize("mode", [Mode.TIMEOUT, Mode.GROUP, Mode.ANYIO])
def test_what_a_mode_puts_around_it_is_not_there_before_the_first_poll(mode: Mode) -> None:
    """So it cannot be canceled by it then."""
    assert plans(clean((ROOT, False)), mode) == []


def test_only_the_scenarios_own_tasks_are_canceled() -> None:
    """Not the copies in a crowd, not what setup has started; children in asyncio's mode."""
    record = clean((FIRST, True), (CHILD, True), (COPY, True), (SETUPS, True))
    assert [plan.point for plan in plans(record)] == [FIRST, CHILD]
    assert [plan.point for plan in plans(record, children=False)] == [FIRST]
    assert [plan.point for plan in plans(record, Mode.TIMEOUT)] == [FIRST]


def test_the_tasks_of_rescind_are_canceled_where_asyncios_mode_does_not_know_them() -> None:
    """Those that both know are met once."""
    own = Point("root/2", ("a.py:4 in k",), 1)
    both = {
        (Mode.ASYNCIO, Judge.LOOK): clean((CHILD, True)),
        (Mode.RESCIND, Judge.LOOK): clean((CHILD, True), (own, True)),
    }
    planned = plans_for(both, Options())
    assert [(plan.mode, plan.point) for plan in planned] == [
        (Mode.ASYNCIO, CHILD),
        (Mode.RESCIND, own),
    ]


def test_callbacks_are_struck_when_asked_for_and_last() -> None:
    """Each by its number."""
    planned = plans(clean((FIRST, True), trace=3), instants=tuple(Instant))
    assert [plan.instant for plan in planned] == [Instant.PARKED, *[Instant.CALLBACK] * 3]
    assert [plan.point.visit for plan in planned if plan.point] == [1, 1, 2, 3]
    assert len(plans(clean((FIRST, True), trace=3))) == 1


def test_late_answers_are_tried_where_there_are_connections_and_somebody_follows() -> None:
    """Without either there is nothing to be late, or to be mistaken."""
    with_sockets = clean((FIRST, True), sockets=1)
    for judge, holds in ((Judge.LOOK, 0), (Judge.PROMPT, 1), (Judge.FOLLOW_UP, 1)):
        planned = plans_for({(Mode.ASYNCIO, judge): with_sockets}, Options())
        assert sum(plan.hold is not None for plan in planned) == holds
        planned = plans_for({(Mode.ASYNCIO, judge): with_sockets}, Options(hold=False))
        assert not any(plan.hold for plan in planned)
    assert not any(plan.hold for plan in plans(clean((FIRST, True))))


def test_a_thorough_check_holds_each_connection_alone_and_for_a_shorter_time() -> None:
    """After all of them at once, and of a few only."""
    options = Options(instants=tuple(Instant))
    for sockets, alone in ((1, 0), (2, 2), (9, 4)):
        record = clean((FIRST, True), sockets=sockets)
        planned = plans_for({(Mode.TWICE, Judge.PROMPT): record}, options)
        assert [plan.hold for plan in planned] == [
            None,
            ALL_HELD,
            Held(until=Until.ENDED),
            *(Held(number) for number in range(1, alone + 1)),
        ]


def test_the_most_telling_come_first() -> None:
    """One strike before two, the own task before children, on time before late."""
    plan = RunPlan(FIRST, Instant.PARKED, Mode.ASYNCIO, Judge.FOLLOW_UP)
    lighter = weight(plan)
    for heavier in (
        RunPlan(FIRST, Instant.PARKED, Mode.ASYNCIO, Judge.FOLLOW_UP, 1),
        RunPlan(FIRST, Instant.PARKED, Mode.ASYNCIO, Judge.FOLLOW_UP, 0, True),
        RunPlan(CHILD, Instant.PARKED, Mode.ASYNCIO, Judge.FOLLOW_UP),
        RunPlan(FIRST, Instant.WOKEN, Mode.ASYNCIO, Judge.FOLLOW_UP),
        RunPlan(FIRST, Instant.PARKED, Mode.RESCIND, Judge.FOLLOW_UP),
        RunPlan(FIRST, Instant.PARKED, Mode.CLOSE, Judge.FOLLOW_UP),
        RunPlan(FIRST, Instant.PARKED, Mode.ASYNCIO, Judge.LOOK),
    ):
        assert weight(heavier) > lighter


def test_a_cleanup_that_awaits_is_struck_at_each_of_its_suspensions() -> None:
    """Once more each; where it was struck twice, or late, it is not struck again."""
    record = Record(RunPlan(FIRST), cleanup=2)
    again = list(second_strikes(RunPlan(FIRST), record, Options()))
    assert [plan.second for plan in again] == [1, 2]
    assert not list(second_strikes(again[0], record, Options()))
    assert not list(second_strikes(RunPlan(FIRST, hold=ALL_HELD), record, Options()))
    assert not list(second_strikes(RunPlan(FIRST, mode=Mode.GROUP), record, Options()))
    assert not list(second_strikes(RunPlan(FIRST), record, Options(cleanup=False)))


def test_modes_whose_library_is_missing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is kept."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert available_modes((Mode.GROUP, Mode.ANYIO, Mode.TWICE)) == (Mode.GROUP, Mode.TWICE)


def test_the_clean_run_of_a_plan_has_the_same_mode_and_judge_and_notes_what_is_compared() -> None:
    """Callbacks are noted only where they are struck."""
    plan = RunPlan(FIRST, Instant.WOKEN, Mode.GROUP, Judge.STORM, 2, True)
    assert plan.clean() == RunPlan(mode=Mode.GROUP, judge=Judge.STORM)
    between = RunPlan(Point("root", (), 3), Instant.CALLBACK)
    assert between.clean() == RunPlan(instant=Instant.CALLBACK)

    async def scenario() -> None:
        """Do nothing."""

    assert run(scenario, between.clean()).trace == ["a step of root"]
    assert run(scenario, plan.clean()).trace == []


# -- the agenda ------------------------------------------------------------------------------------


def taken(agenda: Agenda) -> list[RunPlan]:
    """Take everything out."""
    plans: list[RunPlan] = []
    while (plan := agenda.take()) is not None:
        plans.append(plan)
    return plans


def test_where_something_hung_the_other_runs_come_last() -> None:
    """Those that are known, and those of kinds that are learned of later; none is lost."""
    options = Options(modes=(Mode.ASYNCIO, Mode.TWICE), judges=(Judge.FOLLOW_UP, Judge.PROMPT))
    record = clean((FIRST, True), (SECOND, True))
    untouched, agenda = Agenda(options), Agenda(options)
    kinds = list(product(options.modes, options.judges))
    for one in kinds:
        untouched.know(one, record)
    for one in kinds[:2]:
        agenda.know(one, record)
    hung = agenda.take()
    assert hung is not None
    agenda.postpone(hung)
    for one in kinds[2:]:
        agenda.know(one, record)
    assert len(agenda) == len(untouched) - 1
    everything, planned = taken(untouched), [hung, *taken(agenda)]
    assert sorted(map(str, planned)) == sorted(map(str, everything))
    assert [plan.point for plan in planned] == [FIRST, *[SECOND] * 4, *[FIRST] * 3]


@pytest.mark.real_limits
def test_a_sweep_tries_other_places_before_it_hangs_there_again() -> None:
    """Where that takes time, which is when a connection is open."""

    async def watched(env: Env) -> None:
        env.ends = socket.socketpair()
        asyncio.get_running_loop().add_reader(env.ends[0], lambda: None)

    async def unwatched(env: Env) -> None:
        asyncio.get_running_loop().remove_reader(env.ends[0])
        for end in env.ends:
            end.close()

    async def scenario() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)

    modes = (Mode.ASYNCIO, Mode.GROUP)
    options = Options(modes, (Judge.LOOK,), (Instant.PARKED,), cleanup=False, confirm=0)
    seen: list[Progress] = []
    sweep(scenario, setup=watched, teardown=unwatched, options=options, progress=seen.append)
    tried = [(now.trying.partition(",")[0], now.trying.partition("by ")[2]) for now in seen]
    first, second = tried[0][0], tried[1][0]
    assert first != second
    assert [place for place, _ in tried] == [first, second, second, first]
