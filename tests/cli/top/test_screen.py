"""The screen, without a program: what its keys do, and what it says when the program is lost."""

from typing import Any

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

from rescind.cli.top.app import TopApp
from rescind.cli.top.dialogs import AskCancel, Help
from tests.cli.top.kit import branch, drive, picture, row, screen


def waiting(count: int) -> list[dict[str, Any]]:
    """Return the rows of so many tasks, whose names would clear a terminal."""
    return [row(number, name=f"task {number}\x1b[2J") for number in range(1, count + 1)]


def test_a_lost_program_is_said_and_tried_again() -> None:
    """In words, and not by a color alone."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        assert "LOST: the program has ended; trying again" in screen(app)[0]

    drive(use)


def test_rows_that_are_not_sent_are_counted_and_nothing_moves_the_cursor() -> None:
    """The last line says how many there are; the choice follows the keys."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.pictured("tasks", picture(waiting(300), 10_000))
        await pilot.pause()
        await pilot.press("end", "up")
        assert app.rows.chosen_task == 299
        await pilot.press("end")
        app.rows.scroll_end(animate=False)
        await pilot.pause()
        lines = screen(app)
        assert any("… and 9,700 more: / filters" in line for line in lines)
        assert all(line.isprintable() for line in lines)
        app.pictured("tasks", picture(waiting(300), 10_000))
        assert app.rows.chosen_task == 300

    drive(use)


def test_keys_change_what_is_asked_for() -> None:
    """Views, orders, the filter, the pause, the help."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        asking = app.follower.asking
        await pilot.press("s", "r")
        assert (asking.sort, asking.reverse) == ("state", True)
        await pilot.press("t")
        assert asking.view == "tree"
        await pilot.press("t", "e")
        assert asking.view == "ended"
        await pilot.press("e", "slash", *"abc", "enter")
        assert (asking.view, asking.filter) == ("tasks", "abc")
        await pilot.press("escape")
        assert asking.filter == ""
        await pilot.press("p")
        assert app.follower.paused
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)
        await pilot.press("escape")
        assert not isinstance(app.screen, Help)

    drive(use)


def test_a_cancellation_is_asked_for_and_can_be_kept_from() -> None:
    """Escape asks nothing; a grace that is no number is refused."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        asked: list[tuple[Any, ...]] = []

        async def cancel(*what: Any) -> None:
            asked.append(what[:3])

        app.follower.cancel = cancel  # type: ignore[method-assign]
        app.pictured("tasks", picture(waiting(3)))
        await pilot.press("down", "c")
        assert isinstance(app.screen, AskCancel)
        await pilot.press("escape", "c", *"slow", "tab", *"x", "enter")
        assert isinstance(app.screen, AskCancel)
        await pilot.press("backspace", "0", "enter")
        await pilot.pause()
        assert asked == [(2, "slow", 0.0)]

    drive(use)


def test_what_was_typed_is_what_is_asked_and_no_more_once_it_is_cleared() -> None:
    """The filter is seen while it holds, also when its line is hidden."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.attached({"pid": 1, "since": 0.0, "program": "app.py", "python": "3", "rescind": "0"})
        app.pictured("tasks", picture(waiting(3)))
        await pilot.press("slash", *"request", "enter")
        app.pictured("tasks", picture([]))
        await pilot.pause()
        assert "filter: 'request'" in screen(app)[1]
        assert any("nothing matches; Esc shows all" in line for line in screen(app))
        await pilot.press("escape")
        await pilot.pause()
        assert "filter:" not in screen(app)[1]
        await pilot.press("slash")
        assert app.line.value == ""

    drive(use)


def test_a_sort_goes_round_and_a_click_on_a_column_turns_it() -> None:
    """Every column by which can be sorted is reached by `s`; another click is the other way."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        asking = app.follower.asking
        app.pictured("tasks", picture(waiting(3)))
        seen = []
        for _ in range(6):
            await pilot.press("s")
            seen.append(asking.sort)
        assert seen == ["state", "polls", "busy", "name", "waits", "age"]
        await pilot.pause()
        head = app.rows.render_line(0).text
        at = head.index("POLLS")
        await pilot.click(app.rows, offset=(at + 1, 0))
        assert (asking.sort, asking.reverse) == ("polls", False)
        await pilot.click(app.rows, offset=(at + 1, 0))
        assert (asking.sort, asking.reverse) == ("polls", True)
        assert "POLLS▲" in app.rows.render_line(0).text

    drive(use)


def test_in_every_view_the_keys_below_are_those_that_do_something_and_fit() -> None:
    """In eighty columns all of them can be read; the view that is shown leads back to the list."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        asked = "c cancel  / filter  s sort  t tree  e ended  p pause  ↵ details  ? help  q quit"
        assert screen(app)[-1].strip() == asked
        await pilot.press("t")
        await pilot.pause()
        assert screen(app)[-1].strip() == asked.replace("s sort  t tree", "␣ fold  t list")
        await pilot.press("e")
        await pilot.pause()
        assert screen(app)[-1].strip() == (
            "/ filter  t tree  e list  p pause  ↵ details  ? help  q quit"
        )

    drive(use)


def test_every_key_of_the_screen_is_in_its_help() -> None:
    """And every state that a task can have while it lives; all of it fits in eighty columns."""
    from rescind.trace.snapshot import _STATES

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        lines = screen(app)
        keys = " ".join(max(line.split("│"), key=len) for line in lines).replace(",", " ")
        for key in ("↑ ↓ k j", "Enter", "Tab", "c", "/", "s r", "t", "Space ← →", "e", "p", "+ -"):
            assert f" {key} " in keys
        for key in ("q Ctrl-C", "PgUp", "PgDn", "Home", "End"):
            assert f" {key} " in keys
        for state in set(_STATES.values()):
            assert state in keys
        assert any("count since somebody looks" in line for line in lines)
        assert "Esc closes" in lines[-2]

    drive(use)


def test_only_a_task_that_is_alive_can_be_canceled() -> None:
    """What has ended cannot, nor what is no task; a child leads to the task that it is in."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        await pilot.press("e")
        app.pictured("ended", picture([row(1, ago=1.0, took=None)]))
        await pilot.press("c")
        assert not isinstance(app.screen, AskCancel)
        assert {note.title for note in app._notifications} == {"nothing to cancel"}
        await pilot.press("t")
        children = [branch("runtime", 0, "runtime"), branch("task 7", 1)]
        app.pictured("tree", picture([*children, branch("child 0", 2, "child")]))
        await pilot.press("home", "c")
        assert not isinstance(app.screen, AskCancel)
        await pilot.press("end", "c")
        await pilot.pause()
        assert isinstance(app.screen, AskCancel)
        assert any("Cancel task 7 in which this is?" in line for line in screen(app))

    drive(use)


def test_answers_that_come_while_it_is_left_do_no_harm() -> None:
    """The screen has been taken down, and the follower has not been canceled yet."""

    async def use(app: TopApp, _pilot: Pilot[Any]) -> None:
        await app.screen.query("*").remove()
        app.pictured("tasks", picture(waiting(2)))
        app.explained(1, "task 1 is waiting", True)
        app.lost("the program has ended", final=False)
        assert app.rows.chosen_task == 1

    drive(use)


def test_nothing_of_a_program_moves_the_cursor() -> None:
    """Its command line, the question for a cancellation, what becomes of that, and a title."""
    odd, spelled = "odd\x1b[2J", "odd\\x1b[2J"

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.attached({"pid": 1, "since": 0.0, "program": odd, "python": "3", "rescind": "0"})
        app.pictured("tasks", picture(waiting(1)))
        await pilot.pause()
        assert spelled in screen(app)[0]
        app.details.tell(odd, "")
        assert app.details.border_title == spelled
        app._tell(f"{odd}\n  {odd}")
        await pilot.pause()
        (told,) = app._notifications
        assert told.message == f"{spelled}\n  {spelled}"
        app.push_screen(AskCancel(odd))
        await pilot.pause()
        assert any(f"Cancel {spelled}?" in line for line in screen(app))
        assert "\x1b" not in "".join(screen(app))

    drive(use, (120, 30))
