"""Replay tokens: one line that says which run to make again.

*What it is.* ``rc1-`` and the target, the plan, and a fingerprint of the files on the stack,
packed. A token is stable across runs and machines; if the files have changed since, that is told.

*Threads.* Any.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Any, Final, cast

from rescind._core.errors import UsageError
from rescind._packed import UNREADABLE, count, pack, text, unpack
from rescind.check.points import Held, Instant, Judge, Mode, Point, RunPlan, Until

__all__ = ["BadToken", "Replay", "decode", "encode", "fingerprint"]

_PREFIX: Final = "rc1-"
_OTHER: Final = re.compile(r"rc\d+-")


class BadToken(UsageError):
    """This is no replay token, or one that was cut off."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a token says.

    Attributes:
        target: what was checked, as `load_scenario` takes it.
        plan: the run.
        print: the fingerprint of the files when the token was made.
    """

    target: str
    plan: RunPlan
    print: str

    @property
    def changed(self) -> bool:
        """Have the files on the stack changed since?"""
        return self.print != fingerprint(self.plan)


def fingerprint(plan: RunPlan) -> str:
    """Return a short digest of the source files on the plan's stack, as they are now."""
    digest = hashlib.sha256()
    stack = () if plan.point is None else plan.point.stack
    for file in sorted({place.rpartition(" in ")[0].rpartition(":")[0] for place in stack}):
        digest.update(os.path.basename(file).encode(errors="surrogatepass"))
        try:
            with open(file, "rb") as source:
                digest.update(source.read())
        except (OSError, ValueError):  # no file at all, or a name that can be none
            digest.update(b"?")
    return digest.hexdigest()[:12]


def encode(target: str, plan: RunPlan) -> str:
    """Return the token of a run."""
    point = plan.point
    data: list[Any] = [
        target,
        None if point is None else [point.task, list(point.stack), point.visit],
        plan.instant.name,
        plan.mode.name,
        plan.judge.name,
        plan.second,
        None if plan.hold is None else [plan.hold.connection, plan.hold.until.name],
        fingerprint(plan),
    ]
    return pack(_PREFIX, data)


def decode(token: str) -> Replay:
    """Return what a token says.

    Raises:
        BadToken: it says nothing.
    """
    token = "".join(token.split())  # as a terminal broke its line
    other = _OTHER.match(token)
    if other is not None and other[0] != _PREFIX:
        raise BadToken(
            f"this replay token is of another version of rescind: it begins with {other[0]!r}, and "
            f"this version's with {_PREFIX!r}; replay it with that version, or check again"
        )
    if not token.startswith(_PREFIX):
        raise BadToken(f"a replay token begins with {_PREFIX!r}; this does not: {token[:40]!r}")
    try:
        target, point, instant, mode, judge, second, hold, digest = unpack(_PREFIX, token)
        plan = RunPlan(
            None if point is None else _point(*point),
            Instant[instant],
            Mode[mode],
            Judge[judge],
            count(second),
            None if hold is None else _held(*hold),
        )
        return Replay(text(target), plan, text(digest))
    except UNREADABLE:
        raise BadToken(
            "this replay token cannot be read: it was cut off or changed; copy the whole of it, "
            f"from {_PREFIX!r} to its end: {token[:40]!r}"
        ) from None


def _point(task: object, stack: object, visit: object) -> Point:
    if not isinstance(stack, list):
        raise TypeError
    return Point(text(task), tuple(map(text, cast("list[object]", stack))), count(visit))


def _held(connection: object, until: str) -> Held:
    return Held(count(connection), Until[until])
