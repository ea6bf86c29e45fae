"""What `rescind top` and the program that it looks at say to each other.

*What it is.* Requests and answers, each one JSON object on a line of its own, in UTF-8. A request
has ``id``, which its answer repeats, ``op``, and what belongs to it; an answer has ``ok`` with an
object, or ``error`` with ``code`` and ``message``, the latter for people::

    op       with                              answers
    hello    version, token                    version, pid, program, python, rescind, since
    tasks    sort, reverse, filter, limit      rows, matching, and what `overview` has
    tree     filter, limit                     rows with depth and key, and what `overview` has
    ended    filter, limit                     rows of what failed or was canceled lately
    explain  task                              text, alive
    cancel   task, reason, grace               accepted, label

``hello`` comes first, once. ``token`` is for sockets that other users could connect to. All but
``hello``, ``explain`` and ``cancel`` also answer ``took``: what it has cost, in seconds, so that
the asker can ask less often; and ``whole``: was there time to look at everything?

*Threads.* Functions of their arguments; any.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

__all__ = [
    "MAX_ANSWER",
    "MAX_REQUEST",
    "VERSION",
    "Refusal",
    "decode",
    "encode",
    "field",
]

#: Of the protocol. A server answers those of its own version only, and says which that is.
VERSION: Final = 1
#: How long a line may be, in bytes.
MAX_REQUEST: Final = 64 * 1024
MAX_ANSWER: Final = 16 * 1024 * 1024
_SHOWN: Final = 60


class Refusal(Exception):
    """A request cannot be answered.

    Attributes:
        code: a word for programs.
        message: for people: what was wrong, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def encode(message: dict[str, Any]) -> bytes:
    """Return the line of a message."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line.

    Raises:
        Refusal: it is none.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        message = None
    if not isinstance(message, dict):
        shown = line[:_SHOWN].decode(errors="backslashreplace").strip()
        raise Refusal("malformed", f"a line must be one JSON object, not {shown!r}")
    return cast("dict[str, Any]", message)


def field(message: dict[str, Any], name: str, kind: type | tuple[type, ...], default: Any) -> Any:
    """Return a field of a request; ``default`` if it is missing or null.

    Raises:
        Refusal: it is of another type.
    """
    value = message.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        words = " or ".join(one.__name__ for one in kinds)
        raise Refusal("malformed", f"{name!r} must be of type {words}, not {value!r}"[:200])
    return value
