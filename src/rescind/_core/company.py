"""`Company`: futures that a coroutine polls beside its leaf (R22); see `scope`, C4 and C5.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from .poll import Context

__all__ = ["Company"]


class Company:
    """Futures that a coroutine polls beside its leaf, as long as the block that they belong to.

    Attributes:
        base: how many scopes of the coroutine are around the block.
    """

    __slots__ = ("base",)

    base: int

    def drive(self, cx: Context) -> None:
        """Poll what was woken."""
        raise NotImplementedError

    def drop(self) -> None:
        """Drop them all: the coroutine ended without leaving the block."""
        raise NotImplementedError
