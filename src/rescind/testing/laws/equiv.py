"""``≃`` and ``≈``: when two programs do the same.

``a ≃ b``: in every setting the same outcome, the same trace, the same end of virtual time.
``a ≈ b``: over all the orders that were tried, the same set of outcomes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from rescind.testing.laws.stage import PLAIN, Play, Runnable, Setting, play

__all__ = ["same", "same_outcomes", "schedules"]


def same(a: Runnable, b: Runnable, setting: Setting = PLAIN) -> tuple[Play, Play]:
    """Check that ``a ≃ b`` in this setting; return both runs.

    Raises:
        AssertionError: they differ; it shows both, and in what.
    """
    left, right = play(a, setting), play(b, setting)
    if left.seen() != right.seen():
        raise AssertionError(
            f"the two programs should do the same (≃), but do not.\n"
            f"in {setting!r}\n" + "\n".join(difflib.ndiff(_lines(a, left), _lines(b, right)))
        )
    return left, right


def _lines(program: Runnable, run: Play) -> list[str]:
    return [
        f"program: {getattr(program, '__name__', program)!r}",
        f"outcome: {run.ended!r}",
        f"ends at: {run.at:g}{', stuck' if run.stuck else ''}",
        *(f"  {entry.what}" for entry in run.trace),
    ]


def schedules(length: int = 4, width: int = 2) -> Iterable[tuple[int, ...]]:
    """Return all choices of so many steps among so many tasks."""
    return product(range(width), repeat=length)


def same_outcomes(
    a: Runnable,
    b: Runnable,
    orders: Iterable[tuple[int, ...]] | None = None,
    *,
    of: Callable[[Play], Any] = lambda run: run.ended,
    of_b: Callable[[Play], Any] | None = None,
) -> None:
    """Check that ``a ≈ b``: over all ``orders``, the same set of outcomes.

    Args:
        a: a program.
        b: another.
        orders: the choices to try; by default all of four steps among two tasks.
        of: what is compared of a run, by default how it ended.
        of_b: the same for ``b``, where that differs.

    Raises:
        AssertionError: one has an outcome that the other has not; it shows which, and how.
    """
    tried = list(schedules() if orders is None else orders)
    left = {of(play(a, Setting(choices))): choices for choices in tried}
    right = {(of_b or of)(play(b, Setting(choices))): choices for choices in tried}
    for first, second, one, other in ((left, right, a, b), (right, left, b, a)):
        extra = first.keys() - second.keys()
        if extra:
            outcome = min(extra, key=repr)
            raise AssertionError(
                f"the two programs should have the same outcomes (≈), but do not.\n"
                f"  {one!r}\nends, with choices {first[outcome]!r}, as\n  {outcome!r}\n"
                f"which is none of the outcomes of\n  {other!r}\n  {sorted(second, key=repr)!r}"
            )
