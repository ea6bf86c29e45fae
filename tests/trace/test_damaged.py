"""Traces that were damaged: what can be read is kept, the rest is counted, and told by its line."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rescind
from rescind import UsageError
from rescind.cli.watching import _summary
from rescind.testing import run_virtual
from rescind.trace import Recorder, Story, Trace, perfetto
from rescind.trace.events import Fault, Header
from rescind.trace.html import as_html
from rescind.trace.shapes import SHAPES, fault_of

SECOND = 10**9
HEADER = Header(1, 5 * SECOND, 1.7e9, "app.py", 7, "3.11", "0.1")
REASON = {"kind": "explicit", "message": "x", "by": None, "where": "a:1", "at": 1.0, "cause": None}
#: One event of each sort, without its time.
WHOLE: dict[str, list[Any]] = {
    "spawned": [1, "task", "main", None, 2, 1],
    "woken": [1, None],
    "polled": [1],
    "parked": [1, "sleep(1)", None],
    "requested": [1, 2, REASON],
    "delivered": [1, {**REASON, "cause": REASON}, "a:1", True],
    "overran": [None, "main", "a:1", 1.5],
    "abandoned": ["it went on"],
    "ended": [1, "canceled", None, False],
    "group_opened": [3, "group", 1],
    "group_spawned": [3, 1],
    "group_canceled": [3, None, REASON],
    "group_closed": [3],
    "token_canceled": [140_000_000_000_000_000, None, REASON],
    "dropped": [4],
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a program with a group, a deadline, a race, a cleanup and an overrun."""

    async def cleans(seconds: float) -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(seconds)

    async def main() -> None:
        try:
            async with rescind.deadline(5), rescind.task_group(name="fetchers") as group:
                group.spawn(cleans(1), name="slow")
                group.spawn(rescind.race(rescind.sleep(50), rescind.never()), name="racer")
        except TimeoutError:
            rescind.CancellationToken().cancel("enough")
        late = rescind.spawn(cleans(100))
        await rescind.yield_now()
        await late.cancel(grace=1)

    file = tmp_path_factory.mktemp("traces") / "trace.jsonl"
    with Recorder(file):
        run_virtual(main).unwrap()
    return file.read_text()


def _written(folder: Path, *lines: Any) -> Path:
    """Return a file with a header, and these lines, as JSON unless they are texts."""
    file = folder / "trace.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    fields = {name: getattr(HEADER, name) for name in HEADER.__slots__}
    file.write_text("\n".join([json.dumps(fields), *texts]) + "\n")
    return file


def _event(what: str, *values: Any, at: float = 6) -> list[Any]:
    return [int(at * SECOND), what, *(values or WHOLE[what])]


def _shown(trace: Trace) -> None:
    """Tell, export and draw it."""
    story = Story.of(trace)
    for one in perfetto(story)["traceEvents"]:
        assert one.get("dur", 0) >= 0
        assert one.get("ts", 0) >= 0
    json.dumps(perfetto(story), allow_nan=False)
    as_html(story).encode()


def test_every_event_that_is_recorded_is_whole(recorded: str) -> None:
    """The table knows them all."""
    _header, *events = [json.loads(line) for line in recorded.splitlines()]

    assert {fault_of(event) for event in events} == {None}
    assert set(WHOLE) == set(SHAPES)
    assert {fault_of(_event(what)) for what in WHOLE} == {None}


@pytest.mark.parametrize("what", WHOLE)
def test_each_value_of_each_event_is_looked_at(what: str) -> None:
    """None of them may be something else, or be missing."""
    whole = _event(what)
    for place in range(2, len(whole)):
        wrong = [*whole]
        wrong[place] = [17]
        fault = fault_of(wrong)
        assert fault is not None
        assert fault.startswith(f"has [17] for the '{SHAPES[what][place - 2][0]}' of '{what}', and")
    missing = f"has {len(whole) - 3} values for '{what}', which takes {len(whole) - 2}"
    assert fault_of(whole[:-1]) == missing


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("hello", "is no JSON: 'hello\\n'"),
        ("", "is no JSON: '\\n'"),
        ("[" * 100_000, "is no JSON: '[[[["),
        ("9" * 5000, "is no JSON: '9999"),
        ("17", "is no event, but 17"),
        ("{}", "is no event, but {}"),
        ("[]", "does not begin with a time and what happened, but []"),
        ('["polled", 1]', "does not begin with a time and what happened, but ['polled', 1]"),
        ("[true, 1]", "does not begin with a time and what happened, but [True, 1]"),
        (f"[{2**63}, 'polled', 1]".replace("'", '"'), "does not begin with a time"),
        ('[1, "sang", 1]', "has the event 'sang', which is not known"),
        ('[1, "polled"]', "has 0 values for 'polled', which takes 1"),
        ('[1, "polled", 0]', "has 0 for the 'cell' of 'polled', and not a number from 1"),
        ('[1, "polled", true]', "has True for the 'cell' of 'polled', and not a number from 1"),
        ('[1, "dropped", "many"]', "has 'many' for the 'how many' of 'dropped', and not a number"),
        ('[1, "overran", 1, "a", "b", NaN]', "has nan for the 'seconds' of 'overran', and not a"),
        ('[1, "overran", 1, "a", "b", 1e999]', "has inf for the 'seconds' of 'overran', and not"),
        ('[1, "requested", 1, 1, {}]', "has {} for the 'reason' of 'requested', and not a reason"),
        (
            json.dumps([1, "requested", 1, 1, {**REASON, "cause": {**REASON, "at": "noon"}}]),
            "has {'kind': 'explicit', 'message': 'x', 'b…",
        ),
    ],
)
def test_a_damaged_line_is_left_out_and_told(tmp_path: Path, line: str, fault: str) -> None:
    """Those around it are kept."""
    before, after = _event("spawned"), _event("ended", at=7)
    trace = Trace.read(_written(tmp_path, before, line, after))

    assert trace.header == HEADER
    assert [list(event) for event in trace.events] == [before, after]
    assert (trace.skipped, [one.line for one in trace.faults]) == (1, [3])
    assert str(trace.faults[0]).startswith(f"line 3 {fault}")
    _shown(trace)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path, recorded: str) -> None:
    """A process that was killed leaves half a line; all before it is told."""
    file = tmp_path / "trace.jsonl"
    file.write_text(recorded)
    whole = Trace.read(file)
    file.write_text(recorded[:-10])
    trace = Trace.read(file)

    assert (whole.skipped, whole.faults) == (0, ())
    assert trace.events == whole.events[:-1]
    assert [str(one) for one in trace.faults] == [f"line {len(whole.events) + 1} is cut off"]


def test_of_many_faults_the_first_are_told_and_all_are_counted(tmp_path: Path) -> None:
    """A file may be garbage to its end."""
    trace = Trace.read(_written(tmp_path, *["garbage"] * 1000, _event("polled")))

    assert (len(trace.events), trace.skipped) == (1, 1000)
    assert [one.line for one in trace.faults] == list(range(2, 22))


def test_what_was_left_out_is_still_counted_when_it_is_written_again(tmp_path: Path) -> None:
    """As lost."""
    trace = Trace.read(_written(tmp_path, "garbage", "garbage", _event("dropped")))
    trace.write(tmp_path / "again.jsonl")

    assert Trace.read(tmp_path / "again.jsonl").dropped == 6


def test_a_second_trace_behind_the_first_is_left_out(tmp_path: Path) -> None:
    """Its numbers are those of others; of whatever version it is."""
    for version in (1, 2):
        other = {"trace": version, "at": 0}
        file = _written(tmp_path, _event("spawned"), other, _event("polled"), _event("polled"))
        trace = Trace.read(file)

        assert len(trace.events) == 1
        assert trace.skipped == 3
        assert [str(one) for one in trace.faults] == [
            "line 3 begins another trace, which is left out"
        ]


def test_a_header_that_is_damaged_keeps_what_it_has(tmp_path: Path) -> None:
    """What it lacks is unknown; the time begins with the first event."""
    file = _written(tmp_path, _event("spawned", at=8), _event("ended", at=9))
    lines = file.read_text().splitlines(keepends=True)
    header = {"trace": 1, "at": True, "program": "app.py", "started": float("nan"), "pid": "7"}
    file.write_text(json.dumps(header) + "\n" + "".join(lines[1:]))
    trace = Trace.read(file)

    assert trace.header == Header(1, 8 * SECOND, 0.0, "app.py", 0, "unknown", "unknown")
    assert trace.skipped == 0
    assert [str(one) for one in trace.faults] == [
        "line 1 has True for the 'at' of the trace",
        "line 1 has nan for the 'started' of the trace",
        "line 1 has '7' for the 'pid' of the trace",
        "line 1 has None for the 'python' of the trace",
        "line 1 has None for the 'rescind' of the trace",
    ]
    _shown(trace)


@pytest.mark.parametrize("first", ["", "\x00\x00garbage\n"])
def test_a_header_that_is_gone_is_done_without(tmp_path: Path, first: str) -> None:
    """The events are told all the same."""
    file = _written(tmp_path, _event("spawned", at=8), _event("ended", at=9))
    file.write_text(first + "".join(file.read_text().splitlines(keepends=True)[1:]))
    trace = Trace.read(file)

    assert len(trace.events) == 2
    assert trace.header.at == 8 * SECOND
    assert trace.header.program == "an unknown program"
    assert [one.line for one in trace.faults] == [1]
    assert trace.skipped == (1 if first else 0)
    _shown(trace)


def test_a_header_behind_garbage_is_found(tmp_path: Path) -> None:
    """As long as no event was met."""
    file = _written(tmp_path, _event("spawned"))
    file.write_text("garbage\n" + file.read_text())

    assert Trace.read(file).header == HEADER


def test_a_trace_that_begins_after_its_events_begins_with_them(tmp_path: Path) -> None:
    """Or all of them would happen at once."""
    file = _written(tmp_path, _event("spawned", at=1), _event("ended", at=2), _event("woken", at=3))

    assert Trace.read(file).header.at == SECOND


def test_a_time_far_behind_the_others_spoils_nothing(tmp_path: Path) -> None:
    """A digit more, and all else would be a dot at the left; there may really have been a pause."""
    lines = [_event("polled", at=6), _event("polled", at=6e8), _event("polled", at=7)]
    pause = [_event("polled", at=6e8), _event("polled", at=6e8 + 1)]
    trace = Trace.read(_written(tmp_path, *lines, *pause))

    assert [event[0] // SECOND for event in trace.events] == [6, 7, 600_000_000, 600_000_001]
    assert [str(one) for one in trace.faults] == [
        "line 3 has a time long after that of the line below it"
    ]


def test_a_time_far_before_the_others_spoils_nothing(tmp_path: Path) -> None:
    """Neither what came before, though that is long after it, nor where the trace begins."""
    times = [9000, 9001, 1, 9002]
    trace = Trace.read(_written(tmp_path, *[_event("abandoned", at=at) for at in times]))

    assert trace.skipped == 0
    assert [at // SECOND for at, _ in Story.of(trace).abandoned] == [8995, 8996, 0, 8997]


def test_time_does_not_run_back_for_anybody(tmp_path: Path) -> None:
    """Whatever the file says: no slice has a negative length."""
    lines = [
        _event("spawned", at=9),
        _event("polled", at=8),
        _event("parked", at=7),
        _event("woken", at=6.5),
        _event("polled", at=6),
        _event("requested", 1, 1, REASON, at=1),
        _event("ended", at=1),
    ]
    trace = Trace.read(_written(tmp_path, *lines))
    (life,) = Story.of(trace).lives.values()

    assert trace.skipped == 0
    assert life.begun == 4 * SECOND
    assert [begun <= ended for begun, ended in life.polls] == [True, True]
    assert life.ended == 4 * SECOND
    _shown(trace)


@pytest.mark.parametrize("content", ["", "hello\n", "\x00\xff\x00" * 99, "[]\n", '{"a": 1}\n', "{"])
def test_what_is_no_trace_is_refused(tmp_path: Path, content: str) -> None:
    """With what to do."""
    file = tmp_path / "trace.jsonl"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match="is no trace of rescind's; make one with"):
        Trace.read(file)


def test_a_trace_of_another_version_is_refused(tmp_path: Path) -> None:
    """Which is told."""
    file = tmp_path / "trace.jsonl"
    file.write_text('{"trace": 99}\n')
    with pytest.raises(UsageError, match="is a trace of format 99, but this version"):
        Trace.read(file)


def _report(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rescind", "report", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def test_the_report_says_which_lines_and_makes_the_page(tmp_path: Path) -> None:
    """And the file for Perfetto; both say how many."""
    _written(tmp_path, _event("spawned"), *["garbage"] * 7, _event("ended"), '{"trace": 1')
    done = _report(tmp_path, "trace.jsonl", "--perfetto", "perfetto.json")

    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "rescind: trace.jsonl is damaged: 8 lines are left out"
    assert lines[1] == "  line 3 is no JSON: 'garbage\\n'"
    assert lines[6:] == [
        "  …",
        "rescind: the page is in trace.html",
        "rescind: the trace for Perfetto is in perfetto.json",
    ]
    page = (tmp_path / "trace.html").read_text()
    assert '"skipped":8' in page
    assert "8 damaged lines left out; line 3 is no JSON" in page
    assert json.loads((tmp_path / "perfetto.json").read_text())["otherData"]["skipped"] == 8


def test_the_report_refuses_what_has_no_trace_in_it(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "trace.jsonl").write_bytes(random.Random(1).randbytes(5000))
    done = _report(tmp_path, "trace.jsonl")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is no trace of rescind's" in done.stderr


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["trace", "kind", "cause", "at"]), inner, max_size=4)
    ),
    max_leaves=6,
)


@st.composite
def _mutilations(draw: st.DrawFn) -> list[tuple[str, float, Any]]:
    """Some damages: what, how far into the file, and with what."""
    what = st.sampled_from(["value", "drop", "cut", "bytes", "twice", "swap", "tail", "digit"])
    where = st.floats(0, 1, exclude_max=True)
    return draw(st.lists(st.tuples(what, where, _JSON), min_size=1, max_size=6))


def _mutilated(text: bytes, damages: list[tuple[str, float, Any]]) -> bytes:
    for what, where, junk in damages:
        lines = text.split(b"\n")
        line = int(where * len(lines))
        place = int(where * len(text))
        if what == "value":
            lines[line] = _with_junk(lines[line], where, junk)
            text = b"\n".join(lines)
        elif what == "drop":
            del lines[line]
            text = b"\n".join(lines)
        elif what == "cut":
            text = text[:place] + text[place + 30 :]
        elif what == "bytes":
            text = text[:place] + random.Random(place).randbytes(20) + text[place:]
        elif what == "twice":
            text += text[place:]
        elif what == "swap":
            lines[line], lines[-1 - line] = lines[-1 - line], lines[line]
            text = b"\n".join(lines)
        elif what == "tail":
            text = text[:place]
        else:
            text = text[:place] + b"7" + text[place + 1 :]
    return text


def _with_junk(line: bytes, where: float, junk: Any) -> bytes:
    """Put something else in the place of one of its values."""
    try:
        value = json.loads(line)
    except ValueError:
        return line
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return line
    value[keys[int(where * 997 * len(keys)) % len(keys)]] = junk
    return json.dumps(value).encode()


@given(damages=_mutilations())
@example(damages=[("tail", 0.0, None)])
@example(damages=[("value", 0.0, None)])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_damage_ends_in_a_traceback(
    tmp_path: Path, recorded: str, damages: list[tuple[str, float, Any]]
) -> None:
    """It is told, exported and drawn; or refused, in words."""
    file = tmp_path / "damaged.jsonl"
    file.write_bytes(_mutilated(recorded.encode(), damages))
    try:
        trace = Trace.read(file)
    except UsageError:
        return
    _shown(trace)
    assert len(trace.faults) <= 20
    assert trace.skipped == 0 or trace.faults


@given(events=st.lists(st.tuples(st.sampled_from(list(WHOLE)), st.integers(0, 9), st.data())))
@settings(max_examples=50, deadline=None)
def test_whole_events_in_any_order_can_be_told(
    events: list[tuple[str, int, st.DataObject]],
) -> None:
    """Ends before beginnings, children of themselves, groups that are tasks."""
    cells = st.integers(1, 3)
    made = [
        (
            at * SECOND,
            what,
            *(data.draw(cells) if type(value) is int and value < 4 else value for value in rest),
        )
        for what, at, data in events
        for rest in [WHOLE[what]]
        if what != "dropped"
    ]
    assert [fault_of(list(event)) for event in made] == [None] * len(made)
    _shown(Trace(HEADER, tuple(made)))


def test_the_summary_of_a_run_says_so_too() -> None:
    """Should the disk have spoiled the file that was just written."""
    fault = Fault(3, "is cut off")
    story = Story.of(Trace(HEADER, (), skipped=2, faults=(fault,)))

    assert list(_summary(story)) == ["2 lines could not be understood: line 3 is cut off"]
