"""The lines above the table: who it is, how many tasks, how fast, and who is stuck."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

from rescind.cli.top import head
from rescind.cli.top.app import TopApp
from tests.cli.top.kit import drive, picture, row, screen

ABOUT = {"pid": 4242, "since": 1000.0, "program": "src/shop/app.py --port 80", "python": "3.13.1"}
ABOUT |= {"rescind": "0.1.0"}
COUNTERS = {"steps": 0, "spawned": 0, "completed": 0, "failed": 0, "canceled": 0}


def runtime(name: str = "main", stuck: Any = None, **counters: int) -> dict[str, Any]:
    """Return what a picture says of a runtime."""
    return COUNTERS | {"name": name, "host": "asyncio", "stuck": stuck} | counters


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be 12 minutes and 34 seconds after the program began."""
    monkeypatch.setattr(head, "time", SimpleNamespace(time=lambda: 1754.0))


@pytest.mark.parametrize(
    ("width", "who"),
    [
        (80, " rescind top  app.py --port 80 · pid 4242 · up 12:34"),
        (60, " rescind top  app.py … · pid 4242 · up 1…"),
        (140, " rescind top  src/shop/app.py --port 80 · pid 4242 · up 12:34 · Python 3.13.1 · r"),
    ],
)
def test_it_says_which_program_it_is(width: int, who: str) -> None:
    """As much of it as there is room for; how it stands with the connection, at the right."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.attached(ABOUT)
        await pilot.pause()
        line = screen(app)[0]
        assert line.startswith(who)
        assert line.endswith(" live, every 1 s  ")
        assert len(line) == width

    drive(use, (width, 24))


def test_it_counts_tasks_by_state() -> None:
    """Those that are canceled are told apart, and in which runtimes they are."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        states = {"waiting": 1200, "canceling": 3, "running": 1}
        app.pictured("tasks", picture([], 1204, states=states, runtimes=[runtime()]))
        await pilot.pause()
        line = screen(app)[1].strip()
        assert line == "1,204 tasks: 1 running · 1,200 waiting · 3 canceling · on asyncio"
        two = [runtime("a"), runtime("b")]
        app.pictured("tasks", picture([row(1)], states={"waiting": 1}, runtimes=two))
        await pilot.pause()
        assert screen(app)[1].strip() == "1 task: 1 waiting · 2 runtimes on asyncio"

    drive(use)


def test_it_says_how_fast_it_goes_and_how_that_went() -> None:
    """A bar for each picture; in eighty columns without the rate that says least."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        for second, steps in enumerate((0, 100, 300, 1500)):
            one = runtime(steps=steps, spawned=steps, completed=second, canceled=second)
            app.pictured("tasks", picture([], at=second, busy=second / 4, runtimes=[one]))
        await pilot.pause()
        line = screen(app)[2]
        assert [part.split() for part in line.strip().split("  ") if part.strip()] == [
            ["polls", "1.2k/s", "▂▂█"],
            ["busy", "25%", "▃▃▃"],
            ["ended", "2/s", "███"],
            ["canceled", "1/s", "███"],
        ]
        await pilot.resize_terminal(120, 24)
        await pilot.pause()
        assert "spawned 1.2k/s" in screen(app)[2]

    drive(use)


def test_it_says_who_is_stuck() -> None:
    """In which task, for how long, where; a name that moves the cursor does not."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        stuck = {"id": 3, "name": "hog\x1b", "for": 12.0, "place": "at app.py:7 in spin"}
        app.pictured("tasks", picture([], runtimes=[runtime(stuck=stuck), runtime("b")]))
        await pilot.pause()
        assert screen(app)[3].strip() == (
            "! stuck for 12s without an await: task 3 'hog\\x1b' at app.py:7 in spin"
        )
        app.pictured("tasks", picture([], runtimes=[runtime(), runtime("b")]))
        await pilot.pause()
        assert "stuck" not in "".join(screen(app))

    drive(use)


def test_of_a_program_that_is_lost_the_last_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it was up by then, and how long ago that was; when it is back, it is up again."""
    now = [1754.0]
    monkeypatch.setattr(head, "time", SimpleNamespace(time=lambda: now[0]))

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        async def first_line() -> str:
            await pilot.pause()
            return screen(app)[0]

        app.attached(ABOUT)
        app.pictured("tasks", picture([], runtimes=[runtime()]))
        assert "up 12:34 " in await first_line()
        now[0] += 0.5
        app.lost("the program has ended", final=False)
        line = await first_line()
        assert "up 12:34 " in line
        assert " LOST: the program has ended; trying again " in line
        now[0] += 7
        app.lost("the program has ended", final=False)
        line = await first_line()
        assert "up 12:34 " in line
        assert " LOST 7s ago: the program has ended; trying again " in line
        now[0] += 600
        app.lost("the token is wrong", final=True)
        assert " LOST 10m ago: the token is wrong " in await first_line()
        app.attached(ABOUT)
        line = await first_line()
        assert "up 22:41 " in line
        assert "LOST" not in line

    drive(use, (110, 24))


def test_that_no_program_was_found_yet_is_said() -> None:
    """Without a time at which it would have answered."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.lost("the program has ended", final=False)
        await pilot.pause()
        assert " LOST: the program has ended; trying again " in screen(app)[0]

    drive(use)


def test_paused_it_says_so() -> None:
    """And how often it looks, if it does."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        app.attached(ABOUT)
        await pilot.press("p")
        await pilot.pause()
        assert " PAUSED " in screen(app)[0]
        await pilot.press("p", "plus")
        await pilot.pause()
        assert "live, every 0.5 s" in screen(app)[0]
        await pilot.press("plus", "plus", "plus")
        await pilot.pause()
        assert "live, every 0.25 s" in screen(app)[0]
        await pilot.press(*["minus"] * 9)
        await pilot.pause()
        assert "live, every 10 s" in screen(app)[0]

    drive(use)
