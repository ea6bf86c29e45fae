"""`Call`: a callback that a host has taken, and that can be taken back.

*Threads.* The host's thread.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Call"]


class Call:
    """Calls its callback once, unless it was canceled before."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Never call; a no-op if it has."""
        self.callback = None

    def __call__(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()
