"""What people write for modes, judges and times, and what it means.

*Threads.* Any.
"""

from __future__ import annotations

from typing import Final

from rescind._core.errors import UsageError
from rescind._seconds import seconds_of
from rescind.check.points import Judge, Mode

__all__ = ["judge_of", "modes_of", "seconds_of"]

_JUDGES: Final = {
    **{judge.value: judge for judge in Judge},
    "crowd": Judge.CROWD,
    "crowd2": Judge.CROWD,
    "crowd3": Judge.CROWD3,
}


def modes_of(text: str) -> tuple[Mode, ...]:
    """Return the modes that ``asyncio,timeout`` names.

    Raises:
        UsageError: one of them is none; the message says which there are.
    """
    found: list[Mode] = []
    for word in text.replace(" ", ",").split(","):
        if word:
            try:
                found.append(Mode(word.lower()))
            except ValueError:
                known = ", ".join(mode.value for mode in Mode)
                raise UsageError(f"{word!r} is no mode; there are: {known}") from None
    if not found:
        raise UsageError(f"{text!r} names no mode")
    return tuple(dict.fromkeys(found))


def judge_of(word: str) -> Judge:
    """Return the judge of that name; ``crowd`` and ``crowd3`` are names as well.

    Raises:
        UsageError: it is none; the message says which there are.
    """
    judge = _JUDGES.get(word.strip().lower().replace("_", "-"))
    if judge is None:
        known = ", ".join(one for one in _JUDGES if " " not in one and one != "crowd2")
        raise UsageError(f"{word!r} is no judge; there are: {known}")
    return judge
