"""What is asked and told above the table: help, a reason to cancel for, which program to look at.

*Threads.* textual's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from rescind.cli.top.words import printable, program_line
from rescind.top.client import Found

__all__ = ["AskCancel", "Choose", "Help", "Wanted"]

KEYS: Final = (
    ("↑ ↓ k j", "choose a row; PgUp, PgDn, Home, End as well"),
    ("Enter", "show or hide the details: what it waits for, and why"),
    ("Tab", "go to the details, to scroll in them; and back"),
    ("c", "cancel the chosen task, with a reason; asks first"),
    ("/", "filter by id, name, state, reason, wait; Esc: all"),
    ("s r", "sort by the next column; the other way round"),
    ("t", "the tree of runtimes, groups, tasks, and their children"),
    ("Space ← →", "in the tree: fold and unfold"),
    ("e", "what failed or was canceled lately, and why"),
    ("p", "pause: ask the program for nothing; and go on"),
    ("+ -", "ask more often, less often"),
    ("q Ctrl-C", "leave; the program goes on"),
)
STATES: Final = (
    ("running", "is being polled now"),
    ("new, ready", "will be polled next"),
    ("waiting", "for what stands beside it"),
    ("to be canceled", "was asked to, and not yet told at its await"),
    ("shielded", "was asked to; a shield holds it back"),
    ("cleaning up", "was told; what runs is its cleanup"),
    ("to be dropped", "its grace is over; then it is being dropped"),
)
_NOTE: Final = "POLLS and BUSY, the time that these took, count since somebody looks."


class Help(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", show=False)
    ]

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for key, what in KEYS:
            table.add_row(key, what)
        table.add_row("")
        for state, what in STATES:
            table.add_row(state, what)
        with VerticalScroll(classes="dialog", id="help") as box:
            box.border_title = "Keys, and states"
            box.border_subtitle = "Esc closes"
            yield Static(table)
            yield Static(Text(_NOTE, style="dim"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cancellation that was confirmed.

    Attributes:
        reason: the words for it.
        grace: for the cleanup, in seconds; None: the task's own.
    """

    reason: str
    grace: float | None


class AskCancel(ModalScreen[Wanted | None]):
    """Asks whether to cancel a task, and why."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "keep", show=False)]

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="cancel") as box:
            box.border_title = "Cancel"
            yield Label(Text(f"Cancel {printable(self._label)}?", style="bold"))
            yield Label("Why? It will be told to whoever asks.", classes="hint")
            yield Input(placeholder="reason", id="reason", max_length=500)
            yield Label(
                "How many seconds may its cleanup take? Empty: as many as it has.", classes="hint"
            )
            yield Input(placeholder="the task's own grace", id="grace")
            yield Label("", id="wrong")
            with Horizontal(id="buttons"):
                yield Button("Cancel the task", variant="warning", id="do", compact=True)
                yield Button("Keep it", id="keep", compact=True)
            yield Label("Enter cancels it · Esc keeps it", classes="hint")

    def action_keep(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    def on_input_submitted(self) -> None:
        """Confirm."""
        self._confirm()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Confirm, or do nothing."""
        if event.button.id == "do":
            self._confirm()
        else:
            self.dismiss(None)

    def _confirm(self) -> None:
        text = self.query_one("#grace", Input).value.strip()
        grace: float | None = None
        if text:
            try:
                grace = float(text)
            except ValueError:
                grace = math.nan
            if not 0 <= grace < math.inf:
                wrong = f"{text!r} is no number of seconds, such as 0 (drop at once) or 2.5"
                self.query_one("#wrong", Label).update(Text(wrong, style="bold red"))
                self.query_one("#grace", Input).focus()
                return
        self.dismiss(Wanted(self.query_one("#reason", Input).value.strip(), grace))


class Choose(ModalScreen[str | None]):
    """Asks which program to look at."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", show=False)]

    def __init__(self, found: list[Found], now: float) -> None:
        super().__init__()
        self._found = found
        self._now = now

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="choose") as box:
            box.border_title = "Which program?"
            box.border_subtitle = "Enter looks at it · Esc leaves"
            yield OptionList(
                *(
                    Option(Text(program_line(one, self._now)), id=str(one.place.pid))
                    for one in self._found
                )
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Look at it."""
        self.dismiss(event.option.id)

    def action_leave(self) -> None:
        """Look at none."""
        self.dismiss(None)
