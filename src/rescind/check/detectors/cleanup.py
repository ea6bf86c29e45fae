"""How long the cleanup takes, and what of a program's code is cleanup.

*Threads.* Any.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final, Literal

from rescind.check.detectors.base import Detector
from rescind.check.places import parts_of
from rescind.check.record import Record, Symptom

__all__ = ["SlowCleanup", "cleanup_within", "is_cleanup"]

#: In seconds; whoever has a bound of their own says so.
_LONG: Final = 5.0
#: Functions that end things, by their names.
_ENDS: Final = re.compile(r"_*(aexit|exit|aclose|close|disconnect|release|cleanup|stop|shutdown)")


class SlowCleanup(Detector):
    """It ends canceled, but only after a long time, of the loop's clock."""

    name = "slow cleanup"
    severity: ClassVar[Literal["verdict", "hint"]] = "hint"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        return _longer_than(_LONG, seen)


def cleanup_within(seconds: float) -> type[Detector]:
    """Return `SlowCleanup` with a bound that was promised: then more is a fault."""

    class Bounded(SlowCleanup):
        severity = "verdict"

        @classmethod
        def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
            return _longer_than(seconds, seen)

    return Bounded


def _longer_than(seconds: float, seen: Record) -> Iterable[Symptom]:
    if seen.struck and seen.end.kind != "hung" and seen.cleanup_seconds > seconds:
        yield Symptom(
            "the cleanup takes long",
            expected=f"it ends within {seconds:g} s of the cancellation",
            seen=f"it took {seen.cleanup_seconds:.3g} s",
            remedy="bound the awaits of the cleanup with asyncio.timeout()",
        )


def is_cleanup(stack: Iterable[str]) -> bool:
    """Is somebody who is parked there ending something, and not working?"""
    for place in stack:
        file, line, function = parts_of(place)
        if _ENDS.match(function.rpartition(".")[2]):
            return True
        if any(begin <= line <= end for begin, end in _handlers(file)):
            return True
    return False


@lru_cache(maxsize=256)
def _handlers(file: str) -> tuple[tuple[int, int], ...]:
    """Return the lines of each ``except`` and ``finally`` in a file; none if it cannot be read."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    ranges: list[tuple[int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Try, ast.TryStar)):
            bodies = [handler.body for handler in node.handlers] + [node.finalbody]
            ranges += [(body[0].lineno, body[-1].end_lineno or 0) for body in bodies if body]
    return tuple(ranges)
