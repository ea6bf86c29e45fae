"""What a report comes to, and what the table says of it."""

from pathlib import Path

import pytest

from scripts.corpus_harness import table
from scripts.corpus_harness.cases import Case, Explained, Version
from scripts.corpus_harness.checker import Finding, Report
from scripts.corpus_harness.verdicts import Answer, Row, judge

BUGGY = Version("buggy", ("a==1",), "3.11")
FIXED = Version("fixed", ("a==2",), "3.11")


def finding(detector: str = "follow-up", *, verdict: bool = True, mode: str = "asyncio") -> Finding:
    """Return a finding at some place."""
    return Finding(detector, verdict, "a.py:1 in f", mode, "parked", "it hangs", "rc1-x")


def report(*findings: Finding, verdict: str | None = None) -> Report:
    """Return a report with these findings."""
    broken = any(found.is_verdict for found in findings)
    word = verdict or ("broken" if broken else "clean")
    return Report(word, findings, points=5, runs=100, seconds=1.5)  # type: ignore[arg-type]


def case(*explained: Explained) -> Case:
    """Return a case."""
    return Case("c", Path("scenario.py"), "l", "k", (BUGGY, FIXED), explained=explained)


@pytest.mark.parametrize(
    ("version", "found", "word", "good"),
    [
        (BUGGY, report(finding()), "found", True),
        (BUGGY, report(), "missed", False),
        (BUGGY, report(finding(verdict=False)), "missed", False),
        (BUGGY, report(verdict="unresolved"), "unresolved", False),
        (FIXED, report(), "clean", True),
        (FIXED, report(finding(verdict=False)), "clean", True),
        (FIXED, report(finding()), "false alarm", False),
        (FIXED, report(verdict="unresolved"), "unresolved", False),
    ],
)
def test_a_bug_has_to_be_found_and_a_fix_to_be_clean(
    version: Version, found: Report, word: str, good: bool
) -> None:
    """Hints count for nothing, and unresolved is never good."""
    answer = judge(case(), version, found, invariants=False)

    assert (word, good) == (answer.word, answer.good)


def test_an_answer_names_its_detectors_once_and_what_it_cost() -> None:
    """In the order of the report, without hints."""
    found = report(finding("growth"), finding("tasks left"), finding("growth"))

    answer = judge(case(), BUGGY, found, invariants=False)

    assert answer.detectors == ("growth", "tasks left")
    assert (answer.points, answer.runs, answer.seconds) == (5, 100, 1.5)
    assert answer.false_alarms == 0


def test_a_false_alarm_is_told_with_its_place() -> None:
    """Two findings at one place are one false alarm."""
    answer = judge(case(), FIXED, report(finding("a"), finding("b")), invariants=True)

    assert answer.false_alarms == 1
    assert answer.remarks == (
        "a at a.py:1 in f: it hangs",
        "b at a.py:1 in f: it hangs",
    )


def test_an_explained_finding_is_no_false_alarm() -> None:
    """Its reason is told; one in another mode still counts."""
    explained = case(Explained("fixed", "a named bug", modes=("asyncio",)))

    good = judge(explained, FIXED, report(finding(mode="asyncio")), invariants=False)
    bad = judge(explained, FIXED, report(finding(), finding(mode="anyio")), invariants=False)

    assert (good.word, good.good, good.remarks) == ("clean", True, ("explained: a named bug",))
    assert (bad.word, bad.good) == ("false alarm", False)


def test_an_explained_finding_is_not_the_bug_either() -> None:
    """What the interpreter breaks by itself does not count as found."""
    explained = case(Explained("any", "the interpreter's", detectors=("swallowed",)))

    answer = judge(explained, BUGGY, report(finding("swallowed")), invariants=False)

    assert (answer.word, answer.good) == ("missed", False)


def test_a_miss_may_be_explained_for_runs_without_the_invariants_alone() -> None:
    """With them it is still a miss."""
    explained = case(Explained("buggy", "needs its owner", missed=True, invariants="without"))

    without = judge(explained, BUGGY, report(), invariants=False)
    with_them = judge(explained, BUGGY, report(), invariants=True)

    assert (without.word, without.good) == ("missed", True)
    assert without.remarks == ("explained: needs its owner",)
    assert (with_them.word, with_them.good) == ("missed", False)


def test_an_explained_miss_explains_no_finding() -> None:
    """If the bug is found after all, it counts."""
    explained = case(Explained("buggy", "needs its owner", missed=True))

    answer = judge(explained, BUGGY, report(finding()), invariants=False)

    assert (answer.word, answer.remarks) == ("found", ())


def rows() -> list[Row]:
    """Return one row of each kind."""
    return [
        Row("c", "buggy", "a==1", Answer("missed", False), Answer("found", True, ("invariant",))),
        Row("c", "fixed", "a==2", Answer("clean", True), Answer("clean", True)),
        Row("d", "buggy", "b==1", skipped="no Python 3.12.1"),
        Row("e", "open", "e==1", failed="pip said no"),
    ]


def test_the_table_has_a_row_for_each_version() -> None:
    """Misses are marked; what was skipped or failed says why."""
    cells = [table.in_cells(row) for row in rows()]

    assert cells == [
        ("c", "buggy", "missed (!)", "found", "", "", "0 / 0", "0.0 / 0.0"),
        ("c", "fixed", "clean", "clean", "", "0 / 0", "0 / 0", "0.0 / 0.0"),
        ("d", "buggy", "skipped: no Python 3.12.1", "", "", "", "", ""),
        ("e", "open", "failed: pip said no", "", "", "", "", ""),
    ]


def test_the_terminal_gets_aligned_columns() -> None:
    """A long reason does not widen a column."""
    titles = ("case", "version", "without", "with")
    body = [("a", "buggy", "found", "found"), ("bb", "open", "skipped: " + "x" * 40, "")]

    assert table.aligned(titles, body).splitlines() == [
        "case  version  without  with",
        "----  -------  -------  -----",
        "a     buggy    found    found",
        "bb    open     skipped: " + "x" * 40,
    ]


def test_the_docs_get_markdown() -> None:
    """A bar inside a cell does not end it."""
    assert table.markdown(("a", "b"), [("1|2", "3")]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n"


def test_the_summary_counts_what_ran() -> None:
    """Totals for either way, and how many were skipped."""
    lines = table.summary(rows()).splitlines()

    assert lines == [
        "without invariants: 0 of 1 bugs found; 1 of 1 fixed versions clean; 0.0 s",
        "with invariants: 1 of 1 bugs found; 1 of 1 fixed versions clean; 0.0 s",
        "1 version(s) were skipped, each with its reason above",
    ]


def test_the_json_says_whether_all_is_good() -> None:
    """It has every row in full."""
    data = table.as_json(rows())

    assert data["good"] is False
    assert [row["case"] for row in data["rows"]] == ["c", "c", "d", "e"]
    assert data["rows"][0]["with_invariants"]["detectors"] == ("invariant",)
