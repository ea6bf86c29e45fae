"""Replay tokens: one line that says which run of the lab to make again.

*What it is.* ``rl1-`` and the program's name, what makes the run differ from the plain one, and a
fingerprint of the program's source, packed. Lines are counted within their functions, so that
edits elsewhere in a file leave a token as good as it was.

*Threads.* Any.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final, cast

from rescind._core.errors import UsageError
from rescind._packed import UNREADABLE, count, pack, text, unpack
from rescind.testing.lab.changes import Changes
from rescind.testing.lab.injection import Injection, Instant, Kind, Spot
from rescind.testing.lab.record import Run

__all__ = ["BadToken", "Token", "decode", "encode", "fingerprint", "name_of"]

_PREFIX: Final = "rl1-"


class BadToken(UsageError):
    """This is no token of the lab, or one that was cut off, or of another program."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says.

    Attributes:
        name: of the program.
        print: its fingerprint when the token was made.
        changes: what makes the run differ from the plain one.
        max_steps: after so many steps it is a livelock.
        grace: for cleanups, in seconds; None: unbounded.
    """

    name: str
    print: str
    changes: Changes
    max_steps: int
    grace: float | None


def name_of(main: Callable[..., Any]) -> str:
    """Return the name of a program: of its function, without the module."""
    function = _function(main)
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def fingerprint(main: Callable[..., Any], run: Run[Any]) -> str:
    """Return a digest of the source of main and of each function that the run was parked in."""
    codes: dict[str, CodeType] = {}
    code = getattr(inspect.unwrap(_function(main)), "__code__", None)
    if code is not None:
        codes[code.co_qualname] = code
    for passed in run.passed:
        place = passed.place
        if place is not None and place.code is not None:
            codes[place.function] = place.code
    digest = hashlib.sha256()
    for name in sorted(codes):
        digest.update(f"{name}\n{_source(codes[name])}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:12]


def _function(main: Callable[..., Any]) -> Callable[..., Any]:
    function: Any = main
    while isinstance(function, functools.partial):
        function = function.func
    return cast("Callable[..., Any]", function)


@functools.lru_cache(maxsize=1024)
def _source(code: CodeType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):  # typed in, or made by a program
        return repr((code.co_names, code.co_varnames, code.co_argcount))


def encode(token: Token) -> str:
    """Return the token as one line."""
    changes = token.changes
    data: list[Any] = [
        token.name,
        token.print,
        sorted([number, index] for number, index in changes.choices.items()),
        [
            [one.spot.task, one.spot.place, one.spot.visit, one.spot.instant.name, one.kind.name]
            for one in changes.injections
        ],
        token.max_steps,
        token.grace,
    ]
    return pack(_PREFIX, data)


def decode(token: str) -> Token:
    """Return what a token says.

    Raises:
        BadToken: it says nothing.
    """
    token = "".join(token.split())  # as a terminal broke its line
    if not token.startswith(_PREFIX):
        raise BadToken(f"a token of the lab begins with {_PREFIX!r}; not so: {token[:40]!r}")
    try:
        name, digest, choices, injections, max_steps, grace = unpack(_PREFIX, token)
        if grace is not None and not isinstance(grace, (int, float)):
            raise TypeError
        return Token(
            text(name),
            text(digest),
            Changes(
                {count(number): count(index) for number, index in choices},
                tuple(_injection(*one) for one in injections),
            ),
            count(max_steps),
            grace,
        )
    except UNREADABLE as exc:
        raise BadToken(
            f"this token of the lab cannot be read ({type(exc).__name__}); copy the whole of it, "
            f"from {_PREFIX!r} to its end: {token[:40]!r}"
        ) from None


def _injection(task: object, place: object, visit: object, instant: str, kind: str) -> Injection:
    return Injection(Spot(text(task), text(place), count(visit), Instant[instant]), Kind[kind])
