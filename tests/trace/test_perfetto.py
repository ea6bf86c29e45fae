"""Chrome's trace-event format: what its readers require of it, tracks, slices and arrows."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind.testing import run_virtual
from rescind.trace import Recorder, Trace, perfetto, write_perfetto
from tests.trace.format import faults

#: Microseconds by which a sum of two may differ from a third.
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Two tasks, one of which is canceled by the other and cleans up, and a race."""

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(1)

    async def main() -> None:
        task = rescind.spawn(cleans(), name="cleaner")
        await rescind.race(rescind.sleep(1), rescind.sleep(2))
        await task.cancel("enough")

    with Recorder() as recorder:
        run_virtual(main)
    return recorder.trace()


def _events(trace: Trace, **wanted: Any) -> list[dict[str, Any]]:
    events = perfetto(trace)["traceEvents"]
    return [one for one in events if all(one.get(key) == value for key, value in wanted.items())]


def test_a_trace_validates_against_the_format(trace: Trace) -> None:
    """Its schema, and what readers make of arrows and slices; every phase that we use is there."""
    exported = perfetto(trace)
    assert faults(exported) == []
    assert {one["ph"] for one in exported["traceEvents"]} == {"M", "X", "b", "e", "s", "f"}
    assert exported["displayTimeUnit"] == "ms"


def test_a_trace_of_nothing_validates() -> None:
    """Nobody ran: a process with a name."""
    with Recorder() as recorder:
        pass
    exported = perfetto(recorder.trace())
    assert faults(exported) == []
    assert [one["name"] for one in exported["traceEvents"]] == ["process_name"]


def test_a_trace_whose_beginning_is_lost_validates(trace: Trace) -> None:
    """Wherever it is cut off: who is not known has a number for a name, and no loose arrows."""
    for first in range(len(trace.events)):
        events = trace.events[first:]
        assert faults(perfetto(replace(trace, events=events, dropped=first))) == []


def test_a_trace_whose_end_is_lost_validates(trace: Trace) -> None:
    """A program that was killed: what had not ended lasts until the last event."""
    for last in range(len(trace.events)):
        assert faults(perfetto(replace(trace, events=trace.events[:last]))) == []


@pytest.mark.parametrize("seed", range(15))
def test_a_damaged_trace_validates(trace: Trace, seed: int) -> None:
    """Events that were lost, are there twice, or stand elsewhere."""
    chance = random.Random(seed)
    events = [one for one in trace.events if chance.random() > 0.2]
    events += chance.sample(events, k=3)
    for _ in range(5):
        events.insert(chance.randrange(len(events)), events.pop(chance.randrange(len(events))))
    assert faults(perfetto(replace(trace, events=tuple(events)))) == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ({"ph": "X", "ts": 1}, "'dur' is a required property"),
        ({"ph": "X", "ts": -1, "dur": 1}, "less than the minimum"),
        ({"ph": "Q", "ts": 1}, "'Q' is not one of"),
        ({"ph": "i", "ts": 1, "extra": 1}, "'extra' was unexpected"),
        ({"ph": "M", "name": "thread_name", "args": {}}, "'name' is a required property"),
        ({"ph": "M", "name": "thread_name", "args": {"name": "again"}}, "is told 2 times"),
        ({"ph": "b", "ts": 1, "cat": "c", "id": 1}, "has no end"),
        ({"ph": "e", "ts": 1, "cat": "c", "id": 1}, "ends nothing"),
        ({"ph": "s", "ts": 1, "cat": "c", "id": 1}, "no arrow"),
        ({"ph": "s", "ts": 1, "cat": "c", "id": 1, "tid": 99}, "hangs on no slice"),
    ],
)
def test_the_judge_notices(trace: Trace, damage: dict[str, Any], found: str) -> None:
    """What is wrong is told: a judge that never does would be none."""
    exported = perfetto(trace)
    process = {"name": "a", "pid": trace.header.pid, "tid": 1}
    exported["traceEvents"].append({**process, **damage})
    assert any(found in fault for fault in faults(exported))


def test_the_judge_notices_slices_that_overlap(trace: Trace) -> None:
    """One that begins in another and ends after it cannot be drawn."""
    exported = perfetto(trace)
    first = max((one for one in exported["traceEvents"] if one["ph"] == "X"), key=_duration)
    exported["traceEvents"].append({**first, "ts": first["ts"] + first["dur"] / 2})
    assert any("overlaps" in fault for fault in faults(exported))


def _duration(event: dict[str, Any]) -> float:
    duration: float = event["dur"]
    return duration


def test_each_task_and_child_has_a_track_with_its_name(trace: Trace) -> None:
    """The process is named after the program."""
    names = [one["args"]["name"] for one in _events(trace, ph="M", name="thread_name")]
    assert any(name.endswith("'cleaner'") for name in names)
    assert [name for name in names if name.startswith("child")] == [
        "child 0 sleep(1)",
        "child 1 sleep(2)",
    ]
    (process,) = _events(trace, ph="M", name="process_name")
    assert process["args"]["name"] == trace.header.program


def test_polls_and_waits_on_a_track_do_not_overlap(trace: Trace) -> None:
    """Or readers would draw them wrongly."""
    tracks: dict[int, list[tuple[float, float]]] = {}
    for one in _events(trace, ph="X"):
        tracks.setdefault(one["tid"], []).append((one["ts"], one["ts"] + one["dur"]))
    assert len(tracks) >= 4
    for spans in tracks.values():
        spans.sort()
        for (_, ended), (begun, _) in itertools.pairwise(spans):
            assert ended <= begun + ROUNDING


def test_a_cleanup_is_a_slice_with_its_reason(trace: Trace) -> None:
    """As long as it took, within the life of its task."""
    (begins,) = _events(trace, ph="b", name="cleanup")
    assert begins["args"]["because"].startswith("explicit: enough, by task ")
    (ends,) = _events(trace, ph="e", name="cleanup")
    assert ends["ts"] > begins["ts"]
    life = [one for one in _events(trace, cat="life", id=begins["id"]) if one["name"] != "cleanup"]
    assert life[0]["ts"] <= begins["ts"]
    assert ends["ts"] <= life[1]["ts"]
    assert life[0]["args"]["ended"] == "canceled"


@pytest.mark.parametrize("name", ["cancels", "wakes"])
def test_arrows_have_two_ends_in_polls(trace: Trace, name: str) -> None:
    """From who did it to whom it was done."""
    starts, ends = _events(trace, ph="s", name=name), _events(trace, ph="f", name=name)
    assert starts
    assert [one["id"] for one in starts] == [one["id"] for one in ends]
    polls = _events(trace, ph="X", cat="poll")
    for one in (*starts, *ends):
        assert any(
            poll["tid"] == one["tid"]
            and poll["ts"] - ROUNDING <= one["ts"] <= poll["ts"] + poll["dur"] + ROUNDING
            for poll in polls
        )
    for start, end in zip(starts, ends, strict=True):
        assert start["ts"] <= end["ts"]
        assert start["tid"] != end["tid"]


def test_it_is_written_to_a_file(trace: Trace, tmp_path: Path) -> None:
    """As one JSON object."""
    file = tmp_path / "trace.json"
    write_perfetto(trace, file)
    assert json.loads(file.read_text()) == json.loads(json.dumps(perfetto(trace)))
