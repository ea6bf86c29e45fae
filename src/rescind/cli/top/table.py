"""`Rows`: a table of which only the lines in sight are drawn, so that thousands cost as dozens.

*What it is.* A widget that draws rows, dictionaries as they come, line by line: the first line has
the names of the columns, one line is chosen. Which columns there are depends on the view; how wide
they are, on the width.

*Threads.* textual's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rescind.cli.top.words import age, cell, count, printable

__all__ = ["VIEWS", "Column", "Row", "Rows"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        title: what stands above it.
        text: what it shows of a row.
        width: in columns of the terminal; 0: it shares what the others leave.
        sort: the name of the order by this column; empty: there is none.
        right: is it aligned to the right?
        from_width: it is left out of a narrower table.
        share: of what the others leave.
    """

    title: str
    text: Callable[[Row], str]
    width: int = 0
    sort: str = ""
    right: bool = False
    from_width: int = 0
    share: int = 1


#: What stands before the name of a file: there is no room for it beside others.
_FOLDERS: Final = re.compile(r"\bat [^\s:]*/(?=[^\s/]+:\d)")


def _number(row: Row) -> str:
    return str(row.get("id", ""))


def _waits(row: Row) -> str:
    return _FOLDERS.sub("at ", str(row.get("waits") or ""))


def _because(row: Row) -> str:
    asked = row.get("asked")
    ago = f"{age(asked)} ago, " if asked is not None else ""
    return _FOLDERS.sub("at ", f"{ago}{row['why']}") if row.get("why") else ""


def _branch(row: Row) -> str:
    mark = {True: "▸ ", False: "▾ ", None: "  "}[row.get("folded")]
    kind = f"{row['kind']} " if row["kind"] in ("group", "runtime") else ""
    number = f"{row['id']} " if row["kind"] == "task" else ""
    return f"{'  ' * row['depth']}{mark}{number}{kind}{row['name']}"


#: From which width on there is room for these columns.
_BECAUSE_FROM: Final = 120
_BUSY_FROM: Final = 98

#: The columns of each view.
VIEWS: Final[dict[str, tuple[Column, ...]]] = {
    "tasks": (
        Column("ID", _number, 6, right=True),
        Column("AGE", lambda row: age(row.get("age")), 5, "age", right=True),
        Column("STATE", lambda row: str(row["state"]), 14, "state"),
        Column("POLLS", lambda row: count(row["polls"]), 6, "polls", right=True),
        Column("BUSY", lambda row: age(row["busy"] or None), 5, "busy", right=True),
        Column("NAME", lambda row: str(row["name"]), 0, "name", share=3),
        Column("WAITS FOR", _waits, 0, "waits", share=5),
        Column("CANCELED BECAUSE", _because, 0, from_width=_BECAUSE_FROM, share=4),
    ),
    "tree": (
        Column("TREE", _branch, 0, share=4),
        Column("AGE", lambda row: age(row.get("age")), 5, right=True),
        Column("STATE", lambda row: str(row.get("state") or ""), 14),
        Column("WAITS FOR", _waits, 0, share=4),
        Column("CANCELED BECAUSE", _because, 0, from_width=_BECAUSE_FROM, share=4),
    ),
    "ended": (
        Column("ID", _number, 6, right=True),
        Column("AGO", lambda row: age(row["ago"]), 5, right=True),
        Column("HOW", lambda row: str(row["state"]), 14),
        Column("AGE", lambda row: age(row["age"]), 5, right=True),
        Column("TOOK", lambda row: age(row["took"]), 5, right=True),
        Column("NAME", lambda row: str(row["name"]), 0, share=3),
        Column("WHY", _waits, 0, share=6),
    ),
}

_CANCELING: Final = Style(color="yellow", bold=True)
_HELD_BACK: Final = Style(color="#b97cf0", bold=True)
_FAILED: Final = Style(color="red", bold=True)
_PLAIN: Final = Style()
_DIM: Final = Style(dim=True)
#: The colors only repeat what the words say.
_STATES: Final = {
    "running": Style(color="green", bold=True),
    "ready": Style(color="cyan"),
    "new": Style(color="cyan"),
    "waiting": _PLAIN,
    "shielded": _HELD_BACK,
    "": _PLAIN,
    "failed": _FAILED,
    "abandoned": _FAILED,
    "dropped": _FAILED,
}
_BOLD: Final = Style(bold=True)
_SORTED: Final = Style(bold=True, color="cyan")
_GAP: Final = 1
_NOTE: Final = Column("", _number)


class Rows(ScrollView, can_focus=True):
    """The table."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--head", "rows--chosen"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "jump(0)", show=False),
        Binding("end,G", "jump(-1)", show=False),
        Binding("space", "fold", show=False),
        Binding("left", "fold(True)", show=False),
        Binding("right", "fold(False)", show=False),
    ]

    class Chosen(Message):
        """Another row was chosen."""

    class Sorted(Message):
        """The head of a column was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort: str = sort

    def __init__(self) -> None:
        super().__init__()
        self.view: str = "tasks"
        self.sort: str = "age"
        self.reverse = False
        self._all: list[Row] = []
        self._rows: list[Row] = []  # without those in what is folded
        self._folded: set[Any] = set()
        self._note = ""  # below the last row
        self._cursor = 0

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def chosen(self) -> Row | None:
        """The row that is chosen."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def chosen_task(self) -> int | None:
        """The id of the task that is chosen, or in which what is chosen is."""
        row = self.chosen
        index = self._cursor
        while row is not None:
            if "id" in row:
                return int(row["id"])
            depth = row["depth"]
            above = range(index - 1, -1, -1)
            index = next((i for i in above if self._rows[i]["depth"] < depth), -1)
            row = self._rows[index] if index >= 0 else None
        return None

    def show(self, view: str, rows: Sequence[Row], note: str) -> None:
        """Show these rows; what was chosen stays so, if it is among them.

        Args:
            view: the name of the view.
            rows: in their order.
            note: what to say below them.
        """
        self._note = note
        task = self.chosen_task if view != self.view else None
        self._all = list(rows)
        if view == self.view:
            self._lay(self.chosen)
            return
        self.view, self._cursor, self._rows = view, 0, []
        self.scroll_to(y=0, animate=False)
        self._lay({"id": task})

    def _lay(self, chosen: Row | None) -> None:
        """Find out which rows are seen, and where the chosen one is now."""
        seen = self._cursor - int(self.scroll_offset.y)
        self._rows = list(self._unfolded()) if self.view == "tree" else self._all
        if chosen is not None:
            name = "key" if "key" in chosen else "id"
            wanted = chosen[name]
            at = next((i for i, row in enumerate(self._rows) if row.get(name) == wanted), None)
            self._cursor = self._cursor if at is None else at
        self._cursor = max(0, min(self._cursor, len(self._rows) - 1))
        self.virtual_size = Size(self._width, len(self._rows) + 1 + bool(self._note))
        if self._cursor:
            self.scroll_to(y=self._cursor - seen, animate=False)  # it stays where one looks
            self._reveal()
        self.refresh()

    def _unfolded(self) -> list[Row]:
        shown: list[Row] = []
        below: int | None = None  # how deep what is folded is
        for index, row in enumerate(self._all):
            if below is not None and row["depth"] > below:
                continue
            below = None
            following = self._all[index + 1] if index + 1 < len(self._all) else None
            has_parts = following is not None and following["depth"] > row["depth"]
            folded = row["key"] in self._folded if has_parts else None
            if folded:
                below = row["depth"]
            shown.append(row | {"folded": folded})
        return shown

    # -- drawing ----------------------------------------------------------------------------------

    @property
    def _width(self) -> int:
        """The width beside the bar that says how far one has scrolled."""
        return self.scrollable_content_region.width

    def columns(self) -> list[tuple[Column, int]]:
        """Return the columns that there is room for, each with its width."""
        width = self._width - _GAP
        shown = [one for one in VIEWS[self.view] if width >= one.from_width]
        if self.view == "tasks" and width < _BUSY_FROM:
            shown = [one for one in shown if one.title != "BUSY" or one.sort == self.sort]
        left = max(0, width - sum(one.width + _GAP for one in shown))
        shares = sum(one.share for one in shown if not one.width)
        return [(one, one.width or left * one.share // shares) for one in shown]

    def render_line(self, y: int) -> Strip:
        width = self._width
        if y == 0:
            head = self.get_component_rich_style("rows--head")
            return self._line(
                [(self._title(c), w, self._heads(c), c) for c, w in self.columns()], head
            )
        index = int(self.scroll_offset.y) + y - 1
        if index < len(self._rows):
            row = self._rows[index]
            chosen = index == self._cursor
            style = self.get_component_rich_style("rows--chosen") if chosen else self.rich_style
            cells = [(printable(c.text(row)), w, self._style(c, row), c) for c, w in self.columns()]
            return self._line(cells, style)
        if index == len(self._rows) and self._note:
            return self._line([(f"  {self._note}", width, _DIM, _NOTE)], self.rich_style)
        return Strip.blank(width, self.rich_style)

    def _title(self, column: Column) -> str:
        if self.view != "tasks" or not column.sort or column.sort != self.sort:
            return column.title
        return f"{column.title}{'▲' if self.reverse else '▼'}"

    def _heads(self, column: Column) -> Style:
        return _SORTED if self._title(column) != column.title else _BOLD

    def _style(self, column: Column, row: Row) -> Style:
        if column.title in ("STATE", "HOW"):
            return _STATES.get(str(row.get("state") or ""), _CANCELING)
        if column.title in ("NAME", "TREE"):
            return Style(bold=row.get("kind", "task") in ("task", "runtime", "group"))
        return _DIM if column.title in ("ID", "WAITS FOR") and row.get("kind") == "more" else _PLAIN

    def _line(self, cells: list[tuple[str, int, Style, Column]], style: Style) -> Strip:
        segments = [Segment(" " * _GAP, style)]
        for text, width, own, column in cells:
            shown = cell(text, width, right=column.right)
            segments += [Segment(shown, style + own), Segment(" " * _GAP, style)]
        return Strip(segments).adjust_cell_length(self._width, style)

    # -- moving -----------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Choose the next row, or the one before."""
        self._choose(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Choose one a screen further."""
        self._choose(self._cursor + by * max(1, self.size.height - 2))

    def action_jump(self, to: int) -> None:
        """Choose the first row, or the last."""
        self._choose(to if to >= 0 else len(self._rows) - 1)

    def action_fold(self, fold: bool | None = None) -> None:
        """Fold what is within the chosen row of the tree, or unfold it."""
        row = self.chosen
        if self.view != "tree" or row is None:
            return
        key = row["key"]
        fold = key not in self._folded if fold is None else fold
        if fold and row["folded"] is not False:  # there is nothing to fold: go to what it is in
            above = range(self._cursor - 1, -1, -1)
            self._choose(
                next((i for i in above if self._rows[i]["depth"] < row["depth"]), self._cursor)
            )
            return
        if fold:
            self._folded.add(key)
        else:
            self._folded.discard(key)
        self._lay(row)

    def _choose(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if index != self._cursor:
            self._cursor = index
            self._reveal()
            self.refresh()
            self.post_message(self.Chosen())

    def _reveal(self) -> None:
        height = max(1, self.size.height - 1)
        top = int(self.scroll_offset.y)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)

    def on_click(self, event: Click) -> None:
        """Choose a row, or sort by a column."""
        if event.y > 0:
            index = int(self.scroll_offset.y) + event.y - 1
            if index < len(self._rows):
                self._choose(index)
            return
        left = _GAP
        for column, width in self.columns():
            if left <= event.x < left + width + _GAP and column.sort and self.view == "tasks":
                self.post_message(self.Sorted(column.sort))
            left += width + _GAP

    def on_resize(self, event: Resize) -> None:
        """Lay the columns out anew."""
        self._lay(self.chosen)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh(Region(0, 0, self._width, self.size.height))
