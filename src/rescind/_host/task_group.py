"""Before Python 3.13: ``asyncio.TaskGroup`` learns that a subclass of ``CancelledError`` is one.

*What it is.* Until 3.12 a group tests ``et is CancelledError`` when its block is left, so that a
`Cancellation` counts as a failure of the block, and comes out wrapped in an exception group. The
method is replaced by one that answers as that of 3.13 does, and is otherwise the same.

*What it is not.* Done by an import: the first host on an asyncio loop does it. Nor for good
measure: a method that is not the standard library's own any more is left alone.

*Threads.* Any.

*Source.* CPython 3.13, ``asyncio/taskgroups.py``: ``issubclass(et, exceptions.CancelledError)``.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import CancelledError, TaskGroup
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final

__all__ = ["know_cancellation"]

_Leave = Callable[
    [TaskGroup, type[BaseException] | None, BaseException | None, TracebackType | None],
    Coroutine[Any, Any, None],
]

_original: Final[_Leave] = TaskGroup.__aexit__


def know_cancellation() -> None:
    """Let ``asyncio.TaskGroup`` treat a `Cancellation` as the cancellation that it is."""
    if sys.version_info < (3, 13) and _original.__module__ == asyncio.taskgroups.__name__:
        if TaskGroup.__aexit__ is _original:
            TaskGroup.__aexit__ = _leave  # type: ignore[method-assign]


def _leave(
    self: TaskGroup,
    et: type[BaseException] | None,
    exc: BaseException | None,
    tb: TracebackType | None,
) -> Coroutine[Any, Any, None]:
    # Only the type is looked at; what the group raises again is ``exc``, with its reason.
    if et is not None and issubclass(et, CancelledError):
        et = CancelledError
    return _original(self, et, exc, tb)
