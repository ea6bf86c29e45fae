"""Whether `asyncio.wait_for` will swallow a cancellation that is raised in it now.

*What it is.* Before Python 3.12, `asyncio.wait_for` that is canceled returns the value if what it
waits for is done already: https://github.com/python/cpython/issues/86296. Who is to blame is known
only at that moment, since programs that catch the cancellation themselves look the same after it.

*Threads.* Those of the coroutine.
"""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

from rescind.check.stacks import Driven

__all__ = ["has_its_result"]

_WAIT_FOR = asyncio.wait_for.__code__


def has_its_result(coro: Any) -> bool:
    """Is ``coro`` parked in a `asyncio.wait_for` which will return a value, canceled or not?"""
    if sys.version_info >= (3, 12):
        return False
    innermost: FrameType | None = None
    while coro is not None:
        if isinstance(coro, Driven):
            coro = coro.coroutine
            continue
        frame: Any = getattr(coro, "cr_frame", None)
        innermost = frame or innermost
        inner: Any = getattr(coro, "cr_await", None)
        coro = inner or getattr(coro, "gi_yieldfrom", None)
    if innermost is None or innermost.f_code is not _WAIT_FOR:
        return False
    waited_for = innermost.f_locals.get("fut")
    return (
        isinstance(waited_for, asyncio.Future) and waited_for.done() and not waited_for.cancelled()
    )
