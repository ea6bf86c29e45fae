"""`Rates`: from counters that only grow to how much it is each second, and how that went.

*Threads.* Any one.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

__all__ = ["Rates"]

_KEPT: Final = 240
_COUNTERS: Final = {
    "polls": ("steps",),
    "spawned": ("spawned",),
    "ended": ("completed", "failed", "canceled"),
    "canceled": ("canceled",),
}


class Rates:
    """What pictures have shown, one after the other.

    Attributes:
        history: by name (``polls``, ``spawned``, ``ended``, ``canceled``: each second; ``busy``:
            the part of the time that tasks were polled), the latest value last.
    """

    def __init__(self) -> None:
        self.history: dict[str, deque[float]] = {
            name: deque(maxlen=_KEPT) for name in (*_COUNTERS, "busy")
        }
        self._last: dict[str, Any] | None = None

    def note(self, picture: dict[str, Any]) -> None:
        """Take up a picture."""
        last, self._last = self._last, picture
        passed = 0.0 if last is None else picture["at"] - last["at"]
        if last is None or passed <= 0:
            return
        alive = {runtime["name"] for runtime in picture["runtimes"]}
        for name, counters in _COUNTERS.items():
            grown = _sum(picture, counters, alive) - _sum(last, counters, alive)
            self.history[name].append(max(0.0, grown / passed))
        busy = (picture["busy"] - last["busy"]) / passed / max(1, len(picture["runtimes"]))
        self.history["busy"].append(min(1.0, max(0.0, busy)))

    def now(self, name: str) -> float:
        """Return the latest value."""
        history = self.history[name]
        return history[-1] if history else 0.0

    def forget_last(self) -> None:
        """Compare the next picture with none: it is that of another program, or much later."""
        self._last = None


def _sum(picture: dict[str, Any], counters: tuple[str, ...], alive: set[str]) -> int:
    """Add up counters, of the runtimes that have not gone meanwhile, and took theirs with them."""
    found = [runtime for runtime in picture["runtimes"] if runtime["name"] in alive]
    return sum(int(runtime[counter]) for runtime in found for counter in counters)
