"""`page_of`: one file with all that a page shows, so that it needs no network and no other file.

*What it is.* What the page of a check and the page of a trace share: their style, and how the parts
of one are put together.

*Invariants.*
 H1  No ``<`` of the data is in a page, but as ``\\u003c`` or ``&lt;``.

*Threads.* Any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files as resources
from typing import Any

__all__ = ["page_of"]


def page_of(package: str, data: Mapping[str, Any], title: str, text: str) -> str:
    """Return the page whose parts are in the folder ``page`` of a package.

    Args:
        package: has ``page.html``, ``page.css`` and ``page.js`` there.
        data: what the script shows.
        title: of the page.
        text: what a reader without scripts gets.
    """
    parts = {
        "title": escape(title),
        "style": _text("rescind._pages", "base.css") + _text(package, "page", "page.css"),
        "script": _text(package, "page", "page.js"),
        "data": _embedded(data),
        "text": escape(text),
    }
    before, *rest = _text(package, "page", "page.html").split("{{")
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
