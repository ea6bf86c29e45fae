"""An account of one run: what came before, where it was canceled, and what that led to.

*What it is.* What `rescind check replay` tells: plain lines, in the order in which it happened.

*Threads.* Any.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rescind.check.layout import _source, how, visible
from rescind.check.places import brief, own_place, shown_place
from rescind.check.points import ROOT, Instant, Point, RunPlan
from rescind.check.record import End, Finding, Record

__all__ = ["Replayed", "account_lines"]

_KEY: Final = 11
_LAST: Final = 6
_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run that was made again.

    Attributes:
        target: what was run.
        record, clean: the run, and the one with which it is compared.
        findings: what it shows; verdicts first.
    """

    target: str
    record: Record
    clean: Record
    findings: Sequence[Finding]

    @property
    def broken(self) -> bool:
        """Does it show a fault?"""
        return any(finding.severity == "verdict" for finding in self.findings)


def account_lines(run: Replayed, *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines.

    Args:
        run: what to tell of.
        verbose: tell of every await, and of the library's own frames too.
    """
    record, clean, plan = run.record, run.clean, run.record.plan
    yield from _row("replay", run.target)
    yield from _before(record, verbose)
    yield from _strike(plan, verbose)
    for number, stack in enumerate(record.cleaned, 1):
        again = ", and canceled again" if number == plan.second else ""
        place = _brief(stack, verbose)
        yield from _row("cleanup" if number == 1 else "", f"waits at {place}{again}")
    yield from _row("it", _compared(record.body, clean.body))
    if record.follow_up.kind != "not run":
        yield from _row("next use", _compared(record.follow_up, clean.follow_up))
    for number, (now, was) in enumerate(zip(record.crowd, clean.crowd, strict=False), 1):
        yield from _row("neighbors" if number == 1 else "", _compared(now, was))
    if record.teardown:
        yield from _row("teardown", record.teardown)
    yield ""
    for finding in run.findings:
        yield from _finding(finding)
    if not run.findings:
        yield "survived: no detector sees anything that the uncanceled run does not show"
    elif not run.broken:
        yield "survived: hints alone"


def _before(record: Record, verbose: bool) -> Iterator[str]:
    """Tell of the awaits at which it parked, up to the strike."""
    parks = [point for point, _ in record.points[: record.before] if point.stack]
    if record.plan.instant in (Instant.PARKED, Instant.WOKEN) and parks:
        parks.pop()  # that is the one of the strike
    shown = parks if verbose else parks[-_LAST:]
    if not parks:
        yield from _row("before", "nothing: it is the first await")
        return
    if len(shown) < len(parks):
        yield from _row("before", f"{len(parks) - len(shown)} awaits (-v shows them), then")
    for number, point in enumerate(shown):
        task = "" if point.task == ROOT else f" ({point.task})"
        first = number == 0 and len(shown) == len(parks)
        yield from _row("before" if first else "", _place(point, verbose) + task)


def _strike(plan: RunPlan, verbose: bool) -> Iterator[str]:
    point = plan.point
    assert point is not None
    yield from _row("canceled", f"{plan.instant.value}, {how(plan)}")
    if plan.instant is Instant.CALLBACK:
        yield from _row("", f"before callback {point.visit} since the scenario began")
    if point.task != ROOT:
        yield from _row("", f"in task {point.task}")
    visit = f", visit {point.visit}" if point.visit > 1 and point.stack else ""
    stack = point.stack if verbose else tuple(dict.fromkeys(_telling(point)))
    for number, place in enumerate(stack):
        last = visit if number == len(stack) - 1 else ""
        yield from _row("at" if number == 0 else "", brief(place) + last)
        text = _source(place)
        if text:
            yield from _row("", f"    {text}")


def _telling(point: Point) -> Iterator[str]:
    """Yield the places that concern a reader: the user's own, and the library's innermost."""
    own = own_place(point)
    if own is not None:
        yield own
    if point.stack:
        yield shown_place(point)
        yield point.stack[-1]


def _brief(stack: tuple[str, ...], verbose: bool) -> str:
    return _place(Point(ROOT, stack), verbose)


def _place(point: Point, verbose: bool) -> str:
    if verbose:
        return " > ".join(map(brief, point.stack))
    own = own_place(point)
    places = dict.fromkeys([] if own is None else [own])
    places[shown_place(point)] = None
    return " > ".join(map(brief, places))


def _compared(now: End, was: End) -> str:
    if (now.kind, now.shown) == (was.kind, was.shown):
        return f"{_ended(now)}, as if it was not canceled"
    return f"{_ended(now)}; not canceled, it {_ended(was)}"


def _ended(end: End) -> str:
    words = {"canceled": "ended canceled", "hung": "hangs:", "not run": "did not begin"}
    return f"{words.get(end.kind, end.kind)} {end.shown}".rstrip()


def _finding(finding: Finding) -> Iterator[str]:
    symptom = finding.symptom
    word = "BROKEN" if finding.severity == "verdict" else "hint"
    yield f"{word} ({finding.detector}): {visible(symptom.sentence)}"
    for key in ("expected", "seen", "remedy"):
        text: str = getattr(symptom, key)
        if text:
            yield from _row(f"  {key}", text)


def _row(key: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(
        visible(brief(text)),
        _WIDTH - _KEY,
        break_on_hyphens=False,
        drop_whitespace=True,
        break_long_words=False,
        replace_whitespace=False,
    ) or [""]
    indent = " " * (len(text) - len(text.lstrip()))
    for number, line in enumerate(lines):
        yield f"{key if number == 0 else '':<{_KEY}}{indent if number == 0 else ''}{line.lstrip()}"
