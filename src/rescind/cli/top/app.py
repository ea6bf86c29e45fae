"""`TopApp`: the screen of `rescind top`: which keys do what, and what stands where.

*What it is not.* Who talks to the program: that is `Follower`, which calls `attached`, `pictured`,
`explained` and `lost`, also while the screen is being taken down: nothing is looked up in it then.

*Threads.* textual's.

*Source.* htop, and tokio-console, which shows no cancellation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input, Static

from rescind.cli.top.details import Details
from rescind.cli.top.dialogs import AskCancel, Choose, Help, Wanted
from rescind.cli.top.follower import Follower
from rescind.cli.top.head import Head
from rescind.cli.top.style import CSS
from rescind.cli.top.table import VIEWS, Rows
from rescind.cli.top.words import printable
from rescind.top.client import Found
from rescind.top.places import Address, find

__all__ = ["TopApp"]

_INTERVALS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
#: The keys, and what they do in each view: where they do nothing, nothing is said.
_HINTS: Final = (
    *(("c", "cancel"), ("/", "filter"), ("s", "sort"), ("␣", "fold"), ("t", "tree")),
    *(("e", "ended"), ("p", "pause"), ("↵", "details"), ("?", "help"), ("q", "quit")),
)
_UNTOLD: Final = {"tasks": ("fold",), "tree": ("sort",), "ended": ("cancel", "sort", "fold")}
_NO_TASK: Final = "No task is chosen: ↑ and ↓ choose one, and it is explained here."


class TopApp(App[str]):
    """The screen.

    Args:
        named: the program, as the user named it; None: ask which.
        found: those to choose from.
        interval: between pictures, in seconds.
        now: seconds since 1970.
        locate: returns where the program is; for tests.
    """

    CSS = CSS
    TITLE = "rescind top"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (190, "-wide")]  # noqa: RUF012  # as textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("question_mark,f1", "help", show=False),
        Binding("enter", "details", show=False),
        Binding("c", "cancel", show=False),
        Binding("slash", "filter", show=False),
        Binding("escape", "all", show=False),
        Binding("s", "sort", show=False),
        Binding("r", "reverse", show=False),
        Binding("t", "view('tree')", show=False),
        Binding("e", "view('ended')", show=False),
        Binding("p", "pause", show=False),
        Binding("plus,equals_sign", "faster(-1)", show=False),
        Binding("minus", "faster(1)", show=False),
    ]

    def __init__(
        self,
        named: str | None,
        found: list[Found] | None = None,
        *,
        interval: float = 1.0,
        now: float = 0.0,
        locate: Callable[[str], Address | None] = find,
    ) -> None:
        super().__init__()
        self._named = named
        self._found = found or []
        self._now = now
        self._locate = locate
        self.head = Head()
        self.rows = Rows()
        self.details = Details()
        self.line = Input(
            placeholder="filter: id, name, state, reason, what it waits for", id="filter"
        )
        self.keys = Static(_hints(), id="keys")
        self.follower = Follower(self._where, self, interval)

    def compose(self) -> ComposeResult:
        yield self.head
        with Container(id="body"):
            yield self.rows
            yield self.details
        yield self.line
        yield self.keys

    def on_mount(self) -> None:
        """Begin to follow the program, or ask which."""
        self.rows.focus()
        self.details.hint("")
        self._paint()
        if self._named is not None:
            self._follow()
        else:
            self.push_screen(Choose(self._found, self._now), self._picked)

    def _picked(self, pid: str | None) -> None:
        if pid is None:
            self.exit()
            return
        self._named = pid
        self._follow()

    def _follow(self) -> None:
        self.run_worker(self.follower.run(), name="follow", exit_on_error=True)

    def _where(self) -> Address | None:
        return None if self._named is None else self._locate(self._named)

    # -- what the follower tells ------------------------------------------------------------------

    def attached(self, about: dict[str, Any]) -> None:
        """Show whom it is about."""
        if self.head.about and self.head.about["pid"] != about["pid"]:
            self.notify(
                "another process has taken its place", title="connected again", markup=False
            )
        self.head.about = about
        self.head.note_answer()
        self.head.rates.forget_last()
        self._tell_state()

    def pictured(self, view: str, picture: dict[str, Any]) -> None:
        """Show a picture."""
        self.head.picture = picture
        self.head.note_answer()
        self.head.rates.note(picture)
        self._tell_state()
        if view == self.follower.asking.view:
            self.rows.show(view, picture["rows"], self._below(view, picture))
            self._choose()

    def explained(self, task: int, text: str, alive: bool) -> None:
        """Show the explanation of a task."""
        if task == self.follower.asking.task:
            self.details.tell(f"task {task}" + ("" if alive else ", which has ended"), text)

    def lost(self, why: str, *, final: bool) -> None:
        """Say that there is no connection."""
        again = "" if final else "; trying again"
        self.head.lost = f"{why}{again}"
        self.head.rates.forget_last()
        self.head.draw()

    def _tell_state(self) -> None:
        follower = self.follower
        if follower.paused:
            self.head.status = ("PAUSED", "bold reverse yellow")
        else:
            self.head.status = (f"live, every {follower.interval:g} s", "green")
        self.head.filter = follower.asking.filter
        self.head.draw()

    def _below(self, view: str, picture: dict[str, Any]) -> str:
        """What to say below the last row."""
        rows, matching = len(picture["rows"]), picture["matching"]
        hasty = "" if picture["whole"] else "; there was no time to look at all of them"
        if view == "tasks" and matching > rows:
            return f"… and {matching - rows:,} more: / filters, s sorts otherwise{hasty}"
        if rows:
            return hasty.removeprefix("; ")
        if self.follower.asking.filter:
            return f"nothing matches; Esc shows all{hasty}"
        return {"tasks": "no task", "tree": "no task"}.get(
            view, "nothing failed or was canceled since somebody looks"
        )

    def _choose(self) -> None:
        """Have the chosen task explained."""
        task = self.rows.chosen_task
        asking = self.follower.asking
        if task != asking.task:
            asking.task = task
            self.details.scroll_home(animate=False)
        if task is None:
            self.details.hint(_NO_TASK)

    # -- what the user does -----------------------------------------------------------------------

    def on_rows_chosen(self) -> None:
        """Explain another task."""
        self._choose()
        self.follower.refresh()

    def on_rows_sorted(self, event: Rows.Sorted) -> None:
        """Sort by this column, or turn it round."""
        if event.sort == self.rows.sort:
            self.action_reverse()
        else:
            self._sort(event.sort, reverse=False)

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help())

    def action_details(self) -> None:
        """Show or hide the details."""
        self.details.display = not self.details.display
        if not self.details.display:
            self.rows.focus()

    def action_view(self, view: str) -> None:
        """Show this view, or the table again."""
        asking = self.follower.asking
        asking.view = "tasks" if asking.view == view else view
        self._paint()
        self.follower.refresh()

    def action_sort(self) -> None:
        """Sort by the next column."""
        sorts = [column.sort for column in VIEWS["tasks"] if column.sort]
        self._sort(sorts[(sorts.index(self.rows.sort) + 1) % len(sorts)], reverse=False)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._sort(self.rows.sort, reverse=not self.rows.reverse)

    def _sort(self, sort: str, *, reverse: bool) -> None:
        asking = self.follower.asking
        asking.sort = self.rows.sort = sort
        asking.reverse = self.rows.reverse = reverse
        asking.view = "tasks"
        self._paint()
        self.rows.refresh()
        self.follower.refresh()

    def action_pause(self) -> None:
        """Ask for nothing more, or go on."""
        self.head.rates.forget_last()
        self.follower.pause(not self.follower.paused)
        self._tell_state()

    def action_faster(self, by: int) -> None:
        """Ask more or less often."""
        known = min(_INTERVALS, key=lambda one: abs(one - self.follower.interval))
        index = _INTERVALS.index(known) + by
        self.follower.interval = _INTERVALS[max(0, min(index, len(_INTERVALS) - 1))]
        self.follower.refresh()
        self._tell_state()

    def action_filter(self) -> None:
        """Ask for a filter."""
        self.line.display = True
        self.line.focus()

    def action_all(self) -> None:
        """Filter no more."""
        self.line.value = ""
        self.line.display = False
        self._filter("")
        self.rows.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if event.input is self.line:
            self._filter(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, and go back to the table."""
        if event.input is self.line:
            self.line.display = False
            self.rows.focus()

    def _filter(self, text: str) -> None:
        if text != self.follower.asking.filter:
            self.follower.asking.filter = text
            self._tell_state()
            self.follower.refresh()

    def action_cancel(self) -> None:
        """Cancel the chosen task, if that is confirmed."""
        row, task = self.rows.chosen, self.rows.chosen_task
        if row is None or task is None or self.follower.asking.view == "ended":
            self.notify("choose a task that is alive", title="nothing to cancel")
            return
        name = repr(row["name"]) if row.get("id") == task else "in which this is"

        def confirmed(wanted: Wanted | None) -> None:
            if wanted is not None:
                self.run_worker(self._cancel(task, wanted), name="cancel")

        self.push_screen(AskCancel(f"task {task} {name}"), confirmed)

    async def _cancel(self, task: int, wanted: Wanted) -> None:
        await self.follower.cancel(task, wanted.reason, wanted.grace, self._tell)

    def _tell(self, text: str) -> None:
        lines = map(printable, text.splitlines())
        self.notify("\n".join(lines), markup=False)

    def _paint(self) -> None:
        """Say below which view this is."""
        self.keys.update(_hints(self.follower.asking.view))


def _hints(view: str = "tasks") -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for key, what in _HINTS:
        if what not in _UNTOLD[view]:
            text.append(key, style="bold reverse")
            text.append(f" {'list' if what == view else what}  ")
    text.rstrip()
    return text
