"""The hedged fetch over real sockets: its report fits together, and it leaves nothing behind."""

import importlib.util
import os
import re
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed, Error, TimedOut
from tests.examples.test_examples import RESCIND, ROOT, needs_cli, run

pytest.importorskip("httpx")


def load() -> ModuleType:
    """Import the example as the module that it is."""
    spec = importlib.util.spec_from_file_location("hedged_fetch", ROOT / "examples/hedged_fetch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hedged_fetch"] = module  # where its dataclasses look for it
    spec.loader.exec_module(module)
    return module


hedged_fetch = load()


def open_files() -> int | None:
    """Count the open files and sockets of this process, where the system tells."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None


@pytest.fixture(params=["asyncio", "uvloop"], scope="module")
def real_run(request: pytest.FixtureRequest) -> Any:
    """Run it once on each loop; return its report, and the files open before and after."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
        rescind.run(rescind.ready(None), host="uvloop")  # imports what it opens for itself
    before = open_files()
    report = rescind.run(hedged_fetch.collect, host=request.param)
    return report, (before, open_files())


def test_every_socket_is_closed(real_run: Any) -> None:
    """When it returns, this process has as many open files as before."""
    _, (before, after) = real_run

    assert after == before


def test_every_page_and_every_request_has_an_outcome(real_run: Any) -> None:
    """No page is forgotten, and each request that was begun is known to have ended."""
    report, _ = real_run

    assert (
        sorted(report.pages),
        [attempt for attempt in report.attempts if attempt.outcome is None],
    ) == (list(range(hedged_fetch.PAGES)), [])


def test_a_fetched_page_comes_from_a_mirror_that_answered(real_run: Any) -> None:
    """The winner of each race is one of the requests that completed; other pages have none."""
    report, _ = real_run
    answered: dict[int, set[str]] = {page: set() for page in report.pages}
    for attempt in report.attempts:
        if isinstance(attempt.outcome, Completed):
            assert attempt.outcome.value == attempt.mirror
            answered[attempt.page].add(attempt.mirror)

    wrong = [
        page
        for page, outcome in report.pages.items()
        if (outcome.value not in answered[page] if isinstance(outcome, Completed) else False)
    ]

    assert wrong == []


def test_each_page_that_failed_says_how(real_run: Any) -> None:
    """A page is fetched, or out of time, or refused by all three, or stopped with the whole."""
    report, _ = real_run
    strange = [
        outcome
        for outcome in report.pages.values()
        if not (
            isinstance(outcome, Completed)
            or (isinstance(outcome, Error) and isinstance(outcome.exception, TimedOut))
            or (
                isinstance(outcome, Error)
                and isinstance(outcome.exception, ExceptionGroup)
                and len(outcome.exception.exceptions) == len(report.mirrors)
            )
            or (
                isinstance(outcome, Canceled)
                and hedged_fetch.root(outcome.reason).kind is CancelKind.DEADLINE
            )
        )
    ]

    assert strange == []


def test_requests_are_canceled_by_a_lost_race_or_a_deadline_only(real_run: Any) -> None:
    """At the bottom of each reason lies one of the three causes, and each cleanup was timed."""
    report, _ = real_run
    canceled = [attempt for attempt in report.attempts if isinstance(attempt.outcome, Canceled)]

    kinds = {hedged_fetch.root(attempt.outcome.reason).kind for attempt in canceled}

    assert kinds <= {CancelKind.RACE_LOST, CancelKind.DEADLINE}
    assert CancelKind.RACE_LOST in kinds
    assert [attempt for attempt in canceled if attempt.cleanup < 0] == []
    assert [attempt for attempt in canceled if attempt.outcome.dropped] == []


def test_mirrors_saw_no_more_than_was_sent(real_run: Any) -> None:
    """What the servers counted fits what the client did."""
    report, _ = real_run
    sent = Counter(attempt.mirror for attempt in report.attempts if attempt.sent)
    canceled = Counter(
        attempt.mirror
        for attempt in report.attempts
        if attempt.sent and isinstance(attempt.outcome, Canceled)
    )

    too_many = [
        mirror.name
        for mirror in report.mirrors
        if mirror.requests > sent[mirror.name] or mirror.abandoned > canceled[mirror.name]
    ]

    assert too_many == []
    assert all(mirror.requests > 0 for mirror in report.mirrors)


def numbers(table: str) -> list[list[int]]:
    """Return the whole numbers in the rows of a printed table."""
    rows = [re.split(r"\s{2,}|│", line.strip("│ ")) for line in table.splitlines()]
    return [[int(cell) for cell in map(str.strip, row) if cell.isdigit()] for row in rows]


def check_printed(stdout: str) -> None:
    """Check that the tables are there and their sums fit."""
    pages = stdout.partition("the pages\n")[2] or stdout.partition("the pages")[2]
    pages, _, rest = pages.partition("the mirrors")
    mirrors, _, causes = rest.partition("who canceled")
    assert sum(row[0] for row in numbers(pages) if row) == hedged_fetch.PAGES
    rows = [row for row in numbers(mirrors) if row]
    assert [row[0] for row in rows] == [sum(row[1:4]) for row in rows]
    assert "lost the race" in causes
    last = re.search(
        r"\n(\d+) of 40 pages in \d+\.\d\d s\n(\d+) connections opened, \2 closed\n$", stdout
    )
    assert last is not None


def test_as_a_script_it_prints_its_tables_and_warns_of_nothing() -> None:
    """`python examples/hedged_fetch.py` ends well: no line on stderr, not even of a socket."""
    stdout, stderr, code = run("examples/hedged_fetch.py")

    check_printed(stdout)
    assert (stderr, code) == ("", 0)


@needs_cli
def test_under_the_command_line_it_prints_its_tables() -> None:
    """`rescind run examples/hedged_fetch.py`, which is what `make demo` runs, ends as well."""
    stdout, stderr, code = run(RESCIND, "run", "examples/hedged_fetch.py")

    check_printed(stdout)
    assert (stderr, code) == ("", 0)


def test_without_rich_the_tables_are_plain(
    real_run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same numbers are printed where rich cannot be imported."""
    report, _ = real_run
    monkeypatch.setitem(sys.modules, "rich.console", None)

    hedged_fetch.show(report)

    printed = capsys.readouterr().out
    assert [
        table for table, _, _ in hedged_fetch.tables(report) if f"\n{table}\n" not in printed
    ] == []
    assert "┃" not in printed
