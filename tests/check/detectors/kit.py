"""Sweeps a small program, and returns what one detector says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rescind.check import Finding, Judge, Mode, Options, Scenario, Sweep
from rescind.check.detectors import DETECTORS, Detector

__all__ = ["found"]


def found(
    name: str,
    scenario: Callable[..., Any],
    *,
    setup: Callable[..., Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    invariants: Iterable[Callable[..., Any]] = (),
    judges: tuple[Judge, ...] = tuple(Judge),
    modes: tuple[Mode, ...] = (Mode.ASYNCIO,),
    cleanup: bool = True,
    detectors: tuple[type[Detector], ...] = DETECTORS,
) -> list[Finding]:
    """Return what the detector called ``name`` finds, the most telling first."""
    options = Options(modes=modes, judges=judges, cleanup=cleanup, confirm=0)
    case = Scenario(scenario, setup, teardown, tuple(invariants), timeout=5.0)
    report = Sweep(case, options, None, detectors).run()
    assert not report.unresolved, report.unresolved
    return [finding for finding in report.shown() if finding.detector == name]
