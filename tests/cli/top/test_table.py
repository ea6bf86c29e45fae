"""The table: which columns there is room for, what is folded, and that the choice stays."""

from typing import Any

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

from rescind.cli.top.app import TopApp
from tests.cli.top.kit import branch, drive, picture, row, screen, styles, table

TREE = [
    branch("main", 0, "runtime", waits="on asyncio, 3 alive"),
    branch("task 1", 1),
    branch("task 1/group", 2, "group", state="canceling", why="explicit: enough"),
    branch("task 2", 3),
    branch("task 2/child 0", 4, "child", name="child 0: query", state="cleaning up"),
    branch("task 2/child 1", 4, "child", name="child 1: query", state="waiting"),
    branch("task 3", 1),
]


def test_a_tree_is_folded_and_unfolded() -> None:
    """By Space; by the arrows, of which the left one goes up where there is nothing to fold."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        await pilot.press("t")
        app.pictured("tree", picture(TREE))
        await pilot.pause()
        assert len(table(app)) == 8
        await pilot.press("down", "down", "space")
        assert len(table(app)) == 5
        assert "▸ group task 1/group" in table(app)[3]
        assert app.rows.chosen_task == 1
        await pilot.press("right")
        assert len(table(app)) == 8
        assert "▾ group task 1/group" in table(app)[3]
        await pilot.press("down", "down", "left")
        assert app.rows.chosen_task == 2
        assert len(table(app)) == 8
        await pilot.press("left", "left")
        assert (app.rows.chosen or {})["key"] == "task 1/group"
        assert len(table(app)) == 6
        app.pictured("tree", picture(TREE))
        assert len(table(app)) == 6
        await pilot.press("home", "space")
        assert len(table(app)) == 2
        await pilot.press("end", "left")
        assert len(table(app)) == 2

    drive(use)


def test_a_child_is_explained_as_a_part_of_the_task_it_is_in() -> None:
    """A group, too; a runtime is in no task, and it is said what to do."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        await pilot.press("t")
        app.pictured("tree", picture(TREE))
        chosen = []
        for _ in TREE:
            chosen.append((app.rows.chosen_task, app.follower.asking.task))
            if app.follower.asking.task is not None:
                app.explained(app.follower.asking.task, "why", True)
            await pilot.press("down")
        assert chosen == [(number, number) for number in (None, 1, 1, 2, 2, 2, 3)]
        assert app.details.border_title == "task 3"
        await pilot.press("home")
        await pilot.pause()
        assert app.details.border_title == ""
        assert any("No task is chosen" in line for line in screen(app))

    drive(use)


def test_the_chosen_task_stays_chosen() -> None:
    """When others come and go, when it is sorted otherwise, and in another view."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.pictured("tasks", picture([row(1), row(2), row(3)]))
        await pilot.press("down")
        app.pictured("tasks", picture([row(9), row(3), row(8), row(2)]))
        assert app.rows.chosen_task == 2
        await pilot.press("t")
        app.pictured("tree", picture(TREE))
        assert app.rows.chosen_task == 2
        await pilot.press("down", "down", "t")
        app.pictured("tasks", picture([row(3), row(1), row(2)]))
        assert app.rows.chosen_task == 2

    drive(use)


def test_when_the_chosen_task_ends_another_is_chosen() -> None:
    """The one that takes its place; where there is none, none."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.pictured("tasks", picture([row(1), row(2), row(3)]))
        await pilot.press("end")
        app.pictured("tasks", picture([row(1), row(2)]))
        assert app.rows.chosen_task == 2
        assert app.follower.asking.task == 2
        app.pictured("tasks", picture([]))
        assert app.rows.chosen_task is None
        assert app.follower.asking.task is None
        await pilot.press("down", "up", "home", "end", "pagedown")
        assert app.rows.chosen is None

    drive(use)


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (60, ["ID", "AGE▼", "STATE", "POLLS", "NAME", "WAITS", "FOR"]),
        (80, ["ID", "AGE▼", "STATE", "POLLS", "NAME", "WAITS", "FOR"]),
        (100, ["ID", "AGE▼", "STATE", "POLLS", "BUSY", "NAME", "WAITS", "FOR"]),
        (
            160,
            ["ID", "AGE▼", "STATE", "POLLS", "BUSY", "NAME", "WAITS", "FOR", "CANCELED", "BECAUSE"],
        ),
    ],
)
def test_there_are_as_many_columns_as_there_is_room_for(width: int, titles: list[str]) -> None:
    """None is cut off by the edge; names of files stand there without their folders."""
    place = "sleep(5) at src/shop/orders.py:17 in wait"
    why = "explicit: enough, by task 1 'main', at src/shop/main.py:3"
    rows = [row(number, name="x" * 99, waits=place, asked=1.0, why=why) for number in (1, 2)]

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.pictured("tasks", picture(rows))
        await pilot.pause()
        lines = [app.rows.render_line(y).text for y in range(3)]
        assert lines[0].split() == titles
        assert {len(line) for line in lines} == {width}
        assert {line[-1] for line in lines} == {" "}
        assert "sleep(5) at …" in lines[1] or "sleep(5) at orders" in lines[1]
        if "BECAUSE" in titles:
            assert "1.0s ago, explicit: enough" in lines[1]

    drive(use, (width, 24))


def test_by_what_it_is_sorted_is_shown_also_where_there_is_little_room() -> None:
    """The column that is left out of eighty columns is there if one sorts by it."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        assert "BUSY" not in table(app)[0]
        await pilot.press("s", "s", "s")
        assert "BUSY▼" in table(app)[0]

    drive(use)


def test_a_state_has_a_color_of_its_own_also_where_it_is_chosen() -> None:
    """What is canceled stands out; the words say it, too."""
    states = ["waiting", "cleaning up", "shielded", "running"]

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        await pilot.pause()
        app.pictured("tasks", picture([row(n, state=state) for n, state in enumerate(states)]))
        colors = [styles(app, y + 1)[state] for y, state in enumerate(states)]
        assert len(set(colors)) == 4
        assert colors[1] == "yellow"
        await pilot.press("down")
        assert styles(app, 2)["cleaning up"] == "yellow"
        background = {segment.style.bgcolor for segment in app.rows.render_line(2) if segment.style}
        assert len(background) == 1
        assert background != {app.rows.rich_style.bgcolor}

    drive(use)


def test_a_long_table_is_scrolled_with_the_choice() -> None:
    """By lines, by pages, to both ends; a click chooses what is seen there."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.pictured("tasks", picture([row(number) for number in range(1, 101)]))
        await pilot.pause()
        height = app.rows.size.height
        await pilot.press("pagedown")
        assert app.rows.chosen_task == height - 1
        await pilot.press("end")
        assert app.rows.chosen_task == 100
        assert table(app)[-1].split()[0] == "100"
        await pilot.press("k", "pageup", "g", "j", "j")
        assert app.rows.chosen_task == 3
        await pilot.press("G")
        await pilot.click(app.rows, offset=(5, 1))
        assert app.rows.chosen_task == 100 - height + 2

    drive(use)
