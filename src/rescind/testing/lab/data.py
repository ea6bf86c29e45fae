"""Exploring a program for many data: hypothesis draws and shrinks them, each is explored.

*What it is.* The outer loop. What is shrunk last is the data, with the class of the failure kept:
for each smaller example the exploration starts anew, so that its run is minimal for that example.

*Threads.* The one that explores.

*Source.* hypothesis; its integrated shrinking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

from rescind.testing.lab.exploration import Exploration

__all__ = ["explore_data"]


class _Found(Exception):
    """An example fails as the first one did."""


def explore_data(
    explored: Callable[[Any], Exploration],
    program: Any,
    *,
    seed: int,
    budget: float,
    examples: int,
) -> Exploration:
    """Explore for each example that ``program`` gives, and report the smallest that fails.

    Args:
        explored: explores for one example; must not depend on time.
        program: a strategy of hypothesis.
        seed: for the examples.
        budget: no example is begun after so many seconds, except to shrink one that fails.
        examples: how many at most.

    Returns:
        The report of the smallest failing example; or of an example that was not resolved, or of
        the one that came least far. Its totals are those of all.
    """
    try:
        import hypothesis
    except ImportError:
        raise ImportError("program= needs hypothesis: pip install 'rescind[laws]'") from None
    hyp: Any = hypothesis
    began = monotonic()
    found: list[Exploration] = []
    others: list[Exploration] = []
    runs = struck = 0

    def each(data: Any) -> None:
        nonlocal runs, struck
        if not found and others and monotonic() - began > budget:
            return
        report = replace(explored(data), data=data)
        runs += report.runs
        struck += report.injections
        failure = report.failure
        if failure is None:
            others.append(report)
        elif not found or failure.same(found[0].failure):
            found.append(report)
            raise _Found

    options: dict[str, Any] = {
        "database": None,
        "deadline": None,
        "max_examples": examples,
        "phases": (hyp.Phase.generate, hyp.Phase.shrink),
        "report_multiple_bugs": False,
        "suppress_health_check": list(hyp.HealthCheck),
        "verbosity": hyp.Verbosity.quiet,
    }
    test = hyp.settings(**options)(hyp.seed(seed)(hyp.given(program)(each)))
    try:
        test()
    except _Found:
        shown = found[-1]  # hypothesis ends with the smallest
    else:
        shown = min(others, key=_how_far)
    return replace(
        shown,
        runs=runs,
        injections=struck,
        seconds=monotonic() - began,
        examples=len(others + found),
    )


def _how_far(report: Exploration) -> tuple[bool, int]:
    return report.verdict == "pass", report.within
