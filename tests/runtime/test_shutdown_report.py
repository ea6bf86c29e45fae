"""The report of a shutdown: who overran, where, who was only held up, and what failed."""

import json
import pickle
from collections.abc import Iterator

import pytest

import rescind
from rescind import CancelKind, CancelReason, Runtime, ShutdownReport, Task
from rescind._core.overrun import Overrun, held_up
from rescind.lowlevel import ManualHost
from tests.conftest import HostFactory
from tests.runtime.test_shutdown import line_of

REASON = CancelReason(CancelKind.SHUTDOWN)


async def close_database() -> None:
    """Take an hour."""
    await rescind.sleep(3600)  # innermost


async def service() -> None:
    """Hang in the cleanup, two frames deep."""
    try:
        await rescind.never()
    finally:
        await close_database()  # outermost


async def waiting_for(others: list[Task[None]]) -> None:
    """Wait in the cleanup for the last of the others."""
    try:
        await rescind.never()
    finally:
        await others[-1].join()


async def failing(error: Exception) -> None:
    """Fail in the cleanup."""
    try:
        await rescind.never()
    finally:
        await rescind.yield_now()
        raise error  # fails here


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """A manual runtime with a grace of 2 s."""
    with Runtime(host=ManualHost(), grace=2.0) as made:
        yield made


def let_park(runtime: Runtime) -> None:
    """Let every task run until it parks."""
    for _ in range(3):
        runtime.block_on(rescind.yield_now())


def late(number: int, *waits_for: int) -> Overrun:
    """Make the record of a task that waited for others."""
    return Overrun(f"t{number}", REASON, "", 0.0, False, id=number, waits_for=waits_for)


def test_overrun_has_name_id_reason_stack_what_and_time(runtime: Runtime) -> None:
    """All that is asked at 3 a.m., taken just before the drop."""
    task = runtime.spawn(service(), name="db")
    let_park(runtime)
    report = runtime.shutdown("deploy")

    [overrun] = report.overran
    assert [f"{site} in {site.function}" for site in overrun.stack] == [
        f"{line_of(service, '# outermost')} in service",
        f"{line_of(close_database, '# innermost')} in close_database",
    ]
    assert (overrun.task, overrun.id, overrun.label) == ("db", task.id, f"task {task.id} 'db'")
    assert (overrun.what, overrun.seconds, overrun.abandoned) == ("sleep(3600)", 2.0, False)
    assert overrun.place == f"{line_of(close_database, '# innermost')} in close_database"
    assert overrun.reason == report.reason
    assert (report.dropped, report.abandoned, report.held_up, report.clean) == (1, 0, (), False)


def test_clean_shutdown_says_so_in_one_line(host: HostFactory) -> None:
    """Nothing to tell: one line."""
    with host() as runtime:
        runtime.spawn(rescind.never())
        let_park(runtime)
        report = runtime.shutdown()
    assert (report.clean, str(report).count("\n"), runtime.report) == (True, 0, report)


def test_reason_keeps_its_lineage(runtime: Runtime) -> None:
    """A reason with a cause stands in the report with both links, by object and as data."""
    cause = CancelReason(CancelKind.SIGNAL, "SIGTERM")
    runtime.spawn(service())
    let_park(runtime)
    report = runtime.shutdown(CancelReason(CancelKind.SHUTDOWN, "deploy", at=0.0, cause=cause))
    assert report.overran[0].reason.chain()[1] == cause
    assert report.as_dict()["overran"][0]["reason"] == ["shutdown: deploy", "signal: SIGTERM"]


def test_report_is_plain_data(runtime: Runtime) -> None:
    """It can be pickled, and written as JSON; the exception itself stays behind."""
    runtime.spawn(service(), name="db")
    runtime.spawn(failing(ValueError("bad")), name="bad")
    let_park(runtime)
    report = runtime.shutdown()

    copy: ShutdownReport = pickle.loads(pickle.dumps(report))
    data = json.loads(json.dumps(report.as_dict()))
    assert (copy, str(copy), copy.errors[0].exception) == (report, str(report), None)
    assert (data["clean"], data["canceled"], data["dropped"]) == (False, 2, 1)
    assert data["overran"][0]["stack"][-1].endswith("in close_database")
    assert data["errors"][0]["error"] == "ValueError('bad')"


def test_who_waits_for_an_overrun_is_held_up_and_did_not_overrun_itself(runtime: Runtime) -> None:
    """Victims are told apart: directly, through another victim, and inside a combinator."""
    tasks: list[Task[None]] = []

    async def joining() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.outcomes(tasks[0], tasks[1])

    tasks.append(runtime.spawn(service(), name="culprit"))
    tasks.append(runtime.spawn(waiting_for(tasks[:1]), name="first"))
    tasks.append(runtime.spawn(waiting_for(tasks[:2]), name="second"))
    runtime.spawn(joining(), name="third")
    let_park(runtime)
    report = runtime.shutdown()

    assert [one.task for one in report.overran] == ["culprit"]
    assert [one.task for one in report.held_up] == ["first", "second", "third"]
    assert report.dropped == 4
    assert "held up by those, and dropped with them: task" in str(report)


def test_victim_that_is_made_before_the_culprit_is_a_victim_too(runtime: Runtime) -> None:
    """The order of the drops does not matter."""
    others: list[Task[None]] = []
    runtime.spawn(waiting_for(others), name="victim")
    others.append(runtime.spawn(service(), name="culprit"))
    let_park(runtime)
    report = runtime.shutdown()
    assert [one.task for one in report.overran] == ["culprit"]
    assert [one.task for one in report.held_up] == ["victim"]


def test_tasks_that_join_each_other_in_a_circle_have_all_overrun(runtime: Runtime) -> None:
    """Nobody else held them up; who waits for the circle is a victim of it."""
    one: list[Task[None]] = []
    two: list[Task[None]] = []
    one.append(runtime.spawn(waiting_for(two), name="one"))
    two.append(runtime.spawn(waiting_for(one), name="two"))
    runtime.spawn(waiting_for(one), name="outside")
    let_park(runtime)
    report = runtime.shutdown()
    assert [late.task for late in report.overran] == ["one", "two"]
    assert [late.task for late in report.held_up] == ["outside"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([late(1)], set()),
        ([late(1), late(2, 1)], {2}),
        ([late(1, 9)], set()),
        ([late(1, 2), late(2, 1), late(3, 1)], {3}),
        ([late(1, 1)], set()),
        ([late(1, 2), late(2, 1), late(3, 1, 4), late(4, 5), late(5, 4)], {3}),
        ([late(1, 2), late(2, 3), late(3, 2), late(4, 1)], {1, 4}),
    ],
)
def test_held_up_are_those_that_lead_to_another_without_a_way_back(
    records: list[Overrun], expected: set[int]
) -> None:
    """The rule by itself: chains, circles, bridges between circles, and unknown tasks."""
    assert held_up(records) == expected


def test_long_chain_of_victims_is_told_apart_quickly() -> None:
    """Ten thousand that wait for each other in a row, and ten thousand in a circle."""
    many = 10_000
    chain = [late(number, number - 1) for number in range(1, many)]
    circle = [late(number, (number + 1) % many) for number in range(many)]
    assert len(held_up([late(0), *chain])) == many - 1
    assert held_up(circle) == set()
    assert held_up([*circle, late(many, 5)]) == {many}


def test_own_shorter_grace_ends_earlier_and_a_longer_one_is_cut(runtime: Runtime) -> None:
    """P65: a task has its own budget, or what the shutdown has if that is less."""
    for name, grace in (("short", 0.5), ("long", 100.0), ("unbounded", None), ("none", 0.0)):
        runtime.spawn(service(), name=name, grace=grace)
    runtime.spawn(service(), name="default")
    let_park(runtime)
    report = runtime.shutdown()
    assert {one.task: one.seconds for one in report.overran} == {
        "short": 0.5,
        "long": 2.0,
        "unbounded": 2.0,
        "none": 0.0,
        "default": 2.0,
    }
    assert report.seconds == 2.0


@pytest.mark.parametrize(
    ("grace", "expected"),
    [(5.0, {"own": 1.0, "default": 5.0}), (0.25, {"own": 0.25, "default": 0.25})],
)
def test_grace_of_the_shutdown_replaces_the_runtimes(
    runtime: Runtime, grace: float, expected: dict[str, float]
) -> None:
    """`shutdown(grace=…)` is the budget of all; it lengthens no task's own."""
    runtime.spawn(service(), name="own", grace=1.0)
    runtime.spawn(service(), name="default")
    let_park(runtime)
    report = runtime.shutdown(grace=grace)
    assert {one.task: one.seconds for one in report.overran} == expected


def test_task_that_was_canceled_before_keeps_its_reason_and_its_earlier_end(
    runtime: Runtime,
) -> None:
    """A second request shortens at most; the time is counted from the first."""
    task = runtime.spawn(service(), name="early")
    let_park(runtime)
    task.cancel("enough", grace=3.0)
    runtime.block_on(rescind.sleep(1.5))
    [overrun] = runtime.shutdown().overran
    assert (overrun.reason.kind, overrun.seconds) == (CancelKind.EXPLICIT, 3.0)
    assert runtime.report is not None
    assert "canceled before that: explicit: enough" in str(runtime.report)


def test_each_error_of_a_cleanup_is_in_the_report(host: HostFactory) -> None:
    """By whom, what, and where it was raised; with the exception itself."""
    one, two = ValueError("one"), LookupError("two")
    with host() as runtime:
        tasks = [
            runtime.spawn(failing(error), name=name) for name, error in (("a", one), ("b", two))
        ]
        let_park(runtime)
        report = runtime.shutdown()
    place = f"{line_of(failing, '# fails here')} in failing"
    assert [(e.name, e.id, e.exception, e.place) for e in report.errors] == [
        ("a", tasks[0].id, one, place),
        ("b", tasks[1].id, two, place),
    ]
    assert f"task {tasks[0].id} 'a' failed while cleaning up: ValueError('one'), at" in str(report)


def test_error_raised_after_the_shutdown_was_absorbed_is_in_the_report(host: HostFactory) -> None:
    """A task that fails on its own account while the runtime is shut down is no secret either."""
    error = ValueError("later")

    async def body() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            pass
        raise error

    with host() as runtime:
        task = runtime.spawn(body())
        let_park(runtime)
        report = runtime.shutdown()
    assert task.outcome() is not None
    assert [one.exception for one in report.errors] == [error]


def test_errors_are_logged_where_nobody_is_given_the_report(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Leaving the block throws no error away; calling `shutdown` leaves them to its caller."""
    for asked in (False, True):
        caplog.clear()
        with host() as runtime:
            runtime.spawn(failing(ValueError("lost?")), name="bad")
            let_park(runtime)
            if asked:
                runtime.shutdown()
        messages = [record.getMessage() for record in caplog.records]
        found = ["failed while the runtime was shut down: ValueError" in text for text in messages]
        assert found == ([] if asked else [True])


def test_overruns_from_before_are_told_apart_and_the_latest_kept() -> None:
    """A server that lives long keeps the last thousand."""

    async def main() -> None:
        for _ in range(1003):
            task = rescind.spawn(service(), grace=0.5)
            await rescind.yield_now()
            await task.cancel()

    with Runtime(host=ManualHost()) as runtime:
        runtime.block_on(main())
        runtime.spawn(service(), name="last")
        let_park(runtime)
        report = runtime.shutdown(grace=1.0)
    assert (len(report.earlier), [one.task for one in report.overran]) == (1000, ["last"])


def test_many_that_hang_at_one_place_share_an_entry(runtime: Runtime) -> None:
    """A thousand equal stacks are read once; many different ones are cut off and counted."""
    for _ in range(1000):
        runtime.spawn(service(), name="same")
    let_park(runtime)
    report = runtime.shutdown()
    assert len(report.overran) == 1000
    assert "(and 999 more like it)" in str(report)
    assert str(report).count("\n") == 4


def test_long_lists_of_errors_are_cut_off_and_counted(runtime: Runtime) -> None:
    """The text stays on a screen; the data has all."""
    for number in range(50):
        runtime.spawn(failing(ValueError(number)))
    let_park(runtime)
    report = runtime.shutdown()
    assert (len(report.errors), str(report).count("\n")) == (50, 21)
    assert str(report).endswith("… and 30 more")


def test_exception_that_cannot_be_shown_breaks_no_report(runtime: Runtime) -> None:
    """A ``repr`` that raises is the user's fault, and the report comes all the same."""

    class Broken(Exception):
        def __repr__(self) -> str:
            raise RuntimeError

    runtime.spawn(failing(Broken()))
    let_park(runtime)
    assert runtime.shutdown().errors[0].error.endswith("Broken(...)")


def test_future_inside_a_task_that_overran_names_its_task(runtime: Runtime) -> None:
    """A timeout's inner future has a smaller budget of its own: it is told with its task."""

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            with pytest.raises(rescind.TimedOut):
                await rescind.timeout(service(), 0.5, grace=0.5)

    task = runtime.spawn(body(), name="outer")
    let_park(runtime)
    [overrun] = runtime.shutdown().overran
    assert (overrun.id, overrun.within, overrun.seconds) == (None, f"task {task.id} 'outer'", 0.5)
    assert overrun.label == f"<coroutine service> in task {task.id} 'outer'"


def test_abandoned_without_any_grace_is_reported() -> None:
    """A frame that resists the drop is a leak that is told of, though it never had time."""

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await rescind.never()
            except BaseException:
                pass

    with Runtime(host=ManualHost()) as runtime:
        task = runtime.spawn(stubborn(), name="stubborn")
        let_park(runtime)
        report = runtime.shutdown(grace=0)
    assert [(one.id, one.abandoned, one.seconds) for one in report.overran] == [
        (task.id, True, 0.0)
    ]
    assert report.overran[0].stack[-1].function.endswith("stubborn")
    assert report.abandoned == 1
