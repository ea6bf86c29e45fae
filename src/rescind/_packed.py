"""Tokens: data of a run, packed into one line that survives terminals and mails.

*What it is.* JSON, compressed, in the letters of URLs, behind a prefix that says what it is.

*Threads.* Any.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, Final

__all__ = ["UNREADABLE", "count", "pack", "text", "unpack"]

#: No token says more than so many bytes; what pretends to is garbage.
_MOST: Final = 1 << 20

#: What `unpack`, and whoever takes apart what it returns, raises for a token that was changed.
UNREADABLE: Final = (ValueError, LookupError, TypeError, RecursionError, zlib.error)


def pack(prefix: str, data: list[Any]) -> str:
    """Return the data as one line."""
    line = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    packed = zlib.compress(line.encode(errors="surrogatepass"), 9)
    return prefix + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def unpack(prefix: str, token: str) -> Any:
    """Return the data of a token that begins with ``prefix``.

    Raises:
        One of `UNREADABLE`: it was cut off or changed.
    """
    packed = token[len(prefix) :]
    unpacker = zlib.decompressobj()
    packed += "=" * (-len(packed) % 4)
    line = unpacker.decompress(base64.urlsafe_b64decode(packed), _MOST)
    if not unpacker.eof:
        raise ValueError
    return json.loads(line)


def text(value: object) -> str:
    """Return a text; raise TypeError if it is none."""
    if not isinstance(value, str):
        raise TypeError
    return value


def count(value: object) -> int:
    """Return a number that is not negative; raise TypeError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError
    return value
