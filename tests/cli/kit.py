"""Programs that are run by the command line, in a process of their own, and sent real signals."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = [sys.executable, "-m", "rescind", "run"]


def write(folder: Path, source: str, name: str = "app.py") -> Path:
    """Write a program, its indentation taken off."""
    path = folder / name
    path.write_text(textwrap.dedent(source).lstrip(), encoding="utf-8")
    return path


def default_signals() -> None:
    """Let SIGINT interrupt, in a process that is about to become another program."""
    # A suite that runs in the background of a shell ignores SIGINT, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Program:
    """A running ``rescind run app.py``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []

    def wait_for(self, line: str) -> None:
        """Wait until the program has printed this line; fail if it ends before."""
        assert self.process.stdout is not None
        for read in self.process.stdout:
            if read.rstrip() == line:
                return
        raise AssertionError(f"it ended before it printed {line!r}: {self.errors()}")

    def wait_for_part(self, part: str) -> None:
        """Wait until the program has printed a line with this in it; fail if it ends before."""
        assert self.process.stdout is not None
        for read in self.process.stdout:
            if part in read:
                return
        raise AssertionError(f"it ended before it printed {part!r}: {self.errors()}")

    def wait_for_error(self, part: str) -> None:
        """Wait until a line with this part was written to standard error."""
        assert self.process.stderr is not None
        for read in self.process.stderr:
            self.said.append(read)
            if part in read:
                return
        raise AssertionError(f"it ended before it said {part!r}: {self.said}")

    def answer(self) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end; return the exit code, and all that it still printed."""
        out, err = self.process.communicate()
        self.said += err.splitlines(keepends=True)
        return self.process.returncode, out.splitlines()

    def errors(self) -> list[str]:
        """Return what was written to standard error so far, line by line."""
        return [line.rstrip() for line in self.said]


@contextmanager
def running(folder: Path, source: str, *options: str) -> Iterator[Program]:
    """Run the source as a script, in its folder."""
    write(folder, source)
    with subprocess.Popen(
        [*COMMAND, *options, "app.py"],
        cwd=folder,
        # Without bytecode: a script that is written anew in the same second may be taken for it.
        env=os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=default_signals,  # noqa: PLW1509 - it takes no lock
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
