"""An asyncio loop whose time is virtual: asyncio's own loop, with a selector that does not wait.

When nothing is ready, the loop asks its selector to wait until the next timer; the selector moves
the clock there instead.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

__all__ = ["VirtualLoop", "virtual_loop"]


class _Selector(selectors.SelectSelector):
    """Looks for I/O, and lets virtual time pass instead of waiting for it."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which sleeping takes no time. Nothing outside of it can be waited for."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._virtual.passed


def virtual_loop() -> VirtualLoop:
    """Return a new loop."""
    return VirtualLoop()
