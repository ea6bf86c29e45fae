#!/usr/bin/env python3
"""Break the core and the primitives on purpose, and show who notices; write docs/mutants.md.

    mutants.py [--smoke] [--check] [--depth N] [--jobs N] [WORD …]

Each mutant of tests/mutants is put into a copy of the source, and the laws, model checks and
explorations are run against that. With WORDs only the mutants with one of them in their id or file
are tried, and nothing is written. --smoke tries a handful; --check only looks whether each still
applies; --depth says whom to ask if the killers that a mutant names do not notice: 1: the
explorations, 2: all models and laws, too, 3: and the ordinary tests. The exit status is 1 if one
survived that is not known to, or could not be tried.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.mutation.child import BROKEN, KILLED, SURVIVED  # found by the path above
from scripts.mutation.nodes import nodes_of
from scripts.mutation.page import PAGE, page
from scripts.mutation.trial import ROOT, Trial, kind, prepared, tried
from tests.mutants import MUTANTS, SMOKE
from tests.mutants.mutant import Mutant, Stale


def stale(mutants: Iterable[Mutant]) -> list[str]:
    """Return what is wrong with the snippets of those that do not apply."""
    found: list[str] = []
    for mutant in mutants:
        try:
            mutant.applied(ROOT / "src")
        except Stale as exc:
            found.append(str(exc))
    return found


def chosen(words: list[str], *, smoke: bool) -> list[Mutant]:
    """Return the mutants that are asked for."""
    if smoke:
        return [one for one in MUTANTS if one.id in SMOKE]
    if not words:
        return list(MUTANTS)
    return [one for one in MUTANTS if any(word in one.id or word == one.file for word in words)]


def fault(trial: Trial) -> str:
    """Return what has to be done about a trial; empty if nothing."""
    if trial.verdict == BROKEN:
        return f"could not be tried: {trial.message}"
    if trial.verdict == SURVIVED and not trial.mutant.survives:
        return "survived: nobody notices"
    if trial.verdict != SURVIVED and trial.mutant.survives:
        return "was noticed, though it is said that nobody can"
    return ""


def line(trial: Trial) -> str:
    """Return one line about a trial."""
    if trial.verdict == SURVIVED:
        return f"{trial.seconds:5.1f} s  {trial.mutant.id}: SURVIVED"
    if trial.verdict == BROKEN:
        return f"{trial.seconds:5.1f} s  {trial.mutant.id}: BROKEN {trial.message}"
    how = "hangs " if trial.hung else ""
    named = "" if trial.named else "  (not named)"
    what = f"{how}{kind(trial.by)} {trial.by}{named}\n           {trial.message[:150]}"
    return f"{trial.seconds:5.1f} s  {trial.mutant.id}: {what}"


def main(arguments: list[str]) -> int:
    """Try them; print, and write the page if all were tried."""
    parser = argparse.ArgumentParser(description="break the source on purpose")
    parser.add_argument("words", nargs="*")
    for option in ("smoke", "check"):
        parser.add_argument(f"--{option}", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--depth", type=int, choices=(1, 2, 3), default=3)
    options = parser.parse_args(arguments)
    mutants = chosen(options.words, smoke=options.smoke)
    if broken := stale(mutants):
        print("\n".join(broken))
        return 1
    if options.check or not mutants:
        print(f"{len(mutants)} mutants apply")
        return 0 if mutants else 1
    begun = monotonic()
    with TemporaryDirectory(prefix="mutants-") as name:
        pristine = prepared(Path(name))
        nodes = [nodes_of(one.killers) for one in mutants]

        def one(number: int) -> Trial:
            return tried(mutants[number], pristine, nodes[number], depth=options.depth)

        trials: list[Trial] = []
        with ThreadPoolExecutor(options.jobs) as pool:
            for trial in pool.map(one, range(len(mutants))):
                print(line(trial), flush=True)
                trials.append(trial)
    faults = [(each, words) for each in trials if (words := fault(each))]
    for each, words in faults:
        print(f"{each.mutant.id}: {words}")
    killed = sum(each.verdict == KILLED for each in trials)
    print(f"{killed} of {len(trials)} were noticed, in {monotonic() - begun:.0f} s")
    if not options.words and not options.smoke and not faults:
        PAGE.write_text(page(trials), encoding="utf-8")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
