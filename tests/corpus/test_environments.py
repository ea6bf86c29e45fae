"""Which interpreter is taken, and when an environment is made anew."""

import stat
from pathlib import Path

import pytest

from scripts.corpus_harness import environments
from scripts.corpus_harness.environments import (
    EnvironmentFailed,
    NoInterpreter,
    environment,
    find_python,
    own_extra,
)


@pytest.fixture
def pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the `versions` of a pyenv with 3.98.2, 3.98.10 and a 3.99.1 that does not run."""
    for version, says in (("3.98.2", "3.98.2"), ("3.98.10", "3.98.10"), ("3.99.1", None)):
        python = tmp_path / "versions" / version / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\n" + (f"echo {says}\n" if says else "exit 1\n"), "utf-8")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    return tmp_path / "versions"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the list of commands that would have been run; a venv is made as an empty folder."""
    ran: list[list[str]] = []

    def pretend(command: list[str]) -> None:
        ran.append(command)
        if command[1:3] == ["-m", "venv"]:
            Path(command[3]).mkdir()
        if "broken" in Path(command[-1]).read_text() if "pip" in command else False:
            raise EnvironmentFailed("no such version")

    monkeypatch.setattr(environments, "_run", pretend)
    return ran


def test_a_minor_version_is_the_newest_that_is_there(pyenv: Path) -> None:
    """Ten is more than two."""
    assert find_python("3.98") == pyenv / "3.98.10" / "bin" / "python"


def test_an_exact_version_is_that_and_no_other(pyenv: Path) -> None:
    """Where the interpreter is the bug, a newer one will not do."""
    assert find_python("3.98.2") == pyenv / "3.98.2" / "bin" / "python"
    with pytest.raises(NoInterpreter, match=r"no Python 3\.98\.3"):
        find_python("3.98.3")


def test_an_interpreter_that_does_not_run_is_none(pyenv: Path) -> None:
    """Pyenv puts launchers on the PATH that only print an error."""
    with pytest.raises(NoInterpreter, match=r"no Python 3\.99"):
        find_python("3.99")


def test_a_version_that_is_none_is_refused(pyenv: Path) -> None:
    """With how to write one."""
    with pytest.raises(NoInterpreter, match=r"write 3\.12 or 3\.12\.1"):
        find_python("three")


def test_an_environment_is_made_once(
    pyenv: Path, commands: list[list[str]], tmp_path: Path
) -> None:
    """The order of the requirements does not matter; another pin makes another one."""
    first = environment("3.98", ["b==1", "a==1"], tmp_path)
    made = len(commands)
    again = environment("3.98", ["a==1", "b==1"], tmp_path)
    other = environment("3.98", ["a==1", "b==2"], tmp_path)

    assert made == 2  # the venv, and pip
    assert again == first
    assert other != first
    assert len(commands) == 4


def test_an_environment_that_was_not_finished_is_made_anew(
    pyenv: Path, commands: list[list[str]], tmp_path: Path
) -> None:
    """Whatever pip left of it is not trusted."""
    for _try in range(2):
        with pytest.raises(EnvironmentFailed, match="no such version"):
            environment("3.98", ["broken==1"], tmp_path)

    assert len(commands) == 4


def test_without_requirements_nothing_is_installed(
    pyenv: Path, commands: list[list[str]], tmp_path: Path
) -> None:
    """The interpreter alone may be the bug."""
    environment("3.98.2", [], tmp_path)

    assert [command[1:3] for command in commands] == [["-m", "venv"]]


def test_a_command_that_fails_is_told_by_its_last_lines() -> None:
    """So that a pin that rotted can be seen in the table."""
    with pytest.raises(EnvironmentFailed, match="gone"):
        environments._run(["/bin/sh", "-c", "echo it is gone; exit 1"])


def test_what_the_command_line_needs_is_read_from_the_project() -> None:
    """It is installed beside the pins."""
    assert any(line.startswith("click") for line in own_extra("cli"))
