"""The timeline of a run: a column for each task, a line for each step.

*What it is.* Text. A line begins in the column of the task that acts; the columns left of it show
what the other tasks are doing meanwhile.

*Threads.* Any.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from typing import Any

from rescind.testing.lab.places import Place
from rescind.testing.lab.record import Run, Step

__all__ = ["LEGEND", "timeline"]

LEGEND = "● runs  ✂ injected  ✗ is canceled  ┆ cleans up  ║ in a shield  ■ has ended  ◷ the clock"

#: How wide a column is at most, and how much of a line is kept free of columns.
_WIDEST = 14
_NO_COLUMNS = 38

_ALIVE, _CLEANING, _SHIELDED, _GONE = "│", "┆", "║", " "
_MARKS = {"polled": "●", "canceled": "✗", "cleanup": "┆", "dropped": "✗", "injected": "✂"}


def timeline(run: Run[Any], *, width: int = 100) -> str:
    """Return the timeline of a recorded run.

    Args:
        run: one made with ``trace=True``.
        width: of the lines, in characters; at least 60.
    """
    width = max(width, 60)
    acting = {step.task for step in run.trace}
    names = {path: name for path, name in run.names.items() if path in acting}
    tasks = list(names)
    longest = max((len(name) for name in names.values()), default=4)
    column = max(3, min(longest + 2, _WIDEST, (width - _NO_COLUMNS) // max(len(tasks), 1)))
    lines = [f"{'step':>4} {'time':>7}  {_header(names.values(), column)}".rstrip()]
    states = dict.fromkeys(tasks, _GONE)
    for step in run.trace:
        lines += _lines(step, tasks, states, column, width)
        if step.task:
            states[step.task] = _state(step, states[step.task])
        for note in step.notes:
            _note_spawn(note, names, states)
    return "\n".join(lines)


def _header(names: Iterable[str], column: int) -> str:
    cells = [name if len(name) < column else name[: column - 2] + "…" for name in names]
    return "".join(f"{cell:{column}}" for cell in cells)


def _lines(
    step: Step, tasks: list[str], states: dict[str, str], column: int, width: int
) -> list[str]:
    head = f"{step.number:4} {step.at:5g} s  "
    index = tasks.index(step.task) if step.task else 0
    left = "".join(f"{states[path]:{column}}" for path in tasks[:index])
    mark = "■" if step.ended else _MARKS.get(step.did, "◷")
    room = width - len(head) - len(left) - 2
    wrapped = textwrap.wrap(_words(step), max(room, 20), subsequent_indent="  ")
    first, *rest = wrapped or [""]
    lines = [f"{head}{left}{mark} {first}".rstrip()]
    own = _GONE if not step.task else _state(step, states[step.task])
    for line in rest:
        lines.append(f"{' ' * len(head)}{left}{own} {line}".rstrip())
    return lines


def _words(step: Step) -> str:
    words: list[str] = list(step.notes)
    if step.did == "injected":
        words[0] = words[0].removeprefix("INJECTED ").upper()
        if step.place is not None:
            words[0] += f", at {_brief(step.place)}"
    elif step.ended:
        words.append(step.ended)
    elif step.place is not None:
        shields = f" in {step.shields} shields" if step.shields > 1 else ""
        shields = " in a shield" if step.shields == 1 else shields
        words.append(f"waits at {_brief(step.place)}{shields} for {step.waits}")
    return "; ".join(words)


def _brief(place: Place) -> str:
    return f"{os.path.basename(place.file)}:{place.line}" if place.line else place.function


def _state(step: Step, before: str) -> str:
    if step.ended:
        return _GONE
    if step.did == "injected":
        return before if before != _GONE else _ALIVE
    if step.shields:
        return _SHIELDED
    if step.did in ("cleanup", "dropped") or (
        step.did == "canceled"
        and any(note.startswith("the cancellation arrives") for note in step.notes)
    ):
        return _CLEANING
    return _ALIVE


def _note_spawn(note: str, names: dict[str, str], states: dict[str, str]) -> None:
    if note.startswith("spawns "):
        for path, name in names.items():
            if name == note.removeprefix("spawns ") and states[path] == _GONE:
                states[path] = _ALIVE
                return
