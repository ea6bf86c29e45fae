"""The blocks of a page: programs that are run, and commands whose output is compared.

A python block that begins with ``# name.py`` is a file, for the blocks below it. Each other one is
a program; the text block after it is what it prints. A console block holds commands, each after
``$``, and below it what it prints. Numbers of lines, runs and seconds are not compared, nor where a
line is broken, nor tokens.

After a change that is meant, ``python -m tests.pages docs/check.md README.md`` writes into
these pages what their commands print now; read the difference.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

__all__ = ["Console", "Program", "contents", "normalized", "rewrite", "run", "run_command"]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\w+\.py)\n")
# What these do takes real time.
REAL = re.compile(r"blocking|thread|Thread|process|socket|httpx|uvicorn|uvloop|\bserve|signal")
STEADY = str(Path(__file__).with_name("steady.py"))


@dataclass(frozen=True)
class Program:
    """A program, with what it prints."""

    number: int
    source: str
    output: str


@dataclass(frozen=True)
class Console:
    """A command, with what it prints, and the files that it can read."""

    number: int
    command: str
    output: str
    files: dict[str, str] = field(default_factory=dict[str, str])


def contents(page: str) -> Iterator[Program | Console]:
    """Yield what can be run on a page."""
    files: dict[str, str] = {}
    blocks: list[tuple[str, str]] = BLOCK.findall(page)
    for number, (language, source) in enumerate(blocks):
        name = NAMED.match(source)
        if language == "python" and name:
            files[name.group(1)] = source
        elif language == "python":
            after = blocks[number + 1] if number + 1 < len(blocks) else ("", "")
            yield Program(number, source, after[1] if after[0] == "text" else "")
        elif language == "console":
            for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield Console(number, command, output, dict(files))


def run(program: Program, folder: Path) -> tuple[str, str, int]:
    """Run a program, with warnings as errors; return its output, its errors and its exit code.

    What it prints may depend on which of two timers is the first, so its clock is a steady one.
    """
    (folder / "program.py").write_text(program.source, encoding="utf-8")
    clock = [] if REAL.search(program.source) else [STEADY]
    done = subprocess.run(
        [sys.executable, "-W", "error", *clock, "program.py"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


# These change how a command prints, pytest's summary for one. A page shows what a reader sees.
NOT_A_READERS = frozenset(
    {"BUILD_NUMBER", "CI", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "PYTEST_ADDOPTS"}
)
READERS = {name: value for name, value in os.environ.items() if name not in NOT_A_READERS}


def run_command(console: Console, folder: Path) -> str:
    """Run a command where its files are; return all that it printed."""
    for name, source in console.files.items():
        (folder / name).write_text(source, encoding="utf-8")
    name, *arguments = shlex.split(console.command)
    if name == "pytest" and not any(
        one.module == "rescind_pytest" for one in entry_points(group="pytest11")
    ):
        arguments = ["-p", "rescind_pytest", *arguments]  # the environment is older than the plugin
    if name == "pytest":
        arguments = ["-p", "no:asyncio", *arguments]  # here for our tests, not for a reader's
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        env=READERS | {"RESCIND_WARN": "slow_poll=0"},  # which depends on the machine
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    return done.stdout


def normalized(output: str) -> str:
    """Return an output without what differs from run to run, from one Python to another."""
    text = re.sub(r"\b(r[cl]1)-[\w-]+…?", r"\1-…", output)
    text = re.sub(r"\b[\d,]+ a second\b", "0 a second", text)
    text = re.sub(r"(\.py):\d+", r"\1:0", text)
    text = re.sub(r"\b\d+(\.\d+)? ?(runs?|s)\b", r"0 \2", text)
    text = re.sub(r"\b0\.\d{6,}\b", "0.0", text)
    return " ".join(text.split())


def rewrite(page: Path) -> None:
    """Write into a page what its commands print now, with tokens cut short."""
    text = page.read_text(encoding="utf-8")
    for part in contents(text):
        if isinstance(part, Console):
            with tempfile.TemporaryDirectory() as folder:
                printed = run_command(part, Path(folder))
            printed = re.sub(r"\b(r[cl]1-[\w-]{24})[\w-]+", r"\1…", printed)
            shown = f"$ {part.command}\n"
            text = text.replace(shown + part.output, shown + printed)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        rewrite(Path(name))
