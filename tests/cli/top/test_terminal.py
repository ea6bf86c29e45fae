"""`rescind top` in a real terminal of 80 columns and 24 lines, looking at a real program."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rescind.top.places import DIRECTORY_VARIABLE
from tests.cli.kit import running

TMUX = shutil.which("tmux")
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(TMUX is None, reason="no tmux is installed")

SOURCE = """
    import rescind

    async def handle():
        try:
            await rescind.sleep(1000)
        finally:
            await rescind.sleep(0.01)

    async def main():
        rescind.spawn(rescind.sleep(2000), name="patient")
        task = rescind.spawn(handle(), name="request 17")
        await rescind.yield_now()
        print("ready", flush=True)
        print((await task.join()).reason, flush=True)
        await rescind.never()
"""


class Terminal:
    """A terminal, and what is on its screen."""

    def __init__(self, socket: Path) -> None:
        self._tmux = [str(TMUX), "-S", str(socket)]

    def __call__(self, *arguments: str) -> str:
        """Have tmux do something."""
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys."""
        self("send-keys", *keys)

    def screen(self, *wanted: str, without: str = "\0") -> list[str]:
        """Return the lines of the screen, as soon as all of these are on it, and that is not."""
        until = time.monotonic() + PATIENCE
        while True:
            text = self("capture-pane", "-p")
            if all(one in text for one in wanted) and without not in text:
                return text.splitlines()
            assert time.monotonic() < until, f"{wanted} did not come up:\n{text}"
            time.sleep(0.05)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a short path, for sockets."""
    path = Path(tempfile.mkdtemp(prefix="top-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_a_task_is_canceled_from_a_terminal(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The screen is readable at 80 columns; the reason arrives in the program's outcome."""
    directory = folder / "run"
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(directory))
    terminal = Terminal(folder / "tmux")
    with running(tmp_path, SOURCE, "--top") as program:
        program.wait_for("ready")
        command = f"{sys.executable} -m rescind top {program.process.pid} --interval 0.2; "
        command += "echo left with $?; exec cat"
        start = ("new-session", "-d", "-x", "80", "-y", "24")
        paths = [f"{name}={os.environ[name]}" for name in ("PYTHONPATH",) if name in os.environ]
        options = [f"{DIRECTORY_VARIABLE}={directory}", *paths]
        terminal(*start, *(part for one in options for part in ("-e", one)), command)
        try:
            lines = terminal.screen("request 17", "sleep(1000)", "is waiting")
            assert all(len(line) <= 80 for line in lines)
            assert lines[0].startswith(f" rescind top  app.py · pid {program.process.pid} · up ")
            assert "live, every 0.2 s" in lines[0]
            assert "3 tasks: 3 waiting" in lines[1]
            assert lines[3].split() == ["ID", "AGE▼", "STATE", "POLLS", "NAME", "WAITS", "FOR"]
            assert "c cancel" in lines[23]
            assert lines[23].rstrip().endswith("q quit")

            terminal.press("End")
            terminal.screen("'request 17' is waiting")
            terminal.press("c")
            terminal.screen("'request 17'?", "Keep it")
            terminal.press("Escape")
            terminal.screen("'request 17' is waiting", without="Keep it")
            terminal.press("t")
            lines = terminal.screen(
                "runtime main", "on asyncio, 3 alive", "'request 17' is waiting"
            )
            assert all(len(line) <= 80 for line in lines)
            terminal.press("c")
            terminal.screen("'request 17'?", "Keep it")
            terminal.press("-l", "too slow")
            terminal.screen("too slow")
            terminal.press("Enter")
            terminal.screen("ended:", "2 tasks")  # in a note, whose lines are short
            program.wait_for_part("explicit: too slow, by rescind top")

            terminal.press("q")
            terminal.screen("left with 0")
            assert program.process.poll() is None
        finally:
            terminal("kill-server")
