"""The state machine of a cell as enumerations: for whoever reasons about it, not for who steps it.

*What it is.* `TABLE` says what `phase.SPEC` says, with names in place of words and numbers. No
program that runs imports it: three enumerations would be a tenth of its import.

*Threads.* Data; any.
"""

from __future__ import annotations

import enum
from typing import Final

from .phase import NEXT, SHIFT, Phase, rows

__all__ = ["TABLE", "Action", "Event"]


class Event(enum.IntEnum):
    """What happens to a cell."""

    WAKE = 0
    """Its waker was called."""
    REQUEST = 1
    """Somebody asked for its cancellation."""
    START = 2
    """Its entry came up in the ready queue."""
    PENDING = 3
    """The poll returned ``PENDING``."""
    END = 4
    """The poll or the drop ended the future."""
    EXPIRE = 5
    """Its grace is over: it must be dropped."""


class Action(enum.IntEnum):
    """What the cell must do about it."""

    NOTHING = 0
    ENQUEUE = 1
    POLL = 2
    CANCEL = 3
    DROP = 4
    FINISH = 5


def _table() -> tuple[tuple[tuple[Phase, Action] | None, ...], ...]:
    columns = rows()
    return tuple(
        tuple(
            None if entry < 0 else (Phase(entry & NEXT), Action(entry >> SHIFT))
            for entry in (columns[event.name][phase] for event in Event)
        )
        for phase in Phase
    )


TABLE: Final = _table()
"""``TABLE[phase][event]`` is ``(phase, action)``, or None for what cannot happen."""
