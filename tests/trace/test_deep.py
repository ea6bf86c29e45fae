"""Chains of reasons and groups within groups that are deeper than the stack of Python."""

import io
import json
from pathlib import Path
from typing import Any

import rescind
from rescind import CancelKind, CancelReason
from rescind._core.explanation import reason_data, reason_lines
from rescind.testing import run_virtual
from rescind.trace import Recorder, Story, Trace, dump_data, perfetto
from rescind.trace.events import chain_of, line_of
from rescind.trace.html import as_html

DEEP = 5_000


def _chain(length: int) -> CancelReason:
    reason = CancelReason(message="the first")
    for number in range(1, length):
        reason = CancelReason(CancelKind.PARENT, f"link {number}", cause=reason)
    return reason


def test_of_a_long_chain_both_ends_are_kept_as_data() -> None:
    """JSON nests as deep as the chain; the middle is one link that says how many it stands for."""
    data = reason_data(_chain(DEEP))
    messages = [link["message"] for link in chain_of(json.loads(json.dumps(data)))]
    assert len(messages) == 201
    assert messages[0] == f"link {DEEP - 1}"
    assert messages[99:102] == [f"link {DEEP - 100}", f"… and so on, {DEEP - 200} times", "link 99"]
    assert messages[-1] == "the first"


def test_a_chain_that_is_short_enough_is_kept_whole() -> None:
    """Nothing is left out where the words for it would be as long."""
    assert [link["message"] for link in chain_of(reason_data(_chain(201)))][100] == "link 100"


def test_of_a_long_chain_both_ends_are_told_in_words() -> None:
    """An answer fits on a screen."""
    lines = reason_lines(_chain(DEEP))
    assert len(lines) == 17
    assert lines[8:10] == [
        f"because parent canceled: … and so on, {DEEP - 16} times",
        "because parent canceled: link 7",
    ]
    assert lines[-1] == "because explicit: the first"


def test_what_was_recorded_reads_like_the_reason_itself() -> None:
    """One wording for the program and for its trace."""
    reason = CancelReason(CancelKind.SIGNAL, "SIGINT", "task 1 'main'", "app.py:3", 2.5)
    assert line_of(reason_data(reason)) == reason.line()
    assert line_of(reason_data(CancelReason())) == CancelReason().line()


def test_a_task_that_a_long_chain_canceled_is_explained_recorded_and_exported(
    tmp_path: Path,
) -> None:
    """No observer, file, page or answer is lost over it."""

    async def main() -> tuple[str, dict[str, Any]]:
        task = rescind.spawn(rescind.never(), name="deep")
        await rescind.yield_now()
        task.cancel(_chain(DEEP))
        explained = task.explain()
        await task.join()
        return str(explained), explained.as_dict()

    file = tmp_path / "trace.jsonl"
    with Recorder(file):
        text, data = run_virtual(main).unwrap()
    assert len(text.splitlines()) < 30
    assert json.loads(json.dumps(data)) == data
    trace = Trace.read(file)
    assert not trace.faults
    story = Story.of(trace)
    [(root, lives)] = story.roots()
    assert root["message"] == "the first"
    assert [life.name for life in lives] == ["deep"]
    json.dumps(perfetto(trace))
    assert "the first" in as_html(trace)


def test_groups_that_are_nested_deeper_than_the_stack_are_dumped() -> None:
    """What is too deep to stand inside of the others follows; each task stands there once."""
    deep = 300

    async def nest(left: int) -> None:
        async with rescind.task_group(name=f"group {left}") as group:
            if left:
                group.spawn(nest(left - 1), name=f"task {left - 1}")
            else:
                await rescind.sleep(1000)

    async def main() -> tuple[str, dict[str, Any], str]:
        outermost = rescind.spawn(nest(deep), name="outermost")
        await rescind.sleep(1)
        out = io.StringIO()
        rescind.dump(out)
        found = out.getvalue(), dump_data(), str(outermost.explain())
        await outermost.cancel()
        return found

    text, data, explained = run_virtual(main).unwrap()
    for number in range(deep):
        assert text.count(f"'task {number}'") == 1
    assert "alive, told of further down" in text
    assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 150
    names = [task["name"] for task in data["runtimes"][0]["tasks"]]
    assert names[:3] == ["main", "main", "outermost"]
    assert 1 < len(names) < deep / 10
    assert json.loads(json.dumps(data)) == data
    assert "group 300" in explained
