"""What was noted in a run, compared with the clean run's.

*Threads.* Any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import ClassVar, TypeVar

from rescind.check.detectors.base import Detector
from rescind.check.record import Record, Symptom

__all__ = ["More", "more_than"]

H = TypeVar("H", bound=Hashable)


def more_than(seen: Iterable[H], clean: Iterable[H]) -> list[H]:
    """Return what is in ``seen`` and not in ``clean``, as often as it is there more often."""
    return list((Counter(seen) - Counter(clean)).elements())


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
        extra = more_than(cls.noted(seen), cls.noted(clean))
        if extra:
            yield Symptom(
                (cls.several or cls.one).format(len(extra)) if len(extra) > 1 else cls.one,
                expected=cls.expected,
                seen=cls.between.join(dict.fromkeys(extra) if cls.once else extra),
                remedy=cls.remedy,
            )
