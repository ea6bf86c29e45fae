"""What was noted in a run, compared with the clean run's.

*Threads.* Any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import ClassVar, Final, Literal, TypeVar

from rescind.check.detectors.base import Detector
from rescind.check.record import Record, Symptom
from rescind.check.whose import BySetup

__all__ = ["SEVERITIES", "More", "by_whom", "more_than"]

H = TypeVar("H", bound=Hashable)

SEVERITIES: Final[tuple[Literal["hint"] | None, ...]] = (None, "hint")
"""How bad what each side of `by_whom` has done may be at most."""


def more_than(seen: Iterable[H], clean: Iterable[H]) -> list[H]:
    """Return what is in ``seen`` and not in ``clean``, as often as it is there more often."""
    now = Counter(seen)
    return list((now - Counter(clean)).elements()) if now else []


def by_whom(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return those that are the scenario's doing, and those that are of what setup has started."""
    sides: tuple[list[str], list[str]] = ([], [])
    for name in names:
        sides[isinstance(name, BySetup)].append(name)
    return sides


class More(Detector):
    """Notes names; those of which there are more than in the clean run are what broke.

    Attributes:
        one: the sentence where it is one.
        several: the sentence where there are more, with their number as ``{}``; empty: the same.
        expected: as the report says it.
        between: what stands between the names.
        once: is each name told once, however often it is there?
        remedy: what usually mends it.
    """

    one: ClassVar[str]
    several: ClassVar[str] = ""
    expected: ClassVar[str] = "as many as without a cancellation"
    between: ClassVar[str] = ", "
    once: ClassVar[bool] = False
    remedy: ClassVar[str]

    @classmethod
    def noted(cls, record: Record) -> Iterable[str]:
        """Return the names that a run has noted: its fact."""
        names: list[str] = record.facts.get(cls.name) or []
        return names

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was, now = by_whom(cls.noted(clean)), by_whom(cls.noted(seen))
        for whose, severity in enumerate(SEVERITIES):
            extra = more_than(now[whose], was[whose])
            if extra:
                yield Symptom(
                    (cls.several or cls.one).format(len(extra)) if len(extra) > 1 else cls.one,
                    expected=cls.expected,
                    seen=cls.between.join(dict.fromkeys(extra) if cls.once else extra),
                    remedy=cls.remedy,
                    severity=severity,
                )
