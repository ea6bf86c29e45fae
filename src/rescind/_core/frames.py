"""Where code is: the caller's place, and the await stack of a suspended coroutine.

*What it is.* Reads of frames, for reasons, warnings and dumps. Nothing here keeps a frame.

*Threads.* A coroutine's stack is meaningful only while its runtime does not run it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any

__all__ = ["Site", "await_stack", "caller", "site", "strip"]

_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the source: ``file:line``, in a function.

    Attributes:
        file: the file's name as the interpreter knows it.
        line: the line, counted from 1.
        function: the qualified name of the function.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def _ours(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name == _PACKAGE or name.startswith(_PACKAGE + ".")


def caller() -> str | None:
    """Return ``file:line`` of the nearest frame on the stack that is not rescind's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _ours(frame):
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def await_stack(awaitable: object) -> list[Site]:
    """Return where a suspended coroutine is, outermost frame first, without rescind's own."""
    sites: list[Site] = []
    current: Any = awaitable
    while current is not None:
        frame: FrameType | None
        if isinstance(current, CoroutineType):
            frame, current = current.cr_frame, current.cr_await
        elif isinstance(current, GeneratorType):
            frame, current = current.gi_frame, current.gi_yieldfrom
        elif isinstance(current, AsyncGeneratorType):
            frame, current = current.ag_frame, current.ag_await
        else:
            break
        if frame is not None and not _ours(frame):
            sites.append(
                Site(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname)
            )
    return sites


def site(awaitable: object) -> Site | None:
    """Return the innermost place of a suspended coroutine, or None if it has no frame."""
    stack = await_stack(awaitable)
    return stack[-1] if stack else None


def strip(exc: BaseException) -> None:
    """Take rescind's own outermost frames off the exception's traceback.

    They would clutter a user's traceback, and keep alive what the frames refer to.
    """
    tb: TracebackType | None = exc.__traceback__
    while tb is not None and _ours(tb.tb_frame):
        tb = tb.tb_next
    exc.__traceback__ = tb
