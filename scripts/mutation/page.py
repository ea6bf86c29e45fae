"""docs/mutants.md: the published list, written from what a run has shown."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable

from scripts.mutation.child import SURVIVED
from scripts.mutation.trial import ROOT, Trial, kind

__all__ = ["PAGE", "page"]

PAGE = ROOT / "docs" / "mutants.md"

HEAD = """\
# What notices a fault

*Written by `make mutants`, which breaks the source to find out; do not edit.*

Each line is one fault, put on purpose into a copy of the source: a wake-up that is dropped, a
permit that is forgotten, a value that is delivered twice. Then the [laws](laws.md), the model
checks and the explorations of the [lab](testing.md) are run against that copy, and the line says
who was the first to notice, and after how many seconds, the start of Python included. A fault that
nobody notices would say that something is promised and not looked after.

"""
#: Who notices, in the order of preference.
KINDS = {
    "law": "a law of `rescind.testing.laws`, over generated programs, orders and cancellations; or "
    "the kit, over a future, combinator or primitive of rescind's own",
    "model": "the primitives by hand: every interleaving of three tasks, canceled or dropped at "
    "every park, compared with a sequential model; who is served first, and what an end leaves",
    "lab": "the lab, over a small program: every order and every cancellation, up to so many "
    "changes; or in virtual time alone",
    "test": "an ordinary test",
}
PLACES = {
    "_core": "The core",
    "combinators": "The combinators",
    "tasks": "Groups, tokens, joins",
    "sync": "The primitives",
    "time.py": "Time",
}


def page(trials: list[Trial]) -> str:
    """Return the page."""
    killed = [one for one in trials if one.verdict != SURVIVED]
    counts = Counter(kind(one.by) for one in killed)
    text = HEAD + _table(("who", "what it is", "faults"), _kinds(counts))
    text += f"\n{len(killed)} of {len(trials)} faults are noticed"
    hung = sum(one.hung for one in killed)
    text += f", {hung} of them because a program waits for ever" if hung else ""
    text += f". CPython {platform.python_version()}.\n"
    columns = ("fault", "what it breaks", "noticed by", "s")
    for place, title in PLACES.items():
        rows = [_row(one) for one in killed if one.mutant.file.partition("/")[0] == place]
        if rows:
            text += f"\n## {title}\n\n" + _table(columns, rows)
    left = [one.mutant for one in trials if one.verdict == SURVIVED]
    if left:
        rows = [(f"`{one.id}`", f"{one.breaks} ({one.rule})", one.survives) for one in left]
        text += "\n## What nobody can notice\n\n"
        text += _table(("fault", "what it changes", "why"), rows)
    return text


def _kinds(counts: Counter[str]) -> list[tuple[str, ...]]:
    return [(name, told, str(counts[name])) for name, told in KINDS.items()]


def _row(trial: Trial) -> tuple[str, ...]:
    mutant = trial.mutant
    by = f"{kind(trial.by)} {_short(trial.by)}{', hangs' if trial.hung else ''}"
    fault = f"`{mutant.id}`, {mutant.file.removesuffix('.py')}"
    return fault, f"{mutant.breaks} ({mutant.rule})", by, f"{trial.seconds:.1f}"


def _short(node: str) -> str:
    """Return a test's name without what its place says already."""
    path, _, name = node.partition("::")
    if name.startswith("test_law["):
        return name.removeprefix("test_law[").removesuffix("]").replace("-", " ", 1)
    name = name.removeprefix("test_").replace("|", "/")
    if kind(node) == "law":
        return f"`{name}`"
    return f"`{path.rpartition('/')[2].removesuffix('.py').removeprefix('test_')}: {name}`"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace(" --- ", "---") for cells in lines)
