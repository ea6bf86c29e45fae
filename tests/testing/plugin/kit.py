"""Suites of one module, run by pytest within this process, with the plugins that they need."""

import importlib.util
import textwrap

import pytest

# Loaded here once: what a suite imports anew is forgotten after it.
import rescind.testing.plugin.plugin

__all__ = ["HEAD", "Suite", "needs", "rescind"]

HEAD = """\
import asyncio, pytest, rescind
from rescind import sync, testing
"""


def needs(module: str) -> pytest.MarkDecorator:
    """Skip where a plugin is not installed."""
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


class Suite:
    """A suite in a directory of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path

    def write(self, source: str) -> None:
        """Write its only module."""
        self._pytester.makepyfile(test_it=f"{HEAD}{textwrap.dedent(source)}")

    def run(self, source: str, *arguments: str) -> pytest.RunResult:
        """Write it, and run it."""
        self.write(source)
        return self.again(*arguments)

    def again(self, *arguments: str) -> pytest.RunResult:
        """Run it once more, as it is."""
        # However slow the machine is, an exploration comes to its end.
        common = ("-p", "rescind_pytest", "-p", "no:cacheprovider", "--rescind-budget=10m")
        return self._pytester.runpytest_inprocess(*common, *arguments)

    def apart(self, *arguments: str) -> pytest.RunResult:
        """Run it in a process of its own."""
        return self._pytester.runpytest_subprocess(
            "-p", "rescind_pytest", "-p", "no:cacheprovider", *arguments, timeout=250
        )
