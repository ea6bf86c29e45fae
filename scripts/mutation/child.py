"""Run tests against a copy of the source, and write down the first that fails.

    child.py SOURCE RESULT [ARGUMENTS OF PYTEST]

A process of its own for each mutant. RESULT is a JSON file: what came of it, who noticed, and how.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

#: What came of a run.
KILLED, SURVIVED, BROKEN = "killed", "survived", "broken"


class Witness:
    """Remembers the first test that fails."""

    def __init__(self) -> None:
        self.node = ""
        self.message = ""
        self.collected = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down a failure, be it in the test or in what is around it."""
        if report.failed and not self.node:
            self.node = report.nodeid
            self.message = _words(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take down that tests could not even be found."""
        if report.failed:
            self.collected = False
            self.message = self.message or _words(report)


def _words(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = report.longreprtext if crash is None else crash.message
    return " ".join(str(text).split())[:400]


def main(arguments: list[str]) -> int:
    """Run, and write the result."""
    source, result, *options = arguments
    told: dict[str, str] = {"verdict": BROKEN, "node": "", "message": ""}
    try:
        place = find_spec("rescind")
        if place is None or not Path(str(place.origin)).is_relative_to(source):
            told["message"] = f"the package is not taken from the copy: {place}"
        else:
            witness = Witness()
            code = int(pytest.main(options, plugins=[witness]))
            told["node"], told["message"] = witness.node, witness.message
            if witness.node:
                told["verdict"] = KILLED
            elif code == 0 and witness.collected:
                told["verdict"] = SURVIVED
            else:
                told["message"] = witness.message or f"pytest ended with {code}"
    except Exception as exc:
        told["message"] = f"{type(exc).__name__}: {exc}"
    Path(result).write_text(json.dumps(told), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
