"""What was expected beside what was seen: where two texts differ.

*What it is.* Pure. Texts are compared word by word; long ones are broken into lines at their own
seams first (line ends, also escaped ones, and the commas and semicolons of a list).

*Threads.* Any.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal

__all__ = ["Part", "condensed", "is_short", "line_contrast", "pieces", "word_contrast"]

Part = tuple[bool, str]
"""Is it different from the other text, and the text."""

Sign = Literal[" ", "-", "+", "…"]

_SHORT = 80
_CONTEXT = 2
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
_INDEX = re.compile(r"\[\d+\]")
_SEAM = re.compile(r"(?<=[;,]) |(?<=\\n)|\n")


def is_short(*texts: str) -> bool:
    """Do these texts fit on one line each?"""
    return all(len(text) <= _SHORT and "\n" not in text for text in texts)


def condensed(text: str) -> str:
    """Return a list of what was seen with what is the same but for a number said once.

    A value that a program returned is never touched: its commas are its own.

    Example:
        >>> from rescind.check.contrast import condensed
        >>> condensed("q[0] has 1 waiting; q[1] has 1 waiting; lock is held")
        'q[0] has 1 waiting ×2; lock is held'
    """
    if text.startswith(("returned", "raised")):
        return text
    for seam in ("; ", ", "):
        kinds: dict[str, list[str]] = {}
        for piece in text.split(seam):
            kinds.setdefault(_INDEX.sub("[]", piece), []).append(piece)
        text = seam.join(
            same[0] if len(same) == 1 else f"{same[0]} ×{len(same)}" for same in kinds.values()
        )
    return text


def pieces(text: str) -> list[str]:
    """Break a text at its own seams, if it is long."""
    return [text] if is_short(text) else [piece for piece in _SEAM.split(text) if piece]


def word_contrast(expected: str, seen: str) -> tuple[list[Part], list[Part]]:
    """Return both texts in parts, each of which tells whether the other text has it too.

    Example:
        >>> from rescind.check.contrast import word_contrast
        >>> word_contrast("got 1", "got 2")
        ([(False, 'got '), (True, '1')], [(False, 'got '), (True, '2')])
    """
    one, other = _WORD.findall(expected), _WORD.findall(seen)
    left: list[Part] = []
    right: list[Part] = []
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    for tag, begin, end, other_begin, other_end in matcher.get_opcodes():
        if end > begin:
            left.append((tag != "equal", "".join(one[begin:end])))
        if other_end > other_begin:
            right.append((tag != "equal", "".join(other[other_begin:other_end])))
    return left, right


def line_contrast(expected: str, seen: str) -> list[tuple[Sign, str]]:
    """Return the lines of both texts, marked: ``-`` expected only, ``+`` seen only; ``…``: cut."""
    one, other = pieces(expected), pieces(seen)
    lines: list[tuple[Sign, str]] = []

    def add(sign: Sign, texts: list[str]) -> None:
        lines.extend((sign, text) for text in texts)

    opcodes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    for number, (tag, begin, end, other_begin, other_end) in enumerate(opcodes):
        if tag != "equal":
            add("-", one[begin:end])
            add("+", other[other_begin:other_end])
            continue
        first = 0 if number == 0 else _CONTEXT
        last = 0 if number == len(opcodes) - 1 else _CONTEXT
        same = one[begin:end]
        if len(same) <= first + last + 1:
            add(" ", same)
            continue
        add(" ", same[:first])
        add("…", [f"{len(same) - first - last} equal"])
        add(" ", same[len(same) - last :])
    return lines
