"""Runs `rescind check` over a scenario, and reads its report.

This is the one place that knows the options of the command and the names in its report. The report
is `{"verdict", "findings": [{"detector", "class", "place", "mode", "instant", "sentence",
"token"}], "totals": {"points", "runs", "seconds", "unresolved"}}`; the exit code is 0 for clean, 1
for broken, 2 for unresolved or misuse.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from scripts.corpus_harness.cases import ROOT

__all__ = [
    "EXTRA",
    "CheckerFailed",
    "Finding",
    "Report",
    "check",
    "last_line",
    "read_report",
    "run",
]

#: What the command needs beside the checkout, which is on PYTHONPATH.
EXTRA: Final = "cli"
#: How much longer than its budget the checker may take, in seconds, before it is ended.
MARGIN: Final = 60.0

_EXIT_CODES: Final = {"clean": 0, "broken": 1, "unresolved": 2}


class CheckerFailed(Exception):
    """The checker did not do its work; the message says how it ended."""


@dataclass(frozen=True)
class Finding:
    """One broken place."""

    detector: str
    #: A verdict counts; a hint explains.
    is_verdict: bool
    place: str
    mode: str
    instant: str
    sentence: str
    token: str


@dataclass(frozen=True)
class Report:
    """What one run of the checker said."""

    verdict: Literal["clean", "broken", "unresolved"]
    findings: tuple[Finding, ...]
    points: int
    runs: int
    seconds: float


def check(
    python: Path,
    scenario: Path,
    *,
    invariants: bool,
    budget: float,
    out: Path,
    arguments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Report:
    """Run the checker; return its report.

    Args:
        python: the interpreter of the environment.
        scenario: the file that has `scenario`.
        invariants: whether the scenario's own invariant may be used.
        budget: how long it may take, in seconds.
        out: where to keep the report; what was printed is kept beside it, as `.log`.
        arguments: further arguments for the checker.
        environ: further variables.

    Raises:
        CheckerFailed: it crashed, hung, or gave no report.
    """
    command = [
        *(str(python), "-m", "rescind", "check", f"{_relative(scenario)}::scenario"),
        *("--json", str(out), "--budget", f"{budget:g}s"),
        *(() if invariants else ("--no-invariants",)),
        *arguments,
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    log = out.with_suffix(".log")
    code, seconds = run(
        command, log=log, patience=budget + MARGIN, environ={**_ENVIRON, **(environ or {})}
    )
    if code is None:
        raise CheckerFailed(f"was ended after {seconds:.0f} s, which is beyond its budget")
    if not out.exists():
        raise CheckerFailed(f"ended with exit code {code} and no report: {last_line(log)}")
    report = read_report(out)
    if code != _EXIT_CODES[report.verdict]:
        raise CheckerFailed(f"says {report.verdict!r}, but its exit code is {code}")
    return report


def read_report(path: Path) -> Report:
    """Return the report in a file.

    Raises:
        CheckerFailed: it is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        totals = data["totals"]
        if data["verdict"] not in _EXIT_CODES:
            raise ValueError(f"verdict {data['verdict']!r}")
        return Report(
            verdict=data["verdict"],
            findings=tuple(_finding(entry) for entry in data["findings"]),
            points=int(totals["points"]),
            runs=int(totals["runs"]),
            seconds=float(totals["seconds"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise CheckerFailed(f"its report {path.name} cannot be read: {exc!r}") from exc


def _finding(entry: dict[str, Any]) -> Finding:
    return Finding(
        detector=str(entry["detector"]),
        is_verdict=entry["class"] == "verdict",
        place=str(entry["place"]),
        mode=str(entry.get("mode", "")),
        instant=str(entry.get("instant", "")),
        sentence=str(entry.get("sentence", "")),
        token=str(entry.get("token", "")),
    )


# The checkout itself, not what may be installed: the environments then need not be made anew.
_ENVIRON: Final = {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def run(
    command: Sequence[str],
    *,
    log: Path,
    patience: float,
    environ: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> tuple[int | None, float]:
    """Run a command; return its exit code and the seconds. None: it was ended, after `patience`.

    What it prints goes into `log`. It has a session of its own, so that whatever it started is
    ended with it.
    """
    begin = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(patience)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # Also when it ended by itself: nothing of it is left for the next case.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code, time.monotonic() - begin


def last_line(log: Path) -> str:
    """Return the last line that says something, for a message."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it printed nothing"


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
