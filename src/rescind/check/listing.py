"""A source file as it is listed in the page: colored, with what concerns nobody left out.

*Threads.* Any.
"""

from __future__ import annotations

import ast
import io
import keyword
import token
import tokenize
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["excerpts", "highlight"]

#: Files of up to so many lines are listed in full; of others, what is around the awaits.
_WHOLE: Final = 160
_LONG_FUNCTION: Final = 60
_CONTEXT: Final = 6
_GAP: Final = 3  # fewer lines than this are not worth being left out

Part = tuple[str, str]
"""``k``: keyword, ``s``: string, ``c``: comment, ``n``: number, ``d``: defined name; and a text."""

_STRINGS: Final = frozenset(
    number
    for name, number in vars(token).items()
    if name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
)


def highlight(text: str) -> list[list[Part]]:
    """Return the lines of a source text, each in parts; not colored where it is no Python."""
    lines = text.splitlines()
    marks: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    try:
        defines = False
        for one in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _kind(one, defines)
            defines = one.string in ("def", "class")
            if kind:
                _mark(marks, lines, one, kind)
    except (tokenize.TokenError, SyntaxError):
        pass  # what came before is colored
    return [list(_parts(line, spans)) for line, spans in zip(lines, marks, strict=True)]


def _kind(one: tokenize.TokenInfo, defines: bool) -> str:
    if one.type == token.COMMENT:
        return "c"
    if one.type in _STRINGS:
        return "s"
    if one.type == token.NUMBER:
        return "n"
    if one.type == token.NAME:
        return "d" if defines else "k" if keyword.iskeyword(one.string) else ""
    return ""


def _mark(
    marks: list[list[tuple[int, int, str]]], lines: list[str], one: tokenize.TokenInfo, kind: str
) -> None:
    (first, begin), (last, end) = one.start, one.end
    for number in range(first, min(last, len(lines)) + 1):
        left = begin if number == first else 0
        right = end if number == last else len(lines[number - 1])
        marks[number - 1].append((left, right, kind))


def _parts(line: str, spans: list[tuple[int, int, str]]) -> Iterator[Part]:
    position = 0
    for begin, end, kind in spans:
        if begin > position:
            yield "", line[position:begin]
        if end > max(begin, position):
            yield kind, line[max(begin, position) : end]
        position = max(position, end)
    if position < len(line):
        yield "", line[position:]


def excerpts(text: str, awaits: Iterable[int]) -> list[tuple[int, int]]:
    """Return which lines to list, as first and last: the functions that have one of ``awaits``."""
    count = len(text.splitlines())
    if count <= _WHOLE:
        return [(1, count)] if count else []
    functions = _functions(text)
    kept: set[int] = set()
    for line in awaits:
        around = [span for span in functions if span[0] <= line <= span[1]]
        first, last = max(around, default=(line, line))  # the innermost begins last
        kept.add(first)
        if last - first > _LONG_FUNCTION or not around:
            first, last = max(first, line - _CONTEXT), min(last, line + _CONTEXT)
        kept.update(range(max(first, 1), min(last, count) + 1))
    spans: list[tuple[int, int]] = []
    for line in sorted(kept):
        if spans and line - spans[-1][1] <= _GAP:
            spans[-1] = (spans[-1][0], line)
        else:
            spans.append((line, line))
    return spans


def _functions(text: str) -> list[tuple[int, int]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    return [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    ]
