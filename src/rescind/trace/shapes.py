"""What belongs to each event of a trace, and what is wrong with one that a file has damaged.

*What it is.* The table of the format that `rescind.trace.events` describes, and its check. What
passes can be told and drawn: numbers fit, texts are texts, reasons are whole.

*What it is not.* A judgement of what is told: whether a cell that is spoken of was ever made, say.

*Threads.* Data; any.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

__all__ = ["SHAPES", "fault_of", "is_number", "is_text", "is_time", "is_whole", "shown"]

#: Whole numbers beyond this are not exact in a browser; times are told from the beginning on.
_LARGEST: Final = 2**53
_LATEST: Final = 2**63
#: How much of a value a message shows.
_SHOWN: Final = 40
#: How many reasons one may follow from: readers nest as deep.
_LINKS: Final = 300


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a value has to be: in words, and as a test."""

    words: str
    holds: Callable[[object], bool]


def is_whole(value: object) -> bool:
    """Is it a whole number that a browser has room for?"""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST


def is_number(value: object) -> bool:
    """Is it a number that can be shown?"""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_text(value: object) -> bool:
    """Is it a text?"""
    return isinstance(value, str)


def _or_null(kind: _Kind) -> _Kind:
    return _Kind(f"{kind.words}, or null", lambda value: value is None or kind.holds(value))


def _one_of(*words: str) -> _Kind:
    return _Kind(f"one of {', '.join(words)}", lambda value: value in words)


def _is_reason(value: object) -> bool:
    """Is it a reason, with all that it follows from?"""
    for _ in range(_LINKS):
        if not isinstance(value, dict):
            return False
        link = cast("dict[str, object]", value)
        if not all(name in link and kind.holds(link[name]) for name, kind in _LINK.items()):
            return False
        if link.get("cause") is None:
            return "cause" in link
        value = link["cause"]
    return False


_WHOLE = _Kind("a whole number", is_whole)
_CELL = _Kind("a number from 1", lambda value: is_whole(value) and cast("int", value) >= 1)
_COUNT = _Kind("a number from 0", lambda value: is_whole(value) and cast("int", value) >= 0)
_NUMBER = _Kind("a number", is_number)
_TEXT = _Kind("a text", is_text)
_FLAG = _Kind("true or false", lambda value: isinstance(value, bool))
_REASON = _Kind("a reason", _is_reason)

#: The fields of a reason, but for ``cause``.
_LINK: Final = {
    "kind": _TEXT,
    "message": _or_null(_TEXT),
    "by": _or_null(_TEXT),
    "where": _or_null(_TEXT),
    "at": _or_null(_NUMBER),
}

Shape: TypeAlias = "tuple[tuple[str, _Kind], ...]"

#: What follows the time and the word of each event: its name, and what it has to be.
SHAPES: Final[dict[str, Shape]] = {
    "spawned": (
        ("cell", _CELL),
        ("kind", _one_of("task", "child", "foreign")),
        ("name", _TEXT),
        ("parent", _or_null(_CELL)),
        ("made by", _or_null(_CELL)),
        ("task id", _or_null(_WHOLE)),
    ),
    "woken": (("cell", _CELL), ("by", _or_null(_CELL))),
    "polled": (("cell", _CELL),),
    "parked": (("cell", _CELL), ("what it waits for", _TEXT), ("where", _or_null(_TEXT))),
    "requested": (("cell", _CELL), ("by", _or_null(_CELL)), ("reason", _REASON)),
    "delivered": (
        ("cell", _CELL),
        ("reason", _REASON),
        ("where", _or_null(_TEXT)),
        ("own", _FLAG),
    ),
    "overran": (
        ("task id", _or_null(_WHOLE)),
        ("who", _TEXT),
        ("where", _TEXT),
        ("seconds", _NUMBER),
    ),
    "abandoned": (("message", _TEXT),),
    "ended": (
        ("cell", _CELL),
        ("how", _one_of("completed", "failed", "canceled", "dropped", "abandoned")),
        ("detail", _or_null(_TEXT)),
        ("absorbed", _FLAG),
    ),
    "group_opened": (("group", _CELL), ("name", _TEXT), ("by", _or_null(_CELL))),
    "group_spawned": (("group", _CELL), ("cell", _CELL)),
    "group_canceled": (("group", _CELL), ("by", _or_null(_CELL)), ("reason", _REASON)),
    "group_closed": (("group", _CELL),),
    # A token is told by its address, which may be any.
    "token_canceled": (
        ("token", _Kind("a whole number", lambda value: isinstance(value, int))),
        ("by", _or_null(_CELL)),
        ("reason", _REASON),
    ),
    "dropped": (("how many", _COUNT),),
}


def fault_of(event: object) -> str | None:
    """Return what is wrong with what a line says, to follow on "line 17"; None if nothing is."""
    if not isinstance(event, list):
        return f"is no event, but {shown(event)}"
    values: list[Any] = cast("Any", event)
    if len(values) < 2 or not is_time(values[0]) or not isinstance(values[1], str):  # noqa: PLR2004
        return f"does not begin with a time and what happened, but {shown(values)}"
    what, *rest = values[1:]
    shape = SHAPES.get(what)
    if shape is None:
        return f"has the event {shown(what)}, which is not known"
    if len(rest) != len(shape):
        return f"has {len(rest)} values for {what!r}, which takes {len(shape)}"
    for value, (name, kind) in zip(rest, shape, strict=True):
        if not kind.holds(value):
            return f"has {shown(value)} for the {name!r} of {what!r}, and not {kind.words}"
    return None


def is_time(value: object) -> bool:
    """Can it be a time in nanoseconds?"""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LATEST


def shown(value: object) -> str:
    """Return a value that a file has, as short as a message needs it."""
    try:
        text = ascii(value)
    except RecursionError:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
