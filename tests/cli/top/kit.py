"""The screen without a program: rows and pictures as a program would send them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from textual.pilot import Pilot

from rescind.cli.top.app import TopApp

Use = Callable[[TopApp, Pilot[Any]], Awaitable[None]]


def row(number: int, **fields: Any) -> dict[str, Any]:
    """Return the row of a task that waits, if the fields do not say otherwise."""
    known = {"id": number, "name": f"task {number}", "polls": number, "busy": 0.0}
    known |= {"state": "waiting", "age": 1.0, "asked": None, "why": "", "waits": "sleep(5)"}
    return known | fields


def branch(key: str, depth: int, kind: str = "task", **fields: Any) -> dict[str, Any]:
    """Return a row of the tree; a task's key ends with its id."""
    known: dict[str, Any] = {"key": key, "depth": depth, "kind": kind, "name": key, "waits": ""}
    if kind == "task":
        known = row(int(key.rpartition(" ")[2])) | known
    return known | fields


def picture(rows: Sequence[dict[str, Any]], matching: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a picture with these rows."""
    total = matching or len(rows)
    known = {"at": 1.0, "watched": 1.0, "busy": 0.0, "states": {"waiting": total}, "total": total}
    known |= {"runtimes": [], "rows": list(rows), "matching": total, "took": 0.0, "whole": True}
    return known | fields


def drive(
    use: Use, size: tuple[int, int] = (80, 24), named: str | None = "1", **options: Any
) -> TopApp:
    """Show the screen, and use it; by default its program is nowhere, which is told once."""

    async def main() -> TopApp:
        app = TopApp(named, **({"locate": lambda _named: None} | options))
        if "locate" not in options:
            app.follower._again = 3600.0
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            while named is not None and "locate" not in options and not _lost(app):
                await pilot.pause()
            await use(app, pilot)
        return app

    return asyncio.run(main())


def _lost(app: TopApp) -> bool:
    return app.head.lost is not None


def screen(app: TopApp) -> list[str]:
    """Return the lines of the screen."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def table(app: TopApp) -> list[str]:
    """Return the lines of the table, without blanks at their ends."""
    lines = [app.rows.render_line(y).text.rstrip() for y in range(app.rows.size.height)]
    return [line for line in lines if line]


def styles(app: TopApp, y: int) -> dict[str, str]:
    """Return what stands in a line of the table, and in which color."""
    colors: dict[str, str] = {}
    for segment in app.rows.render_line(y):
        color = segment.style.color.name if segment.style and segment.style.color else ""
        if segment.text.strip():
            colors[segment.text.strip()] = color
    return colors
