"""`replay`: make a run again that a token names.

*Threads.* The one that calls.
"""

from __future__ import annotations

from typing import Any

from rescind.testing.lab.lab import Around, Lab
from rescind.testing.lab.record import Run
from rescind.testing.lab.schedule import Deviate
from rescind.testing.lab.token import BadToken, Token, decode, fingerprint, name_of
from rescind.testing.lab.trial import Main

__all__ = ["replay", "replayed"]


def replay(
    main: Main,
    token: str,
    *,
    changed: bool = False,
) -> Run[Any]:
    """Make the run again that a token names, recorded.

    Args:
        main: the program that was explored.
        token: from the report.
        changed: make it also if the program is not the one that the token was made of.

    Returns:
        The run; `rescind.testing.timeline` shows it.

    Raises:
        BadToken: it cannot be read, belongs to another program, or this one has changed since.
    """
    run, said = replayed(main, token)
    if not changed and fingerprint(main, run) != said.print:
        raise BadToken(
            f"the program {said.name!r} has changed since this token was made, so that it may mean "
            "another run; explore it again, or replay with changed=True"
        )
    return run


def replayed(main: Main, token: str, around: Around | None = None) -> tuple[Run[Any], Token]:
    """Make the run again that a token names, recorded; whether main has changed is not looked at.

    Raises:
        BadToken: it cannot be read, or belongs to another program.
    """
    said = decode(token)
    name = name_of(main)
    if said.name != name:
        raise BadToken(f"this token is of the program {said.name!r}, not of {name!r}")
    lab = Lab(
        main,
        schedule=Deviate(said.changes.choices),
        injections=said.changes.injections,
        max_steps=said.max_steps,
        grace=said.grace,
        around=around,
    )
    return lab.run(), said
