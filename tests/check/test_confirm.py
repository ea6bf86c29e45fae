"""Making findings again: in which order, for how long, and what is not believed."""

import asyncio
import socket
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from rescind.check import (
    Env,
    Finding,
    Instant,
    Judge,
    Mode,
    Options,
    Point,
    Progress,
    Report,
    RunPlan,
    Sweep,
    Symptom,
    Verdict,
    sweep,
)
from rescind.check.confirm import SLOW, confirm
from rescind.check.loop import LATE
from rescind.check.points import ALL_HELD, ROOT
from rescind.check.record import Record
from rescind.check.report import UNSURE
from rescind.check.run import CUT, execute
from rescind.check.workers import Here, Order
from tests.check.kit import case, parks


def found(place: str, mode: Mode = Mode.ASYNCIO, *, seen: str = "gone") -> Finding:
    """Return what a run at a place has shown."""
    plan = RunPlan(Point(ROOT, (place,), 1), Instant.PARKED, mode, Judge.LOOK)
    return Finding("lost", "verdict", plan, Symptom("something is lost", seen=seen))


def report_of(*findings: Finding) -> Report:
    """Return a report in which nothing is confirmed."""
    report = Report("case", list(findings))
    for finding in findings:
        report.mark(finding.plan, Verdict.BROKEN)
    return report


def test_each_finding_is_made_again_once_before_any_is_twice() -> None:
    """So what time there is confirms as many as possible; each says on how many runs it rests."""
    one, two = found("a.py:1 in f"), found("b.py:2 in g")
    report = report_of(one, two)
    made: list[RunPlan] = []

    def again(plan: RunPlan) -> list[Finding]:
        made.append(plan)
        return [one, two]

    confirm(report, again, 2, lambda: len(made) == 3)
    assert made == [one.plan, two.plan, one.plan]
    assert [finding.runs for finding in report.confirmed] == [3, 2]
    assert [finding.rate for finding in report.confirmed] == [1.0, 1.0]


def test_what_several_detectors_saw_in_one_run_is_made_again_by_one() -> None:
    """The share is that of each detector."""
    one = found("a.py:1 in f")
    other = replace(one, detector="noise")
    report = report_of(one, other)
    made: list[RunPlan] = []

    def again(plan: RunPlan) -> list[Finding]:
        made.append(plan)
        return [one]

    confirm(report, again, 1, lambda: False)
    assert made == [one.plan]
    assert {finding.detector: finding.rate for finding in report.confirmed} == {
        "lost": 1.0,
        "noise": 0.5,
    }


def test_a_run_that_says_nothing_does_not_count() -> None:
    """Neither for a finding nor against it."""
    one = found("a.py:1 in f")
    report = report_of(one)
    confirm(report, lambda _plan: None, 2, lambda: False)
    assert report.confirmed == [one]
    assert one.runs == 1


def test_what_was_only_slow_is_no_finding_and_the_next_of_its_place_is_asked() -> None:
    """It is unresolved; what shows at the same place in another run is told instead."""
    slow = found("a.py:1 in f", seen=LATE)
    stuck = found("a.py:1 in f", Mode.TWICE, seen=LATE)
    report = report_of(slow, stuck)
    confirm(report, lambda plan: [stuck] if plan == stuck.plan else [], 1, lambda: False)
    assert [finding.plan for finding in report.confirmed] == [stuck.plan]
    assert report.findings == [stuck]
    assert report.unresolved == {slow.plan: SLOW}
    assert [*report.matrix.values()] == [Verdict.UNRESOLVED, Verdict.BROKEN]
    assert report.verdict == "broken"


def test_what_seems_to_hang_and_cannot_be_made_again_is_neither_broken_nor_clean() -> None:
    """The exit code says so, also where other places have survived."""
    report = report_of(found("a.py:1 in f", seen=LATE))
    report.mark(found("b.py:2 in g").plan, Verdict.SURVIVED)
    confirm(report, lambda _plan: [], 2, lambda: True)
    assert (report.findings, report.confirmed) == ([], [])
    assert [*report.unresolved.values()] == [UNSURE]
    assert (report.verdict, report.exit_code) == ("unresolved", 2)


def test_what_shows_by_chance_is_told_with_late_answers_if_these_make_it_sure() -> None:
    """When an answer arrives by itself depends on the machine; a replay is to show it each time."""
    chance = found("a.py:1 in f")
    sure = replace(chance, plan=replace(chance.plan, hold=ALL_HELD))
    report = report_of(chance, sure)
    made: list[RunPlan] = []

    def again(plan: RunPlan) -> list[Finding]:
        made.append(plan)
        return [sure] if plan.hold else []

    confirm(report, again, 2, lambda: False)
    assert report.confirmed == [replace(sure, runs=3)]
    assert made == [chance.plan] * 2 + [sure.plan] * 2


def test_what_shows_each_time_is_told_without_late_answers() -> None:
    """That is simpler; and neither is believed that does not show more often."""
    plain = found("a.py:1 in f")
    held = replace(plain, plan=replace(plain.plan, hold=ALL_HELD))
    report = report_of(plain, held)
    confirm(report, lambda _plan: [plain], 2, lambda: False)
    assert report.confirmed == [replace(plain, runs=3)]
    confirm(report, lambda _plan: [], 1, lambda: False)
    assert report.confirmed == [replace(plain, runs=2, rate=0.5)]


# -- budgets ---------------------------------------------------------------------------------------


async def watched(env: Env) -> None:
    """Watch a connection, so that no hang is proved at once."""
    env.near, env.far = socket.socketpair()
    asyncio.get_running_loop().add_reader(env.near, lambda: None)


async def unwatched(env: Env) -> None:
    """Close it."""
    asyncio.get_running_loop().remove_reader(env.near)
    env.near.close()
    env.far.close()


async def hangs_in_cleanup() -> None:
    """Never end, once canceled."""
    try:
        await asyncio.sleep(0)
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            await asyncio.Event().wait()


@pytest.mark.parametrize("budget", [0.2, 1.0])
@pytest.mark.real_limits
def test_a_budget_is_kept_to_though_findings_hang(budget: float) -> None:
    """Not for an hour each, as the scenario's own timeout would let them; nor until the limit."""
    options = Options(modes=(Mode.ASYNCIO,), budget=budget, cleanup=False)
    report = sweep(
        hangs_in_cleanup, setup=watched, teardown=unwatched, timeout=3600.0, options=options
    )
    assert report.verdict != "clean"


def hang(until: float) -> Record:
    """Make a run that hangs, and that may take an hour, but is to be cut off."""
    hanging = case(hangs_in_cleanup, setup=watched, teardown=unwatched, timeout=3600.0)
    point = parks(hangs_in_cleanup)[0]
    return execute(hanging, RunPlan(point), until=until)


@pytest.mark.parametrize("left", [-1.0, 0.2])
@pytest.mark.real_limits
def test_a_run_can_be_cut_off(left: float) -> None:
    """Whatever it waits for; then it is worth nothing, and says so."""
    record = hang(monotonic() + left)
    assert record.error == CUT


def test_what_was_cut_off_counts_as_not_tried() -> None:
    """It says nothing of the place; and no more runs are made."""
    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK,), instants=(Instant.PARKED,))
    one = Sweep(case(hangs_in_cleanup), options)
    one._until = monotonic() - 1  # the clean runs are made all the same
    report = one.run()
    assert (report.runs, report.untried) == (3, 1)
    assert (report.unresolved, report.findings) == ({}, [])


async def swallows() -> str:
    """Swallow the cancellation."""
    try:
        await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        pass
    return "done"


def test_a_sweep_that_is_stopped_makes_nothing_again() -> None:
    """What it found by then is told, as seen once."""

    def progress(now: Progress) -> None:
        if now.broken:
            one.stop()

    one = Sweep(case(swallows), Options(modes=(Mode.ASYNCIO,)), progress)
    report = one.run()
    assert report.confirmed
    assert {finding.runs for finding in report.confirmed} == {1}


def test_time_is_kept_for_making_again_what_was_found() -> None:
    """As much as that takes, and a part of the budget at most."""
    one = Sweep(case(swallows), Options(modes=(Mode.ASYNCIO,), budget=1000.0))
    one.run()
    took = one._reserve
    assert 0 < took < 200
    one._deadline = monotonic() + 200
    assert not one._spent()
    one._reserve = 1e6
    assert one._spent()
    assert not one._out_of_time()
    one._deadline = monotonic() + 400
    assert not one._spent()


@pytest.mark.parametrize(("budget", "limits"), [(None, {None}), (600.0, {60.0}), (9.0, {1.0})])
def test_what_is_made_again_is_given_more_time(budget: float | None, limits: set[Any]) -> None:
    """All that the scenario may take; a tenth of the budget, if there is one, and a second."""
    orders: list[Order] = []

    class Noting(Here):
        def __init__(self, make: Any) -> None:
            super().__init__(lambda order: (orders.append(order), make(order))[1])

    one = Sweep(case(swallows), Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK,), budget=budget))
    one._runs = Noting(one._make)
    one.run()
    assert {order.limit for order in orders if order.patient} == limits


def test_a_finding_says_after_how_long_it_was_found_and_on_how_many_runs_it_rests() -> None:
    """Both are for the report."""
    report = sweep(swallows, options=Options(modes=(Mode.ASYNCIO,), confirm=3))
    assert report.found_after is not None
    assert 0 < report.found_after < report.seconds
    assert {finding.runs for finding in report.confirmed} == {4}
