"""The command line of `scripts/check_corpus.py`: which cases, what is run, and the exit code.

0: every bug that was looked for was found, and no fixed version alarmed; 1: not so; 2: misuse.
What is missing on this machine (an interpreter, a server) is skipped and said; `--all` makes that
a failure too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.corpus_harness import table
from scripts.corpus_harness.cases import Case, CorpusError, Version, read_corpus
from scripts.corpus_harness.checker import EXTRA, CheckerFailed, Report, check
from scripts.corpus_harness.environments import (
    CACHE,
    EnvironmentFailed,
    NoInterpreter,
    environment,
    own_extra,
)
from scripts.corpus_harness.servers import NoServer, ServerFailed, Servers
from scripts.corpus_harness.verdicts import Answer, Row, judge

__all__ = ["main", "measure", "select"]

#: Runs the checker over a version in an environment, with or without the invariants.
Runner = Callable[[Case, Version, Path, bool], Report]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the corpus, print and keep the table; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        cases = select(read_corpus(), options.case, smoke=options.smoke)
    except CorpusError as exc:
        print(f"check_corpus: {exc}", file=sys.stderr)
        return 2
    if options.list:
        for case in cases:
            print(f"{case.name:24} {case.library}: {case.kind}")
        return 0
    rows: list[Row] = []
    with Servers() as servers:
        for case in cases:
            for version in case.versions:
                if options.version in (None, version.role):
                    row = measure(
                        case,
                        version,
                        run=_runner(options),
                        servers=servers,
                        prepare_only=options.prepare,
                    )
                    rows.append(row)
                    _say(row)
    if options.prepare:
        return 0 if all(row.good for row in rows) else 1
    _report(rows, options.output)
    complete = not any(row.skipped for row in rows)
    return 0 if all(row.good for row in rows) and (complete or not options.all) else 1


def select(cases: Sequence[Case], names: Sequence[str], *, smoke: bool = False) -> list[Case]:
    """Return the cases that were asked for, all if none was named.

    Raises:
        CorpusError: there is no case with this name.
    """
    known = {case.name: case for case in cases}
    for name in names:
        if name not in known:
            raise CorpusError(f"there is no case {name!r}; there are: {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(cases)
    return [case for case in chosen if case.smoke or not smoke]


def measure(
    case: Case,
    version: Version,
    *,
    run: Runner,
    servers: Servers,
    prepare_only: bool = False,
    cache: Path = CACHE,
) -> Row:
    """Return the row of one version: run without the invariants first, then with them."""
    what = ", ".join((*version.requirements, f"Python {version.python}"))
    row = Row(case=case.name, role=version.role, what=what)
    try:
        python = environment(version.python, (*version.requirements, *own_extra(EXTRA)), cache)
        if prepare_only:
            return row
        servers.need(*case.servers)
    except (NoInterpreter, NoServer) as exc:
        row.skipped = str(exc)
        return row
    except (EnvironmentFailed, ServerFailed) as exc:
        row.failed = str(exc)
        return row
    row.without = _answer(case, version, python, run, invariants=False)
    row.with_invariants = _answer(case, version, python, run, invariants=True)
    return row


def _answer(case: Case, version: Version, python: Path, run: Runner, *, invariants: bool) -> Answer:
    try:
        report = run(case, version, python, invariants)
    except CheckerFailed as exc:
        return Answer(word="failed", good=False, remarks=(f"the checker {exc}",))
    return judge(case, version, report, invariants=invariants)


def _runner(options: argparse.Namespace) -> Runner:
    def run(case: Case, version: Version, python: Path, invariants: bool) -> Report:
        name = f"{case.name.replace('/', '-')}-{version.role}-{'with' if invariants else 'without'}"
        return check(
            python,
            case.scenario,
            invariants=invariants,
            budget=options.budget,
            out=options.output / "reports" / f"{name}.json",
            arguments=[*(("--thorough",) if case.thorough else ()), *options.check_args],
        )

    return run


def _say(row: Row) -> None:
    """Print one row while the next is being worked on."""
    cells = table.in_cells(row)
    if row.without is None and row.failed is None and row.skipped is None:
        cells = (*cells[:2], f"ready: {row.what}")
    print("  ".join(cell for cell in cells if cell), flush=True)


def _report(rows: Sequence[Row], output: Path) -> None:
    cells = [table.in_cells(row) for row in rows]
    output.mkdir(parents=True, exist_ok=True)
    text = table.markdown(table.headings, cells)
    (output / "table.md").write_text(f"{text}\n{table.summary(rows)}\n", encoding="utf-8")
    (output / "table.json").write_text(
        json.dumps(table.as_json(rows), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(f"\n{table.aligned(table.headings, cells)}\n\n{table.summary(rows)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check_corpus.py",
        description="Run `rescind check` over real cancellation bugs, and over their mended "
        "versions: without the invariants of the scenarios, then with them.",
    )
    parser.add_argument("case", nargs="*", help="directories below corpus/; by default all")
    parser.add_argument("--smoke", action="store_true", help="only those marked as the small set")
    parser.add_argument("--version", choices=("buggy", "fixed", "open"), help="only these versions")
    parser.add_argument("--list", action="store_true", help="name the cases, and run nothing")
    parser.add_argument("--prepare", action="store_true", help="only make the environments")
    parser.add_argument("--all", action="store_true", help="fail if anything had to be skipped")
    parser.add_argument(
        "--budget",
        type=lambda text: float(text.removesuffix("s")),
        default=60.0,
        metavar="SECONDS",
        help="how long each run of the checker may take; default: 60",
    )
    parser.add_argument(
        "--output", type=Path, default=CACHE, help="where to keep the tables; default: .corpus"
    )
    parser.add_argument(
        "--check-args",
        type=str.split,
        default=[],
        metavar="ARGS",
        help='further arguments for the checker: --check-args="--max-runs 500"',
    )
    return parser
