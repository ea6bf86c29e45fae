"""`Exploration`: what exploring a program has found, and within which bounds.

*Threads.* Data; any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rescind.testing.lab.changes import Bounds, Changes
from rescind.testing.lab.record import Failure, Run
from rescind.testing.lab.timeline import LEGEND, timeline

__all__ = ["Exploration", "Verdict"]

Verdict = str
"""``pass``, ``fail`` or ``unresolved``."""


@dataclass(frozen=True)
class Exploration:
    """The report of `explore`.

    Attributes:
        verdict: ``pass``: nothing failed within the bounds that were reached; ``fail``; or
            ``unresolved``: nothing failed, but that means nothing, as `why` says.
        why: the reason for a verdict that is not ``pass``; empty otherwise.
        name: of the program.
        bounds: as asked for.
        within: with how many changes every run was made; -1: not even the plain one.
        runs: how many runs were made.
        seconds: how long it took.
        points: at how many points the plain run can be canceled.
        canceled: at how many of these some run was.
        injections: how many injections have struck.
        outcomes: how main ended, in words, each once, in order of appearance.
        failure: what is wrong with the failing run; None if none failed.
        run: the failing run, shrunk and recorded; or the plain one.
        changes: what makes it differ from the plain one.
        token: to make it again with `replay`; None if none failed.
        replayed: tokens that were known before: how many failed as ever, and how many did not.
        data: of the program, with ``program=``: the smallest with which it fails, or those with
            which the search came least far; else None.
        examples: for how many data it was explored; 0 without ``program=``.
    """

    verdict: Verdict
    why: str
    name: str
    bounds: Bounds
    within: int
    runs: int
    seconds: float
    points: int
    canceled: int
    injections: int
    outcomes: tuple[str, ...]
    failure: Failure | None = None
    run: Run[Any] | None = None
    changes: Changes = field(default_factory=Changes)
    token: str | None = None
    replayed: tuple[int, int] = (0, 0)
    data: Any = None
    examples: int = 0

    @property
    def rate(self) -> float:
        """Runs per second."""
        return self.runs / self.seconds if self.seconds > 0 else 0.0

    def check(self) -> Exploration:
        """Return the report if the verdict is ``pass``.

        Raises:
            AssertionError: it is not; the message is the whole report.
        """
        if self.verdict != "pass":
            raise AssertionError(f"\n{self}")
        return self

    def timeline(self, *, width: int = 100) -> str:
        """Return the failing run, a column for each task; empty if none failed."""
        return "" if self.failure is None or self.run is None else timeline(self.run, width=width)

    def __str__(self) -> str:
        return self.told(f"replay: {self.token}")

    def told(self, again: str) -> str:
        """Return the whole report.

        Args:
            again: how to make the failing run again, in words.
        """
        lines = [self._headline()]
        if self.failure is not None:
            lines += ["", *_indented(str(self.failure)), ""]
            if self.examples:
                lines += [f"  with the data {self.data!r}", ""]
            lines += [self.timeline(), "", f"  {LEGEND}", ""]
            lines += [f"  {again}"]
        lines.append(self._totals())
        return "\n".join(lines)

    def _headline(self) -> str:
        if self.verdict == "fail":
            return f"{self.name}: fail, with {_changed(self.changes)}"
        if self.verdict == "unresolved":
            return f"{self.name}: unresolved: {self.why}"
        reached = f"{self.within} of {self.bounds.changes}"
        if self.within >= self.bounds.changes:
            reached = str(self.bounds.changes)
        return (
            f"{self.name}: pass within {reached} changes (at most {self.bounds.deviations} of "
            f"order, {self.bounds.injections} injections)"
        )

    def _totals(self) -> str:
        known, gone = self.replayed
        replayed = f"; {known + gone} known tokens, {known} failed" if known + gone else ""
        outcomes = len(self.outcomes)
        examples = f"; {self.examples} examples" if self.examples else ""
        return (
            f"  {self.runs} runs in {self.seconds:.1f} s ({self.rate:,.0f} a second); "
            f"{self.canceled} of {self.points} points canceled; {self.injections} injections; "
            f"{outcomes} outcome{'s' if outcomes != 1 else ''}{replayed}{examples}"
        )


def _changed(changes: Changes) -> str:
    if not len(changes):
        return "no change: the runtime's own order"
    words: list[str] = []
    order, injected = len(changes.choices), len(changes.injections)
    if order:
        words.append(f"{order} change{'s' if order > 1 else ''} of order")
    if injected:
        words.append(f"{injected} injection{'s' if injected > 1 else ''}")
    return " and ".join(words)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
