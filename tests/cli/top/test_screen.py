"""The screen, without a program: what its keys do, and what it says when the program is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

from rescind.cli.top.app import TopApp
from rescind.cli.top.dialogs import AskCancel, Help


def picture(count: int, matching: int) -> dict[str, Any]:
    """Return a picture of so many waiting tasks."""
    rows = [
        {"id": n, "name": f"task {n}\x1b[2J", "polls": n, "busy": 0.0, "state": "waiting"}
        | {"age": 1.0, "asked": None, "why": "", "waits": "sleep(5)"}
        for n in range(1, count + 1)
    ]
    return {
        "at": 1.0,
        "watched": 1.0,
        "busy": 0.0,
        "states": {"waiting": matching},
        "total": matching,
        "runtimes": [],
        "rows": rows,
        "matching": matching,
        "took": 0.0,
        "whole": True,
    }


def drive(use: Callable[[TopApp, Pilot[Any]], Awaitable[None]]) -> None:
    """Show the screen at 80 × 24, and use it."""

    async def main() -> None:
        app = TopApp("1", locate=lambda _named: None)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            await use(app, pilot)

    asyncio.run(main())


def screen(app: TopApp) -> list[str]:
    """Return the lines of the screen."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def test_a_lost_program_is_said_and_tried_again() -> None:
    """In words, and not by a color alone."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        assert "LOST: the program has ended; trying again" in screen(app)[0]

    drive(use)


def test_rows_that_are_not_sent_are_counted_and_nothing_moves_the_cursor() -> None:
    """The last line says how many there are; the choice follows the keys."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.pictured("tasks", picture(300, 10_000))
        await pilot.pause()
        await pilot.press("end", "up")
        assert app.rows.chosen_task == 299
        await pilot.press("end")
        app.rows.scroll_end(animate=False)
        await pilot.pause()
        lines = screen(app)
        assert any("… and 9,700 more: / filters" in line for line in lines)
        assert all(line.isprintable() for line in lines)
        app.pictured("tasks", picture(300, 10_000))
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
        app.pictured("tasks", picture(3, 3))
        await pilot.press("down", "c")
        assert isinstance(app.screen, AskCancel)
        await pilot.press("escape", "c", *"slow", "tab", *"x", "enter")
        assert isinstance(app.screen, AskCancel)
        await pilot.press("backspace", "0", "enter")
        await pilot.pause()
        assert asked == [(2, "slow", 0.0)]

    drive(use)
