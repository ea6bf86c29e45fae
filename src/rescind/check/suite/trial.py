"""`try_test`: sweeps one test that has passed, and says what that showed.

*Threads.* pytest's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rescind.check.detectors import Detector, detectors_for
from rescind.check.judging import findings_of
from rescind.check.points import Instant
from rescind.check.record import Finding
from rescind.check.report import Report, Verdict
from rescind.check.run import execute
from rescind.check.scenario import Outside, Scenario
from rescind.check.suite.blame import attributed
from rescind.check.suite.cases import CaseRig
from rescind.check.suite.pages import packed
from rescind.check.suite.rig import Rig
from rescind.check.suite.settings import Settings
from rescind.check.sweep import NotCheckable, Sweep
from rescind.check.text import lines_of
from rescind.check.token import BadToken, decode, encode
from rescind.testing.plugin.item import RescindFunction

if TYPE_CHECKING:
    import pytest

__all__ = ["Swept", "Trial", "keeping_loop", "no_trial"]

_TIMEOUT = 5.0


@dataclass(slots=True)
class Swept:
    """What the sweep of one test showed; plain data, which goes from a worker to the terminal.

    Attributes:
        runs: how many were made.
        why_not: why it was not swept; empty: it was.
        tokens: of what broke.
        text: what broke, as a report tells it; empty: nothing.
        untried: planned runs for which the budget was too small.
        unresolved: runs that are worth nothing.
        told: what the files that tell of all tests say of it; empty: none was asked for.
    """

    runs: int = 0
    why_not: str = ""
    tokens: list[str] = field(default_factory=list[str])
    text: str = ""
    untried: int = 0
    unresolved: int = 0
    told: str = ""


def no_trial(item: pytest.Function) -> str | None:
    """Return why an async test cannot be swept; empty if it can; None if it is not async."""
    function = item.obj
    if hasattr(function, "hypothesis"):
        inner = getattr(function.hypothesis, "inner_test", None)
        return "hypothesis makes its arguments" if inspect.iscoroutinefunction(inner) else None
    if not inspect.iscoroutinefunction(function):
        return None
    backend: Any = item.funcargs.get("anyio_backend", "asyncio")
    name: Any = backend if isinstance(backend, str) else backend[0]
    if name != "asyncio" or item.get_closest_marker("trio") is not None:
        return f"it runs on {name if name != 'asyncio' else 'trio'}"
    if isinstance(item, RescindFunction):
        if item.host != "asyncio":
            where = "in virtual time" if item.host == "lab" else f"on {item.host}"
            return f"it runs {where}; those with hosts='asyncio' are swept"
        if "runtime" in item.fixturenames:
            return "it uses the fixture 'runtime', which is not that of a sweep"
    return ""


class Trial:
    """One test that is swept.

    Attributes:
        rig: its fixtures.
        report: what is known so far.
    """

    def __init__(
        self,
        item: pytest.Function,
        settings: Settings,
        files: frozenset[str],
        *,
        hints: bool,
        tell: bool,
    ) -> None:
        used: dict[str, Any] = dict(item._request._fixture_defs)
        is_case = hasattr(item.instance, "_asyncioRunner")
        self.rig = CaseRig(item, used) if is_case else Rig(item, used)
        self.scenario = Scenario(
            self.rig.body,
            Outside(self.rig.set_up),
            Outside(self.rig.tear_down),
            settings.invariants,
            _TIMEOUT,
            item.nodeid,
            repeatable=False,
            cleanup_within=settings.cleanup_within,
        )
        self._settings = settings
        self._files = files
        self._hints = hints
        self._tell = tell
        self.sweep = Sweep(self.scenario, settings.options)

    def replay(self, tokens: list[str], more: Sequence[Detector] = ()) -> Swept | None:
        """Make the runs of known failures again; return what still fails, if anything does.

        Args:
            tokens: the runs.
            more: who else looks on.
        """
        known: list[Finding] = []
        detectors = detectors_for(self.scenario)
        for token in tokens:
            try:
                plan = decode(token).plan
            except BadToken:
                continue
            if plan.point is None:
                continue
            clean = execute(self.scenario, plan.clean(), [one() for one in detectors])
            record = execute(self.scenario, plan, [*more, *(one() for one in detectors)])
            if not clean.error and not record.error and record.struck and not record.diverged:
                known += findings_of(record, clean)
        report = Report(self.scenario.name, known, known, runs=2 * len(tokens))
        for finding in known:
            report.mark(finding.plan, Verdict.BROKEN)
        swept = self._told(report)
        return swept if swept.text else None

    def run(self) -> Swept:
        """Sweep it."""
        try:
            self.sweep.run()
        except NotCheckable as exc:
            why = str(exc).removeprefix(f"{self.scenario.name}, not canceled: ")
            return Swept(self.sweep.report.runs, f"run again, not canceled: {why}")
        return self._told(self.sweep.report)

    def _told(self, report: Report) -> Swept:
        """Say what of a report is to be said of the test."""
        told = attributed(report.confirmed, self.scenario, self._files)
        faults = [one for one in told if one.severity == "verdict"]
        shown = told if self._hints else faults
        # What broke elsewhere in the same way must not count where the test itself is to blame.
        report.findings, report.confirmed = shown, shown
        for key, verdict in report.matrix.items():
            if verdict is Verdict.BROKEN and not any(_at(one) == key[:2] for one in faults):
                report.matrix[key] = Verdict.SURVIVED
        report.coverage.blame(one.plan.point for one in faults if one.plan.point is not None)
        swept = Swept(report.runs, untried=report.untried, unresolved=len(report.unresolved))
        if self._tell:
            swept.told = packed(report)
        if faults:
            swept.tokens = [encode(report.name, one.plan) for one in faults]
            swept.text = "\n".join(lines_of(replace(report), verbose=True))
        return swept


def _at(finding: Finding) -> tuple[Any, Instant]:
    return finding.plan.point, finding.plan.instant


def keeping_loop(call: Callable[[], Swept]) -> Swept:
    """Call a function that sets event loops; afterwards the one that was current is so again."""
    policy: Any = getattr(asyncio, "get_event_loop_policy", object)()  # going, from 3.14 on
    before = getattr(getattr(policy, "_local", None), "_loop", None)
    try:
        return call()
    finally:
        asyncio.set_event_loop(before)
