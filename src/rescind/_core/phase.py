"""The state machine of a cell (a task, or a combinator's child): pure transitions.

*What it is.* ``(phase, event) -> (phase, action)``. It decides; `cell.Cell` acts, and nobody else
writes a phase. Whoever wants to know what can happen to a task reads `SPEC`. A cell steps by the
numbers that the words are made into; `machine` has the same as enumerations, for whoever reasons.

*What it is not.* It knows nothing of futures, queues or time.

*State diagram.* "queued" phases have one entry in a ready queue, "running" ones are on the stack.
What is not drawn changes nothing, or cannot happen (a test compares this with `SPEC`)::

    NEW, READY ── START: poll ──► RUNNING ── PENDING ──► PARKED ── WAKE: enqueue ──► READY
    RUNNING ── WAKE ──► RUNNING_WOKEN ── PENDING: enqueue ──► READY

    NEW, READY ── REQUEST ──► REQUESTED
    PARKED ── REQUEST: enqueue ──► REQUESTED
    RUNNING, RUNNING_WOKEN ── REQUEST ──► RUNNING_REQUESTED ── PENDING: enqueue ──► REQUESTED

    REQUESTED, CLEANING_READY ── START: cancel ──► CANCELING
    CANCELING ── PENDING ──► CLEANING ── WAKE: enqueue ──► CLEANING_READY
    CANCELING ── WAKE ──► CANCELING_WOKEN ── PENDING: enqueue ──► CLEANING_READY

    queued ── EXPIRE ──► OVERDUE ── START: drop ──► DROPPING
    PARKED, CLEANING ── EXPIRE: enqueue ──► OVERDUE
    running ── EXPIRE ──► DOOMED ── PENDING: drop ──► DROPPING
    running, DOOMED, DROPPING ── END: finish ──► DONE

    queued = NEW, READY, REQUESTED, CLEANING_READY
    running = RUNNING, RUNNING_WOKEN, RUNNING_REQUESTED, CANCELING, CANCELING_WOKEN

*Invariants.*
 S1  A queued phase has exactly one entry in a ready queue; no other phase has a live one.
     (An entry is stale only in DONE, where START does nothing.)
 S2  While running, nothing is polled, canceled or dropped a second time: the running phases are
     the lock on the future (tokio's RUNNING bit).
 S3  A request is acted upon at START, never in the middle of a poll (R6); a poll that ends first
     wins (R16).
 S4  Once CANCELING was entered, no phase leads back to RUNNING.
 S5  DONE is final.

*Source.* tokio's task state and async-task's ``state.rs``.
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = [
    "ACTIONS",
    "EVENTS",
    "IMPOSSIBLE",
    "NEXT",
    "SHIFT",
    "SPEC",
    "Phase",
    "rows",
    "usual",
]


class Phase(enum.IntEnum):
    """Where a cell is in its life."""

    NEW = 0
    """Queued, never polled."""
    READY = 1
    """Queued, to be polled."""
    RUNNING = 2
    """Being polled."""
    RUNNING_WOKEN = 3
    """Being polled, and woken meanwhile."""
    RUNNING_REQUESTED = 4
    """Being polled, and asked to cancel meanwhile."""
    PARKED = 5
    """Waiting for its waker."""
    REQUESTED = 6
    """Queued, to be canceled instead of polled."""
    CANCELING = 7
    """In ``poll_cancel``."""
    CANCELING_WOKEN = 8
    """In ``poll_cancel``, and woken meanwhile."""
    CLEANING = 9
    """Waiting for its waker, in the midst of its cleanup."""
    CLEANING_READY = 10
    """Queued, to go on with its cleanup."""
    OVERDUE = 11
    """Queued, to be dropped: its grace is over."""
    DOOMED = 12
    """On the stack, to be dropped as soon as it is off it."""
    DROPPING = 13
    """In ``drop``."""
    DONE = 14
    """Ended; has an outcome."""


SPEC: Final = """
phase             | WAKE                    | REQUEST                   | START            | PENDING                | END         | EXPIRE
NEW               | NEW                     | REQUESTED                 | RUNNING: POLL    | -                      | -           | OVERDUE
READY             | READY                   | REQUESTED                 | RUNNING: POLL    | -                      | -           | OVERDUE
RUNNING           | RUNNING_WOKEN           | RUNNING_REQUESTED         | -                | PARKED                 | DONE: FINISH| DOOMED
RUNNING_WOKEN     | RUNNING_WOKEN           | RUNNING_REQUESTED         | -                | READY: ENQUEUE         | DONE: FINISH| DOOMED
RUNNING_REQUESTED | RUNNING_REQUESTED       | RUNNING_REQUESTED         | -                | REQUESTED: ENQUEUE     | DONE: FINISH| DOOMED
PARKED            | READY: ENQUEUE          | REQUESTED: ENQUEUE        | -                | -                      | -           | OVERDUE: ENQUEUE
REQUESTED         | REQUESTED               | REQUESTED                 | CANCELING: CANCEL| -                      | -           | OVERDUE
CANCELING         | CANCELING_WOKEN         | CANCELING                 | -                | CLEANING               | DONE: FINISH| DOOMED
CANCELING_WOKEN   | CANCELING_WOKEN         | CANCELING_WOKEN           | -                | CLEANING_READY: ENQUEUE| DONE: FINISH| DOOMED
CLEANING          | CLEANING_READY: ENQUEUE | CLEANING                  | -                | -                      | -           | OVERDUE: ENQUEUE
CLEANING_READY    | CLEANING_READY          | CLEANING_READY            | CANCELING: CANCEL| -                      | -           | OVERDUE
OVERDUE           | OVERDUE                 | OVERDUE                   | DROPPING: DROP   | -                      | -           | OVERDUE
DOOMED            | DOOMED                  | DOOMED                    | -                | DROPPING: DROP         | DONE: FINISH| DOOMED
DROPPING          | DROPPING                | DROPPING                  | -                | -                      | DONE: FINISH| DROPPING
DONE              | DONE                    | DONE                      | DONE             | -                      | -           | DONE
"""  # noqa: E501
"""The whole machine: next phase, and the action if it is not NOTHING; ``-`` cannot happen."""


#: What can happen, in the order of `SPEC`; `machine.Event` says what each is.
EVENTS: Final = ("WAKE", "REQUEST", "START", "PENDING", "END", "EXPIRE")
#: What the cell must do about it. Words: an enumeration of these, too, is a tenth of the import.
ACTIONS: Final = ("NOTHING", "ENQUEUE", "POLL", "CANCEL", "DROP", "FINISH")

IMPOSSIBLE: Final = -1
"""What `rows` has for what cannot happen."""
SHIFT: Final = 4
NEXT: Final = (1 << SHIFT) - 1
"""``entry & NEXT`` of an entry of `rows` is the next phase, ``entry >> SHIFT`` the action."""


def rows(spec: str = SPEC) -> dict[str, tuple[int, ...]]:
    """Return what happens at each event in each phase, as one number each: for whoever steps.

    Raises:
        ValueError: a column, a phase or an action is not what and where it must be.
    """
    phases = [phase.name for phase in Phase]
    number = {name: at for at, name in enumerate(phases)}
    action_of = {name: at << SHIFT for at, name in enumerate(ACTIONS)} | {"": 0}
    header, *lines = [[word.strip() for word in line.split("|")] for line in spec.split("\n")[1:-1]]
    if header != ["phase", *EVENTS] or [line[0] for line in lines] != phases:
        raise ValueError(f"SPEC must have the columns {EVENTS}, and the rows {phases}")
    found: dict[str, tuple[int, ...]] = {}
    for at, event in enumerate(EVENTS, start=1):
        cells = [line[at].partition(": ") for line in lines]
        found[event] = tuple(
            IMPOSSIBLE if after == "-" else number[after] | action_of[action]
            for after, _, action in cells
        )
    return found


def usual(row: tuple[int, ...], action: str) -> tuple[int, ...]:
    """Return the next phase in each phase where an event of `rows` has this action; else -1."""
    at = ACTIONS.index(action)
    return tuple(entry & NEXT if entry >> SHIFT == at else IMPOSSIBLE for entry in row)
