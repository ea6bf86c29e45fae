"""Exploring: what is found, shrunk, shown and replayed; and what a pass means."""

import gc
import itertools
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind._core.current import local
from rescind.sync import Semaphore
from rescind.testing import (
    BadToken,
    Bounds,
    Changes,
    Exploration,
    FailureKind,
    Instant,
    Kind,
    Lab,
    Run,
    explore,
    replay,
    timeline,
)
from rescind.testing.lab.changes import extended
from rescind.testing.lab.trial import Trial
from tests.testing import faulty
from tests.testing.programs import three

# Real seconds: more than a loaded machine needs. What ends a search here is what it finds.
PLENTY = 50.0


def search(main: Callable[[], Coroutine[Any, Any, Any]], **options: Any) -> Exploration:
    """Explore with enough time."""
    return explore(main, budget=PLENTY, **options)


@pytest.fixture(scope="module")
def lossy() -> Exploration:
    """Return what exploring the faulty queue finds."""
    return search(faulty.loses_an_item)


def test_two_cancels_and_an_order_are_found(lossy: Exploration) -> None:
    """The lost item needs a tie that goes the other way, and two cancellations (P75, P77)."""
    assert "fail" == lossy.verdict
    assert lossy.failure is not None
    assert FailureKind.ERROR is lossy.failure.kind
    assert "the item is lost" in str(lossy.failure)
    assert 1 == len(lossy.changes.choices)
    assert 2 == len(lossy.changes.injections)
    assert lossy.run is not None
    assert len(lossy.run.trace) < 12


def test_a_token_replays_the_failing_run(lossy: Exploration) -> None:
    """P75: what the token makes is the run of the report, step by step."""
    assert lossy.token is not None
    assert lossy.run is not None
    run = replay(faulty.loses_an_item, lossy.token)

    assert lossy.run.trace == run.trace
    assert lossy.run.signature() == run.signature()


def test_exploring_again_finds_the_same(lossy: Exploration) -> None:
    """Neither ids nor hashes decide: the report is the same but for the seconds."""
    again = search(faulty.loses_an_item)

    assert lossy.token == again.token
    assert lossy.runs == again.runs
    assert lossy.timeline() == again.timeline()


def test_the_timeline_shows_each_step_in_its_tasks_column(lossy: Exploration) -> None:
    """A line for each step, no line too long, the injections marked, lifelines of the others."""
    shown = lossy.timeline()
    lines = shown.splitlines()

    assert max(map(len, lines)) <= 100
    assert re.match(r"step +time +main +producer +consumer$", lines[0])
    assert 2 == sum("✂" in line for line in lines)
    assert any(re.search(r"│ +│ +✂ GRACE EXPIRED, IN CLEANUP, at faulty.py:\d+", x) for x in lines)
    assert any("✗ the cancellation arrives in get" in line for line in lines)
    assert any(re.search(r"┆$|┆ ", line) or "■ canceled" in line for line in lines)
    assert any("◷ wakes consumer" in line for line in lines)
    assert max(map(len, timeline(lossy.run, width=70).splitlines())) <= 70  # type: ignore[arg-type]


def test_the_report_says_all_that_is_needed(lossy: Exploration) -> None:
    """Verdict, failure, timeline, token and totals; `check` raises it."""
    text = str(lossy)

    assert text.startswith(
        "loses_an_item: fail, with 1 change of order and 2 injections\n\n"
        "  exception: main failed with AssertionError('the item is lost"
    )
    assert f"replay: {lossy.token}" in text
    assert re.search(r"\d+ runs in \d+\.\d s \([\d,]+ a second\); 6 of 6 points canceled", text)
    with pytest.raises(AssertionError, match="the item is lost"):
        lossy.check()


@pytest.mark.parametrize(
    ("main", "kind", "words", "changes"),
    [
        (faulty.locks_crosswise, FailureKind.DEADLOCK, "a circle: there waits for back", 1),
        (faulty.forgets_a_permit, FailureKind.DEADLOCK, "second +wait of <Event", 1),
        (faulty.leaves_a_task, FailureKind.LEFTOVERS, "'lingering'", 1),
        (faulty.spins_when_canceled, FailureKind.LIVELOCK, "not over after 2000 steps", 1),
    ],
)
def test_each_sort_of_failure_is_found(
    main: Callable[[], Coroutine[Any, Any, Any]], kind: FailureKind, words: str, changes: int
) -> None:
    """Deadlocks, livelocks and leftovers are found in few changes, and said."""
    report = search(main)

    assert report.failure is not None
    assert kind is report.failure.kind
    assert re.search(words, str(report.failure))
    assert changes == len(report.changes)


def test_a_circle_is_known_by_the_functions_in_it() -> None:
    """Who waits for the circle is only a victim of it."""
    failure = search(faulty.locks_crosswise).failure

    assert failure is not None
    assert "locks_crosswise.<locals>.transfer" == failure.sign


def test_an_invariant_is_held_against_each_run() -> None:
    """A function of the run that returns False is a failure by its name."""

    def both_are_counted(run: Run[int]) -> bool:
        return not isinstance(run.outcome, rescind.Completed) or run.outcome.value == 2

    report = search(
        faulty.races_for_a_number, invariants=[both_are_counted], bounds=Bounds(injections=0)
    )

    assert "invariant: both_are_counted does not hold" == str(report.failure)
    assert 1 == len(report.changes)


def test_an_invariant_that_raises_is_broken() -> None:
    """An assertion in the invariant counts too."""

    def look(run: Run[str]) -> None:
        assert run.unwrap() == "abc"

    report = search(three(), invariants=[look], bounds=Bounds(injections=0))

    assert "fail" == report.verdict
    assert str(report.failure).startswith("invariant: look raised AssertionError")


def test_an_error_that_nobody_sees_is_a_failure() -> None:
    """A task that fails unseen is the exception that escapes."""

    async def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        rescind.spawn(fail(), name="failing")
        await rescind.yield_now()

    report = search(main)

    assert "exception: failing failed with ZeroDivisionError()" == str(report.failure)
    assert str(report).startswith(f"{main.__qualname__}: fail, with no change")


def test_an_unawaited_coroutine_is_a_failure() -> None:
    """What is called and not awaited is left over."""

    async def helper() -> None: ...

    async def main() -> None:
        helper()

    report = search(main)

    assert report.failure is not None
    assert "helper" in str(report.failure)
    assert "coroutines" == report.failure.sign


async def _permits() -> None:
    permits = Semaphore(1)

    async def use() -> None:
        async with permits:
            await rescind.yield_now()

    async with rescind.task_group() as g:
        for name in "abc":
            g.spawn(use(), name=name)
    permits.acquire_nowait()


def test_a_pass_says_within_which_bounds() -> None:
    """A correct primitive passes; the verdict names what was tried, and never more."""
    report = search(_permits, bounds=Bounds(changes=2))

    assert "pass" == report.verdict
    assert 2 == report.within
    assert "pass within 2 changes (at most 2 of order, 2 injections)" in str(report)
    assert report is report.check()
    assert "safe" not in str(report)


def test_points_are_those_of_the_plain_run_and_each_is_canceled() -> None:
    """P78: as many points as the plain run passes, and a run that was canceled at each."""
    plain = Lab(_permits).run()
    there = {point for point in plain.points if point[0] != "root"}
    report = search(_permits, bounds=Bounds(changes=1))

    assert len(there) == report.points == report.canceled
    assert report.injections >= report.points


def test_a_budget_of_runs_that_is_over_too_early_is_unresolved() -> None:
    """Not one change was tried everywhere: nothing is claimed."""
    report = search(_permits, bounds=Bounds(runs=5))

    assert "unresolved" == report.verdict
    assert "the budget was over before one change" == report.why
    with pytest.raises(AssertionError, match="unresolved"):
        report.check()


def test_a_bound_that_is_not_reached_is_said() -> None:
    """With one change everywhere and two here and there, it has passed within one of three."""
    one = search(_permits, bounds=Bounds(changes=1)).runs
    report = search(_permits, bounds=Bounds(runs=one + 10))

    assert ("pass", 1) == (report.verdict, report.within)
    assert "pass within 1 of 3 changes" in str(report)


def test_a_program_that_does_not_repeat_is_unresolved() -> None:
    """If two plain runs differ, that is said, and where."""
    numbers = itertools.count()

    async def main() -> None:
        for _ in range(next(numbers)):
            await rescind.yield_now()

    report = search(main)

    assert "unresolved" == report.verdict
    assert "two runs that should be the same differ" in report.why


def test_a_program_that_changes_later_is_unresolved() -> None:
    """Runs that do not come by the point they were made for are counted."""
    numbers = itertools.count()

    async def main() -> None:
        for _ in range(3 if next(numbers) < 2 else 0):
            await rescind.yield_now()

    report = search(main, bounds=Bounds(changes=1))

    assert "unresolved" == report.verdict
    assert re.match(r"\d+ runs did not come by the point", report.why)


def test_what_follows_from_an_injection_is_no_failure() -> None:
    """A `TaskCanceled` of an injected task, a `TimedOut` of an injected deadline: expected."""

    async def main() -> None:
        await rescind.spawn(rescind.timeout(rescind.sleep(1), 2))

    assert "pass" == search(main, bounds=Bounds(changes=1)).verdict


def test_the_same_exceptions_without_an_injection_are_failures() -> None:
    """A plain run that ends with `TimedOut` has failed."""

    async def main() -> None:
        await rescind.timeout(rescind.never(), 1)

    report = search(main)

    assert "exception: main failed with TimedOut('timed out after 1 s')" == str(report.failure)


def test_exceptions_can_be_allowed_in_runs_with_injections() -> None:
    """What the program raises for a lost partner is named by ``allowed``."""

    async def main() -> None:
        task = rescind.spawn(rescind.sleep(1))
        if isinstance(await task.join(), rescind.Canceled):
            raise rescind.Closed("the partner is gone")

    assert "fail" == search(main, bounds=Bounds(changes=1)).verdict
    report = search(main, bounds=Bounds(changes=1), allowed=(rescind.Closed,))
    assert "pass" == report.verdict


def test_main_is_canceled_only_where_it_is_alone() -> None:
    """By default a main that spawns is the test; one that does not is what is tested."""

    async def alone() -> None:
        try:
            await rescind.sleep(1)
        except rescind.Cancellation:
            raise ZeroDivisionError from None

    assert "fail" == search(alone).verdict
    assert "pass" == search(alone, bounds=Bounds(main=False)).verdict
    assert 0 == search(_permits, bounds=Bounds(changes=0)).injections

    async def waiting() -> None:
        task = rescind.spawn(rescind.sleep(1))
        try:
            await task.join()
        except rescind.Cancellation:
            raise ZeroDivisionError from None

    assert "pass" == search(waiting, bounds=Bounds(changes=1)).verdict
    assert "fail" == search(waiting, bounds=Bounds(changes=1, main=True)).verdict


def test_kinds_can_be_chosen() -> None:
    """Only the injections that were asked for are made."""

    async def guarded() -> None:
        try:
            await rescind.CancellationToken().guard(rescind.sleep(1))
        except rescind.TaskCanceled:
            raise ZeroDivisionError from None

    async def main() -> None:
        await rescind.spawn(guarded())

    tasks = search(main, bounds=Bounds(changes=1, kinds=(Kind.TASK,)))
    tokens = search(main, bounds=Bounds(changes=1, kinds=(Kind.TOKEN,)))

    assert "pass" == tasks.verdict
    assert "fail" == tokens.verdict
    assert [Kind.TOKEN] == [one.kind for one in tokens.changes.injections]


def test_a_failure_is_shrunk_to_the_earliest_point() -> None:
    """P77: of many points at which it fails, the first is shown; the failure is the same."""

    async def fragile() -> None:
        try:
            for _ in range(4):
                await rescind.yield_now()
        except rescind.Cancellation:
            raise ZeroDivisionError from None

    async def main() -> None:
        async with rescind.task_group() as g:
            g.spawn(fragile(), name="fragile")

    report = search(main)
    (injection,) = report.changes.injections

    assert report.failure is not None
    assert f"ZeroDivisionError at {fragile.__qualname__}" == report.failure.sign
    assert (Instant.PARKED, 1, Kind.TASK) == (
        injection.spot.instant,
        injection.spot.visit,
        injection.kind,
    )


def test_parents_take_turns() -> None:
    """What needs a late change and one right after it is found long before all pairs are tried."""

    async def late() -> None:
        visits = 0
        try:
            while visits < 15:
                visits += 1
                await rescind.yield_now()
        except rescind.Cancellation:
            try:
                await rescind.yield_now()
            except GeneratorExit:
                if visits == 15:
                    raise ZeroDivisionError from None
                raise

    async def main() -> None:
        async with rescind.task_group() as g:
            g.spawn(late())
            g.spawn(late())

    report = search(main, bounds=Bounds(deviations=0))

    assert "fail" == report.verdict
    assert 2 == len(report.changes)
    assert report.runs < 700


def test_changes_come_in_the_order_of_their_events() -> None:
    """Earliest first, choices and injections together; nothing before the last one."""
    trial = Trial(three(2), Bounds())
    with trial.outside.shut():
        run, _ = trial.run(Changes())
    found = list(extended(Changes(), run, Bounds(), trial.kinds, main=False))
    events = [changes.last for changes in found]

    assert events == sorted(events)
    assert any(changes.choices for changes in found)
    assert any(changes.injections for changes in found)


def test_random_runs_look_further_than_the_bounds() -> None:
    """The last task before all, and the first after all: four choices, where three are allowed."""

    async def main() -> None:
        said: list[str] = []

        async def say(word: str) -> None:
            said.append(word)

        async with rescind.task_group() as g:
            for word in "abcde":
                g.spawn(say(word))
        assert (said[0], said[-1]) != ("e", "a")

    bounds = Bounds(changes=3, deviations=3, injections=0)
    reports = [search(main, bounds=bounds, seed=seed) for seed in range(8)]
    found = [report for report in reports if report.verdict == "fail"]

    assert found
    assert {4} == {len(report.changes) for report in found}


def test_nothing_is_logged_of_what_runs_do(caplog: pytest.LogCaptureFixture) -> None:
    """A cleanup that is cut is in the run; thousands of warnings would help nobody."""
    search(faulty.loses_an_item)

    assert [] == caplog.records


def test_no_deviation_means_no_deviation() -> None:
    """With deviations bounded by 0, random runs keep the order too."""
    report = search(three(), bounds=Bounds(deviations=0, injections=0))

    assert ("pass", 3) == (report.verdict, report.within)
    assert ("Completed(value='abc')",) == report.outcomes


def test_outcomes_are_counted_once_each() -> None:
    """Every order of three tasks has its outcome in the report."""
    report = search(three(), bounds=Bounds(injections=0))

    assert 6 == len(report.outcomes)
    assert "6 outcomes" in str(report)


# -- tokens and the store ----------------------------------------------------------------------


def _program(text: str, folder: Path) -> Any:
    """Return ``main`` of a module that is written now."""
    import importlib.util

    path = folder / f"program{len(list(folder.iterdir()))}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


PROGRAM = """
import rescind

async def work():
    try:
        await rescind.sleep(1)
    except rescind.Cancellation:
        raise ZeroDivisionError from None

async def main():
    await rescind.spawn(work()).join()
    {last}
"""


def test_a_token_is_as_good_when_other_lines_of_the_file_change(tmp_path: Path) -> None:
    """Lines count within their functions, and only the functions of the run are looked at."""
    report = search(_program(PROGRAM.format(last="pass"), tmp_path), bounds=Bounds(changes=1))
    moved = "# A word on what follows.\n\n" + PROGRAM.format(last="pass") + "\nx = 1\n"
    run = replay(_program(moved, tmp_path), report.token or "")

    assert isinstance(run.unseen, tuple)
    assert report.run is not None
    assert report.run.points == run.points


def test_a_token_of_a_changed_program_is_refused(tmp_path: Path) -> None:
    """The error says that the program has changed; it can be replayed all the same."""
    before = _program(PROGRAM.format(last="pass"), tmp_path)
    after = _program(PROGRAM.format(last="return 3"), tmp_path)
    token = search(before, bounds=Bounds(changes=1, main=True)).token or ""

    with pytest.raises(BadToken, match="the program 'main' has changed since this token was made"):
        replay(after, token)
    assert replay(after, token, changed=True).struck


def test_a_token_knows_the_functions_in_which_its_run_was_parked(tmp_path: Path) -> None:
    """A change of what main spawns is a change of the program as well."""
    before = _program(PROGRAM.format(last="pass"), tmp_path)
    after = _program(PROGRAM.format(last="pass").replace("sleep(1)", "sleep(2)"), tmp_path)
    token = search(before, bounds=Bounds(changes=1)).token or ""

    with pytest.raises(BadToken, match="has changed since this token was made"):
        replay(after, token)


def test_tokens_of_other_programs_are_passed_over(tmp_path: Path, lossy: Exploration) -> None:
    """One file serves a suite."""
    file = tmp_path / "regressions.txt"
    file.write_text(f"# of another test\n\n{lossy.token}\n", encoding="utf-8")

    report = search(_permits, regressions=file, bounds=Bounds(changes=1))

    assert ("pass", (0, 0)) == (report.verdict, report.replayed)


def test_a_token_of_another_program_is_refused(lossy: Exploration) -> None:
    """The name of the program is in the token."""
    with pytest.raises(BadToken, match="of the program 'loses_an_item', not of '_permits'"):
        replay(_permits, lossy.token or "")


def test_known_failures_are_replayed_first(tmp_path: Path) -> None:
    """A failure is added to the file; the next exploration needs no search to find it."""
    file = tmp_path / "lab" / "regressions.txt"
    first = search(faulty.loses_an_item, regressions=file)
    line = file.read_text(encoding="utf-8")
    again = search(faulty.loses_an_item, regressions=file, bounds=Bounds(changes=0))

    assert line.startswith(f"{first.token}  # loses_an_item: exception: main failed with Asser")
    assert first.token == again.token
    assert (1, 0) == again.replayed
    assert line == file.read_text(encoding="utf-8")
    assert "1 known tokens, 1 failed" in str(again)


def test_a_known_failure_that_is_mended_passes(tmp_path: Path) -> None:
    """Tokens of a program that was mended are run, and fail no more."""
    file = tmp_path / "regressions.txt"
    broken = _program(PROGRAM.format(last="pass"), tmp_path)
    mended = _program(PROGRAM.format(last="pass").replace("raise Zero", "return  # Zero"), tmp_path)
    bounds = Bounds(changes=1)

    assert "fail" == search(broken, regressions=file, bounds=bounds).verdict
    report = search(mended, regressions=file, bounds=bounds)
    assert ("pass", (0, 1)) == (report.verdict, report.replayed)


def test_a_line_that_is_no_token_is_told(tmp_path: Path) -> None:
    """A broken line of the file is named by its number."""
    file = tmp_path / "regressions.txt"
    file.write_text("# mine\nrl1-nonsense\n", encoding="utf-8")

    with pytest.raises(BadToken, match=r"regressions\.txt:2: this token of the lab cannot be read"):
        search(_permits, regressions=file)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"changes": -1}, "changes must not be negative: -1"),
        ({"deviations": -2}, "deviations must not be negative: -2"),
        ({"max_steps": 0}, "max_steps must be at least 1, not 0"),
        ({"runs": 0}, "runs must be at least 1, not 0"),
    ],
)
def test_bounds_must_make_sense(options: dict[str, int], words: str) -> None:
    """What makes no sense is refused, with the number."""
    with pytest.raises(ValueError, match=words):
        Bounds(**options)


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_must_be_positive(budget: float) -> None:
    """No time, no exploration."""
    with pytest.raises(ValueError, match="budget must be a positive number of seconds"):
        explore(_permits, budget=budget)


def test_reaching_outside_is_a_misuse_and_no_finding() -> None:
    """The explorer raises what the lab raises."""
    import time

    async def main() -> None:
        time.sleep(0)  # noqa: ASYNC251  # that is what is refused

    with pytest.raises(rescind.UsageError, match="the lab has no world outside"):
        search(main)


def test_the_collector_looks_between_some_runs_and_never_in_one() -> None:
    """What each run leaves in circles goes during the search; afterwards the collector is on."""
    alive: set[int] = set()
    numbers = itertools.count()
    most = 0
    collecting: list[bool] = []

    class Circle:
        def __init__(self) -> None:
            self.number = next(numbers)
            self.me = self
            alive.add(self.number)

        def __del__(self) -> None:
            collecting.append(local.executor is not None)
            alive.discard(self.number)

    async def main() -> None:
        nonlocal most
        for _ in range(300):
            Circle()
        most = max(most, len(alive))
        await rescind.spawn(rescind.ready(1))
        await rescind.spawn(rescind.ready(2))

    async def pairs() -> None:
        await rescind.join(rescind.spawn(main()), rescind.spawn(main()))

    report = explore(pairs, budget=PLENTY, bounds=Bounds(injections=0, runs=100))

    assert report.runs >= 50
    assert 2 * most < next(numbers)
    assert not any(collecting)
    assert gc.isenabled()


def test_the_collector_stays_off_if_it_was() -> None:
    """Who has turned it off gets it back so."""
    gc.disable()
    try:
        explore(three(), budget=PLENTY, bounds=Bounds(injections=0, runs=40))
        assert not gc.isenabled()
    finally:
        gc.enable()
