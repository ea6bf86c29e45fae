"""``rescind report``: a recorded trace, as a page to look at, or for Perfetto."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rescind._core.errors import UsageError
from rescind._core.frames import shortened
from rescind.cli import say
from rescind.cli.target import Refused

if TYPE_CHECKING:
    from rescind.trace.story import Story

__all__ = ["report_command"]

#: How many faults of a damaged trace are told.
_FAULTS: Final = 5


@click.command("report")
@click.argument("trace", metavar="TRACE")
@click.option("--output", metavar="FILE", help="Where to write the page. Default: TRACE.html.")
@click.option("--perfetto", metavar="FILE", help="Write the trace for ui.perfetto.dev, too.")
@click.option("--open", "show", is_flag=True, help="Show the page in the browser.")
def report_command(trace: str, output: str | None, perfetto: str | None, show: bool) -> int:
    """Make a page of what 'rescind run --trace TRACE' has recorded.

    It shows who canceled whom and why, and when each task ran, waited and cleaned up. It is one
    file, and needs no network.
    """
    from rescind.trace.html import write_html
    from rescind.trace.perfetto import write_perfetto

    page = output or os.path.splitext(trace)[0] + ".html"
    for file in filter(None, (page, perfetto)):
        if os.path.realpath(file) == os.path.realpath(trace):
            raise Refused(f"{file!r} is the trace itself; name another file")
    story = _story(trace)
    if story.faults:
        say.note(f"{shortened(trace)} is damaged: {_left_out(story.skipped)}", _faults(story))
    _write(write_html, story, page)
    say.note(f"the page is in {shortened(page)}")
    if perfetto is not None:
        _write(write_perfetto, story, perfetto)
        say.note(f"the trace for Perfetto is in {shortened(perfetto)}")
    if show and not webbrowser.open(Path(page).absolute().as_uri()):
        say.note("no browser could be opened; open the page yourself")
    return 0


def _story(file: str) -> Story:
    """Read a trace.

    Raises:
        Refused: there is none, or it cannot be understood.
    """
    from rescind.trace.events import Trace
    from rescind.trace.story import Story

    try:
        return Story.of(Trace.read(file))
    except OSError as exc:
        raise Refused(f"cannot read {file!r}: {exc.strerror}") from exc
    except UsageError as exc:
        raise Refused(str(exc)) from exc


def _left_out(lines: int) -> str:
    if not lines:
        return "all of its events could be understood"
    return f"{lines} lines are left out" if lines > 1 else "1 line is left out"


def _faults(story: Story) -> str:
    lines = [f"  {fault}" for fault in story.faults[:_FAULTS]]
    if len(story.faults) > _FAULTS:
        lines.append("  …")
    return "\n".join(lines)


def _write(write: Callable[[Story, str], None], story: Story, file: str) -> None:
    try:
        write(story, file)
    except OSError as exc:
        raise Refused(f"cannot write {file!r}: {exc.strerror}") from exc
