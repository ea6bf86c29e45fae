"""How counts of instructions are had from logs, and compared with a budget."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import instructions
from bench.counted import OPERATIONS, YARDSTICK
from bench.instructions import (
    BUDGET,
    TOLERANCE,
    Finding,
    compare,
    judged,
    main,
    per_operation,
    refs_of,
)

VERSION = ".".join(map(str, sys.version_info[:2]))


def found(counts: dict[str, int], budget: dict[str, int]) -> Finding:
    """Judge a single operation, and return what was found."""
    (finding,) = judged(counts, budget)
    return finding


@pytest.mark.parametrize(
    ("count", "over", "fails"),
    [(1000, 0.0, False), (1150, 0.15, False), (1160, 0.16, True), (700, -0.3, False)],
)
def test_what_costs_more_than_the_tolerance_fails(count: int, over: float, fails: bool) -> None:
    """Fifteen hundredths may be added; what is cheaper is no failure (I3)."""
    finding = found({YARDSTICK: 50, "switch": count}, {YARDSTICK: 50, "switch": 1000})

    assert finding.over() == pytest.approx(over)
    assert finding.fails(0.15) is fails


def test_a_budget_is_scaled_by_the_yardstick() -> None:
    """An interpreter that takes twice as many for everything is not held against rescind (I2)."""
    finding = found({YARDSTICK: 100, "switch": 2100}, {YARDSTICK: 50, "switch": 1000})

    assert finding == Finding("switch", 2100, 2000.0)
    assert finding.over() == pytest.approx(0.05)


def test_a_faster_interpreter_lets_nothing_through() -> None:
    """Half of the yardstick is half of the budget (I2)."""
    finding = found({YARDSTICK: 25, "switch": 1000}, {YARDSTICK: 50, "switch": 1000})

    assert finding.fails(TOLERANCE)


def test_an_operation_without_a_budget_is_told_and_does_not_fail() -> None:
    """A new one asks for its budget."""
    finding = found({YARDSTICK: 50, "new": 7}, {YARDSTICK: 50})

    assert not finding.fails(TOLERANCE)
    assert "no budget yet" in finding.line(TOLERANCE)


def test_each_line_says_what_to_do() -> None:
    """Too much, cheaper, and within the tolerance read differently."""
    lines = [Finding("switch", count, 1000.0).line(0.15) for count in (1200, 800, 1010)]

    assert lines[0].endswith(
        "+20.0 %  of 1,000  too much: mend it, or renew the budget with --write, and say why"
    )
    assert lines[1].endswith("-20.0 %  of 1,000  cheaper: renew the budget with --write")
    assert lines[2].endswith("+1.0 %  of 1,000")


def test_what_is_not_the_operation_falls_out() -> None:
    """Of N and 2N times only the difference counts, and it is divided by N."""
    runs: list[dict[str, Any]] = [
        {"operation": "switch", "times": 100, "pid": 1},
        {"operation": "switch", "times": 200, "pid": 2},
        {"operation": "race2", "times": 10, "pid": 3},
        {"operation": "race2", "times": 20, "pid": 4},
    ]
    refs = {1: 5_000_100, 2: 5_003_100, 3: 9_000, 4: 9_995}

    assert per_operation(runs, refs) == {"switch": 30, "race2": 100}


def test_the_last_count_of_each_log_is_taken(tmp_path: Path) -> None:
    """A log is named after its process; one that was cut off is left out."""
    (tmp_path / "12.log").write_text("==12== I   refs:      1,234,567\n==12== \n")
    (tmp_path / "13.log").write_text("==13== Command: python\n")

    assert refs_of(tmp_path) == {12: 1_234_567}


def test_where_there_is_no_budget_nothing_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """A Python or a form that nobody has counted yet is all right, and said to be (I1)."""
    assert compare({}, None, "rescind, Python 9.9")
    assert "there is no budget" in capsys.readouterr().out


def test_one_operation_that_costs_too_much_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are told all the same."""
    counts = {YARDSTICK: 50, "switch": 1000, "race2": 1300}

    assert not compare(counts, {YARDSTICK: 50, "switch": 1000, "race2": 1000}, "rescind")
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.fixture
def budget(tmp_path: Path) -> Path:
    """Give a file with a budget of this Python."""
    path = tmp_path / "budget.json"
    counts = {YARDSTICK: 50, "switch": 1000}
    path.write_text(json.dumps({"budgets": {VERSION: {"interpreted": counts}}}))
    return path


def test_without_valgrind_it_says_so_and_is_content(
    budget: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The smoke run of a machine that has none passes."""
    monkeypatch.setenv("PATH", os.devnull)

    assert main(["--forms", "rescind-pure", "--budget", str(budget)]) == 0
    assert "not counted: valgrind is not installed" in capsys.readouterr().out


def test_writing_keeps_the_budgets_of_other_pythons(
    budget: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only this form of this Python is renewed; then twice as much is too much."""
    counts = {YARDSTICK: 60, "switch": 900}
    everything = json.loads(budget.read_text())
    everything["budgets"]["3.0"] = {"interpreted": {YARDSTICK: 1, "switch": 1}}
    budget.write_text(json.dumps(everything))
    arguments = ["--forms", "rescind-pure", "--budget", str(budget)]

    def counted(*_: object) -> dict[str, int]:
        return counts

    monkeypatch.setattr(instructions, "counted", counted)
    assert main([*arguments, "--write"]) == 0
    written = json.loads(budget.read_text())["budgets"]
    assert written[VERSION] == {"interpreted": counts}
    assert written["3.0"] == {"interpreted": {YARDSTICK: 1, "switch": 1}}
    assert main(arguments) == 0
    counts = {YARDSTICK: 60, "switch": 1800}
    assert main(arguments) == 1


def test_the_budget_that_is_kept_has_every_operation() -> None:
    """Each Python and form that was counted has a figure for each, and the yardstick."""
    budgets = json.loads(BUDGET.read_text())["budgets"]

    assert budgets
    for forms in budgets.values():
        for counts in forms.values():
            assert set(counts) == {YARDSTICK, *OPERATIONS}


def test_the_process_that_is_counted_forks_twice_for_each_operation() -> None:
    """Without valgrind too, it says which child did what how often."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.counted", "rescind-pure"],
        check=True,
        capture_output=True,
        text=True,
        cwd=instructions.ROOT,
        env={**os.environ, "RESCIND_PURE": "1"},
        timeout=120,
    )
    hello, *runs = [json.loads(line) for line in done.stdout.splitlines()]

    assert hello["version"].endswith("interpreted")
    assert [run["operation"] for run in runs[::2]] == [YARDSTICK, *OPERATIONS]
    assert [(run["operation"], run["times"]) for run in runs] == [
        (name, times) for name in (YARDSTICK, *OPERATIONS) for times in (100, 200)
    ]
    assert len({run["pid"] for run in runs}) == len(runs)
