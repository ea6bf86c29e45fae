"""A file of tokens: the runs that have failed, one a line, made again before anything else.

*What it is.* Text that belongs under version control. A line is a token and, after ``#``, what had
failed. Lines of other programs are passed over, so that one file serves a suite.

*Threads.* One process at a time writes; a line is added in one write.
"""

from __future__ import annotations

import os
from pathlib import Path

from rescind.testing.lab.token import BadToken, Token, decode

__all__ = ["add", "known"]


def known(path: str | os.PathLike[str], name: str) -> list[tuple[str, Token]]:
    """Return the tokens of the program ``name`` in the file, in order; none if it is not there.

    Raises:
        BadToken: a line cannot be read; the message says which.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    found: list[tuple[str, Token]] = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        try:
            token = decode(word)
        except BadToken as exc:
            raise BadToken(f"{os.fspath(path)}:{number}: {exc}") from None
        if token.name == name:
            found.append((word, token))
    return found


def add(path: str | os.PathLike[str], token: str, words: str) -> None:
    """Append a token, if it is not there yet."""
    file = Path(path)
    try:
        if token in file.read_text(encoding="utf-8"):
            return
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
    line = " ".join(words.split())
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{token}  # {line[:100]}\n")
