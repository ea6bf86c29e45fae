"""`Results`: what a run has measured, as JSON, and what follows from it.

*Invariants.*
 R1  A ratio is taken within a round, where both were measured one after the other, and the median
     of these is what is told: what slows the machine down for a while slows both.
 R2  Samples are kept as they came: every figure can be had again from the file.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from bench.subject import Clock, Measure

__all__ = ["Measured", "Results", "Row", "Sample", "machine"]

VERSION: Final = 1


@dataclass(frozen=True)
class Sample:
    """One measurement: what it came to in all, for so many operations."""

    ops: int
    wall: float
    cpu: float
    amount: float = 0.0

    def per_op(self, clock: Clock, measure: Measure) -> float:
        """Return seconds, or bytes, per operation."""
        total = self.amount if measure == "bytes" else self.cpu if clock == "cpu" else self.wall
        return total / max(self.ops, 1)


@dataclass
class Row:
    """What one peer did for one subject at one size; a sample per round, in order."""

    subject: str
    size: int
    peer: str
    clock: Clock
    measure: Measure
    samples: list[Sample] = field(default_factory=list[Sample])
    #: Why there is no sample: it has no such thing, or something went wrong.
    skip: str | None = None
    error: str | None = None

    def values(self, clock: Clock | None = None) -> list[float]:
        """Return seconds, or bytes, per operation, of each round."""
        return [sample.per_op(clock or self.clock, self.measure) for sample in self.samples]

    def measured(self, clock: Clock | None = None) -> Measured | None:
        """Return the median and the spread; None: there is no sample."""
        values = sorted(self.values(clock))
        if not values:
            return None
        return Measured(statistics.median(values), values[0], values[-1])

    def busy(self) -> float:
        """Return by how much the machine stretched it: time that passed ÷ time computed."""
        cpu = sum(sample.cpu for sample in self.samples)
        return sum(sample.wall for sample in self.samples) / cpu if cpu else 1.0


@dataclass(frozen=True)
class Measured:
    """A median, and the least and the most."""

    median: float
    least: float
    most: float

    def spread(self) -> float:
        """Return half the range, as a part of the median."""
        return (self.most - self.least) / 2 / self.median if self.median else 0.0


@dataclass
class Results:
    """A run.

    Args:
        machine: what it ran on.
        options: how it ran.
        peers: by name: ``about``, ``version``, ``python``, or ``skip`` with the reason.
        about: by name, what one operation of a subject is.
        rows: in the order of the run.
    """

    machine: dict[str, Any]
    options: dict[str, Any]
    peers: dict[str, dict[str, str]]
    about: dict[str, str]
    rows: list[Row] = field(default_factory=list[Row])

    def row(self, subject: str, size: int, peer: str) -> Row | None:
        """Return a row; None: there is none."""
        key = (subject, size, peer)
        return next((row for row in self.rows if (row.subject, row.size, row.peer) == key), None)

    def cases(self) -> Iterator[tuple[str, int]]:
        """Yield subject and size, each pair once, in order."""
        yield from dict.fromkeys((row.subject, row.size) for row in self.rows)

    def ratio(self, row: Row, base: Row | None, clock: Clock | None = None) -> float | None:
        """Return how many times the cost of ``base`` a row is, round by round (R1)."""
        if base is None:
            return None
        pairs = zip(row.values(clock), base.values(clock), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None

    def to_json(self) -> str:
        """Return it as JSON; `read` reads it."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `to_json` has written.

        Raises:
            ValueError: it is no such file.
        """
        data = _loaded(path)
        if data.get("version") != VERSION:
            raise ValueError(f"{path} has no results of version {VERSION}; run `make bench` again")
        rows = [_row(row) for row in data["rows"]]
        return cls(data["machine"], data["options"], data["peers"], data["about"], rows)


def _loaded(path: Path) -> dict[str, Any]:
    data: Any = json.loads(path.read_text(encoding="utf-8"))
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _row(data: dict[str, Any]) -> Row:
    samples: list[dict[str, Any]] = data.pop("samples")
    return Row(**data, samples=[Sample(**sample) for sample in samples])


def machine() -> dict[str, Any]:
    """Return what a reader of results has to know of the machine."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
