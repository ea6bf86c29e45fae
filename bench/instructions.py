"""Count the instructions that an operation takes, and compare with bench/budget.json.

*What it is.* valgrind counts what a process executes, which a busy machine does not change: a
regression of some percent shows anywhere. An operation is done N and 2N times, and the difference
divided by N, so that nothing but the operation is in it (`bench.counted`).

*What it is not.* A measure of time: a cache miss and an addition are one instruction each.

*Invariants.*
 I1  A budget is of a Python version and a form of rescind; where there is none, nothing is judged.
 I2  Interpreters of one version that were built in different ways take different numbers for the
     same code. So a budget is scaled by a yardstick, which is counted in the same run: Python of
     which nothing is ours.
 I3  What costs more than its budget and the tolerance is a failure; what costs less is told, so
     that somebody renews the budget.

    python -m bench.instructions             # compare; 1: something costs more
    python -m bench.instructions --write     # renew the budgets of this Python
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from bench.counted import YARDSTICK
from bench.peers import PEERS, ROOT, Peer, Place, compiled_for

__all__ = ["BUDGET", "TOLERANCE", "Finding", "judged", "main", "per_operation", "refs_of"]

BUDGET: Final = ROOT / "bench" / "budget.json"
#: By how much a count may be above its budget, as a part of it.
TOLERANCE: Final = 0.15
#: Whose instructions are counted: each form of rescind.
FORMS: Final = {peer.name: peer for peer in PEERS if peer.name in ("rescind", "rescind-pure")}
#: For one form, in seconds: valgrind is fifty times slower than the processor.
PATIENCE: Final = 300.0

_REFS: Final = re.compile(r"I\s+refs:\s+([\d,]+)")

#: Instructions per operation, by name; the yardstick's are among them.
Counts: TypeAlias = dict[str, int]
#: By Python version, then by form.
Budgets: TypeAlias = dict[str, dict[str, Counts]]


class Unable(Exception):
    """It cannot be counted here; the message says why."""


@dataclass(frozen=True)
class Finding:
    """An operation, and what became of its budget.

    Args:
        operation: which.
        count: instructions that it takes.
        budget: those that it may take, scaled by the yardstick; None: it has no budget yet.
    """

    operation: str
    count: int
    budget: float | None

    def over(self) -> float:
        """Return by what part of its budget it costs more; negative: less."""
        return self.count / self.budget - 1 if self.budget else 0.0

    def fails(self, tolerance: float) -> bool:
        """Tell whether it costs too much (I3)."""
        return self.over() > tolerance

    def line(self, tolerance: float) -> str:
        """Return it in words."""
        text = f"  {self.operation:18} {self.count:>9,}"
        if self.budget is None:
            return f"{text}  no budget yet: python -m bench.instructions --write"
        text += f"  {100 * self.over():+6.1f} %  of {self.budget:,.0f}"
        if self.fails(tolerance):
            return f"{text}  too much: mend it, or renew the budget with --write, and say why"
        if self.over() < -tolerance:
            return f"{text}  cheaper: renew the budget with --write"
        return text


def judged(counts: Mapping[str, int], budget: Mapping[str, int]) -> list[Finding]:
    """Compare counts with a budget (I2); the yardstick itself is not judged."""
    scale = counts[YARDSTICK] / budget[YARDSTICK]
    return [
        Finding(name, count, budget[name] * scale if name in budget else None)
        for name, count in counts.items()
        if name != YARDSTICK
    ]


def per_operation(runs: Sequence[Mapping[str, Any]], refs: Mapping[int, int]) -> Counts:
    """Return instructions per operation, of what was done N and 2N times.

    Args:
        runs: ``operation``, ``times`` and ``pid`` of each process.
        refs: by process, the instructions that it executed.
    """
    counts: Counts = {}
    for few, many in zip(runs[::2], runs[1::2], strict=True):
        more = refs[many["pid"]] - refs[few["pid"]]
        counts[few["operation"]] = round(more / (many["times"] - few["times"]))
    return counts


def refs_of(logs: Path) -> dict[int, int]:
    """Read off valgrind's logs, by process id, how many instructions each has executed."""
    refs: dict[int, int] = {}
    for log in logs.glob("*.log"):
        found = _REFS.findall(log.read_text(encoding="utf-8"))
        if found:
            refs[int(log.stem)] = int(found[-1].replace(",", ""))
    return refs


def counted(peer: Peer, place: Place, *arguments: str) -> Counts:
    """Count.

    Args:
        peer: what is counted.
        place: where that is.
        arguments: more of them for `bench.counted`.

    Raises:
        Unable: without valgrind, or without this form of rescind.
        RuntimeError: what was counted has failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Unable("valgrind is not installed")
    missing = place.missing(peer)
    if missing is not None:
        raise Unable(missing)
    with tempfile.TemporaryDirectory(prefix="bench-instructions-") as logs:
        command = [
            valgrind,
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
            f"--log-file={logs}/%p.log",
            *[place.python, "-m", "bench.counted", peer.name, *arguments],
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=place.environment(peer),
            timeout=PATIENCE,
        )
        if done.returncode:
            raise RuntimeError(f"what is counted has failed:\n{done.stderr}")
        hello, *runs = [json.loads(line) for line in done.stdout.splitlines()]
        if "skip" in hello:
            raise Unable(hello["skip"])
        return per_operation(runs, refs_of(Path(logs)))


def load(path: Path) -> Budgets:
    """Read the budgets; none, where there is no file."""
    if not path.exists():
        return {}
    data: Any = json.loads(path.read_text(encoding="utf-8"))
    return cast("Budgets", data["budgets"])


def save(path: Path, budgets: Budgets) -> None:
    """Write the budgets."""
    note = "Instructions per operation; renewed by: python -m bench.instructions --write"
    text = json.dumps({"about": note, "budgets": budgets}, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def compare(counts: Counts, budget: Counts | None, what: str) -> bool:
    """Print how counts compare with a budget; return whether all is well."""
    if budget is None:
        print(f"{what}: there is no budget (bench/budget.json), so nothing is judged")  # (I1)
        return True
    print(f"{what}: instructions per operation")
    findings = judged(counts, budget)
    for finding in findings:
        print(finding.line(TOLERANCE))
    return not any(finding.fails(TOLERANCE) for finding in findings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and compare or write; 1: something costs more than it may."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the budgets of this Python")
    parser.add_argument("--forms", type=lambda text: text.split(","), default=list(FORMS))
    parser.add_argument("--compiled", type=Path)
    parser.add_argument("--budget", type=Path, default=BUDGET)
    options = parser.parse_args(arguments)
    version = ".".join(platform.python_version_tuple()[:2])
    compiled: Path = options.compiled or compiled_for(sys.executable)
    place = Place(sys.executable, compiled.resolve())
    budgets = load(options.budget)
    well = True
    for name in options.forms:
        peer = FORMS[name]
        budget = budgets.get(version, {}).get(peer.form)
        what = f"{peer.about}, Python {version}"
        if budget is None and not options.write:
            well &= compare({}, None, what)
            continue
        try:
            counts = counted(peer, place)
        except Unable as error:
            print(f"{what}: instructions are not counted: {error}")
            continue
        if options.write:
            budgets.setdefault(version, {})[peer.form] = counts
            print(f"{what}: {counts}")
        else:
            well &= compare(counts, budget, what)
    if options.write:
        save(options.budget, budgets)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
