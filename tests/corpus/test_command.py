"""The command line: what it runs, keeps, prints, and with which code it exits."""

import json
from pathlib import Path

import pytest

from scripts.corpus_harness import command
from scripts.corpus_harness.cases import Case, Version
from scripts.corpus_harness.checker import CheckerFailed, Finding, Report
from scripts.corpus_harness.environments import EnvironmentFailed, NoInterpreter
from scripts.corpus_harness.servers import NoServer

CLEAN = Report("clean", (), 3, 10, 0.1)
BROKEN = Report("broken", (Finding("growth", True, "a.py:1", "m", "i", "s", "t"),), 3, 10, 0.1)
VERSIONS = (Version("buggy", ("a==1",), "3.11"), Version("fixed", ("a==2",), "3.11"))


class Stage:
    """What the command works with here: one case, and answers to whatever it asks."""

    def __init__(self) -> None:
        self.case = Case("c", Path("scenario.py"), "l", "k", VERSIONS, servers=("http",))
        self.reports: dict[tuple[str, bool], Report | CheckerFailed] = {}
        self.asked: list[tuple[str, bool]] = []
        self.no_python: Exception | None = None
        self.no_server: Exception | None = None

    def runner(self, _options: object):
        """Return what stands for the checker."""

        def run(_case: Case, version: Version, _python: Path, invariants: bool) -> Report:
            self.asked.append((version.role, invariants))
            answer = self.reports.get(
                (version.role, invariants), BROKEN if version.has_bug else CLEAN
            )
            if isinstance(answer, CheckerFailed):
                raise answer
            return answer

        return run

    def environment(self, *_arguments: object) -> Path:
        """Stand for making an environment."""
        if self.no_python is not None:
            raise self.no_python
        return Path("python")

    def need(self, *_names: str) -> None:
        """Stand for starting servers."""
        if self.no_server is not None:
            raise self.no_server


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Replace everything that takes time."""
    stage = Stage()
    monkeypatch.setattr(command, "read_corpus", lambda: [stage.case])
    monkeypatch.setattr(command, "environment", stage.environment)
    monkeypatch.setattr(command, "_runner", stage.runner)
    monkeypatch.setattr(command.Servers, "need", lambda _self, *names: stage.need(*names))
    return stage


def test_each_version_is_run_without_the_invariants_and_then_with_them(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If all is as it should be the exit code is 0, and the tables are kept."""
    assert command.main(["--output", str(tmp_path)]) == 0

    assert stage.asked == [("buggy", False), ("buggy", True), ("fixed", False), ("fixed", True)]
    assert "1 of 1 bugs found" in capsys.readouterr().out
    assert json.loads((tmp_path / "table.json").read_text())["good"] is True
    assert "| c | buggy | found | found | growth |" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (("buggy", False), CLEAN),
        (("buggy", True), CLEAN),
        (("fixed", False), BROKEN),
        (("fixed", True), Report("unresolved", (), 3, 10, 0.1)),
        (("fixed", True), CheckerFailed("ended with exit code 139")),
    ],
)
def test_a_miss_an_alarm_and_a_failure_make_the_exit_code_one(
    stage: Stage, tmp_path: Path, asked: tuple[str, bool], answer: Report | CheckerFailed
) -> None:
    """Whichever run it is; the others are still made."""
    stage.reports[asked] = answer

    assert command.main(["--output", str(tmp_path)]) == 1
    assert len(stage.asked) == 4


@pytest.mark.parametrize("where", ["no_python", "no_server"])
def test_what_is_missing_here_is_skipped_unless_all_is_demanded(
    stage: Stage, tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason is printed."""
    error = NoInterpreter("no Python 3.12.1") if where == "no_python" else NoServer("no redis")
    setattr(stage, where, error)

    assert command.main(["--output", str(tmp_path)]) == 0
    assert command.main(["--all", "--output", str(tmp_path)]) == 1

    assert f"skipped: {error}" in capsys.readouterr().out
    assert stage.asked == []


def test_a_pin_that_cannot_be_installed_is_a_failure(stage: Stage, tmp_path: Path) -> None:
    """It has rotted, and somebody has to look."""
    stage.no_python = EnvironmentFailed("no matching distribution")

    assert command.main(["--output", str(tmp_path)]) == 1
    assert command.main(["--prepare", "--output", str(tmp_path)]) == 1


def test_one_version_alone_can_be_asked_for(stage: Stage, tmp_path: Path) -> None:
    """Only it is run."""
    assert command.main(["--version", "fixed", "--output", str(tmp_path)]) == 0

    assert stage.asked == [("fixed", False), ("fixed", True)]


def test_environments_can_be_made_beforehand(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else happens then, not even a server is started."""
    stage.no_server = NoServer("no redis")

    assert command.main(["--prepare"]) == 0

    assert stage.asked == []
    assert "c  buggy  ready: a==1, Python 3.11" in capsys.readouterr().out


def test_cases_can_be_listed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """By their names, with what they are about."""
    assert command.main(["--list"]) == 0

    assert capsys.readouterr().out.split() == ["c", "l:", "k"]


def test_a_name_that_no_case_has_is_misuse(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2."""
    assert command.main(["d"]) == 2

    assert "no case 'd'" in capsys.readouterr().err
