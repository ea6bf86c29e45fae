"""What uncanceled runs must be, so that canceled ones can be compared with them.

*What it is.* Pure: looks at the records of two runs in which nothing was canceled, and says in one
line why the scenario cannot be checked, if so.

*Threads.* Any.
"""

from __future__ import annotations

from itertools import zip_longest

from rescind.check.points import ROOT
from rescind.check.record import Record

__all__ = ["disagree", "leaves_threads", "not_clean"]


def not_clean(record: Record) -> str:
    """Return what is wrong with a run in which nothing was canceled; empty if nothing is."""
    if record.error:
        return record.error
    if record.end.kind != "returned":
        return f"the scenario {record.end.told()}"
    if record.follow_up.kind not in ("returned", "not run"):
        return f"the scenario, run a second time on the same env, {record.follow_up.told()}"
    for end in record.crowd:
        if end.kind != "returned":
            return f"a copy of the scenario that ran at the same time {end.told()}"
    return ""


def leaves_threads(first: Record, second: Record) -> str:
    """Return that each of two clean runs leaves threads behind; empty if they do not."""
    if second.threads and len(second.threads) >= len(first.threads):
        return (
            f"each run leaves a thread behind that does not end: {', '.join(second.threads)}; "
            "end it in teardown"
        )
    return ""


def disagree(first: Record, second: Record) -> str:
    """Return how two clean runs differ, if they do."""
    for what, one, other in (
        ("result", first.end, second.end),
        ("follow-up's result", first.follow_up, second.follow_up),
    ):
        if one != other:
            return f"the scenario's {what} differs between two clean runs: {one} and {other}"
    for what, ways in (
        ("callbacks", (first.trace, second.trace)),
        ("places where it parks", (_own(first), _own(second))),
    ):
        pair = next((pair for pair in zip_longest(*ways) if pair[0] != pair[1]), None)
        if pair is not None:
            told = " and ".join("nothing" if one is None else one for one in pair)
            return f"the {what} differ between two clean runs: {told}"
    return leaves_threads(first, second)


def _own(record: Record) -> list[str]:
    return [str(point) for point, _ in record.points if point.task == ROOT]
