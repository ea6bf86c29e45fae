"""Judges what is exported by the Trace Event Format: its schema, and what a schema cannot say.

`trace_event.schema.json` was written from the format's public document. Beyond it, readers pair the
ends of arrows and of asynchronous slices, and hang arrows on slices.
"""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

#: Microseconds by which a sum of two may differ from a third.
ROUNDING = 1e-6

Event = dict[str, Any]


@cache
def validator() -> Draft202012Validator:
    """Return what validates against the schema, which is one itself."""
    schema = json.loads(Path(__file__).with_name("trace_event.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(exported: object) -> list[str]:
    """Return what is wrong with an export, as it arrives in JSON."""
    data = json.loads(json.dumps(exported, allow_nan=False))
    found = [f"{error.json_path}: {error.message}" for error in validator().iter_errors(data)]
    if found:
        return found
    events = data["traceEvents"]
    return [*_unnamed(events), *_async_faults(events), *_flow_faults(events), *_overlaps(events)]


def _unnamed(events: list[Event]) -> list[str]:
    """Every process and every track that has events has one name."""
    named: defaultdict[tuple[str, int, int], int] = defaultdict(int)
    for one in events:
        if one["ph"] == "M":
            tid = 0 if one["name"].startswith("process") else one["tid"]
            named[one["name"], one["pid"], tid] += 1
    found = [f"{key} is told {count} times" for key, count in named.items() if count > 1]
    for one in events:
        if one["ph"] != "M":
            if ("process_name", one["pid"], 0) not in named:
                found.append(f"the process of {one} has no name")
            if ("thread_name", one["pid"], one["tid"]) not in named:
                found.append(f"the track of {one} has no name")
    return found


def _async_faults(events: list[Event]) -> list[str]:
    """Each ``b`` has its ``e`` below it, no earlier; those of one id lie within each other."""
    found: list[str] = []
    opened: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
    for one in events:
        if one["ph"] == "b":
            opened[one["cat"], one["id"]].append(one)
        elif one["ph"] == "e":
            begun = [b for b in opened[one["cat"], one["id"]] if b["name"] == one["name"]]
            if not begun:
                found.append(f"{one} ends nothing")
            else:
                opened[one["cat"], one["id"]].remove(begun[-1])
                if one["ts"] < begun[-1]["ts"]:
                    found.append(f"{one} ends before it begins")
    return found + [f"{one} has no end" for left in opened.values() for one in left]


def _flow_faults(events: list[Event]) -> list[str]:
    """Each arrow has one start and one end, in this order; both of them hang on slices."""
    found: list[str] = []
    slices: defaultdict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for one in events:
        if one["ph"] == "X":
            slices[one["pid"], one["tid"]].append((one["ts"], one["ts"] + one["dur"]))
    arrows: defaultdict[tuple[str, str, object], list[Event]] = defaultdict(list)
    for one in events:
        if one["ph"] in "sf":
            arrows[one["cat"], one["name"], one["id"]].append(one)
            spans = slices[one["pid"], one["tid"]]
            if not any(a - ROUNDING <= one["ts"] <= b + ROUNDING for a, b in spans):
                found.append(f"{one} hangs on no slice")
    for ends in arrows.values():
        if [one["ph"] for one in ends] != ["s", "f"]:
            found.append(f"no arrow: {ends}")
        elif ends[0]["ts"] > ends[1]["ts"]:
            found.append(f"an arrow into the past: {ends}")
    return found


def _overlaps(events: list[Event]) -> list[str]:
    """Slices of a track follow each other, or lie within each other."""
    found: list[str] = []
    tracks: defaultdict[tuple[int, int], list[Event]] = defaultdict(list)
    for one in events:
        if one["ph"] == "X":
            tracks[one["pid"], one["tid"]].append(one)
    for track in tracks.values():
        open_until: list[float] = []
        for one in sorted(track, key=lambda one: (one["ts"], -one["dur"])):
            while open_until and open_until[-1] <= one["ts"] + ROUNDING:
                open_until.pop()
            if open_until and one["ts"] + one["dur"] > open_until[-1] + ROUNDING:
                found.append(f"{one} overlaps")
            open_until.append(one["ts"] + one["dur"])
    return found
