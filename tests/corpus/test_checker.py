"""How the checker is run, and what is made of how it ends."""

import json
import socket
import stat
import sys
from pathlib import Path

import pytest

from scripts.corpus_harness.checker import CheckerFailed, check, read_report, run

REPORT = {
    "verdict": "broken",
    "findings": [
        {
            "detector": "follow-up",
            "class": "verdict",
            "place": "pool.py:12 in acquire",
            "instant": "woken",
            "mode": "asyncio",
            "sentence": "the follow-up hangs",
            "token": "rc1-x",
        },
        {"detector": "alive", "class": "hint", "place": "pool.py:9 in f"},
    ],
    "totals": {"points": 4, "runs": 90, "seconds": 0.5, "unresolved": 0},
}


@pytest.fixture
def interpreter(tmp_path: Path):
    """Return a function that makes what stands for an interpreter that has the checker.

    It writes its arguments to `arguments.json`, the given report to the file after `--json`, and
    ends with the exit code.
    """

    def make(report: object, code: int, extra: str = "") -> Path:
        path = tmp_path / "python"
        path.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            f"with open({str(tmp_path / 'arguments.json')!r}, 'w') as file:\n"
            "    json.dump(sys.argv[1:], file)\n"
            f"report = {report!r}\n"
            f"{extra}\n"
            "print('starting')\n"
            "print('something went wrong', flush=True)\n"
            "if report is not None:\n"
            "    with open(sys.argv[sys.argv.index('--json') + 1], 'w') as file:\n"
            "        json.dump(report, file)\n"
            f"sys.exit({code})\n",
            encoding="utf-8",
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def ask(python: Path, tmp_path: Path, *, invariants: bool = False, budget: float = 20):
    """Run the checker on a scenario that need not exist."""
    return check(
        python,
        tmp_path / "scenario.py",
        invariants=invariants,
        budget=budget,
        out=tmp_path / "reports" / "out.json",
        arguments=["--max-runs", "7"],
    )


def test_the_report_is_read(interpreter, tmp_path: Path) -> None:
    """What is missing in a finding is empty."""
    report = ask(interpreter(REPORT, 1), tmp_path)

    assert (report.verdict, report.points, report.runs, report.seconds) == ("broken", 4, 90, 0.5)
    assert [(f.detector, f.is_verdict, f.place, f.mode) for f in report.findings] == [
        ("follow-up", True, "pool.py:12 in acquire", "asyncio"),
        ("alive", False, "pool.py:9 in f", ""),
    ]


@pytest.mark.parametrize(("invariants", "switch"), [(True, []), (False, ["--no-invariants"])])
def test_the_command_line_is_as_the_checker_wants_it(
    interpreter, tmp_path: Path, invariants: bool, switch: list[str]
) -> None:
    """The target, where the report goes, the budget, whether invariants are used, and the rest."""
    ask(interpreter(REPORT, 1), tmp_path, invariants=invariants)

    assert json.loads((tmp_path / "arguments.json").read_text()) == [
        *("-m", "rescind", "check", f"{tmp_path / 'scenario.py'}::scenario"),
        *("--json", str(tmp_path / "reports" / "out.json"), "--budget", "20s"),
        *switch,
        *("--max-runs", "7"),
    ]


def test_an_exit_code_that_contradicts_the_report_is_a_failure(interpreter, tmp_path: Path) -> None:
    """Both are promises to users."""
    with pytest.raises(CheckerFailed, match="says 'broken', but its exit code is 0"):
        ask(interpreter(REPORT, 0), tmp_path)


def test_a_checker_without_a_report_failed_with_its_last_line(interpreter, tmp_path: Path) -> None:
    """A report of an earlier run is not taken for one."""
    ask(interpreter(REPORT, 1), tmp_path)

    with pytest.raises(CheckerFailed, match="exit code 2 and no report: something went wrong"):
        ask(interpreter(None, 2), tmp_path)


def test_a_report_that_is_none_is_a_failure(interpreter, tmp_path: Path) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(CheckerFailed, match=r"out\.json cannot be read"):
        ask(interpreter({"verdict": "fine", "findings": [], "totals": {}}, 0), tmp_path)
    with pytest.raises(CheckerFailed, match="cannot be read"):
        read_report(tmp_path / "nothing.json")


def test_a_checker_that_hangs_is_ended_with_all_that_it_started(
    interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its budget and a margin."""
    monkeypatch.setattr("scripts.corpus_harness.checker.MARGIN", 0.3)
    hangs = interpreter(REPORT, 1, extra="import time; time.sleep(60)")

    with pytest.raises(CheckerFailed, match="beyond its budget"):
        ask(hangs, tmp_path, budget=0.2)


def test_what_a_command_left_running_is_ended_with_it(tmp_path: Path) -> None:
    """A child that outlives it would disturb the next case."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = (
            "import socket, time\n"
            f"connection = socket.create_connection({listener.getsockname()!r})\n"
            "print('connected', flush=True)\n"
            "time.sleep(60)\n"
        )
        parent = (
            "import subprocess, sys\n"
            f"command = [sys.executable, '-c', {child!r}]\n"
            "subprocess.Popen(command, stdout=subprocess.PIPE).stdout.readline()\n"
        )

        code, _seconds = run([sys.executable, "-c", parent], log=tmp_path / "log", patience=30)

        assert code == 0
        connection, _address = listener.accept()
        with connection:
            connection.settimeout(20)
            assert connection.recv(1) == b""  # its end was closed, because it is gone
