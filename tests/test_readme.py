"""The README tells the truth: its programs print what it says, and its names are there or not."""

import importlib
import re
from pathlib import Path

import pytest

import rescind
from tests.pages import Console, Program, contents, normalized, run, run_command

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = list(contents(README))
PROGRAMS = [part for part in PARTS if isinstance(part, Program)]
COMMANDS = [part for part in PARTS if isinstance(part, Console)]


def test_every_program_is_followed_by_its_output() -> None:
    """Five programs, and after each a block of text; and a command."""
    assert [bool(program.output) for program in PROGRAMS] == [True] * 5
    assert [command.command.split()[:2] for command in COMMANDS] == [["rescind", "check"]]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: str(one.number))
def test_program_prints_the_block_that_follows_it(program: Program, tmp_path: Path) -> None:
    """The program, saved as program.py, prints exactly that, and nothing on stderr."""
    assert run(program, tmp_path) == (program.output, "", 0)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.command)
def test_command_prints_what_is_below_it(command: Console, tmp_path: Path) -> None:
    """The command says that, but for the numbers of lines, runs and seconds."""
    assert normalized(run_command(command, tmp_path)) == normalized(command.output)


def exists(name: str) -> bool:
    """Is this a name of the package, or a module of it?"""
    if name.startswith("rescind."):
        try:
            # A folder without any module in it is not there yet.
            return importlib.import_module(name).__file__ is not None
        except ModuleNotFoundError:
            return False
    return hasattr(rescind, name)


def test_names_are_there_or_not_as_it_says() -> None:
    """What is told to be there can be used; what is not there yet moves up once it is."""
    today, _, later = README.partition("\nToday: ")[2].partition("\nNot yet: ")
    names = re.compile(r"`([\w.]+)`")

    missing = [name for name in names.findall(today) if not exists(name)]
    present = [name for name in names.findall(later) if exists(name)]

    assert (missing, present) == ([], [])


def test_its_commands_and_links_exist() -> None:
    """Each `make` target, each linked file and each program named is there."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    files = {*re.findall(r"\]\(([\w./-]+)\)", README), *re.findall(r"examples/\w+\.py", README)}

    assert set(re.findall(r"make ([a-z]+)\b(?=`|  )", README)) <= targets
    assert sorted(name for name in files if not (ROOT / name).exists()) == []
