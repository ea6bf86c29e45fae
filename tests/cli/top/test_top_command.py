"""``rescind top`` before there is a screen: what it refuses, what it lists, whom it asks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

import rescind
from rescind.cli import main
from rescind.cli.top.app import TopApp
from rescind.cli.top.dialogs import Choose
from rescind.cli.top.words import program_line
from rescind.top.client import Found
from rescind.top.places import Address, Place
from tests.cli.top.kit import drive, screen

Command = Callable[..., tuple[int, list[str], list[str]]]

NONE = (
    "no program of yours can be looked at; start one with 'rescind run --top SCRIPT', or have it "
    "call rescind.serve_top()"
)


@pytest.fixture
def command(directory: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``rescind top``: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        code = main(["top", *arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


def found(pid: int, program: str, since: float = 1000.0, problem: str = "") -> Found:
    """Return a program that answers, or if it has a problem does not."""
    place = Place(pid, Address(f"/run/{pid}.sock"), Path(f"/run/{pid}.sock"))
    about = {"pid": pid, "program": program, "since": since}
    return Found(place, None if problem else about, problem)


def test_without_any_program_it_says_how_to_start_one(command: Command) -> None:
    """That is an error for who wants to look, and none for who asks which there are."""
    assert command() == (2, [], [f"rescind: error: {NONE}"])
    code, out, err = command("--list")
    assert (code, out) == (0, [])
    assert err == [f"rescind: {NONE}"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("99999999", "no program of yours can be looked at as 99999999; try --list"),
        ("127.0.0.1:1", "no program of yours can be looked at as 127.0.0.1:1; try --list"),
        (
            "example.org:80",
            (
                "'example.org' is no address of this machine alone, and others must not cancel "
                "your tasks; use 127.0.0.1, ::1 or localhost, and ssh to get there from "
                "elsewhere; or give the id of a process"
            ),
        ),
        (
            "web",
            (
                "'web' is no address; give HOST:PORT, such as '127.0.0.1:0'; or give the id of a "
                "process"
            ),
        ),
    ],
)
def test_a_program_that_is_not_there_is_refused(command: Command, named: str, said: str) -> None:
    """At once, in one line, with what to do."""
    assert command(named) == (2, [], [f"rescind: error: {said}"])


def test_an_interval_that_makes_no_sense_is_refused(command: Command) -> None:
    """It must not be what keeps the program busy."""
    code, out, err = command("--interval", "0")
    assert (code, out, len(err)) == (2, [], 1)
    assert "'--interval'" in err[0]


def test_programs_are_listed(command: Command) -> None:
    """With the process, how long it is served, the command line, and the address."""
    with rescind.serve_top() as server:
        code, out, err = command("--list")

    pid, up, *program, address = out[0].split()
    assert (code, len(out), err) == (0, 1, [])
    assert (int(pid), up[:2], address) == (os.getpid(), "0:", server.address)
    assert program != []


def test_what_is_no_terminal_is_refused(command: Command) -> None:
    """It could not draw there; the list can be written anywhere."""
    with rescind.serve_top():
        code, out, err = command(str(os.getpid()))

    said = "rescind: error: 'rescind top' draws on a terminal, and this is none; try --list"
    assert (code, out, err) == (2, [], [said])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            [],
            2,
            (
                "rescind: error: 'rescind top' needs textual, which is not installed: pip install "
                "'rescind[top]'\n"
            ),
        ),
        (["--list"], 0, ""),
    ],
)
def test_without_textual_it_says_how_to_get_it(
    directory: Path, arguments: list[str], code: int, said: str
) -> None:
    """In one line; the list does not need it."""
    program = (
        "import sys; sys.modules['textual'] = None; "
        f"import rescind.cli; sys.exit(rescind.cli.main({['top', *arguments]!r}))"
    )
    with rescind.serve_top():
        ended = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=50,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (code, said)
    assert (str(os.getpid()) in ended.stdout) == bool(arguments)


def test_a_program_is_told_on_a_line() -> None:
    """Its process, since when it is served, its command line; or why it does not answer."""
    assert program_line(found(42, "app.py\x1b[2J --port 80"), 1754.0) == (
        "     42      12:34  app.py\\x1b[2J --port 80"
    )
    assert program_line(found(42, "", problem="the program does not answer"), 1754.0) == (
        "     42             (the program does not answer)"
    )


def test_of_several_programs_it_asks_which() -> None:
    """The arrows choose one, Enter looks at it."""
    asked: list[str] = []

    def locate(named: str) -> None:
        asked.append(named)

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        assert isinstance(app.screen, Choose)
        lines = "\n".join(screen(app))
        assert "Which program?" in lines
        assert "     41       0:20  shop.py" in lines
        assert "     42       0:10  mail.py" in lines
        assert asked == []
        await pilot.press("down", "enter")
        await pilot.pause()
        assert not isinstance(app.screen, Choose)
        assert asked[0] == "42"

    programs = [found(41, "shop.py", 980.0), found(42, "mail.py", 990.0)]
    drive(use, named=None, found=programs, now=1000.0, locate=locate)


@pytest.mark.parametrize("key", ["escape", "q", "ctrl+c"])
def test_who_wants_none_of_them_leaves(key: str) -> None:
    """Nothing was looked at."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        await pilot.press(key)
        await pilot.pause()
        assert not app.is_running

    app = drive(use, named=None, found=[found(41, "shop.py"), found(42, "mail.py")])
    assert app.return_code == 0
