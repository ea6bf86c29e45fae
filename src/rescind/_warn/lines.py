"""`Lines`: the warnings of one runtime, a few of each kind; the rest is counted, and told once.

*What it is.* The door to the logger. Of each kind some lines pass in a stretch of time, of those
that are alike one; how many more there would have been is one line, when somebody calls `flush`.

*Threads.* Any may call `say`: the watchdog does; the rest on the thread of the runtime.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Final

from rescind._core.reason import printable

__all__ = ["Lines"]

_log = logging.getLogger("rescind")

#: So many lines of a kind pass in so many seconds.
_PASS: Final = 5
_STRETCH: Final = 10.0


class Lines:
    """Writes warnings, and counts those that would be too many.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def free(self, kind: str, like: Hashable = None) -> bool:
        """Would such a line pass now? If not, its text need not be worked out."""
        known = self._kinds.get(kind)
        if known is None or self._clock() - known.since >= _STRETCH:
            return True
        return known.left > 0 and like not in known.like

    def say(self, kind: str, text: str, like: Hashable = None) -> None:
        """Warn, or count it: if there were too many, or one ``like`` it, which is no None."""
        now = self._clock()
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind(now)
        elif now - known.since >= _STRETCH:
            known.since = now
            known.left = _PASS
            known.like.clear()
        if known.left > 0 and like not in known.like:
            known.left -= 1
            if like is not None:
                known.like.add(like)
            _log.warning("%s", "\n".join(map(printable, text.split("\n"))))
        else:
            known.over += 1

    def count(self, kind: str) -> None:
        """Count one that is not told."""
        self._kinds.setdefault(kind, _Kind(self._clock())).over += 1

    def flush(self, *, last: bool = False) -> None:
        """Tell how many more of each kind there were; not too often, unless it is the last time."""
        now = self._clock()
        for kind, known in self._kinds.items():
            if known.over and (last or now - known.counted >= _STRETCH):
                over, known.over, known.counted = known.over, 0, now
                _log.warning("%s: %d more of them", kind, over)


class _Kind:
    """What passed of one kind."""

    __slots__ = ("counted", "left", "like", "over", "since")

    def __init__(self, since: float) -> None:
        self.since = since  # the beginning of the stretch
        self.left = _PASS
        self.like: set[Hashable] = set()
        self.over = 0  # not told, and not counted in any line yet
        self.counted = float("-inf")  # when their number was told
