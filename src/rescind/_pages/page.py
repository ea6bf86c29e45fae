"""`page_of`: one file with all that a page shows, so that it needs no network and no other file.

*What it is.* What the page of a check and the page of a trace share: their frame, their style, and
how the parts of one are put together.

*Invariants.*
 H1  No ``<`` of the data is in a page, but as ``\\u003c`` or ``&lt;``.

*Threads.* Any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files as resources
from typing import Any

__all__ = ["Frame", "page_of"]


@dataclass(frozen=True, slots=True)
class Frame:
    """What differs in the frame around a page.

    Attributes:
        package: has ``page.css`` and ``page.js`` in its folder ``page``.
        command: of the command line, that makes such a page.
        main: the id of its main part, which is what that is called, too.
        search: what to look for, as the empty field says it.
    """

    package: str
    command: str
    main: str
    search: str


def page_of(frame: Frame, data: Mapping[str, Any], title: str, text: str) -> str:
    """Return the page.

    Args:
        frame: which.
        data: what the script shows.
        title: of the page.
        text: what a reader without scripts gets.
    """
    parts = {
        "title": escape(title),
        "style": _text("rescind._pages", "base.css") + _text(frame.package, "page", "page.css"),
        "script": _text(frame.package, "page", "page.js"),
        "data": _embedded(data),
        "text": escape(text),
        "command": frame.command,
        "main": frame.main,
        "search": frame.search,
    }
    before, *rest = _text("rescind._pages", "page.html").split("{{")
    filled = [before]
    for piece in rest:  # not by replacing: what is filled in may have braces itself
        name, _, after = piece.partition("}}")
        filled += (parts[name], after)
    return "".join(filled)


def _text(package: str, *path: str) -> str:
    return resources(package).joinpath(*path).read_text(encoding="utf-8")


def _embedded(data: Mapping[str, Any]) -> str:
    """Return JSON that a script element can hold (H1)."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
