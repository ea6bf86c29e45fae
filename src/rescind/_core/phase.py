"""The state machine of a cell (a task, or a combinator's child): pure transitions.

*What it is.* ``(phase, event) -> (phase, action)``. It decides; `cell.Cell` acts, and nobody else
writes a phase. Whoever wants to know what can happen to a task reads `SPEC`.

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

__all__ = ["IMPOSSIBLE", "NEXT", "SHIFT", "SPEC", "TABLE", "Action", "Event", "Phase", "row"]


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


def _compile(spec: str) -> tuple[tuple[tuple[Phase, Action] | None, ...], ...]:
    """Turn the table of words into rows indexed by phase, then by event."""
    lines = spec.strip().splitlines()
    events = [Event[word.strip()] for word in lines[0].split("|")[1:]]
    if events != list(Event):
        raise ValueError(f"SPEC must have the columns {[event.name for event in Event]}")
    rows: dict[Phase, tuple[tuple[Phase, Action] | None, ...]] = {}
    for line in lines[1:]:
        name, *cells = (word.strip() for word in line.split("|"))
        row: list[tuple[Phase, Action] | None] = []
        for cell in cells:
            phase, _, action = (word.strip() for word in cell.partition(":"))
            row.append(None if cell == "-" else (Phase[phase], Action[action or "NOTHING"]))
        rows[Phase[name]] = tuple(row)
    return tuple(rows[phase] for phase in Phase)


TABLE: Final = _compile(SPEC)
"""``TABLE[phase][event]`` is ``(phase, action)``, or None for what cannot happen."""

IMPOSSIBLE: Final = -1
"""What `row` has for what cannot happen."""
SHIFT: Final = 4
NEXT: Final = (1 << SHIFT) - 1
"""``entry & NEXT`` of an entry of `row` is the next phase, ``entry >> SHIFT`` the action."""


def row(event: Event) -> tuple[int, ...]:
    """Return what happens at ``event`` in each phase, as one number each: for whoever steps."""
    entries = [TABLE[phase][event] for phase in Phase]
    return tuple(IMPOSSIBLE if entry is None else entry[0] | entry[1] << SHIFT for entry in entries)
