"""What was sent and nobody got, or got twice: the books that a scenario keeps on its env.

*Threads.* The loop's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.record import Record, Symptom, shown

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Books"]

Kept = tuple[dict[str, int], dict[str, int]]
"""What is missing, and what there is too much of."""


class Books(Detector):
    """``env.sent``, ``env.received`` and ``env.returned`` do not come out even."""

    name = "books"

    def __init__(self) -> None:
        self._sent: Counter[Any] = Counter()
        self._received: Counter[Any] = Counter()

    def begin(self, run: Run) -> None:
        # Not the env: what it holds has to go before the run is over.
        self._sent, self._received = run.env.books()

    def fact(self, run: Run) -> Kept:
        return _named(self._sent - self._received), _named(self._received - self._sent)

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        empty: Kept = ({}, {})
        for which, sentence in enumerate(("an item was lost", "an item came out twice")):
            was = (clean.facts.get(Books.name) or empty)[which]
            now = (seen.facts.get(Books.name) or empty)[which]
            # Items may be called otherwise in each run; how many there are is what counts.
            if sum(now.values()) > sum(was.values()):
                yield Symptom(
                    sentence,
                    expected=_told(was) or "all that was sent is received or handed back, once",
                    seen=_told(now),
                    remedy="hand back, when canceled, what was taken and not delivered",
                )


def _named(items: Counter[Any]) -> dict[str, int]:
    return {shown(item): count for item, count in items.items()}


def _told(items: dict[str, int]) -> str:
    return ", ".join(name if count == 1 else f"{name} ×{count}" for name, count in items.items())
