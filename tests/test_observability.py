"""What docs/observability.md shows of commands that `test_docs` cannot run is what they print."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.kit import running

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")

pytest.importorskip("click")


def shown(command: str) -> list[str]:
    """Return what the page shows below a command, up to the next one."""
    after = PAGE.partition(f"    $ {command}\n")[2]
    block = re.match(r"(    (?!\$ ).*\n)*", after)
    assert block is not None
    return [line.removeprefix("    ") for line in block[0].splitlines()]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal")
def test_the_dump_of_a_program_that_is_stuck_is_as_shown(tmp_path: Path) -> None:
    """With the file, the line and the function in which it is."""
    source = """
        import sys
        import rescind
        def render():
            print("ready", flush=True), sys.stdin.readline()
        async def tick():
            await rescind.sleep(60)
        async def main():
            rescind.spawn(tick(), name="ticker")
            await rescind.yield_now()
            render()
    """
    with running(tmp_path, source) as program:
        program.wait_for("ready")
        program.send(signal.SIGUSR1)
        program.wait_for_error("'ticker'")
        program.answer()
        assert program.end() == (0, [])

    said = [line.replace("app.py", "report.py") for line in program.errors()]
    assert said[:3] == shown("kill -USR1 4242")


def test_the_report_of_a_canceled_tree_is_made_as_shown(tmp_path: Path) -> None:
    """In another order perhaps; how many were canceled for what depends on the machine."""
    shutil.copy(ROOT / "examples" / "request_tree.py", tmp_path)

    def run(command: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONUNBUFFERED": "1", "RESCIND_WARN": "slow_poll=0,slow_cleanup=0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
            check=True,
        )
        return done.stdout.splitlines()

    traced, told = "rescind run --trace tree.jsonl request_tree.py", "rescind report tree.jsonl"
    page, printed = shown(traced), run(traced)

    assert sorted(printed[:5]) == sorted(page[:5])
    assert printed[-1] == page[-1] == "  1 task went on in spite of it: task 14 'recommendations'"
    assert run(told) == shown(told)
    assert (tmp_path / "tree.html").exists()
