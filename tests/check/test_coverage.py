"""Which awaits count, what runs mark, how it is merged, kept and exported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.check import Instant, Mode, sweep
from rescind.check.awaits import Source, source_files
from rescind.check.coverage import Coverage, FileCoverage, Mark, State, percent_of
from rescind.check.coverage_file import BadCoverage, add_coverage, as_data, load_coverage
from rescind.check.lcov import as_lcov
from rescind.check.points import Point, RunPlan
from rescind.check.record import Record
from rescind.check.tables import numbers
from tests.check.reports import APP, example, mark_of, plan, point

STRANGE = """\
async def f(x):
    await (
        x
    )
    async with a() as one, \\
            b() as two:
        pass
    async for y in (
        x
    ):
        print(y)
    return [z async for z in x if await z]


def g():
    async def inner():
        await x
    yield 1
"""


# -- which awaits there are ------------------------------------------------------------------------


def test_awaits_are_found_where_frames_say_that_they_are() -> None:
    """Also over several lines, in comprehensions, in async for and async with."""
    awaits = Source("x.py", STRANGE).awaits

    # To which line of its statement a second `async with` belongs, interpreters do not agree.
    assert {2, 5, 12, 17} <= awaits.keys() <= {2, 5, 6, 8, 9, 12, 17}
    assert "g.<locals>.inner" == awaits[17]


def test_every_line_at_which_a_task_parks_is_one_that_was_found(tmp_path: Path) -> None:
    """What runs report and what is read off the code agree, on this interpreter."""
    path = tmp_path / "parks.py"
    path.write_text(
        "import asyncio\n"
        "class Slow:\n"
        "    async def __aenter__(self):\n"
        "        await asyncio.sleep(0)\n"
        "    async def __aexit__(self, *_):\n"
        "        await asyncio.sleep(\n"
        "            0\n"
        "        )\n"
        "    async def __aiter__(self):\n"
        "        yield await asyncio.sleep(0, 1)\n"
        "async def scenario():\n"
        "    async with (\n"
        "        Slow(),\n"
        "        Slow() as other,\n"
        "    ):\n"
        "        async for x in (\n"
        "            Slow().__aiter__()\n"
        "        ):\n"
        "            [await asyncio.sleep(0) for _ in range(2)]\n"
        "    await (asyncio\n"
        "        .sleep(0)\n"
        "    )\n",
        encoding="utf-8",
    )
    scope: dict[str, object] = {"__name__": "parks"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)

    report = sweep(scope["scenario"])  # type: ignore[arg-type]
    coverage = report.coverage
    seen = {line for file, line, _ in coverage if file == str(path)}

    assert "clean" == report.verdict
    assert seen <= Source(str(path), path.read_text(encoding="utf-8")).awaits.keys()
    assert not coverage.file(str(path)).lines(State.NEVER, State.SEEN)


def test_a_file_that_does_not_compile_has_no_awaits() -> None:
    """What runs is then something else than the file; only what was seen is known."""
    assert {} == Source("x.py", "async def f(:\n").awaits
    assert {} == Source("x.py", "\0").awaits


def test_sources_below_a_directory(tmp_path: Path) -> None:
    """A directory stands for its Python files, but for hidden ones."""
    (tmp_path / "a").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.py", "a/c.py", ".hidden/d.py", "e.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")

    found = [Path(file).name for file in source_files(str(tmp_path))]

    assert ["c.py", "b.py"] == found


# -- what runs mark --------------------------------------------------------------------------------


def test_each_frame_of_the_stack_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is parked deep below is parked at an await in each of its frames."""
    monkeypatch.chdir(tmp_path)
    report = example(tmp_path)

    worst = Mark.SEEN | Mark.CANCELED | Mark.BROKEN

    assert [worst, worst] == [mark_of(report, 9), mark_of(report, 13)]
    assert Mark.SEEN | Mark.CANCELED == mark_of(report, 14)


def test_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the example's awaits, two broke, one survived, and no run ever parked at two."""
    monkeypatch.chdir(tmp_path)
    (file,) = example(tmp_path).coverage.files()

    assert {8: "never reached", 9: "broken", 13: "broken", 14: "survived", 15: "never reached"} == {
        one.line: one.state.value for one in file.awaits
    }
    assert (3, 60.0) == (file.tried, file.percent)


def test_held_back_is_shielded_not_canceled() -> None:
    """A cancellation that is raised only later was held back where it was sent."""
    coverage = Coverage()
    coverage.note(Record(plan(), struck=True, landed=[point(("app.py:99 in after",))]))

    assert [Mark.SEEN | Mark.SHIELDED, Mark.SEEN | Mark.CANCELED] == [
        mark for file, line, mark in coverage if file.endswith("app.py") and line in (9, 99)
    ]


def test_a_value_that_wins_is_no_shield() -> None:
    """Woken, and under rescind, the value may come before the cancellation: nothing was held."""
    coverage = Coverage()
    coverage.note(Record(plan(instant=Instant.WOKEN), struck=True))
    coverage.note(Record(plan(mode=Mode.RESCIND), struck=True))
    later = point(("app.py:99 in after",))
    coverage.note(Record(plan(mode=Mode.RESCIND), struck=True, landed=[later]))

    assert [(99, Mark.SEEN | Mark.CANCELED)] == [(line, mark) for _, line, mark in coverage]


def test_second_strike_marks_the_cleanup() -> None:
    """What breaks then is told of the await in the cleanup, not of the first."""
    coverage = Coverage()
    after = point(("app.py:30 in close",))
    record = Record(plan(second=1), struck=True, landed=[point(), after], again=after)
    coverage.note(record, broken=True)
    found = {line: mark for file, line, mark in coverage if file.endswith("app.py")}

    assert Mark.SEEN | Mark.CLEANUP | Mark.BROKEN == found[30]
    assert Mark.SEEN | Mark.CANCELED == found[9]


def test_runs_that_went_another_way_cancel_nothing() -> None:
    """They are worth nothing, but what they saw was seen."""
    coverage = Coverage()
    record = Record(plan(), struck=True, landed=[point()], points=[(point(), False)])
    coverage.note(record, unresolved=True)

    assert {Mark.SEEN} == {mark for _, _, mark in coverage}


def test_what_is_never_canceled_does_not_count(tmp_path: Path) -> None:
    """The awaits of setup, teardown and invariants are not missing: the checker leaves them be."""
    path = tmp_path / "case.py"
    path.write_text(
        "import asyncio\n"
        "async def setup(env):\n"
        "    async def inner():\n"
        "        await asyncio.sleep(0)\n"
        "    await inner()\n"
        "async def scenario(env):\n"
        "    await asyncio.sleep(0)\n",
        encoding="utf-8",
    )
    scope: dict[str, object] = {"__name__": "case"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)

    report = sweep(scope["scenario"], setup=scope["setup"])  # type: ignore[arg-type]
    (file,) = report.coverage.files()

    assert [7] == [one.line for one in file.awaits]


def test_a_sweep_tells_what_is_shielded(tmp_path: Path) -> None:
    """Under anyio's shield nothing is raised, and the await says so; asyncio gets through."""
    pytest.importorskip("anyio")
    path = tmp_path / "case.py"
    path.write_text(
        "import anyio\n"
        "async def scenario():\n"
        "    with anyio.CancelScope(shield=True):\n"
        "        await anyio.sleep(0.01)\n"
        "    await anyio.sleep(0.01)\n",
        encoding="utf-8",
    )
    scope: dict[str, object] = {"__name__": "case"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
    from rescind.check import Options

    report = sweep(scope["scenario"], options=Options(modes=(Mode.ASYNCIO, Mode.ANYIO)))  # type: ignore[arg-type]
    (file,) = report.coverage.files()

    assert Mark.SEEN | Mark.CANCELED | Mark.SHIELDED == file.awaits[0].marks
    assert not file.awaits[1].marks & Mark.SHIELDED


# -- merging ---------------------------------------------------------------------------------------

COVERAGES = st.builds(
    Coverage,
    st.dictionaries(
        st.tuples(st.sampled_from(["a.py", "b.py"]), st.sampled_from(["1", "2"])),
        st.dictionaries(st.integers(1, 5), st.integers(0, 31).map(Mark), max_size=4),
        max_size=3,
    ),
    st.sets(st.tuples(st.sampled_from(["a.py", "b.py"]), st.sampled_from(["f", "g"]))),
)


@given(COVERAGES, COVERAGES)
def test_merging_is_commutative(one: Coverage, other: Coverage) -> None:
    """C1: the order of two processes does not matter."""
    assert one.merge(other) == other.merge(one)


@given(COVERAGES, COVERAGES, COVERAGES)
def test_merging_is_associative(one: Coverage, two: Coverage, three: Coverage) -> None:
    """C1: nor does who is merged first."""
    assert one.merge(two).merge(three) == one.merge(two.merge(three))


@given(COVERAGES, COVERAGES)
def test_merging_is_idempotent_and_changes_neither(one: Coverage, other: Coverage) -> None:
    """C1: what is counted twice is counted once."""
    before = json.dumps(as_data(one)), json.dumps(as_data(other))
    both = one.merge(other)

    assert both == both.merge(other).merge(one)
    assert before == (json.dumps(as_data(one)), json.dumps(as_data(other)))


def test_what_was_seen_of_another_version_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: when a file changes, its lines are others."""
    monkeypatch.chdir(tmp_path)
    coverage = example(tmp_path).coverage
    assert coverage.current().marks.keys() >= {
        version for version in coverage.marks if version[0].endswith("app.py")
    }

    (tmp_path / "app.py").write_text("# moved\n" + APP, encoding="utf-8")

    assert not [version for version in coverage.current().marks if version[0].endswith("app.py")]
    assert {State.NEVER} == {one.state for one in coverage.file(str(tmp_path / "app.py")).awaits}


# -- the file --------------------------------------------------------------------------------------


def test_file_holds_what_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is added twice is there once, and what is read back is what was written."""
    monkeypatch.chdir(tmp_path)
    coverage = example(tmp_path).coverage
    path = tmp_path / "coverage.json"

    add_coverage(coverage, path)
    both = add_coverage(coverage, path)

    assert both == load_coverage(path) == coverage.current()


def test_no_file_is_no_coverage(tmp_path: Path) -> None:
    """The first process finds nothing, and that is no error."""
    assert Coverage() == load_coverage(tmp_path / "none.json")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "\x00"),
        '{"format": 99, "files": {}, "exempted": []}',
        '{"format": 1, "files": 3, "exempted": []}',
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """It is told which file, and what to do; it is not written over."""
    path = tmp_path / "coverage.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BadCoverage, match=r"coverage\.json.* is no coverage file"):
        add_coverage(Coverage(), path)

    assert text == path.read_text(encoding="utf-8")


ADDS = """
import sys
from rescind.check.coverage import Coverage, Mark
from rescind.check.coverage_file import add_coverage
number, path = int(sys.argv[1]), sys.argv[2]
for line in range(20):
    add_coverage(Coverage({("gone.py", ""): {100 * number + line: Mark.SEEN}}), path)
"""


def test_processes_add_at_the_same_time(tmp_path: Path) -> None:
    """Nothing of what four processes add at once is lost, and nothing is left but the file."""
    path = tmp_path / "coverage.json"
    started = [
        subprocess.Popen([sys.executable, "-c", ADDS, str(number), str(path)])
        for number in range(4)
    ]

    codes = [process.wait(50) for process in started]

    assert [0, 0, 0, 0] == codes
    assert {100 * number + line for number in range(4) for line in range(20)} == {
        line for _, line, _ in load_coverage(path)
    }
    assert {"coverage.json", "coverage.json.lock"} == {one.name for one in tmp_path.iterdir()}


# -- what is told ----------------------------------------------------------------------------------


def test_lcov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each await, hit if canceled; two branches: it goes on, it is canceled."""
    monkeypatch.chdir(tmp_path)
    files = example(tmp_path).coverage.files()
    expected = f"""\
TN:rescind_check
SF:{tmp_path / "app.py"}
BRDA:8,0,0,-
BRDA:8,0,1,-
BRDA:9,0,0,1
BRDA:9,0,1,1
BRDA:13,0,0,1
BRDA:13,0,1,1
BRDA:14,0,0,1
BRDA:14,0,1,1
BRDA:15,0,0,-
BRDA:15,0,1,-
BRF:10
BRH:6
DA:8,0
DA:9,1
DA:13,1
DA:14,1
DA:15,0
LF:5
LH:3
end_of_record
"""

    assert expected == as_lcov(files)


def test_libraries_count_only_if_named(tmp_path: Path) -> None:
    """What is installed is not the user's, unless it is named as a source."""
    library = tmp_path / "site-packages" / "lib"
    library.mkdir(parents=True)
    (library / "q.py").write_text("async def f():\n    await g()\n", encoding="utf-8")
    coverage = Coverage()
    coverage.note(Record(RunPlan(), points=[(Point("root", (f"{library}/q.py:2 in f",)), False)]))

    assert [] == coverage.files()
    (file,) = coverage.files([str(library)])
    assert [State.SEEN] == [one.state for one in file.awaits]


def test_percent_of_nothing_is_all() -> None:
    """Where there is no await, none is missing."""
    assert 100.0 == percent_of([]) == FileCoverage("x.py", ()).percent


def test_numbers_are_told_as_ranges() -> None:
    """Neighbours are joined."""
    assert ["", "3", "3-4, 6, 8-10"] == [
        numbers([]),
        numbers([3]),
        numbers([3, 4, 6, 8, 9, 10]),
    ]


def test_names_of_the_stack_may_be_anything() -> None:
    """What is no file is not marked, and does not fail."""
    coverage = Coverage()
    odd = ("<string>:1 in f", "nonsense", "a\0b.py:3 in g", "c.py:x in h")
    coverage.note(Record(RunPlan(), points=[(Point("root", odd), False)]))

    assert [3] == [line for _, line, _ in coverage]
