"""Chrome's trace-event format: what its readers require of it, tracks, slices and arrows."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind.testing import run_virtual
from rescind.trace import Recorder, Trace, perfetto, write_perfetto

#: Microseconds by which a sum of two may differ from a third.
ROUNDING = 1e-6
#: What the format asks of an event, by its phase.
REQUIRED = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur"},
    "b": {"name", "cat", "id", "pid", "tid", "ts"},
    "e": {"name", "cat", "id", "pid", "tid", "ts"},
    "s": {"name", "cat", "id", "pid", "tid", "ts"},
    "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"},
}


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


def test_every_event_has_what_its_phase_requires(trace: Trace) -> None:
    """And nothing that is not JSON; no time goes backwards."""
    data = json.loads(json.dumps(perfetto(trace)))
    assert set(data) == {"traceEvents", "displayTimeUnit", "otherData"}
    for event in data["traceEvents"]:
        assert set(event) >= REQUIRED[event["ph"]], event
        assert event.get("dur", 0) >= 0
        assert event.get("ts", 0) >= 0


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
