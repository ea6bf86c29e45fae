#!/usr/bin/env python3
"""Run two other checkers of cancellation over the corpus: cancellens and detangle, both 0.1.

Neither judges by itself: both want somebody to write down what has to hold. So each is run twice
on every version: with an oracle that knows nothing of the case ("follow-up": the scenario again,
not canceled, has to return what it returned in a clean run), and with its own invariant.
They are given what they need to see a late answer: the slow server, and the moment to look.

detangle simulates the network, so what opens a real socket is beyond it; it also tries other orders
of ready callbacks than asyncio's, which is switched off in its second row.

`peers.py [CASE…]`; exit code 0 unless a peer could not be run at all where it was installed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.corpus_harness import table
from scripts.corpus_harness.cases import Case, CorpusError, Version, read_corpus
from scripts.corpus_harness.checker import CheckerFailed, last_line, read_report, run
from scripts.corpus_harness.command import select
from scripts.corpus_harness.environments import (
    CACHE,
    EnvironmentFailed,
    NoInterpreter,
    environment,
)
from scripts.corpus_harness.servers import NoServer, ServerFailed, Servers
from scripts.corpus_harness.verdicts import judge

DRIVER: Final = Path(__file__).with_name("peer_driver.py")
#: What is installed beside the pins of a version.
PEERS: Final = ("cancellens==0.1.0", "detangle==0.1.0")
#: What the driver is asked for, and how it is called in the table.
MODES: Final = {
    "cancellens": "cancellens",
    "detangle": "detangle",
    "detangle-fifo": "detangle, reorder=False",
}
ORACLES: Final = ("follow-up", "invariant")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them, print and keep the table."""
    parser = argparse.ArgumentParser(prog="peers.py", description=__doc__)
    parser.add_argument("case", nargs="*", help="directories below corpus/; by default all")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a run; default: 60")
    parser.add_argument("--output", type=Path, default=CACHE, help="where to keep the table")
    options = parser.parse_args(arguments)
    try:
        cases = select(read_corpus(), options.case)
    except CorpusError as exc:
        print(f"peers: {exc}", file=sys.stderr)
        return 2
    results: list[dict[str, Any]] = []
    with Servers() as servers:
        for case in cases:
            for version in case.versions:
                results += _measure(case, version, servers, options)
    titles = ("case", "version", "peer", *ORACLES, "seconds")
    cells = [_in_cells(result) for result in results]
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "peers.json").write_text(
        json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    text = f"{table.markdown(titles, cells)}\n{table.markdown(*_totals(results))}"
    (options.output / "peers.md").write_text(text, encoding="utf-8")
    print(f"\n{table.aligned(titles, cells)}\n\n{table.aligned(*_totals(results))}")
    return 1 if any(result.get("failed") for result in results) else 0


def _measure(
    case: Case, version: Version, servers: Servers, options: argparse.Namespace
) -> list[dict[str, Any]]:
    base: dict[str, Any] = {"case": case.name, "version": version.role}
    try:
        python = environment(version.python, (*version.requirements, *PEERS))
        servers.need(*case.slow_servers)
    except (NoInterpreter, NoServer) as exc:
        return [{**base, "peer": "all", "skipped": str(exc)}]
    except (EnvironmentFailed, ServerFailed) as exc:
        return [{**base, "peer": "all", "failed": str(exc)}]
    results: list[dict[str, Any]] = []
    for mode, peer in MODES.items():
        result = {**base, "peer": peer}
        for oracle in ORACLES:
            result[oracle] = _ask(case, version, python, options, mode=mode, oracle=oracle)
        results.append(result)
        print("  ".join(cell for cell in _in_cells(result) if cell), flush=True)
    return results


def _ask(
    case: Case,
    version: Version,
    python: Path,
    options: argparse.Namespace,
    *,
    mode: str,
    oracle: str,
) -> dict[str, Any]:
    """Return what one peer says with one oracle, as it counts."""
    name = f"peer-{mode}-{case.name.replace('/', '-')}-{version.role}-{oracle}"
    out: Path = options.output / "reports" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    command = [
        *(str(python), str(DRIVER), mode, str(case.scenario), oracle),
        *(f"{case.settle:g}", f"{options.budget:g}", str(out)),
    ]
    log = out.with_suffix(".log")
    code, seconds = run(
        command, log=log, patience=options.budget + 30, environ=dict(case.slow_environ)
    )
    try:
        if code is None:
            raise CheckerFailed(f"was ended after {seconds:.0f} s")
        if not out.exists():
            raise CheckerFailed(f"ended with exit code {code}: {last_line(log)}")
        report = read_report(out)
    except CheckerFailed as exc:
        return {"word": "failed", "seconds": seconds, "remark": str(exc)}
    answer = judge(case, version, report, invariants=oracle == "invariant")
    remark = "; ".join(
        [finding.sentence for finding in report.findings[:1]] or list(answer.remarks[:1])
    )
    if report.verdict == "unresolved":
        remark = json.loads(out.read_text(encoding="utf-8")).get("reason", "")
    word = answer.word
    if remark.startswith("cannot"):
        word = "cannot"
    return {
        "word": word,
        "seconds": round(report.seconds, 2),
        "runs": report.runs,
        "remark": remark,
        "place": report.findings[0].place if report.findings else "",
    }


def _in_cells(result: dict[str, Any]) -> tuple[str, ...]:
    for why in ("skipped", "failed"):
        if why in result:
            return (result["case"], result["version"], f"{why}: {result[why]}", "", "", "")
    answers = [result[oracle] for oracle in ORACLES]
    return (
        *(result["case"], result["version"], result["peer"]),
        *(answer["word"] for answer in answers),
        " / ".join(f"{answer['seconds']:.1f}" for answer in answers),
    )


def _totals(results: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table of totals: one row for each peer and oracle."""
    titles = (
        *("peer", "oracle", "found", "missed", "cannot", "unresolved"),
        *("fixed: clean", "false alarms", "seconds"),
    )
    rows: list[tuple[str, ...]] = []
    for peer in MODES.values():
        for oracle in ORACLES:
            answers = [
                (result["version"] != "fixed", result[oracle])
                for result in results
                if result["peer"] == peer
            ]
            bugs = [answer["word"] for has_bug, answer in answers if has_bug]
            fixed = [answer["word"] for has_bug, answer in answers if not has_bug]
            rows.append(
                (
                    peer,
                    oracle,
                    f"{bugs.count('found')} of {len(bugs)}",
                    str(bugs.count("missed")),
                    str(bugs.count("cannot")),
                    str(bugs.count("unresolved") + bugs.count("failed")),
                    f"{fixed.count('clean')} of {len(fixed)}",
                    str(fixed.count("false alarm")),
                    f"{sum(answer['seconds'] for _has_bug, answer in answers):.0f}",
                )
            )
    return titles, rows


if __name__ == "__main__":
    sys.exit(main())
