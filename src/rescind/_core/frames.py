"""Where code is: the caller's place, and the await stack of a suspended coroutine.

*What it is.* Reads of frames, for reasons, warnings and dumps. Nothing here keeps a frame.

*Threads.* A coroutine's stack is meaningful only while its runtime does not run it.
"""

from __future__ import annotations

import os
import sys
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any, cast

from .site import Site

__all__ = [
    "await_chain",
    "await_stack",
    "caller",
    "from_library",
    "keep_for_ever",
    "name_of",
    "nearest",
    "ours",
    "own_file",
    "place_of",
    "shortened",
    "site_of",
    "strip",
]

_PACKAGE = __name__.partition(".")[0]
_INSIDE = f"{_PACKAGE}."
_KNOWN: dict[int, dict[str, Any]] = {}
_OWN = (
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ""),
    os.path.join(_PACKAGE, ""),  # compiled code knows its files by names such as rescind/time.py
    f"{_PACKAGE}/",
)
#: Of files that were asked for: is it one of rescind's own?
_FILES: dict[str, bool] = {}
_MANY = 1000
_LIBRARIES = (*_OWN, os.path.join(os.path.dirname(os.__file__), ""), "<frozen ")
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_SUSPENDS = 0x20 | 0x80 | 0x200
"""``CO_GENERATOR``, ``CO_COROUTINE`` and ``CO_ASYNC_GENERATOR``, of `inspect`, which is large."""


def ours(frame: FrameType) -> bool:
    """Is it a frame of rescind's own code?"""
    #: compiled: return is_ours(frame)
    names = frame.f_globals
    if id(names) in _KNOWN:
        return True
    name: str = names.get("__name__", "")
    own = name.startswith(_INSIDE) or name == _PACKAGE
    if own:
        _KNOWN[id(names)] = names  # kept, or something else might come to have its number
    return own


def own_file(file: str) -> bool:
    """Is it a file of rescind's own, in either form of the core, installed or not?"""
    own = _FILES.get(file)
    if own is None:
        if len(_FILES) >= _MANY:
            _FILES.clear()
        own = _FILES[file] = file.startswith(_OWN)
    return own


def from_library(file: str) -> bool:
    """Is this file rescind's, the standard library's, an installed package's, or none at all?"""
    return file.startswith(_LIBRARIES) or not _INSTALLED.isdisjoint(file.split(os.sep))


def shortened(where: str) -> str:
    """Shorten ``file:line`` to a path relative to the current directory, where that is shorter."""
    try:
        relative = os.path.relpath(where)
    except (OSError, ValueError):
        return where
    return relative if len(relative) < len(where) and not relative.startswith("..") else where


def caller() -> str | None:
    """Return ``file:line`` of the nearest frame on the stack that is not rescind's own."""
    #: compiled: return calling()
    return nearest(sys._getframe(1))


def nearest(frame: FrameType | None) -> str | None:
    """Return ``file:line`` of the nearest frame that is not rescind's own, from this one on.

    Who has a frame that is not far saves some: each that is looked at becomes an object.
    """
    known = _KNOWN
    while frame is not None and (id(frame.f_globals) in known or ours(frame)):
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def await_stack(awaitable: object) -> list[Site]:
    """Return where a suspended coroutine is, outermost frame first, without rescind's own."""
    return [
        Site(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname)
        for frame in _frames_of(awaitable)
    ]


def opened(awaitable: Any) -> tuple[FrameType | None, object] | None:
    """Return the frame of what is suspended, and what that awaits; None if it is none of Python's.

    The frame is None of what has ended.
    """
    if isinstance(awaitable, CoroutineType):
        return awaitable.cr_frame, awaitable.cr_await
    if isinstance(awaitable, GeneratorType):
        generator = cast("GeneratorType[object, object, object]", awaitable)
        return generator.gi_frame, generator.gi_yieldfrom
    if isinstance(awaitable, AsyncGeneratorType):
        return awaitable.ag_frame, awaitable.ag_await
    return None


def _all_frames_of(awaitable: object) -> list[FrameType]:
    frames: list[FrameType] = []
    inside = opened(awaitable)
    while inside is not None:
        frame, awaitable = inside
        if frame is not None:
            frames.append(frame)
        inside = opened(awaitable)
    return frames


def _frames_of(awaitable: object) -> list[FrameType]:
    return [frame for frame in _all_frames_of(awaitable) if not ours(frame)]


def await_chain(coro: object) -> tuple[object, ...]:
    """Return the coroutine and those that it awaits, so that the collector can be kept off."""
    chain: list[object] = []
    current: Any = coro
    while isinstance(current, CoroutineType):
        chain.append(cast("object", current))
        current = current.cr_await
    return tuple(chain)


def site(awaitable: object) -> Site | None:
    """Return the innermost place of a suspended coroutine, or None if it has no frame."""
    stack = await_stack(awaitable)
    return stack[-1] if stack else None


def place_of(awaitable: object) -> str | None:
    """Return ``file:line`` of the innermost place of a suspended coroutine, if it has a frame."""
    #: compiled: words = whereabouts(awaitable, own_file)
    #: compiled: if words is not None: return words
    # From the innermost one on: whose a frame is, is asked of as few as can be.
    frames = _all_frames_of(awaitable)
    while frames:
        frame = frames.pop()
        if not ours(frame):
            #: compiled: return placed(frame)
            return f"{frame.f_code.co_filename}:{frame.f_lineno or 0}"
    return None


def name_of(coro: object) -> str:
    """Return the name of what is driven like a coroutine."""
    return str(getattr(coro, "__qualname__", None) or type(coro).__qualname__)


def strip(exc: BaseException) -> None:
    """Take rescind's own outermost frames off the exception's traceback, and empty them.

    They would clutter a user's traceback. And the frames below them refer back to them
    (``f_back``): what their locals hold would live as long as the exception does.
    """
    #: compiled: if is_bare(exc): return
    tb: TracebackType | None = exc.__traceback__
    while tb is not None and ours(tb.tb_frame):
        try:
            tb.tb_frame.clear()
        except RuntimeError:
            pass  # it is the caller's, and still runs
        tb = tb.tb_next
    exc.__traceback__ = tb
    while tb is not None:
        _empty(tb.tb_frame.f_back)
        tb = tb.tb_next


def _empty(frame: FrameType | None) -> None:
    """Empty rescind's own frames from this one outwards that have ended, up to one that runs."""
    while frame is not None:
        if ours(frame) and not frame.f_code.co_flags & _SUSPENDS:  # it would be closed
            try:
                frame.clear()
            except RuntimeError:
                return
        frame = frame.f_back


def keep_for_ever(coroutine: object) -> None:
    """Add a reference that is never released, so that not even the interpreter's exit closes it.

    For an abandoned coroutine: its finalizer would throw into it once more, and one that swallows
    everything would then run on, outside every runtime, and might never let the program end.
    """
    import ctypes  # needed so rarely that nobody else should pay for it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def site_of(frame: FrameType | None) -> Site | None:
    """Return the nearest place on this stack that is not rescind's own, or None if all is."""
    while frame is not None and ours(frame):
        frame = frame.f_back
    if frame is None:
        return None
    return Site(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname)
