"""The recorder: what is written down, what it costs in memory, the file, and the story it tells."""

import gc
import json
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind.lowlevel import hooks
from rescind.sync import Event
from rescind.testing import run_virtual
from rescind.trace import Recorder, Story, Trace
from rescind.trace.story import Life


def _recorded(main: Any, **options: Any) -> Trace:
    with Recorder(**options) as recorder:
        run_virtual(main)
    return recorder.trace()


def _named(story: Story) -> dict[str, Life]:
    """By name; of the two called main the program's own, not the one that waits for it."""
    return {life.name: life for life in reversed(story.lives.values())}


async def _request_tree() -> None:
    """A handler with a group of two, canceled by a deadline; one of them cleans up."""

    async def fetches() -> None:
        try:
            await rescind.sleep(100)
        finally:
            await rescind.sleep(1)

    try:
        async with rescind.deadline(5), rescind.task_group(name="fetchers") as group:
            group.spawn(fetches(), name="slow")
            group.spawn(rescind.race(rescind.sleep(50), rescind.never()), name="racer")
    except TimeoutError:
        pass


def test_a_life_is_told_from_the_first_poll_to_the_end() -> None:
    """Polls, waits, who woke it, how it ended."""

    async def main() -> None:
        event = Event()
        task = rescind.spawn(event.wait(), name="waiter")
        await rescind.sleep(1)
        event.set()
        await task

    story = Story.of(_recorded(main))
    named = _named(story)
    waiter, first = named["waiter"], named["main"]
    assert (waiter.kind, waiter.how, waiter.maker) == ("task", "completed", first.number)
    assert len(waiter.polls) == 2
    (wait,) = waiter.waits
    assert wait.what.startswith("wait of <Event")
    assert wait.by == first.number
    assert wait.begun <= (wait.woken or 0) <= (wait.ended or 0)
    assert waiter.cleanup is None
    assert waiter.label == f"task {waiter.task} 'waiter'"


async def _query() -> None:
    await rescind.sleep(1)


def test_children_are_called_by_their_place_and_function() -> None:
    """As people call them: without what only a repr has around a name."""
    story = Story.of(_recorded(lambda: rescind.join(_query(), rescind.sleep(2))))

    children = [life.name for life in story.lives.values() if life.kind == "child"]

    assert children == ["child 0 _query", "child 1 sleep(2)"]


def test_a_canceled_tree_is_told_with_its_reasons() -> None:
    """Who was asked by whom and why, where it was delivered, how long the cleanup took."""
    story = Story.of(_recorded(_request_tree))
    named = _named(story)
    slow, racer = named["slow"], named["racer"]
    (group,) = story.groups.values()
    assert (group.name, group.by, group.cells) == (
        "fetchers",
        named["main"].number,
        [slow.number, racer.number],
    )
    assert group.ended is not None
    (asked,) = group.requests
    assert asked.reason["message"] == "the parent of group 'fetchers' was canceled"
    assert asked.reason["cause"]["kind"] == "deadline"
    assert slow.group == group.number
    assert (slow.how, slow.deliveries[0].own) == ("canceled", True)
    assert slow.deliveries[0].place is not None
    assert "test_recorder.py:" in slow.deliveries[0].place
    assert slow.until_delivered is not None
    assert slow.until_ended is not None
    children = [life for life in story.lives.values() if life.parent == racer.number]
    assert [life.kind for life in children] == ["child", "child"]
    assert [life.how for life in children] == ["canceled", "canceled"]
    roots = list(story.roots())
    assert [reason["kind"] for reason, _ in roots] == ["deadline"]
    assert {life.name for _, lives in roots for life in lives} >= {"slow", "racer"}
    # The deadline itself is delivered in the handler, of which it is only a part.
    own = [one.own for one in named["main"].deliveries]
    assert own == [False]


def test_a_timeout_inside_a_task_is_no_cleanup_of_the_task() -> None:
    """Though a coroutine of its own is canceled; nor does it count while the task is shielded."""

    async def part() -> None:
        try:
            await rescind.sleep(100)
        finally:
            await rescind.sleep(1)

    async def main() -> None:
        with rescind.shielded():
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await rescind.timeout(part(), 5)
                await rescind.sleep(1)
        await rescind.sleep(100)

    async def cancels() -> None:
        task = rescind.spawn(main(), name="victim")
        await rescind.sleep(8)
        await task.cancel()

    victim = _named(Story.of(_recorded(cancels)))["victim"]
    assert [one.own for one in victim.deliveries] == [False, False, True]
    assert victim.cleanup == (victim.deliveries[2].at, victim.ended)


def test_failures_tell_the_error_and_values_nothing() -> None:
    """A result may be secret."""

    async def main() -> str:
        async def fails() -> None:
            raise ValueError("broken")

        await rescind.spawn(fails(), name="failing").join()
        return "secret"

    trace = _recorded(main)
    story = Story.of(trace)
    (failing,) = (life for life in story.lives.values() if life.name == "failing")
    assert (failing.how, failing.detail) == ("failed", "ValueError('broken')")
    assert "secret" not in repr(trace)


def test_absorbed_overrun_and_abandoned_are_told() -> None:
    """With who it was."""

    async def main() -> None:
        async def absorbs() -> int:
            try:
                await rescind.never()
            except rescind.Cancellation:
                return 1

        async def resists() -> None:
            while True:
                try:
                    await rescind.never()
                except BaseException:
                    continue

        one = rescind.spawn(absorbs(), name="absorber")
        rock = rescind.spawn(resists(), name="rock")
        await rescind.sleep(1)
        await one.cancel()
        await rock.cancel(grace=2)

    story = Story.of(_recorded(main))
    named = _named(story)
    assert (named["absorber"].how, named["absorber"].absorbed) == ("completed", True)
    assert named["rock"].how == "abandoned"
    ((_, label, place, seconds),) = story.overruns
    assert label == named["rock"].label
    assert "test_recorder.py:" in place
    assert seconds == 2.0
    assert len(story.abandoned) == 1


def test_tokens_are_told() -> None:
    """Who canceled it, and why; what depends on it follows."""
    with Recorder() as recorder:
        token = rescind.CancellationToken()
        token.child()
        child = token.child()
        token.cancel("enough")
    assert child.canceled
    reasons = [request.reason for request in Story.of(recorder.trace()).tokens]
    assert reasons[0]["message"] == "enough"
    assert all(reason["cause"]["message"] == "enough" for reason in reasons[1:])


def test_those_canceled_for_the_same_reason_share_its_data() -> None:
    """It is taken apart once, however many there are; another reason is another one."""

    async def main() -> None:
        async with rescind.task_group() as group:
            for _ in range(3):
                group.spawn(rescind.never())
            await rescind.sleep(1)
            group.cancel("enough")
        await rescind.race(rescind.ready(1), rescind.never())

    requested = [event[4] for event in _recorded(main).events if event[1] == "requested"]
    assert [reason["kind"] for reason in requested] == ["parent canceled"] * 3 + ["race lost"]
    assert requested[0] is requested[1] is requested[2]


def test_memory_keeps_the_latest_and_counts_the_rest() -> None:
    """And the story can be told of what is left."""

    async def main() -> None:
        for _ in range(50):
            await rescind.sleep(1)

    whole = _recorded(main)
    trace = _recorded(main, limit=10)
    assert len(trace.events) == 10
    assert trace.dropped == len(whole.events) - 10
    assert [event[1] for event in trace.events] == [event[1] for event in whole.events[-10:]]
    story = Story.of(trace)
    assert story.dropped == trace.dropped
    assert any(life.name.startswith("#") for life in story.lives.values())


def test_what_was_there_before_is_met_at_its_next_event() -> None:
    """Its `spawned` comes then."""
    recorder = Recorder()

    async def main() -> None:
        task = rescind.spawn(rescind.sleep(5), name="older")
        await rescind.sleep(1)
        recorder.start()
        await task
        recorder.stop()

    run_virtual(main)
    events = recorder.trace().events
    (number,) = (event[2] for event in events if "older" in event)
    assert [event[1] for event in events if event[2] == number][:2] == ["spawned", "woken"]


def test_nothing_is_kept_alive() -> None:
    """Neither what tasks returned, nor what they were."""

    class Value:
        pass

    refs: list[weakref.ref[Any]] = []

    async def main() -> None:
        async def gives() -> Value:
            value = Value()
            refs.append(weakref.ref(value))
            return value

        task = rescind.spawn(gives())
        refs.append(weakref.ref(task))
        await task
        del task
        await rescind.yield_now()
        gc.collect()
        assert [ref() for ref in refs] == [None, None]

    with Recorder():
        run_virtual(main).unwrap()


def test_a_file_has_all_of_it(tmp_path: Path) -> None:
    """Line by line JSON; the same story as in memory."""
    file = tmp_path / "trace.jsonl"
    with Recorder() as kept, Recorder(file) as written:
        run_virtual(_request_tree)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0]["trace"] == 1
    assert len(lines) - 1 == len(kept.trace().events)
    trace = written.trace()
    assert [event[1:] for event in trace.events] == [
        tuple(json.loads(json.dumps(event[1:]))) for event in kept.trace().events
    ]
    again = tmp_path / "again.jsonl"
    trace.write(again)
    assert Trace.read(again) == trace
    assert not any(thread.name == "rescind-trace" for thread in threading.enumerate())


def test_what_a_file_has_no_room_for_is_counted_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes is held up."""
    from rescind.trace.writer import TraceWriter

    held = threading.Event()
    flush = TraceWriter._flush

    def slowly(self: TraceWriter) -> None:
        held.wait(60)
        flush(self)

    monkeypatch.setattr(TraceWriter, "_flush", slowly)
    recorder = Recorder(tmp_path / "trace.jsonl", limit=5)
    recorder.start()
    try:
        run_virtual(_request_tree)
    finally:
        held.set()
        recorder.stop()
    trace = recorder.trace()
    assert trace.dropped > 0
    assert len(trace.events) == 5
    Story.of(trace)


def test_bad_options_are_refused(tmp_path: Path) -> None:
    """No room at all; a place that cannot be written, before anything is recorded."""
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        Recorder(limit=0)
    recorder = Recorder(tmp_path / "missing" / "trace.jsonl")
    with pytest.raises(OSError, match="missing"):
        recorder.start()
    assert hooks.observers == ()
    recorder.stop()


def test_recorder_that_is_started_anew_takes_nobody_for_one_of_before() -> None:
    """A cell made since may have the place in memory of one that ended while nobody listened."""
    recorder = Recorder()

    async def main() -> None:
        recorder.start()
        olds = [rescind.spawn(rescind.never(), name=f"old {n}") for n in range(50)]
        await rescind.yield_now()
        recorder.stop()
        for old in olds:
            await old.cancel()
        olds.clear()
        del old
        recorder.start()
        for n in range(50):
            await rescind.spawn(rescind.sleep(0), name=f"new {n}")
        recorder.stop()

    run_virtual(main)

    events = recorder.trace().events
    names = {event[2]: event[4] for event in events if event[1] == "spawned"}
    begun = [event[4] for event in events if event[1] == "spawned"].index("new 0")
    numbers = [event[2] for event in events if event[1] == "spawned"]
    second = events[[event[1:3] for event in events].index(("spawned", numbers[begun])) :]
    polled = {names[event[2]] for event in second if event[1] in ("woken", "polled", "parked")}
    assert {f"new {n}" for n in range(50)} <= polled
    assert not {name for name in polled if name.startswith("old")}
