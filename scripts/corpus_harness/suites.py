"""Runs the test suites of released libraries, as they are published: plainly, and then swept.

Each is taken out of its source archive anew, in an environment of its own, and is not changed. What
stands behind `--` on the command line is given to pytest in a second run; a test that fails in that
run alone is a finding, and has to be confirmed by hand in `corpus/suites.toml`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from scripts.corpus_harness import table
from scripts.corpus_harness.cases import ROOT, CorpusError
from scripts.corpus_harness.checker import EXTRA, last_line, run
from scripts.corpus_harness.environments import (
    CACHE,
    EnvironmentFailed,
    NoInterpreter,
    environment,
    own_extra,
)

__all__ = ["Outcome", "Suite", "main", "read_results", "read_suites", "unconfirmed"]

_KEYS: Final = {
    *("name", "version", "python", "requirements", "options", "deselect", "confirmed"),
}
#: pytest's exit codes for a run that came to its end: all passed, and some failed.
_ENDED: Final = (0, 1)


@dataclass(frozen=True)
class Suite:
    """A library, and how its tests are run."""

    name: str
    version: str
    python: str
    requirements: tuple[str, ...]
    options: tuple[str, ...]
    #: Tests that are left out, each with its reason.
    deselect: tuple[tuple[str, str], ...]
    #: Patterns of tests that a sweep breaks, each with what was found out about it.
    confirmed: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """How one run of a suite ended."""

    passed: int
    failed: tuple[str, ...]
    skipped: int
    seconds: float
    #: Why it did not come to its end.
    broken_off: str | None = None

    def __str__(self) -> str:
        """Return it as a cell of the table."""
        if self.broken_off is not None:
            return f"broke off: {self.broken_off}"
        return f"{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites, print the table; return 1 if anything is not as it should be, or 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What stands behind `--` is for pytest, and argparse would mix it with the names of suites.
    at = given.index("--") if "--" in given else len(given)
    options, extra = _parser().parse_args(given[:at]), given[at + 1 :]
    try:
        suites = read_suites()
        unknown = set(options.suite) - {suite.name for suite in suites}
        if unknown:
            known = ", ".join(suite.name for suite in suites)
            raise CorpusError(f"there is no suite {', '.join(unknown)}; there are: {known}")
    except CorpusError as exc:
        print(f"sweep_suites: {exc}", file=sys.stderr)
        return 2
    cells: list[tuple[str, ...]] = []
    remarks: list[str] = []
    good = True
    for suite in suites:
        if options.suite and suite.name not in options.suite:
            continue
        try:
            row, said, fine = _measure(suite, extra, options.patience)
        except NoInterpreter as exc:
            row, said, fine = (f"skipped: {exc}", "", "", ""), [], True
        except EnvironmentFailed as exc:
            row, said, fine = (f"failed: {exc}", "", "", ""), [], False
        cells.append((f"{suite.name} {suite.version}", *row))
        print("  ".join(cell for cell in cells[-1] if cell), flush=True)
        remarks += said
        good = good and fine
    titles = ("suite", "plain", "seconds", " ".join(extra) or "swept", "seconds")
    print(f"\n{table.aligned(titles, cells)}")
    if remarks:
        print("\n" + "\n".join(remarks))
    return 0 if good else 1


def read_suites(path: Path = ROOT / "corpus" / "suites.toml") -> list[Suite]:
    """Return the suites in the file.

    Raises:
        CorpusError: the file is not as it should be.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["suite"]
        return [_suite(entry) for entry in entries]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as exc:
        raise CorpusError(f"{path}: {exc!r}") from exc


def _suite(entry: dict[str, Any]) -> Suite:
    unknown = sorted(entry.keys() - _KEYS)
    if unknown:
        raise ValueError(f"{', '.join(unknown)} means nothing")
    return Suite(
        name=entry["name"],
        version=entry["version"],
        python=entry["python"],
        requirements=tuple(entry["requirements"]),
        options=tuple(entry.get("options", ())),
        deselect=tuple(entry.get("deselect", {}).items()),
        confirmed=tuple((each["test"], each["reason"]) for each in entry.get("confirmed", ())),
    )


def unconfirmed(suite: Suite, plain: Outcome, swept: Outcome) -> list[str]:
    """Return the tests that the sweep broke, and that nobody has looked at."""
    return [
        test
        for test in swept.failed
        if test not in plain.failed
        and not any(fnmatchcase(test, pattern) for pattern, _reason in suite.confirmed)
    ]


def read_results(path: Path, seconds: float) -> Outcome:
    """Return what a report in the format of JUnit says.

    Raises:
        ValueError: it is none.
    """
    try:
        cases = list(ET.parse(path).iter("testcase"))
    except (OSError, ET.ParseError) as exc:
        raise ValueError(f"no results: {exc}") from exc
    failed: list[str] = []
    skipped = 0
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
    # One test can fail twice: in its own code, and while its fixtures are torn down.
    names = tuple(dict.fromkeys(failed))
    return Outcome(len(cases) - len(failed) - skipped, names, skipped, seconds)


def _measure(
    suite: Suite, extra: Sequence[str], patience: float
) -> tuple[tuple[str, ...], list[str], bool]:
    """Return the row of a suite, what is to be said about it, and whether all is well."""
    wanted = (f"{suite.name}=={suite.version}", *suite.requirements, *own_extra(EXTRA))
    python = environment(suite.python, wanted)
    plain = _run(suite, python, (), patience, "plain")
    fine = plain.broken_off is None and not plain.failed
    said = [f"{suite.name}: {test} fails plainly" for test in plain.failed]
    row = [str(plain), f"{plain.seconds:.1f}", "", ""]
    if extra:
        swept = _run(suite, python, extra, patience, "swept")
        row[2:] = [str(swept), f"{swept.seconds:.1f}"]
        findings = unconfirmed(suite, plain, swept)
        fine = fine and swept.broken_off is None and not findings
        said += [f"{suite.name}: {test} is broken, and nobody has looked" for test in findings]
        said += [f"{suite.name}: {pattern}: {reason}" for pattern, reason in suite.confirmed]
    return tuple(row), said, fine


def _run(suite: Suite, python: Path, extra: Sequence[str], patience: float, how: str) -> Outcome:
    folder = _unpacked(suite, python)
    results = CACHE / "reports" / f"suite-{suite.name}-{how}.xml"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    log = results.with_suffix(".log")
    command = [
        *(str(python), "-m", "pytest", *suite.options, "-p", "no:cacheprovider", "-q"),
        *(f"--deselect={test}" for test, _reason in suite.deselect),
        f"--junitxml={results}",
        *_plugin(extra),
        *extra,
    ]
    code, seconds = run(
        command,
        log=log,
        patience=patience,
        environ={"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
    )
    if code not in _ENDED:
        how_it_ended = f"ended after {seconds:.0f} s" if code is None else f"exit code {code}"
        return Outcome(0, (), 0, seconds, f"{how_it_ended}: {last_line(log)}")
    try:
        return read_results(results, seconds)
    except ValueError as exc:
        return Outcome(0, (), 0, seconds, str(exc))


def _plugin(extra: Sequence[str], source: Path = ROOT / "src") -> tuple[str, ...]:
    """Return what lets pytest find our plugin, where this checkout was never installed."""
    wanted = any(one.startswith("--cancel-") for one in extra)
    known = any(source.glob("*.egg-info/entry_points.txt"))
    return ("-p", "rescind_pytest") if wanted and not known else ()


def _unpacked(suite: Suite, python: Path) -> Path:
    """Return the directory of the source archive, unpacked anew; download it if need be."""
    archives = CACHE / "archives" / f"{suite.name}-{suite.version}"
    archives.mkdir(parents=True, exist_ok=True)
    if not any(archives.glob("*.tar.gz")):
        done = subprocess.run(
            [
                *(str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--no-binary", suite.name, "--dest", str(archives)),
                f"{suite.name}=={suite.version}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise EnvironmentFailed(done.stderr.strip().splitlines()[-1])
    folder = CACHE / "suites" / suite.name
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(next(archives.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sweep_suites.py",
        description="Run the suites of released libraries, plainly and with further arguments for "
        "pytest: sweep_suites.py async-lru -- --cancel-sweep",
    )
    parser.add_argument("suite", nargs="*", help="names in corpus/suites.toml; by default all")
    parser.add_argument(
        "--patience",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how long one run of a suite may take; default: 600",
    )
    return parser
