"""The suite of examples/testing passes, and finds what is wrong once something is."""

from pathlib import Path

import pytest

# Loaded here: what a suite imports anew is forgotten after it.
import rescind.testing.plugin.plugin  # noqa: F401

pytest_plugins = ["pytester"]

SUITE = Path(__file__).parents[2] / "examples/testing/test_worker_pool.py"


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    """Run the suite in a directory of its own."""
    pytester.makepyfile(test_worker_pool=source)
    # However slow the machine is, an exploration comes to its end.
    options = ("-p", "rescind_pytest", "-p", "no:cacheprovider", "--rescind-budget=10m")
    return pytester.runpytest_inprocess(*options)


def test_the_suite_of_the_pool(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes; without the `finally`, exploring finds a worker that does not come back."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    source = SUITE.read_text(encoding="utf-8")
    passed = run(pytester, source).parseoutcomes()
    assert 5 == passed.pop("passed") + passed.pop("skipped", 0)
    assert {} == passed

    careful = "            try:\n                yield name\n            finally:\n    "
    faulty = source.replace(careful, "            yield name\n")
    assert faulty != source
    result = run(pytester, faulty)
    found = result.parseoutcomes()
    assert found["failed"] >= 1
    result.stdout.fnmatch_lines(["*run it again: pytest *workers_come_back*--rescind-replay=rl1-*"])
