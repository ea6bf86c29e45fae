"""The examples print what they are meant to show, in every way in which they can be run.

What each prints stands beside this file, as NAME.txt. After a change that is meant, make it anew:
`.venv/bin/python examples/NAME.py > tests/examples/NAME.txt`, and read the difference.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = (
    "canceled_future",
    "state_machine",
    "parent",
    "tiny_runtime",
    "tasks",
    "crawler",
    "producer_consumer",
    "supervisor",
    "worker_pool",
    "cpu_job",
    "request_tree",
)
# Those that run the lab, and so need no runtime around them.
SCRIPTS = ("lost_item",)
# Those that have a process, or a thread, which takes real time.
REAL = ("cpu_job", "tasks")
STEADY = ROOT / "tests/steady.py"
# Those whose output depends on which timer is the first; uvloop's clock is the machine's.
TIMED = ("crawler", "supervisor", "worker_pool", "request_tree")
RESCIND = Path(sys.executable).with_name("rescind")

needs_cli = pytest.mark.skipif(
    not (ROOT / "src/rescind/cli/__init__.py").exists(), reason="there is no command line"
)


def run(*command: str | Path) -> tuple[str, str, int]:
    """Run Python with warnings as errors; return its output, its errors and its exit code."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


def expected(name: str) -> str:
    """Return what an example is meant to print."""
    return Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8")


def steadily(name: str, *command: str | Path) -> tuple[str, str, int]:
    """Run it with a clock that goes on when nothing is ready, so that its order is certain."""
    return run(*(() if name in REAL else (STEADY,)), *command)


@pytest.mark.parametrize("name", [*SHORT, *SCRIPTS])
def test_as_a_script_it_prints_exactly_what_it_shows(name: str) -> None:
    """`python examples/NAME.py` prints the same every time, and warns of nothing."""
    assert steadily(name, f"examples/{name}.py") == (expected(name), "", 0)


@needs_cli
@pytest.mark.parametrize("name", SHORT)
def test_under_the_command_line_it_prints_the_same(name: str) -> None:
    """`rescind run examples/NAME.py` finds its main and runs it."""
    assert steadily(name, RESCIND, "run", f"examples/{name}.py") == (expected(name), "", 0)


@needs_cli
@pytest.mark.parametrize("name", SHORT)
def test_on_uvloop_it_prints_the_same(name: str) -> None:
    """`rescind run --uvloop examples/NAME.py` changes nothing that can be seen."""
    pytest.importorskip("uvloop")

    stdout, stderr, code = run(RESCIND, "run", "--uvloop", f"examples/{name}.py")
    assert (stderr, code) == ("", 0)
    assert stdout == expected(name) or (name in TIMED and stdout)


def test_the_tiny_runtime_has_less_than_sixty_lines() -> None:
    """The two classes that are the runtime stay as short as the example promises."""
    tree = ast.parse((ROOT / "examples/tiny_runtime.py").read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]

    lines = sum((node.end_lineno or 0) - node.lineno + 1 for node in classes)

    assert ([node.name for node in classes], lines < 60) == (["TinyTask", "TinyRuntime"], True)


def test_every_example_is_an_essay_with_its_expected_output() -> None:
    """Each program in examples/ opens with a docstring, and is known to these tests."""
    programs = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    essays = [
        name
        for name in programs
        if ast.get_docstring(ast.parse((ROOT / f"examples/{name}.py").read_text(encoding="utf-8")))
    ]

    assert (programs, essays) == (
        sorted([*SHORT, *SCRIPTS, "hedged_fetch", "watched_service", "web_service"]),
        programs,
    )
