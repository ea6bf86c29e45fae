"""The README tells the truth: its programs print what it says, and its names are there or not."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rescind

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROGRAMS = [index for index, (language, _) in enumerate(BLOCKS) if language == "python"]


def test_every_program_is_followed_by_its_output() -> None:
    """Five programs, and after each a block of text."""
    assert [BLOCKS[index + 1][0] for index in PROGRAMS] == ["text"] * 5


@pytest.mark.parametrize("index", PROGRAMS)
def test_program_prints_the_block_that_follows_it(index: int, tmp_path: Path) -> None:
    """The program, saved as program.py, prints exactly that, and nothing on stderr."""
    (tmp_path / "program.py").write_text(BLOCKS[index][1], encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == (BLOCKS[index + 1][1], "", 0)


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
    files = {*re.findall(r"\]\(([\w./]+)\)", README), *re.findall(r"examples/\w+\.py", README)}

    assert set(re.findall(r"make ([a-z]+)\b(?=`|  )", README)) <= targets
    assert sorted(name for name in files if not (ROOT / name).exists()) == []
