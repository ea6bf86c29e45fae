"""``≃`` and ``≈``: when two programs do the same.

``a ≃ b``: in every setting the same outcome, the same trace, the same end of virtual time.
``a ≈ b``: over all orders, or all with so many deviations, the same set of outcomes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from rescind._core.errors import UsageError
from rescind.testing.lab.schedule import Exhaustive
from rescind.testing.laws.stage import PLAIN, Play, Runnable, Setting, play

__all__ = ["endings", "same", "same_outcomes"]


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


def endings(
    program: Runnable,
    setting: Setting = PLAIN,
    *,
    deviations: int | None = None,
    of: Callable[[Play], Any] = lambda run: run.ended,
    most: int = 5_000,
) -> dict[Any, tuple[int, ...]]:
    """Run a program in every order; return how it can end, each with the choices that lead there.

    Args:
        program: a tree, or an async function of the `interpret.Machine`.
        setting: the cancellations from outside.
        deviations: how many choices may differ from the runtime's; None: any number.
        of: what is looked at in a run, by default how it ended.
        most: how many orders there may be.

    Raises:
        UsageError: there are more.
    """
    found: dict[Any, tuple[int, ...]] = {}
    for number, order in enumerate(Exhaustive(deviations)):
        if number >= most:
            raise UsageError(
                f"a program has more than {most} orders: bound them with deviations=, or take a "
                f"smaller one: {program!r}"
            )
        run = play(program, setting, schedule=order)
        found.setdefault(of(run), run.choices)
    return found


def same_outcomes(
    a: Runnable,
    b: Runnable,
    *,
    deviations: int | None = None,
    of: Callable[[Play], Any] = lambda run: run.ended,
    of_b: Callable[[Play], Any] | None = None,
) -> None:
    """Check that ``a ≈ b``: over all orders, the same set of outcomes.

    Args:
        a: a program.
        b: another.
        deviations: how many choices of a run may differ from the runtime's; None: any number, and
            then both should be small.
        of: what is compared of a run, by default how it ended.
        of_b: the same for ``b``, where that differs.

    Raises:
        AssertionError: one has an outcome that the other has not; it shows which, and how.
    """
    left = endings(a, deviations=deviations, of=of)
    right = endings(b, deviations=deviations, of=of_b or of)
    for first, second, one, other in ((left, right, a, b), (right, left, b, a)):
        extra = first.keys() - second.keys()
        if extra:
            outcome = min(extra, key=repr)
            raise AssertionError(
                f"the two programs should have the same outcomes (≈), but do not.\n"
                f"  {one!r}\nends, with choices {first[outcome]!r}, as\n  {outcome!r}\n"
                f"which is none of the outcomes of\n  {other!r}\n  {sorted(second, key=repr)!r}"
            )
