"""Where coverage is kept between sweeps: a JSON file to which several processes may add.

*What it is.* Whoever adds takes the lock beside the file, reads what is there, merges, and puts the
new file in place of the old one: a reader sees either, and what two add at once is all kept.

*Threads.* Any; so may several processes.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from rescind._core.errors import UsageError
from rescind.check.coverage import Coverage, Mark

__all__ = ["COVERAGE_FILE", "BadCoverage", "add_coverage", "as_data", "load_coverage", "of_data"]

COVERAGE_FILE = ".rescind-coverage.json"
_FORMAT = 1


class BadCoverage(UsageError):
    """The file is no coverage of ours."""


def load_coverage(path: str | os.PathLike[str]) -> Coverage:
    """Return what a file holds; nothing, if there is no such file.

    Raises:
        BadCoverage: it holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Coverage()
    try:
        return of_data(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BadCoverage(
            f"{os.fspath(path)!r} is no coverage file of this version ({exc!r}): delete it, or "
            "name another"
        ) from None


def add_coverage(coverage: Coverage, path: str | os.PathLike[str] = COVERAGE_FILE) -> Coverage:
    """Add to what a file holds, and return all of it; what is outdated is dropped.

    Raises:
        BadCoverage: the file holds something else.
        OSError: it cannot be written.
    """
    path = Path(path)
    with _locked(path):
        both = load_coverage(path).merge(coverage).current()
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps(as_data(both), indent=1) + "\n", encoding="utf-8")
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    return both


def as_data(coverage: Coverage) -> dict[str, Any]:
    """Return coverage as dictionaries, strings and numbers."""
    files: dict[str, dict[str, dict[str, int]]] = {}
    for (file, digest), lines in sorted(coverage.marks.items()):
        marks = {str(line): int(mark) for line, mark in sorted(lines.items())}
        files.setdefault(file, {})[digest] = marks
    exempted = [list(one) for one in sorted(coverage.exempted)]
    return {"format": _FORMAT, "files": files, "exempted": exempted}


def of_data(data: Any) -> Coverage:
    """Return the coverage that `as_data` has described.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it describes something else.
    """
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']!r}")
    return Coverage(
        {
            (str(file), str(digest)): {int(line): Mark(mark) for line, mark in lines.items()}
            for file, versions in data["files"].items()
            for digest, lines in versions.items()
        },
        {(str(file), str(function)) for file, function in data["exempted"]},
    )


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    """Hold the lock of ``path``. The system frees it when its process ends, however it ends."""
    with open(path.with_name(f"{path.name}.lock"), "a+b") as lock:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            locking: Any = msvcrt
            lock.seek(0)
            locking.locking(lock.fileno(), locking.LK_LOCK, 1)
            try:
                yield
            finally:
                lock.seek(0)
                locking.locking(lock.fileno(), locking.LK_UNLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
