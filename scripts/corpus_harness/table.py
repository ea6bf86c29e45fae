"""The table of what was found: for a terminal and for the docs in Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from scripts.corpus_harness.verdicts import Answer, Row

__all__ = ["aligned", "as_json", "headings", "in_cells", "markdown", "summary"]

headings: Final = (
    *("case", "version", "without invariants", "with invariants", "detectors", "false alarms"),
    *("runs", "seconds"),
)


def in_cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row, one for each of the headings."""
    for word, reason in (("failed", row.failed), ("skipped", row.skipped)):
        if reason is not None:
            return (row.case, row.role, f"{word}: {reason}", "", "", "", "", "")
    answers = [a for a in (row.without, row.with_invariants) if a and a.word != "failed"]
    first = answers[0] if answers else None
    return (
        row.case,
        row.role,
        _word(row.without),
        _word(row.with_invariants),
        ", ".join(first.detectors) if first else "",
        " / ".join(str(a.false_alarms) for a in answers) if row.role == "fixed" else "",
        " / ".join(str(a.runs) for a in answers),
        " / ".join(f"{a.seconds:.1f}" for a in answers),
    )


def _word(answer: Answer | None) -> str:
    if answer is None:
        return "–"
    if answer.good and answer.word in ("missed", "unresolved"):
        return f"{answer.word}, explained"
    return answer.word if answer.good else f"{answer.word} (!)"


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the terminal: columns as wide as their widest cell."""
    lines = [titles, *rows]
    # A row that says why it was left out is one long cell: it makes no column wide.
    full = [line for line in lines if any(line[3:])]
    widths = [max(len(line[i]) for line in full) for i in range(len(titles))]
    drawn = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    drawn.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(drawn)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n"
        for line in (titles, ["---"] * len(titles), *rows)
    )


def summary(rows: Sequence[Row]) -> str:
    """Return the totals in a few lines, and everything that is to be said about single rows."""
    lines: list[str] = []
    for how, answers in (
        ("without invariants", [(r, r.without) for r in rows]),
        ("with invariants", [(r, r.with_invariants) for r in rows]),
    ):
        ran = [(row, answer) for row, answer in answers if answer is not None]
        if not ran:
            continue
        bugs = [answer for row, answer in ran if row.role != "fixed"]
        fixed = [answer for row, answer in ran if row.role == "fixed"]
        lines.append(
            f"{how}: {sum(a.word == 'found' for a in bugs)} of {len(bugs)} bugs found; "
            f"{sum(a.word == 'clean' for a in fixed)} of {len(fixed)} fixed versions clean; "
            f"{sum(a.seconds for _row, a in ran):.1f} s"
        )
    skipped = [row for row in rows if row.skipped]
    if skipped:
        lines.append(f"{len(skipped)} version(s) were skipped, each with its reason above")
    for row in rows:
        for how, answer in (("without", row.without), ("with", row.with_invariants)):
            if answer is not None:
                lines += [f"{row.case} ({row.role}, {how}): {text}" for text in answer.remarks]
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Return everything in a form that can be dumped."""
    return {"good": all(row.good for row in rows), "rows": [asdict(row) for row in rows]}
