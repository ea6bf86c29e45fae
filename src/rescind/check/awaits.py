"""`Source`: the lines of a file at which it can be parked, read off its compiled code.

*What it is.* ``await``, ``async for`` and ``async with`` are found by the instructions that they
are compiled to, not by their syntax: a suspended frame reports the line of its instruction, and
only so do both name the same line, however an expression is broken into lines.

*What it is not.* A run of the file: it is compiled, and thrown away.

*Threads.* Any.
"""

from __future__ import annotations

import dis
import os
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType

__all__ = ["Source", "source_files", "source_of"]

_AWAITS = frozenset({"GET_AWAITABLE", "GET_ANEXT"})


class Source:
    """A source file as it is now.

    Attributes:
        file: its path.
        text: what is in it; empty if it cannot be read.
        awaits: the line of each await, with the qualified name of the function that it is in.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.awaits: dict[int, str] = {}
        try:
            code = compile(text, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return  # what runs is something else than this file: only what was seen is known
        for inner in _codes(code):
            for instruction in dis.get_instructions(inner):
                line = instruction.positions.lineno if instruction.positions else None
                if instruction.opname in _AWAITS and line is not None:
                    self.awaits.setdefault(line, inner.co_qualname)


def source_of(file: str) -> Source:
    """Return the source of ``file``; compiled once, and again when the file has changed."""
    try:
        stat = os.stat(file)
    except (OSError, ValueError):  # no file at all, or a name that can be none
        return Source(file, "")
    return _source(file, stat.st_mtime_ns, stat.st_size)


def source_files(path: str) -> list[str]:
    """Return the Python files that ``path`` names: itself, or those below it."""
    root = Path(path)
    if root.is_file():
        return [str(root.resolve())]
    return sorted(
        str(file.resolve())
        for file in root.rglob("*.py")
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
    )


@lru_cache(maxsize=512)
def _source(file: str, _changed: int, _size: int) -> Source:
    try:
        with tokenize.open(file) as lines:
            return Source(file, lines.read())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return Source(file, "")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)
