"""How what was noted in a run is compared with the clean run's.

*Threads.* Any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

__all__ = ["more_than"]

H = TypeVar("H", bound=Hashable)


def more_than(seen: Iterable[H], clean: Iterable[H]) -> list[H]:
    """Return what is in ``seen`` and not in ``clean``, as often as it is there more often."""
    return list((Counter(seen) - Counter(clean)).elements())
