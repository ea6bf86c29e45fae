"""`Head`: the lines above the table: which program, how many tasks, how fast, and what is wrong.

*Threads.* textual's.
"""

from __future__ import annotations

import time
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from rescind.cli.top.rates import Rates
from rescind.cli.top.words import age, cell, printable, rate, sparkline, uptime

__all__ = ["Head"]

_STATES: Final = ("running", "ready", "waiting", "canceling", "new")
_STYLES: Final = {"running": "bold green", "ready": "cyan", "canceling": "bold yellow"}
_RATES: Final = ("polls", "busy", "spawned", "ended", "canceled")
#: Without the one that says least, where there is little room.
_NARROW_RATES: Final = ("polls", "busy", "ended", "canceled")
_NARROW: Final = 100
_WIDEST_BARS: Final = 24
_PERCENT: Final = 100
_GAP: Final = 2


class Head(Static):
    """What is known of the program as a whole."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.about: dict[str, Any] = {}
        self.picture: dict[str, Any] | None = None
        self.rates = Rates()
        #: What the connection does, in words, and the style that repeats it.
        self.status: tuple[str, str] = ("connecting", "dim")
        #: Why there is no connection; None: there is one, or was none yet.
        self.lost: str | None = None
        #: When the program has answered last, in seconds since 1970; None: never.
        self.answered_at: float | None = None
        self.filter = ""

    def note_answer(self) -> None:
        """The program has answered, now."""
        self.lost = None
        self.answered_at = time.time()

    def draw(self) -> None:
        """Show what is known now."""
        width = max(20, self.size.width)
        lines = [self._who(width)]
        if self.picture is not None:
            lines += [self._counts(), self._speeds(width)]
            lines += self._stuck(width)
        self.update(Text("\n").join(lines))

    def on_resize(self) -> None:
        """Fill the new width."""
        self.draw()

    def _who(self, width: int) -> Text:
        about = self.about
        # Of a program that is lost it is not known how long it went on.
        now = time.time() if self.lost is None else self.answered_at or time.time()
        right = self._link_state()
        left = Text("rescind top", style="bold")
        if about:
            up = uptime(now - about["since"])
            program = printable(about["program"])
            room = width - right.cell_len - left.cell_len - _GAP
            versions = f" · Python {about['python']} · rescind {about['rescind']}"
            rest = f" · pid {about['pid']} · up {up}"
            if cell_len(rest + versions) + cell_len(program) + _GAP < room:
                rest += versions
            left_for = max(8, room - cell_len(rest) - _GAP)
            if cell_len(program) > left_for:  # without the folder it is in
                first, space, arguments = program.partition(" ")
                program = f"{first.rpartition('/')[2]}{space}{arguments}"
            names = min(cell_len(program), left_for)
            left.append(f"  {cell(program, names)}", style="bold cyan")
            left.append(rest)
        left.truncate(max(0, width - right.cell_len - 1), overflow="ellipsis")
        left.append(" " * max(1, width - left.cell_len - right.cell_len))
        return left.append_text(right)

    def _link_state(self) -> Text:
        """How it stands with the connection."""
        if self.lost is None:
            words, style = self.status
            return Text(f" {words} ", style=style)
        ago = 0.0 if self.answered_at is None else time.time() - self.answered_at
        since = f" {age(int(ago)).replace('.0s', 's')} ago" if ago >= 1 else ""
        return Text(f" LOST{since}: {self.lost} ", style="bold reverse red")

    def _counts(self) -> Text:
        assert self.picture is not None
        total, states = self.picture["total"], self.picture["states"]
        text = Text(f"{total:,} task{'' if total == 1 else 's'}", style="bold")
        between = ": "
        for state in _STATES:
            if states.get(state):
                text.append(between, style="not bold")
                text.append(f"{states[state]:,} {state}", style=_STYLES.get(state, "not bold"))
                between = " · "
        runtimes = self.picture["runtimes"]
        hosts = ", ".join(dict.fromkeys(runtime["host"] for runtime in runtimes))
        if len(runtimes) > 1:
            text.append(f" · {len(runtimes)} runtimes on {hosts}", style="not bold")
        elif runtimes:
            text.append(f" · on {hosts}", style="not bold")
        text.append(f"  filter: {self.filter!r}" if self.filter else "", style="bold")
        text.truncate(max(20, self.size.width), overflow="ellipsis")
        return text

    def _speeds(self, width: int) -> Text:
        """How many polls and so on there were each second, and how that went."""
        history = self.rates.history
        names = _NARROW_RATES if width < _NARROW else _RATES
        texts = [f"{name} {self._value(name)} " for name in names]
        room = width - sum(map(len, texts)) - _GAP * (len(texts) - 1)
        bars = min(_WIDEST_BARS, room // len(texts))
        line = Text()
        for name, text in zip(names, texts, strict=True):
            top = 1.0 if name == "busy" else None
            line.append(text.rstrip() if bars <= 0 else text)
            line.append(sparkline(history[name], bars, top), style="cyan")
            line.append(" " * _GAP)
        line.truncate(width)
        return line

    def _value(self, name: str) -> str:
        value = self.rates.now(name)
        return f"{value * _PERCENT:.0f}%" if name == "busy" else rate(value)

    def _stuck(self, width: int) -> list[Text]:
        """The runtimes that do nothing else, because one poll takes long."""
        assert self.picture is not None
        lines: list[Text] = []
        for runtime in self.picture["runtimes"]:
            stuck = runtime["stuck"]
            if stuck is not None:
                text = (
                    f" ! stuck for {age(stuck['for'])} without an await: task {stuck['id']} "
                    f"{stuck['name']!r} {stuck['place']}"
                )
                lines.append(Text(cell(printable(text), width), style="bold reverse yellow"))
        return lines
