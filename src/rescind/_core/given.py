"""What an await is that has its value at once: it never waits, and nobody is asked to drive it.

*What it is.* What the entry and the exit of a block return whose work was done when they were
called, which ``async with`` does where it awaits them; and what ``__await__`` of an operation
returns that was had at once. An ``async def`` would make a coroutine for each, and run it, to come
to the same. In the compiled form all of them are made in C.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from importlib import import_module
from types import coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from .form import compiled

__all__ = ["LEFT", "entered", "given"]

T = TypeVar("T")


class _Left(tuple[()]):
    """An empty tuple: to iterate over it is to be at the end, without a frame of Python's."""

    __slots__ = ()

    __await__ = cast("Any", tuple).__iter__

    def __repr__(self) -> str:
        return "the end of a block"


_left: Any = _Left()
if not TYPE_CHECKING and compiled:
    _left = import_module("rescind._core._native").LEFT

LEFT: Final = cast("Awaitable[None]", _left)
"""Await it: nothing happens."""


def given(value: T) -> Generator[Any, Any, T]:
    """Return what ``__await__`` returns for a value that is there."""
    return value
    yield  # makes it a generator


@coroutine
def entered(value: T) -> Generator[Any, Any, T]:
    """Return what can be awaited for a value that is there."""
    return value
    yield  # makes it a generator
