"""What `rescind check` says of examples/check: the verdict, the place, and the exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def check(target: str, tmp_path: Path, *options: str) -> tuple[dict[str, Any], str, int]:
    """Check an example with the real command; return the report, the output, the exit code."""
    file = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "rescind", "check", target, "--quiet", "--json", file, *options],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    assert done.stderr == ""
    return json.loads(file.read_text(encoding="utf-8")), done.stdout, done.returncode


def broken(output: str) -> list[str]:
    """Return the lines that begin a broken place."""
    return [line for line in output.splitlines() if line.startswith("BROKEN")]


def line_of(file: str, text: str) -> int:
    """Return the number of the first line of an example that is this text."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines].index(text) + 1


def test_the_pool_loses_its_connection_when_woken_and_not_resumed(tmp_path: Path) -> None:
    """One place is broken, the await of the waiter, and its replay shows it again."""
    file = "examples/check/pool.py"

    report, output, code = check(file, tmp_path)

    place = f"{file}:{line_of(file, 'return await waiter')} in Pool.acquire"
    assert (report["verdict"], code) == ("broken", 1)
    assert broken(output) == [f"BROKEN  {place}: the next use hangs"]
    assert "canceled  woken, not resumed, by asyncio, beside two copies of it" in output
    token = output.rpartition("rescind check replay ")[2].split()[0]
    again = subprocess.run(
        [sys.executable, "-m", "rescind", "check", "replay", token],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    assert ("the next use hangs" in again.stdout, again.returncode) == (True, 1)


def test_a_shared_task_takes_the_neighbors_along(tmp_path: Path) -> None:
    """Only a neighbor notices, and under each mode."""
    file = "examples/check/crowd.py"

    report, output, code = check(file, tmp_path)

    place = f"{file}:{line_of(file, 'return await self.lookup(key)')} in Cache.get"
    assert (report["verdict"], code) == ("broken", 1)
    assert broken(output) == [f"BROKEN  {place}: a neighbor that was not canceled noticed"]


@pytest.mark.parametrize("name", ["pool", "crowd"])
def test_the_mended_version_is_clean(name: str, tmp_path: Path) -> None:
    """Every instant, mode and judge, between callbacks too: nothing is found, all was tried."""
    report, output, code = check(f"examples/check/{name}.py::mended", tmp_path, "--thorough")

    assert (report["verdict"], code) == ("clean", 0)
    assert "unresolved (" not in output
    assert "not made" not in output


def test_httpcore_breaks_under_asyncio(tmp_path: Path) -> None:
    """The slot of the pool is lost, and the next request waits for it."""
    pytest.importorskip("httpx")

    report, output, code = check(
        "examples/check/httpx_client.py", tmp_path, "--modes", "asyncio", "--max-runs", "60"
    )

    assert (report["verdict"], code) == ("broken", 1)
    assert any("the next use hangs" in line for line in broken(output))


def test_httpcore_survives_under_rescind(tmp_path: Path) -> None:
    """The same scenario, the same places; and all of them were tried."""
    pytest.importorskip("httpx")

    report, output, code = check("examples/check/httpx_client.py", tmp_path, "--modes", "rescind")

    assert (report["verdict"], broken(output), code) == ("clean", [], 0)
    assert "not made" not in output
