"""Chrome's trace-event format: for ui.perfetto.dev, ``chrome://tracing`` and speedscope.

*What it is.* Each task and child is a track. On it stand its polls, and between them what it waited
for; beside it, as long as it lasted, its life, and within that its cleanup. Arrows lead from who
asked for a cancellation to where it was delivered, and from who woke something to its next poll.

*Threads.* Data; any.

*Source.* The Trace Event Format (Google, 2016), as Perfetto reads it.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rescind.trace.events import Trace, chain_of, line_of
from rescind.trace.story import Life, Story

__all__ = ["perfetto", "write_perfetto"]


def perfetto(trace: Trace | Story) -> dict[str, Any]:
    """Return a trace in Chrome's trace-event format, ready for JSON.

    Times are microseconds since the trace began. The process is the one that was recorded; threads
    stand for tasks and children, numbered as in the trace.
    """
    story = trace if isinstance(trace, Story) else Story.of(trace)
    header = story.header
    events: list[dict[str, Any]] = [_name("process_name", header.pid, 0, header.program)]
    for life in story.lives.values():
        events += _life(life, header.pid, story.ended)
    arrows = _Arrows(story)
    for life in story.lives.values():
        events += arrows.of(life)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "program": header.program,
            "python": header.python,
            "rescind": header.rescind,
            "dropped": story.dropped,
            "skipped": story.skipped,
        },
    }


def write_perfetto(trace: Trace | Story, file: str | os.PathLike[str]) -> None:
    """Write a trace in Chrome's trace-event format.

    Raises:
        OSError: the file cannot be written.
    """
    Path(file).write_text(json.dumps(perfetto(trace), separators=(",", ":")), encoding="utf-8")


def _life(life: Life, pid: int, end: int) -> Iterator[dict[str, Any]]:
    at = {"pid": pid, "tid": life.number}
    yield _name("thread_name", pid, life.number, life.label)
    yield {"ph": "M", "name": "thread_sort_index", **at, "args": {"sort_index": life.number}}
    for begun, ended in life.polls:
        yield {"ph": "X", "cat": "poll", "name": "runs", **at, **_span(begun, ended)}
    for wait in life.waits:
        slept = {"where": wait.place} if wait.place else {}
        what = wait.what or "yields"
        span = _span(wait.begun, end if wait.ended is None else wait.ended)
        yield {"ph": "X", "cat": "wait", "name": what, **at, **span, "args": slept}
    # As async slices, since they begin and end in the middle of a poll.
    how: dict[str, Any] = {"ended": life.how or "not ended"}
    if life.detail:
        how["detail"] = life.detail
    yield from _async(at, life.label, (life.begun, life.ended or end), how)
    cleanup = life.cleanup
    if cleanup is not None:
        why = life.requests[0].reason if life.requests else life.deliveries[0].reason
        cleaned = cleanup[0], cleanup[1] or end
        yield from _async(
            at, "cleanup", cleaned, {"because": ", because ".join(map(line_of, chain_of(why)))}
        )


def _async(
    at: dict[str, int], name: str, span: tuple[int, int], args: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    own = {"cat": "life", "id": at["tid"], "name": name, **at}
    yield {"ph": "b", **own, "ts": span[0] / 1000, "args": args}
    yield {"ph": "e", **own, "ts": span[1] / 1000}


class _Arrows:
    """Arrows: each has a number of its own; both of its ends lie in a poll, or it is left out."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._made = 0

    def of(self, life: Life) -> Iterator[dict[str, Any]]:
        for request in life.requests[:1]:
            delivered = next((one.at for one in life.deliveries if one.own), None)
            if (
                request.by is not None
                and delivered is not None
                and self._in_a_poll(life.number, delivered) == delivered
            ):
                yield from self._arrow("cancels", request.by, request.at, life.number, delivered)
        for wait in life.waits:
            if wait.by is not None and wait.woken is not None and wait.ended is not None:
                yield from self._arrow("wakes", wait.by, wait.woken, life.number, wait.ended)

    def _arrow(
        self, name: str, source: int, begun: int, target: int, ended: int
    ) -> Iterator[dict[str, Any]]:
        from_poll = self._in_a_poll(source, begun)
        if from_poll is None:
            return
        self._made += 1
        own = {"cat": name, "name": name, "id": self._made, "pid": self._story.header.pid}
        yield {"ph": "s", **own, "tid": source, "ts": from_poll / 1000}
        yield {"ph": "f", "bp": "e", **own, "tid": target, "ts": ended / 1000}

    def _in_a_poll(self, number: int, at: int) -> int | None:
        """Return the time itself, or the end of the poll before: who ends, wakes others after.

        None: no poll before is known, since the trace lacks it.
        """
        life = self._story.lives.get(number)
        polls = [] if life is None else life.polls
        index = bisect_right(polls, (at, self._story.ended)) - 1
        return None if index < 0 else min(at, polls[index][1])


def _span(begun: int, ended: int) -> dict[str, float]:
    return {"ts": begun / 1000, "dur": (ended - begun) / 1000}


def _name(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}
