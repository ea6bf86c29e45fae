"""`Collections`: how long Python's collector took lately, for which no step is to blame.

*What it is.* A full collection of a big heap takes as long as a slow step, at a moment that has
nothing to do with whose step it is. Its time is known here, and taken off the step's.

*Invariants.*
 X1  Listening holds nothing of a runtime, and ends with whoever listens.

*Threads.* The collector runs on any, and keeps all others waiting.

*Source.* ``gc.callbacks``.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from time import monotonic
from typing import Final

__all__ = ["Collections"]

#: So many are remembered: as there are in one slow step, or more.
_KEPT: Final = 64
#: Of the young ones there are many, and each is over before anybody could notice.
_YOUNG: Final = 0


class _Ear:
    """What the collector calls."""

    __slots__ = ("_began", "known")

    def __init__(self) -> None:
        self._began = 0.0
        # When each was over, and how long it took, in seconds.
        self.known: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def __call__(self, moment: str, about: dict[str, int]) -> None:
        if about["generation"] == _YOUNG:
            return
        now = monotonic()
        if moment == "start":
            self._began = now
        elif self._began:
            self.known.append((now, now - self._began))
            self._began = 0.0


class Collections:
    """Listens to the collector, until `stop` or the end of this object."""

    def __init__(self) -> None:
        self._ear = ear = _Ear()
        gc.callbacks.append(ear)
        self._end = weakref.finalize(self, _forget, ear)
        self._end.atexit = False

    def within(self, seconds: float) -> float:
        """Return how many of the last so many seconds were the collector's."""
        since = monotonic() - seconds
        return sum(min(took, over - since) for over, took in self._ear.known if over > since)

    def stop(self) -> None:
        """Listen no more."""
        self._end()


def _forget(ear: _Ear) -> None:
    if ear in gc.callbacks:
        gc.callbacks.remove(ear)
