"""What is told of tasks: rows, trees, what ended, explanations; and that they can be canceled."""

import gc
import sys
import threading
import weakref
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed
from rescind._core.hooks import hooks
from rescind.sync import Mutex
from rescind.top import picture
from rescind.top.answers import Answers
from rescind.top.watcher import KEPT, Watcher
from tests.top.kit import PATIENCE, running, talking

pytestmark = pytest.mark.usefixtures("directory")

database = Mutex(name="database")


async def migrate() -> None:
    """Hold the lock, behind a shield."""
    async with database:
        with rescind.shielded():
            await rescind.never()


async def log_out() -> None:
    """Wait for the lock in its cleanup."""
    try:
        await rescind.never()
    finally:
        async with database:
            pass


async def parked() -> None:
    """Let everybody who is ready come to an await."""
    for _ in range(4):
        await rescind.yield_now()


def names(answer: dict[str, Any]) -> list[str]:
    """Return the names of the rows."""
    return [row["name"] for row in answer["rows"]]


# -- the table ------------------------------------------------------------------------------------


async def _various() -> None:
    migration = rescind.spawn(migrate(), name="migration")
    request = rescind.spawn(log_out(), name="request")
    rescind.spawn(rescind.sleep(1000), name="Patient")
    await parked()
    request.cancel("deploying")
    migration.cancel("deploying")
    await parked()


def test_a_row_says_what_a_task_does() -> None:
    """Its state, its age, what it waits for and where, why it was canceled and how long ago."""
    with running(_various), rescind.serve_top(), talking() as talker:
        answer = talker.ask("tasks")
        assert names(answer) == ["main", "migration", "request", "Patient"]
        states = [row["state"] for row in answer["rows"]]
        assert states == ["waiting", "shielded", "cleaning up", "waiting"]
        request = answer["rows"][2]
        assert request["waits"].startswith("acquire of <Mutex 'database', held by task ")
        assert request["waits"].endswith(" in log_out")
        assert request["why"].startswith("explicit: deploying, by task ")
        assert 0 <= request["asked"] <= request["age"]
        assert answer["states"] == {"waiting": 2, "canceling": 2}
        [runtime] = answer["runtimes"]
        assert (runtime["alive"], runtime["host"], runtime["spawned"]) == (4, "asyncio", 4)
        assert answer["whole"]


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("age", "main", "Patient"),
        ("name", "Patient", "request"),
        ("state", "migration", "Patient"),
        ("waits", "request", "Patient"),
    ],
)
def test_the_table_can_be_sorted(sort: str, first: str, last: str) -> None:
    """By each column, and the other way round; ties by age."""
    with running(_various), rescind.serve_top(), talking() as talker:
        there = names(talker.ask("tasks", sort=sort))
        assert (there[0], there[-1]) == (first, last)
        back = names(talker.ask("tasks", sort=sort, reverse=True))
        assert back == there[::-1]
        assert names(talker.ask("tasks", sort=sort, limit=1)) == [first]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("pat", ["Patient"]),
        ("PATIENT", ["Patient"]),
        ("canceling", ["migration", "request"]),
        ("deploying", ["migration", "request"]),
        ("mutex 'database'", ["request"]),
        ("in migrate", ["migration"]),
        ("no such thing", []),
        ("", ["main", "migration", "request", "Patient"]),
    ],
)
def test_the_table_can_be_filtered(search: str, found: list[str]) -> None:
    """By name, state, reason, or by what is waited for, in whatever case."""
    with running(_various), rescind.serve_top(), talking() as talker:
        answer = talker.ask("tasks", filter=search)
        assert names(answer) == found
        assert (answer["matching"], answer["total"]) == (len(found), 4)


def test_what_there_is_no_time_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told without looking closely is told all the same."""
    monkeypatch.setattr(picture.Budget, "spent", True)
    monkeypatch.setattr(picture, "SECONDS", 0.0)
    with running(_various), rescind.serve_top(), talking() as talker:
        answer = talker.ask("tasks", filter="patient")
        assert (names(answer), answer["whole"]) == (["Patient"], False)
        assert names(talker.ask("tasks", filter="in migrate")) == []


def test_polls_and_the_time_they_take_are_counted_while_somebody_looks() -> None:
    """From the first look on."""
    with running() as runtime, rescind.serve_top(), talking() as talker:
        [row] = talker.ask("tasks")["rows"]
        assert (row["polls"], row["busy"]) == (0, 0)

        async def work() -> None:
            for _ in range(10):
                await rescind.yield_now()
            done.set()
            await rescind.never()

        done = threading.Event()
        runtime.spawn(work(), name="worker")
        assert done.wait(PATIENCE)
        answer = talker.ask("tasks", sort="polls", limit=1)
        [row] = answer["rows"]
        assert row["name"] == "worker"
        assert row["polls"] >= 10
        assert 0 < row["busy"] <= answer["busy"]
        assert row["busy"] < answer["watched"]


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "two\nlines\t\r", "\u202eover", "x" * 1000])
def test_a_name_cannot_move_the_cursor(name: str) -> None:
    """Nothing of a program is more than one line of text."""

    async def begin() -> None:
        rescind.spawn(rescind.never(), name=name)
        await parked()

    with running(begin), rescind.serve_top(), talking() as talker:
        for op in ("tasks", "tree"):
            shown = names(talker.ask(op))
            assert all(one.isprintable() and len(one) <= 200 for one in shown)


def test_a_task_that_changes_too_fast_has_a_row_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what costs nothing; its explanation says so."""

    def changing(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("deque mutated during iteration")

    with running() as runtime, rescind.serve_top(), talking() as talker:
        task = runtime.tasks()[0].id
        monkeypatch.setattr(picture, "info_of", changing)
        monkeypatch.setattr(sys.modules["rescind.trace.explain"], "info_of", changing)
        [row] = talker.ask("tasks")["rows"]
        assert (row["name"], row["state"], row["waits"]) == ("main", "waiting", "")
        text = talker.ask("explain", task=task)["text"]
        assert text == f"task {task} 'main' changes too fast to be explained"


def test_a_second_look_helps_if_the_first_one_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was half changed then."""
    from rescind.trace.snapshot import info_of

    looks: list[object] = []

    def once(cell: Any, *args: Any, **options: Any) -> Any:
        looks.append(cell)
        if len(looks) == 1:
            raise AttributeError("'NoneType' object has no attribute 'leaf'")
        return info_of(cell, *args, **options)

    monkeypatch.setattr(picture, "info_of", once)
    with running(), rescind.serve_top(), talking() as talker:
        assert talker.ask("tasks")["rows"][0]["waits"].startswith("never()")


# -- the tree -------------------------------------------------------------------------------------


async def _family() -> None:
    async def request() -> None:
        await rescind.race(rescind.sleep(1000), log_out())

    async def serve() -> None:
        async with rescind.task_group(name="server") as group:
            for number in range(3):
                group.spawn(request(), name=f"request {number}")

    rescind.spawn(serve(), name="serving")
    await parked()


def _drawn(answer: dict[str, Any]) -> list[str]:
    return [f"{'  ' * row['depth']}{row['kind']} {row['name']}" for row in answer["rows"]]


def test_the_tree_shows_what_belongs_to_what() -> None:
    """Runtimes, in them tasks, in these their children, and groups with their tasks."""
    with running(_family, name="app"), rescind.serve_top(), talking() as talker:
        answer = talker.ask("tree")
        request = [
            "        child child 0",
            "        child child 1: log_out",
        ]
        assert _drawn(answer) == [
            "runtime app",
            "  task main",
            "  task serving",
            "    group server",
            *("      task request 0", *request),
            *("      task request 1", *request),
            *("      task request 2", *request),
        ]
        assert answer["matching"] == 5
        keys = [row["key"] for row in answer["rows"]]
        assert len(set(keys)) == len(keys)
        assert [row["key"] for row in talker.ask("tree")["rows"]] == keys


def test_a_search_leaves_what_it_finds_and_what_that_is_in() -> None:
    """Whether it is a task, a child or a group."""
    with running(_family, name="app"), rescind.serve_top(), talking() as talker:
        assert _drawn(talker.ask("tree", filter="request 1")) == [
            "runtime app",
            "  task serving",
            "    group server",
            "      task request 1",
        ]
        assert _drawn(talker.ask("tree", filter="child 1: log")) == [
            "runtime app",
            "  task serving",
            "    group server",
            *("      task request 0", "        child child 1: log_out"),
            *("      task request 1", "        child child 1: log_out"),
            *("      task request 2", "        child child 1: log_out"),
        ]
        assert talker.ask("tree", filter="no such thing")["rows"] == []


def test_the_tree_has_no_more_rows_than_were_asked_for() -> None:
    """But for what stands above them, and says that there is more."""
    with running(_family, name="app"), rescind.serve_top(), talking() as talker:
        assert _drawn(talker.ask("tree", limit=5)) == [
            "runtime app",
            "  task main",
            "  task serving",
            "    group server",
            "      task request 0",
            "        more … and 2 more",
            "      more … and 2 more",
        ]


def test_what_is_shared_is_not_walked_in_circles() -> None:
    """A future that several await stands in each of them, and in itself never."""

    async def begin() -> None:
        both = rescind.shared(rescind.join(rescind.never(), rescind.sleep(1000)))
        for number in range(2):
            rescind.spawn(both, name=f"awaits it {number}")
        await parked()

    with running(begin), rescind.serve_top(), talking() as talker:
        assert len(talker.ask("tree")["rows"]) < 20


# -- cancellation ---------------------------------------------------------------------------------


def test_a_task_is_canceled_with_a_reason() -> None:
    """Which says who asked; its cleanup runs."""
    with running() as runtime, rescind.serve_top(), talking() as talker:
        task = runtime.spawn(rescind.never(), name="victim")
        while task.phase.name != "PARKED":
            talker.ask("tasks")
        answer = talker.ask("cancel", task=task.id, reason="  too slow ")
        assert answer == {"accepted": True, "label": f"task {task.id} 'victim'"}
        outcome = task.cancellation_handle().wait(PATIENCE)
        assert isinstance(outcome, Canceled)
        reason = outcome.reason
        assert (reason.kind, reason.message) == (CancelKind.EXPLICIT, "too slow")
        assert (reason.by, reason.where) == ("rescind top", None)
        assert reason.at is not None
        again = talker.refused("cancel", task=task.id)
        assert again[0] == "ended"


def test_a_cancellation_may_have_its_own_grace() -> None:
    """0 drops it at once, whatever its cleanup waits for."""

    async def begin() -> None:
        await _various()

    with running(begin) as runtime, rescind.serve_top(), talking() as talker:
        request = next(task for task in runtime.tasks() if task.name == "request")
        talker.ask("cancel", task=request.id, reason="at once", grace=0)
        outcome = request.cancellation_handle().wait(PATIENCE)
        assert isinstance(outcome, Canceled)
        assert outcome.dropped
        assert [one.message for one in request.cancel_reasons] == ["deploying", "at once"]


# -- what ended -----------------------------------------------------------------------------------


def test_what_failed_or_was_canceled_lately_is_told() -> None:
    """The latest first, with why; what completed is only counted."""

    async def absorb() -> str:
        try:
            await rescind.never()
        except rescind.Cancellation:
            return "anyway"

    async def fail() -> None:
        raise ValueError("broken\nin two lines")

    async def scene() -> None:
        for future, name in ((absorb(), "stubborn"), (log_out(), "victim")):
            task = rescind.spawn(future, name=name)
            await parked()
            await task.cancel(f"no more {name}")
        await rescind.spawn(fail(), name="failing").join()
        await rescind.spawn(rescind.ready(1), name="fine")

    with running() as runtime, rescind.serve_top(), talking() as talker:
        talker.ask("tasks")
        task = runtime.spawn(scene())
        task.cancellation_handle().wait(PATIENCE)
        answer = talker.ask("ended")
        told = [
            (row["name"], row["state"], row["waits"].split(", by")[0]) for row in answer["rows"]
        ]
        assert told == [
            ("failing", "failed", "ValueError: broken in two lines"),
            ("victim", "canceled", "explicit: no more victim"),
            ("stubborn", "completed, though canceled", "explicit: no more stubborn"),
        ]
        assert [row["took"] is None for row in answer["rows"]] == [True, False, False]
        assert names(talker.ask("ended", filter="VICTIM")) == ["victim"]
        assert talker.ask("ended", limit=1)["matching"] == 3
        victim = answer["rows"][1]["id"]
        told = talker.ask("explain", task=victim)
        assert told["alive"] is False
        assert told["text"].splitlines()[0] == f"task {victim} 'victim' has ended: canceled"
        fine = talker.ask("explain", task=answer["rows"][0]["id"] + 1)
        assert fine["text"].endswith("'fine' has ended: completed")


def test_an_explanation_says_what_is_waited_for_and_who_has_that() -> None:
    """As `explain` does in the program itself."""
    with running(_various) as runtime, rescind.serve_top(), talking() as talker:
        request = next(task for task in runtime.tasks() if task.name == "request")
        answer = talker.ask("explain", task=request.id)
        assert answer["alive"]
        lines = answer["text"].splitlines()
        assert lines[0].startswith(f"task {request.id} 'request' is cleaning up, ")
        assert any(line.startswith("  blocked by  task ") for line in lines)
        assert any("'migration' is shielded" in line for line in lines)


# -- the watcher ----------------------------------------------------------------------------------


def test_the_watcher_keeps_no_more_than_a_few_and_nothing_alive() -> None:
    """Of what ended, texts and numbers alone; of what lives, numbers."""
    watcher = Watcher()
    watcher.start([])
    try:
        refs: list[weakref.ref[Any]] = []

        async def main() -> None:
            for _ in range(KEPT + 10):
                task = rescind.spawn(rescind.never())
                refs.append(weakref.ref(task))
                await rescind.yield_now()
                await task.cancel()
                await rescind.spawn(rescind.ready(None))

        rescind.run(main)
        gc.collect()
        assert len(watcher.failed()) == KEPT
        assert [ref() for ref in refs] == [None] * len(refs)
        assert (watcher._polls, watcher._busy, watcher._began) == ({}, {}, {})
        assert watcher.total > 0
    finally:
        watcher.stop()
    assert watcher not in hooks.observers


def test_an_error_that_cannot_be_told_is_told_by_its_class() -> None:
    """It must not make an observer of the program fail."""

    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    async def fail() -> None:
        raise Nasty

    watcher = Watcher()
    watcher.start([])
    try:

        async def main() -> None:
            await rescind.spawn(fail()).join()

        rescind.run(main)
        [ended] = watcher.failed()
        assert ended.how == "failed"
        assert ended.why.endswith("Nasty")
    finally:
        watcher.stop()


def test_answers_count_from_the_first_picture_to_the_last_client() -> None:
    """And anew the next time."""
    answers = Answers()
    answers.rest()
    first = answers.watch()
    assert answers.watch() is first
    assert first in hooks.observers
    answers.rest()
    assert first not in hooks.observers
    second = answers.watch()
    assert second is not first
    answers.rest()


def test_the_outcome_of_who_absorbs_is_not_changed_by_looking() -> None:
    """An observer only looks."""
    watcher = Watcher()
    watcher.start([])
    try:

        async def main() -> object:
            return await rescind.spawn(rescind.ready(7)).join()

        assert rescind.run(main) == Completed(7)
    finally:
        watcher.stop()
