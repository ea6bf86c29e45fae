"""A report as lines of styled spans: what the plain text and the colored one have in common.

*What it is.* Every line is a tuple of ``(style, text)``. The words of a style are those of
`rescind.check.terminal`; the plain text leaves them out.

*Invariants.*
 Y1  No span holds a control character: what a program's own names and values say cannot move the
     cursor, nor hide what follows.

*Threads.* Any.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

from rescind._core.frames import shortened
from rescind.check.awaits import source_of
from rescind.check.contrast import condensed, is_short, line_contrast, word_contrast
from rescind.check.groups import Group, broken_modes, groups, titles
from rescind.check.places import brief, moment, own_place, parts_of, shown_place
from rescind.check.points import Judge, RunPlan
from rescind.check.record import Finding
from rescind.check.report import Report
from rescind.check.token import encode

__all__ = ["Line", "Span", "how", "plain", "report_lines", "set_aside", "totals", "visible"]

Span = tuple[str, str]
Line = tuple[Span, ...]

_KEY = 10
_INDENT = 4
_MOST_REASONS = 5
_MOST_HINTS = 3
_JUDGED = {
    Judge.LOOK: "",
    Judge.FOLLOW_UP: "then used again",
    Judge.PROMPT: "then used again in the same tick",
    Judge.STORM: "12 times, then used again",
    Judge.CROWD: "beside a copy of it",
    Judge.CROWD3: "beside two copies of it",
}


def visible(text: str) -> str:
    """Return a text without control characters: they are escaped, as in a string's repr (Y1)."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def plain(line: Line) -> str:
    """Return a line without its styles."""
    return "".join(text for _, text in line).rstrip()


def report_lines(report: Report, width: int = 100, *, verbose: bool = False) -> Iterator[Line]:
    """Yield what is said of a report, but for its matrix and its coverage.

    Args:
        report: what to tell.
        width: how long a line may be, where it can be broken.
        verbose: tell of the places where nothing but hints was found as of the broken ones; else
            each of the first few gets a line, and the others are counted.
    """
    found = groups(report.confirmed)
    hints = [] if verbose else [group for group in found if not group.broken]
    for group in found:
        if group not in hints:
            yield from _group(report, group, width)
            yield ()
    if hints:
        for group in hints[:_MOST_HINTS]:
            yield _title(report, group)
        more = len(hints) - _MOST_HINTS
        told = (
            "-v tells more of them" if more <= 0 else f"{_count(more, 'more hint')}; -v tells all"
        )
        yield ("hint", "hints"), ("dim", f" {told}")
        yield ()
    yield _verdict(report)
    yield from _honest(report, width)


def how(plan: RunPlan) -> str:
    """Return how a run cancels, and what follows, in words."""
    words = [f"by {plan.mode.value}"]
    if plan.second:
        words.append(f"again at suspension {plan.second} of the cleanup")
    if _JUDGED[plan.judge]:
        words.append(_JUDGED[plan.judge])
    if plan.hold is not None:
        words.append(str(plan.hold))
    return ", ".join(words)


def totals(report: Report) -> list[str]:
    """Return what was done, and what was not."""
    points = len({point for point, _, _ in report.matrix})
    said = [_count(points, "point"), _count(report.runs, "run"), f"{report.seconds:.1f} s"]
    if report.unresolved:
        said.append(f"{_count(len(report.unresolved), 'run')} unresolved")
    if report.untried:
        why = "it was interrupted" if report.interrupted else "the budget was spent"
        said.append(f"{_count(report.untried, 'planned run')} not made: {why}")
    return said


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _verdict(report: Report) -> Line:
    broken = sum(group.broken for group in groups(report.confirmed))
    style = {"broken": "bad", "clean": "good", "unresolved": "warn"}[report.verdict]
    state = f"{_count(broken, 'place')} broken" if broken else report.verdict
    if state == "clean" and (report.untried or report.unresolved or report.set_aside):
        state = "clean as far as tried"
    return (
        ("title", visible(report.name)),
        ("", ": "),
        (style, state),
        ("dim", f" ({', '.join(totals(report))})"),
    )


def _honest(report: Report, width: int) -> Iterator[Line]:
    """Yield what the verdict does not rest on."""
    for text in set_aside(report):
        yield from _row("not tried", text, width, "warn")
    reasons = Counter(report.unresolved.values()).most_common()
    for why, number in reasons[:_MOST_REASONS]:
        first = next(plan for plan, reason in report.unresolved.items() if reason == why)
        assert first.point is not None
        place = brief(shown_place(first.point)) if first.point.stack else ""
        example = f"; such as at {place}, {moment(first.point, first.instant)}" if place else ""
        text = f"{_count(number, 'run')}: {brief(why)}{example}"
        yield from _row("unresolved", text, width, "warn")
    if len(reasons) > _MOST_REASONS:
        yield from _row("unresolved", f"{len(reasons) - _MOST_REASONS} more reasons", width, "warn")


def set_aside(report: Report) -> Iterator[str]:
    """Yield which kinds of runs could not be made, by reason."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for kind, why in report.set_aside.items():
        reason, _, example = brief(why).partition(": ")
        kinds.setdefault(reason, []).append((kind, example))
    for reason, found in kinds.items():
        example = next((example for _, example in found if example), "")
        such = "" if not example else f": {example}" if len(found) == 1 else f", such as {example}"
        yield f"{'; '.join(kind for kind, _ in found)}: {reason}{such}"


def _group(report: Report, group: Group, width: int) -> Iterator[Line]:
    lead = group.lead
    plan, symptom = lead.plan, lead.symptom
    point = plan.point
    assert point is not None
    yield _title(report, group)
    source = _source(shown_place(point)) if point.stack else ""
    if source:
        yield from _row("await", source, width, "code")
    yield from _row("canceled", f"{moment(point, plan.instant)}, {how(plan)}", width)
    own = own_place(point)
    if own is not None and own != shown_place(point):
        yield from _row("from", f"{brief(own)}: {_source(own)}".rstrip(": "), width)
    if point.stack and point.place != shown_place(point):
        yield from _row("in", brief(point.place), width, "dim")
    yield from _contrast(lead, width)
    if lead.rate < 1:
        yield from _row("flaky", f"seen in {lead.rate:.0%} of the runs", width, "warn")
    modes = broken_modes(report, group)
    if len(modes) > 1:
        yield from _row("under", ", ".join(mode.value for mode in modes), width)
    if symptom.remedy:
        yield from _row("remedy", symptom.remedy, width)
    for other in group.also:
        yield from _also(lead, other, width)
    yield (*_key("replay"), ("token", f"rescind check replay {encode(report.name, plan)}"))


def _title(report: Report, group: Group) -> Line:
    """Return where it is, and what the most telling finding says."""
    word: Span = ("bad", "BROKEN") if group.broken else ("hint", "hint")
    place = visible(brief(shortened(titles(report).get(group.place, group.place))))
    sentence = visible(group.lead.symptom.sentence)
    return word, ("", "  "), ("place", place), ("", ": "), ("title", sentence)


def _also(lead: Finding, other: Finding, width: int) -> Iterator[Line]:
    text = other.symptom.sentence
    if other.symptom.seen:
        text += f": {condensed(brief(other.symptom.seen))}"
    if other.plan != lead.plan:
        assert other.plan.point is not None
        text += f" ({moment(other.plan.point, other.plan.instant)}, {how(other.plan)})"
    if other.rate < 1:
        text += f" (flaky: {other.rate:.0%})"
    if other.severity != lead.severity:
        text = f"hint: {text}"
    yield from _row("also", text, width, "dim")


def _contrast(finding: Finding, width: int) -> Iterator[Line]:
    expected = condensed(brief(finding.symptom.expected))
    seen = condensed(brief(finding.symptom.seen))
    if not expected or not seen or is_short(expected, seen):
        left, right = word_contrast(expected, seen)
        # Two texts that have next to nothing in common are not made clearer by marking all.
        marked = sum(changed for changed, _ in left) <= len(left) / 2
        for key, parts, style in (("expected", left, "old"), ("seen", right, "new")):
            if parts:
                spans = ((style if marked and new else "", visible(text)) for new, text in parts)
                yield (*_key(key), *spans)
        return
    lines = line_contrast(expected, seen)
    if all(sign != " " for sign, _ in lines):  # nothing in common: there is nothing to line up
        yield from _row("expected", expected, width)
        yield from _row("seen", seen, width)
        return
    styles = {"-": "old", "+": "new", "…": "dim", " ": ""}
    for number, (sign, text) in enumerate(lines):
        if number == 0:
            yield (*_key("contrast"), ("old", "- expected  "), ("new", "+ seen"))
        space = max(width - _INDENT - _KEY - 2, 20)
        for part in textwrap.wrap(visible(text), space, drop_whitespace=False) or [""]:
            yield (("", " " * (_INDENT + _KEY)), (styles[sign], f"{sign} {part}"))


def _key(name: str) -> Line:
    return ("", " " * _INDENT), ("key", name.ljust(_KEY))


def _row(name: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    """Yield a named text, broken into lines, none of which is longer than ``width`` if possible."""
    space = max(width - _INDENT - len(name.ljust(_KEY)), 20)
    lines = textwrap.wrap(visible(text), space, break_long_words=False, break_on_hyphens=False) or [
        ""
    ]
    yield (*_key(name + (" " if len(name) >= _KEY else "")), (style, lines[0]))
    for line in lines[1:]:
        yield ("", " " * (_INDENT + _KEY)), (style, line)


def _source(place: str) -> str:
    """Return the source line of a place, as it is now."""
    file, line, _ = parts_of(place)
    lines = source_of(file).text.splitlines()
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def joined(lines: Iterable[Line]) -> Iterator[str]:
    """Yield lines as plain text."""
    return (plain(line) for line in lines)
