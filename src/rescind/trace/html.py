"""A trace as one page: who canceled whom and why, and when everything ran, waited and cleaned up.

*What it is.* The text, the style and the script of ``page/``, and the story of the trace as compact
JSON between them: texts and reasons stand there once and are referred to by number, times are
nanoseconds since the trace began, lists of times are differences. The script decodes that, and
makes every element and every drawing from it, as text: no name of a program is ever markup.

*What it is not.* A limit: all of the story is in the page. What is off the screen is not drawn.

*Invariants.* H1 of `rescind._pages.page`.

*Threads.* Data; any.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rescind import _pages as pages
from rescind._core.frames import shortened
from rescind.trace.events import Trace, chain_of
from rescind.trace.story import Group, Life, Request, Story

__all__ = ["as_html", "page_data", "write_html"]

_FRAME = pages.Frame(
    "rescind.trace", command="report", main="timeline", search="Name, reason, outcome…"
)

#: What makes two links of a tree the same: not when they were made, since each has its own time.
_LINK = ("kind", "message", "by", "where")


def as_html(trace: Trace | Story) -> str:
    """Return the page."""
    story = trace if isinstance(trace, Story) else Story.of(trace)
    title = _printable(f"{story.header.program} — rescind report")
    return pages.page_of(_FRAME, page_data(story), title, "\n".join(_lines(story)))


def write_html(trace: Trace | Story, file: str | os.PathLike[str]) -> None:
    """Write the page to a file.

    Raises:
        OSError: the file cannot be written.
    """
    Path(file).write_text(as_html(trace), encoding="utf-8")


def page_data(story: Story) -> dict[str, Any]:
    """Return what the page shows, ready for JSON."""
    data = _Data()
    header = story.header
    return {
        "program": shortened(header.program),
        "made": f"rescind {header.rescind}, Python {header.python}, process {header.pid}",
        "started": _moment(header.started),
        "ended": story.ended,
        "dropped": story.dropped,
        "skipped": story.skipped,
        "faults": [str(fault) for fault in story.faults],
        "lives": [data.life(life) for life in story.lives.values()],
        "groups": [data.group(group) for group in story.groups.values()],
        "why": list(data.why(story)),
        "overruns": [list(one) for one in story.overruns],
        "abandoned": [list(one) for one in story.abandoned],
        # Last: they have been gathered by the others.
        "texts": list(data.texts),
        "reasons": list(data.reasons),
    }


class _Data:
    """Turns the story into arrays; gathers its texts and reasons, each once."""

    def __init__(self) -> None:
        self.texts: dict[str | None, int] = {None: 0}
        self.reasons: dict[tuple[Any, ...], int] = {}

    def text(self, text: str | None) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def reason(self, reason: dict[str, Any]) -> int:
        """Return the number of a reason; those that it follows from have got theirs before."""
        number = -1
        for link in reversed(list(chain_of(reason))):
            where = link["where"] and shortened(str(link["where"]))
            key = (link["kind"], link["message"], link["by"], where, link["at"], number)
            number = self.reasons.setdefault(key, len(self.reasons))
        return number

    def life(self, life: Life) -> list[Any]:
        return [
            life.number,
            life.kind,
            self.text(life.name),
            life.task,
            life.parent,
            life.maker,
            life.group,
            life.begun,
            life.ended,
            life.how,
            self.text(life.detail),
            int(life.absorbed),
            _differences(time for poll in life.polls for time in poll),
            list(self._waits(life)),
            [self._request(one) for one in life.requests],
            [
                [one.at, self.reason(one.reason), self.text(one.place), int(one.own)]
                for one in life.deliveries
            ],
        ]

    def group(self, group: Group) -> list[Any]:
        asked = [self._request(one) for one in group.requests]
        return [group.number, self.text(group.name), group.by, group.begun, group.ended, asked]

    def why(self, story: Story) -> Iterator[dict[str, Any]]:
        """Return a tree for each reason that follows from no other; in its leaves the canceled."""
        for root, lives in story.roots():
            tree: dict[str, Any] = {"reason": self.reason(root), "next": {}, "lives": []}
            for life in lives:
                node = tree
                for link in reversed(list(chain_of(life.requests[0].reason))[:-1]):
                    key = tuple(link[name] for name in _LINK)
                    default: dict[str, Any] = {"reason": self.reason(link), "next": {}, "lives": []}
                    node = node["next"].setdefault(key, default)
                node["lives"].append(life.number)
            yield _listed(tree)

    def _waits(self, life: Life) -> Iterator[int | None]:
        """Return six numbers for each wait: after what time, how long, what, where, woken, by."""
        before = 0
        for wait in life.waits:
            yield wait.begun - before
            yield None if wait.ended is None else wait.ended - wait.begun
            yield self.text(wait.what)
            yield self.text(wait.place)
            yield None if wait.woken is None else wait.woken - wait.begun
            yield wait.by
            before = wait.begun

    def _request(self, request: Request) -> list[Any]:
        return [request.at, request.by, self.reason(request.reason)]


def _listed(node: dict[str, Any]) -> dict[str, Any]:
    following = [_listed(one) for one in node["next"].values()]
    return {"reason": node["reason"], "next": following, "lives": node["lives"]}


def _differences(times: Iterable[int]) -> list[int]:
    before, found = 0, list[int]()
    for time in times:
        found.append(time - before)
        before = time
    return found


def _moment(seconds: float) -> str:
    try:
        return (
            ""
            if not seconds
            else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        )
    except (ValueError, OverflowError, OSError):
        return ""


def _lines(story: Story) -> Iterator[str]:
    """The story in short, for a reader without scripts."""
    tasks = [life for life in story.lives.values() if life.kind == "task"]
    yield _printable(story.header.program)
    counts = Counter(life.how or "not ended" for life in tasks)
    if story.skipped:
        yield f"{story.skipped} damaged lines left out; {story.faults[0]}"
    yield f"{len(tasks)} tasks: " + ", ".join(f"{count} {how}" for how, count in counts.items())
    for reason, lives in story.roots():
        message = f": {reason['message']}" if reason["message"] else ""
        where = f", at {reason['where']}" if reason["where"] else ""
        yield _printable(f"{len(lives)} canceled: {reason['kind']}{message}{where}")
        for life in lives:
            yield _printable(f"  {life.label}: {life.how or 'not ended'}")


def _printable(text: str) -> str:
    """Return what can be written and shown: no half of a surrogate pair, no escape sequence."""
    return "".join(one if one.isprintable() else " " for one in text)
