"""`Details`: the explanation of the chosen task, in the box beside the table.

*What it is.* What the program said, laid out for the width that there is: the words at the
beginnings of its lines have a column of their own, and what is too long goes on beside them.

*Threads.* textual's.
"""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from rescind.cli.top.words import printable

__all__ = ["Details", "laid_out"]

#: How wide the words at the beginnings of lines are.
_LABEL: Final = 12
#: Which these are; what tells of a cancellation is colored.
_LABELS: Final = {
    "canceled": "yellow",
    "and then": "yellow",
    "held back": "#b97cf0",
    "grace": "yellow",
    "deadline": "",
    "waits for": "",
    "at": "",
    "blocked by": "bold",
    "group": "",
}


class Details(VerticalScroll):
    """The box."""

    def __init__(self) -> None:
        super().__init__(id="details")
        self._text = Static("", markup=False)

    def compose(self) -> ComposeResult:
        yield self._text

    def tell(self, title: str, text: str) -> None:
        """Show an explanation; the same place of it stays in sight."""
        self.border_title = printable(title)
        self._text.update(laid_out(text))

    def hint(self, text: str) -> None:
        """Show what to do, since there is nothing to explain."""
        self.border_title = ""
        self._text.update(Text(text, style="dim"))


def laid_out(text: str) -> RenderableType:
    """Return an explanation: headings bold, and each line beside the word that it begins with."""
    parts: list[RenderableType] = []
    grid, indent, style = Table(), -1, ""
    for line in map(printable, text.splitlines()):
        body = line.lstrip()
        depth = len(line) - len(body)
        label = body[:_LABEL].strip()
        if label in _LABELS and len(body) > _LABEL:
            if depth != indent:
                grid, indent = _grid(), depth
                parts.append(Padding(grid, (0, 0, 0, depth)))
            style = _LABELS[label]
            grid.add_row(label, _told(body[_LABEL:], style))
        elif 0 <= indent <= depth - _LABEL:  # it goes on with the line before
            grid.add_row("", _told(line[indent + _LABEL :], style))
        else:
            indent = -1
            parts.append(Padding(Text(body, "" if depth else "bold"), (0, 0, 0, depth)))
    return Group(*parts)


def _grid() -> Table:
    grid = Table.grid()
    grid.add_column(width=_LABEL, no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    return grid


def _told(text: str, style: str) -> RenderableType:
    body = text.lstrip()
    return Padding(Text(body, style), (0, 0, 0, len(text) - len(body)))
