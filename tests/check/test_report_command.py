"""``rescind check`` writes its report where it was asked to, and exits as it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rescind.check.coverage_file import load_coverage
from rescind.cli import main

Command = Callable[..., tuple[int, str, str]]

CASE = """\
import asyncio

async def setup(env):
    env.free = 1

async def fine(env):
    await asyncio.sleep(0.01)
    return "fine"

async def never():
    await asyncio.sleep(1)

async def leaks(env):
    env.free -= 1
    await asyncio.sleep(0.01)
    env.free += 1
    return env.free

async def nothing_async():
    raise ValueError("no")
"""


SLOW = """\
import asyncio

async def slow():
    try:
        await asyncio.sleep(0.01)
    finally:
        await asyncio.sleep(3)
"""


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run ``rescind check case.py::…`` in a folder of its own: code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    (tmp_path / "reported_case.py").write_text(CASE, encoding="utf-8")

    def run(function: str, *options: str) -> tuple[int, str, str]:
        code = main(["check", f"reported_case.py::{function}", "--quiet", *options])
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    sys.modules.pop("reported_case", None)


def test_clean_check_exits_with_0(command: Command) -> None:
    """The matrix, and one line that says what was tried."""
    code, out, err = command("fine")

    assert (0, "") == (code, err)
    assert "reported_case.py:7 in fine" in out.splitlines()[2]
    assert "reported_case.py::fine: clean (" in out
    assert "\x1b" not in out


def test_broken_check_exits_with_1_and_names_the_place(command: Command) -> None:
    """The await that was canceled, what broke, and the command that makes the run again."""
    code, out, _ = command("leaks")

    assert 1 == code
    assert "BROKEN  reported_case.py:15 in leaks: the next use gets another result" in out
    assert "    replay    rescind check replay rc1-" in out


def test_files_are_written(command: Command, tmp_path: Path) -> None:
    """Each holds the report in its own way, and their names may be in folders."""
    (tmp_path / "out").mkdir()
    code, *_ = command(
        *("leaks", "--json", "out/r.json", "--html", "out/r.html", "--lcov", "out/r.info")
    )

    data = json.loads((tmp_path / "out/r.json").read_text(encoding="utf-8"))
    assert (1, "broken") == (code, data["verdict"])
    assert "<!doctype html>" in (tmp_path / "out/r.html").read_text(encoding="utf-8")
    assert "DA:15,1\n" in (tmp_path / "out/r.info").read_text(encoding="utf-8")


def test_files_of_several_targets_tell_of_all_of_them(command: Command, tmp_path: Path) -> None:
    """One file each; coverage, and what is asked of it, is that of all together."""
    code, out, err = command(
        *("fine", "reported_case.py::never", "reported_case.py::nothing_async"),
        *("--json", "r.json", "--html", "r.html", "--lcov", "r.info"),
        *("--coverage", "--fail-under", "60"),
    )

    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (2, "unresolved", "") == (code, data["verdict"], err.partition("rescind: error: ")[0])
    assert ["fine", "never"] == [one["target"].partition("::")[2] for one in data["reports"]]
    (left,) = data["left"]
    assert "reported_case.py::nothing_async" == left["target"]
    assert "ValueError('no')" in left["why"]
    assert 66.67 == data["coverage"]["percent"]
    assert "reported_case.py       3       67%         0       0  15" in out
    assert 1 == out.count("missing")
    assert "3 targets: 1 not checked, 2 clean" in out
    assert "<!doctype html>" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert {"DA:7,1", "DA:11,1", "DA:15,0"} <= {
        *(tmp_path / "r.info").read_text(encoding="utf-8").splitlines()
    }
    assert 1 == command("fine", "reported_case.py::never", "--fail-under", "70")[0]


def test_bound_of_the_cleanup_is_a_promise(command: Command, tmp_path: Path) -> None:
    """What is longer is a fault then, also when it is replayed with the same bound."""
    (tmp_path / "reported_case.py").write_text(SLOW, encoding="utf-8")
    assert 0 == command("slow")[0]
    assert 0 == command("slow", "--cleanup-within", "4s")[0]
    code, *_ = command("slow", "--cleanup-within", "2s", "--json", "r.json")

    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    (finding,) = (one for one in data["findings"] if one["class"] == "verdict")
    assert (1, "slow cleanup") == (code, finding["detector"])
    assert "it ends within 2 s of the cancellation" == finding["expected"]
    assert 0 == main(["check", "replay", finding["token"]])
    assert 1 == main(["check", "replay", "--cleanup-within", "2", finding["token"]])


@pytest.mark.parametrize("option", ["--json", "--html", "--lcov", "--coverage-file"])
def test_file_that_cannot_be_written_is_told_before_the_sweep(
    command: Command, option: str
) -> None:
    """Not after the minutes that it may take."""
    code, out, err = command("leaks", option, "none/file")

    assert (2, "") == (code, out)
    assert "cannot write 'none/file': there is no directory 'none'" in err


def test_source_that_is_not_there_is_told(command: Command) -> None:
    """A wrong path would count as nothing, and pass."""
    code, _, err = command("fine", "--source", "nowhere")

    assert 2 == code
    assert "there is no 'nowhere' to take as a source" in err


def test_sources_count_whole(command: Command, tmp_path: Path) -> None:
    """Files of a source that no run came by are counted, and make the share smaller."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/other.py").write_text("async def f(x):\n    await x\n", encoding="utf-8")
    _, out, _ = command("fine", "--source", "more", "--coverage")

    assert "more/other.py          1        0%         0       0  2" in out
    assert "total                  4       25%         0       0" in out


def test_coverage_table_and_fail_under(command: Command) -> None:
    """A share that is too small is broken, too; one that is large enough is not."""
    code, out, err = command("fine", "--coverage", "--fail-under", "90")

    assert 1 == code
    assert "reported_case.py       3       33%         0       0  11, 15" in out
    assert "33.3 % of the awaits were canceled, which is less than the 90 % asked for" in err
    assert 0 == command("fine", "--fail-under", "33")[0]


def test_broken_stays_broken_whatever_the_coverage(command: Command) -> None:
    """1 is 1, and is told of both."""
    code, out, err = command("leaks", "--fail-under", "100")

    assert 1 == code
    assert "BROKEN" in out
    assert "asked for" in err


def test_coverage_of_several_checks_adds_up(command: Command, tmp_path: Path) -> None:
    """With a file, each check tells of all that it holds."""
    command("fine", "--coverage-file", "all.json")
    _, out, _ = command("leaks", "--coverage-file", "all.json", "--coverage")

    assert "reported_case.py       3       67%         0       1  11" in out
    assert {7, 15} == {
        line for file, line, _ in load_coverage(tmp_path / "all.json") if "reported" in file
    }


def test_coverage_file_of_somebody_else_is_left_alone(command: Command, tmp_path: Path) -> None:
    """It is refused, with what to do."""
    (tmp_path / "all.json").write_text("{}", encoding="utf-8")
    code, _, err = command("fine", "--coverage-file", "all.json")

    assert 2 == code
    assert "'all.json' is no coverage file of this version" in " ".join(err.split())
    assert "{}" == (tmp_path / "all.json").read_text(encoding="utf-8")


def test_percentage_has_to_be_one(command: Command) -> None:
    """Misuse is 2."""
    assert 2 == command("fine", "--fail-under", "101")[0]


def test_color_is_asked_for_and_declined(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colors, unless --no-color says otherwise."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    _, colored, _ = command("leaks")
    _, bare, _ = command("leaks", "--no-color")

    assert "\x1b[1;31mBROKEN" in colored
    assert "\x1b" not in bare
