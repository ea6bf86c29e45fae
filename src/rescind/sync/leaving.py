"""`LEFT`: what the exit of a block returns that has been left already, and never waits.

*What it is.* An awaitable that is at its end from the beginning. An ``async def`` would make a
coroutine for each block that is left, and run it, to come to the same.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, cast

__all__ = ["LEFT"]


class _Left(tuple[()]):
    """An empty tuple: to iterate over it is to be at the end, without a frame of Python's."""

    __slots__ = ()

    __await__ = cast("Any", tuple).__iter__

    def __repr__(self) -> str:
        return "the end of a block"


LEFT: Final = cast("Awaitable[None]", _Left())
"""Await it: nothing happens."""
