"""``rescind top``: look at a running program, live."""

from __future__ import annotations

import asyncio
import sys
import time

import click

from rescind._core.errors import UsageError
from rescind.cli import say
from rescind.cli.target import Refused
from rescind.top.client import Found, look_around
from rescind.top.places import find

__all__ = ["top_command"]

_NONE = (
    "no program of yours can be looked at; start one with 'rescind run --top SCRIPT', or have it "
    "call rescind.serve_top()"
)


@click.command("top")
@click.argument("named", metavar="[PID|HOST:PORT]", required=False)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    metavar="SECONDS",
    help="How often to look. Default: 1.",
)
@click.option("--list", "listed", is_flag=True, help="List the programs, and look at none.")
def top_command(named: str | None, interval: float, listed: bool) -> int:
    """Look at the tasks of a running program: what each waits for, and why it was canceled.

    The program was started with 'rescind run --top', or calls rescind.serve_top(). It is named by
    its process id or its address; if there is only one, it need not be named. Tasks can be sorted,
    filtered, explained, and canceled with a reason; '?' lists the keys.
    """
    if listed:
        return _list(asyncio.run(look_around()))
    found: list[Found] = []
    if named is None:
        found = [one for one in asyncio.run(look_around()) if one.about is not None]
        if not found:
            raise Refused(_NONE)
        if len(found) == 1:
            named = str(found[0].place.pid)
    else:
        _check(named)
    try:
        from rescind.cli.top.app import TopApp
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != "textual":
            raise
        raise Refused(
            "'rescind top' needs textual, which is not installed: pip install 'rescind[top]'"
        ) from None
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("'rescind top' draws on a terminal, and this is none; try --list")
    app = TopApp(named, found, interval=interval, now=time.time())
    app.run()
    return app.return_code or 0


def _check(named: str) -> None:
    """Find out now whether there is such a program.

    Raises:
        Refused: there is none.
    """
    try:
        address = find(named)
    except UsageError as exc:
        raise Refused(f"{exc}; or give the id of a process") from None
    if address is None:
        raise Refused(f"no program of yours can be looked at as {named}; try --list")


def _list(found: list[Found]) -> int:
    from rescind.cli.top.words import program_line

    if not found:
        say.note(_NONE)
    now = time.time()
    for one in found:
        click.echo(f"{program_line(one, now)}  {one.place.address}")
    return 0
