"""Log records: the task that made them, why it is being canceled; cancellations as records."""

import asyncio
import json
import logging
import logging.config
import logging.handlers
import pickle
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import rescind
from rescind import blocking
from rescind.lowlevel import hooks
from rescind.testing import run_virtual
from rescind.trace.logging import FIELDS, CancellationLog, TaskFilter, instrument
from tests.conftest import HostFactory


class Kept(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def told(self) -> list[tuple[str, str | None, str | None]]:
        """Message, task, and why it is being canceled, without places."""
        return [
            (one.getMessage(), one.rescind_task, _without_place(one.rescind_canceled))
            for one in self.records
        ]


def _without_place(text: str | None) -> str | None:
    return text and ", ".join(part for part in text.split(", ") if part[:3] not in ("by ", "at "))


@pytest.fixture
def log() -> logging.Logger:
    """The program's logger."""
    return logging.getLogger("tests.trace.shop")


@pytest.fixture
def kept(log: logging.Logger) -> Iterator[Kept]:
    """What gets through to a handler of the program's."""
    handler = Kept()
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)


@pytest.fixture
def filtered(kept: Kept) -> Kept:
    """A handler with the filter."""
    kept.addFilter(TaskFilter())
    return kept


# ------------------------------------------------------------------------------------- the fields


def test_a_record_says_in_which_task_it_was_made(
    host: HostFactory, log: logging.Logger, filtered: Kept
) -> None:
    """Name and id are those of the task, also in another one, on every host."""
    ids: list[int] = []

    async def work() -> None:
        ids.append(rescind.current_task().id)
        log.info("working")

    async def main() -> None:
        log.info("main")
        await rescind.spawn(work(), name="worker")

    with host() as runtime:
        runtime.block_on(main())
    assert filtered.told == [("main", "main", None), ("working", "worker", None)]
    assert [record.rescind_task_id for record in filtered.records][1:] == ids


def test_outside_every_task_the_fields_are_there_and_empty(
    log: logging.Logger, filtered: Kept
) -> None:
    """A format that names them works before the runtime, after it, and in threads."""
    log.info("before")
    thread = threading.Thread(target=log.info, args=("in a thread",))
    thread.start()
    thread.join()
    assert filtered.told == [("before", None, None), ("in a thread", None, None)]
    assert [record.rescind_task_id for record in filtered.records] == [None, None]


def test_a_stock_task_of_asyncios_is_none_of_ours(log: logging.Logger, filtered: Kept) -> None:
    """Its name is told by logging itself, as taskName."""

    async def stock() -> None:
        log.info("stock")

    async def main() -> None:
        await asyncio.get_running_loop().create_task(stock())

    rescind.run(main)
    assert filtered.told == [("stock", None, None)]


def test_what_is_logged_in_a_cleanup_says_what_it_cleans_up_after(
    log: logging.Logger, filtered: Kept
) -> None:
    """The reason with all that it follows from, and only from the request on."""

    async def fetch() -> None:
        log.info("fetching")
        try:
            await rescind.sleep(60)
        finally:
            log.info("closing")

    async def main() -> None:
        with suppress(TimeoutError):
            async with rescind.deadline(1), rescind.task_group(name="parts") as group:
                group.spawn(fetch(), name="part")
        log.info("over")

    run_virtual(main).unwrap()
    assert filtered.told == [
        ("fetching", "part", None),
        (
            "closing",
            "part",
            (
                "parent canceled: the parent of group 'parts' was canceled, "
                "because deadline: the deadline of 1 s has passed"
            ),
        ),
        ("over", "main", None),
    ]
    [line] = [record.rescind_canceled for record in filtered.records if record.rescind_canceled]
    assert "test_logging.py:" in line
    assert "\n" not in line


def test_the_loser_of_a_race_logs_that_it_lost(log: logging.Logger, filtered: Kept) -> None:
    """What concerns a child is told, though its task was not canceled."""

    async def lose() -> None:
        try:
            await rescind.never()
        finally:
            log.info("lost")

    async def main() -> None:
        await rescind.race(rescind.ready(1), rescind.sleep(1))
        await rescind.race(rescind.sleep(1), lose())

    run_virtual(main).unwrap()
    assert filtered.told == [("lost", "main", "race lost: lost to child 0")]


def test_a_shielded_task_logs_that_a_cancellation_waits(
    log: logging.Logger, filtered: Kept
) -> None:
    """The request is told from when it was made, as cancel_requested() does."""

    async def shielded() -> None:
        with rescind.shielded():
            await rescind.sleep(2)
            log.info("still at it")

    async def main() -> None:
        task = rescind.spawn(shielded(), name="patient")
        await rescind.sleep(1)
        await task.cancel("now")

    run_virtual(main).unwrap()
    assert filtered.told == [("still at it", "patient", "explicit: now")]


def test_a_blocking_function_logs_as_the_task_of_its_call(
    log: logging.Logger, filtered: Kept
) -> None:
    """In its thread the task and its cancellation are those of the call."""
    ids: list[int] = []
    begun = threading.Event()

    def crunch() -> None:
        log.info("crunching")
        begun.set()
        blocking.wait_canceled()
        log.info("stopped")

    async def main() -> None:
        task = blocking.spawn_blocking(crunch, name="cruncher")
        ids.append(task.id)
        await blocking.spawn_blocking(begun.wait)
        await task.cancel("enough")

    rescind.run(main)
    assert filtered.told == [
        ("crunching", "cruncher", None),
        ("stopped", "cruncher", "explicit: enough"),
    ]
    assert [record.rescind_task_id for record in filtered.records] == ids * 2


def test_records_with_the_fields_can_be_pickled_and_made_into_json(
    log: logging.Logger, filtered: Kept
) -> None:
    """They are sent to other processes."""

    async def main() -> None:
        try:
            await rescind.self_cancel("done")
        finally:
            log.info("bye")

    run_virtual(main)
    [record] = filtered.records
    again = pickle.loads(pickle.dumps(record))
    for field in FIELDS:
        assert json.loads(json.dumps(getattr(again, field))) == getattr(record, field)
    assert again.rescind_canceled.startswith("explicit: done")


def test_the_filter_can_be_named_in_a_configuration() -> None:
    """As dictConfig has it."""
    name = "tests.trace.configured"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"task": {"()": "rescind.trace.logging.TaskFilter"}},
            "handlers": {"kept": {"()": Kept, "filters": ["task"]}},
            "loggers": {name: {"handlers": ["kept"], "level": "INFO"}},
        }
    )
    log = logging.getLogger(name)
    [handler] = log.handlers
    assert isinstance(handler, Kept)

    async def main() -> None:
        log.info("configured")

    run_virtual(main).unwrap()
    log.removeHandler(handler)
    assert handler.told == [("configured", "main", None)]


def test_behind_a_queue_the_fields_are_those_of_who_logged(log: logging.Logger) -> None:
    """A filter in the listener's thread finds them there, and leaves them."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    front, back = logging.handlers.QueueHandler(waiting), Kept()
    back.addFilter(TaskFilter())
    log.addHandler(front)
    log.setLevel(logging.INFO)

    async def main() -> None:
        log.info("queued")

    try:
        with instrument():
            run_virtual(main).unwrap()
    finally:
        log.removeHandler(front)
        log.setLevel(logging.NOTSET)
    back.handle(waiting.get())
    assert back.told == [("queued", "main", None)]


# ------------------------------------------------------------------------------- for all records


def test_while_it_is_instrumented_every_record_has_the_fields(
    log: logging.Logger, kept: Kept
) -> None:
    """Also for loggers that were there before; then none has, and the factory is as it was."""
    before = logging.getLogRecordFactory()

    async def main() -> None:
        log.info("told")

    with instrument():
        run_virtual(main).unwrap()
    run_virtual(main).unwrap()
    assert logging.getLogRecordFactory() is before
    first, second = kept.records
    assert first.rescind_task == "main"
    assert not any(hasattr(second, field) for field in FIELDS)


def test_a_factory_that_was_there_before_is_asked_and_one_on_top_goes_on(
    log: logging.Logger, kept: Kept
) -> None:
    """Closing takes nothing away that others have put there."""
    before = logging.getLogRecordFactory()

    def lower(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record: Any = before(*args, **kwargs)
        record.lower = True
        return record

    logging.setLogRecordFactory(lower)
    try:
        instrumented = instrument()
        ours = logging.getLogRecordFactory()

        def upper(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record: Any = ours(*args, **kwargs)
            record.upper = True
            return record

        logging.setLogRecordFactory(upper)
        log.info("all three")
        instrumented.close()
        instrumented.close()
        log.info("two")
        assert logging.getLogRecordFactory() is upper
    finally:
        logging.setLogRecordFactory(before)
    first, second = kept.records
    assert first.lower
    assert first.upper
    assert first.rescind_task is None
    assert second.lower
    assert second.upper
    assert not hasattr(second, "rescind_task")


# ----------------------------------------------------------------------------- the cancellations


async def _cleans_up() -> None:
    try:
        await rescind.sleep(60)
    finally:
        await rescind.sleep(0.25)


async def _cancels_one() -> None:
    task = rescind.spawn(_cleans_up(), name="slow")
    await rescind.sleep(1)
    await task.cancel("enough")


def _log_of(main: Any, log: logging.Logger, **options: Any) -> None:
    with instrument(cancellations=True, logger=log, **options):
        run_virtual(main)


def test_a_cancellation_is_logged_from_the_request_to_the_end(
    log: logging.Logger, kept: Kept
) -> None:
    """Who asked and why, where it was raised, how long it took; the record is of who did it."""
    _log_of(_cancels_one, log)
    asked, raised, ended = kept.records
    assert [record.levelname for record in kept.records] == ["DEBUG", "DEBUG", "INFO"]
    label = asked.rescind_target
    assert label == f"task {asked.rescind_target_id} 'slow'"
    assert asked.getMessage().startswith(f"{label} is asked to cancel: explicit: enough, by task ")
    assert f"{label} has its cancellation raised at " in raised.getMessage()
    assert " in _cleans_up: explicit: enough, by task " in raised.getMessage()
    assert ended.getMessage().startswith(f"{label} was canceled after 0.250 s: explicit: enough")
    assert [record.rescind_task for record in kept.records] == ["main", "slow", "slow"]
    assert {record.rescind_reason for record in kept.records} == {ended.rescind_canceled}


def test_ends_that_are_no_plain_cancellation_say_what_they_are(
    log: logging.Logger, kept: Kept
) -> None:
    """Swallowed, failed, failed in the cleanup, dropped after the grace, before the first poll."""
    log.setLevel(logging.INFO)

    async def swallows() -> int:
        with suppress(rescind.Cancellation):
            await rescind.never()
        return 1

    async def fails() -> None:
        with rescind.shielded():
            await rescind.sleep(2)
            raise _Mean

    async def fails_in_its_cleanup() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            raise _Mean from None

    async def main() -> None:
        for one in (swallows(), fails(), fails_in_its_cleanup(), _cleans_up(), _cleans_up()):
            task = rescind.spawn(one, name="it", grace=5 if one.__name__ == "fails" else 0.1)
            if len(kept.records) < 4:
                await rescind.sleep(1)
            await task.cancel("now")

    _log_of(main, log)
    told = [record.getMessage().partition("'it' ")[2].partition(": ")[0] for record in kept.records]
    assert told == [
        "has returned a value after 0.000 s, though it was to be canceled",
        "has failed after 1.000 s, with _Mean, though it was to be canceled",
        "was canceled after 0.000 s, and its cleanup failed with _Mean",
        "was dropped after 0.100 s",
        "was canceled after 0.000 s",
    ]


class _Mean(Exception):
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


def test_what_was_never_asked_to_cancel_is_not_logged(log: logging.Logger, kept: Kept) -> None:
    """Nor are the losers of races, unless that is asked for."""

    async def main() -> None:
        await rescind.race(rescind.sleep(1), rescind.never())
        await rescind.spawn(rescind.ready(1))

    _log_of(main, log)
    assert kept.records == []
    _log_of(main, log, children=True)
    assert len(kept.records) == 2
    message = kept.records[-1].getMessage()
    assert message.startswith("child 1 never() in task ")
    assert "'main' was canceled after 0.000 s: race lost: lost to child 0" in message
    assert kept.records[-1].rescind_target_id is None


def test_only_cancellations_can_be_logged_and_the_end_ends_it(
    log: logging.Logger, kept: Kept
) -> None:
    """Without fields the factory stays as it is; the observer is gone after the block."""
    before = logging.getLogRecordFactory()
    observers = hooks.observers
    with instrument(fields=False, cancellations=True, logger=log.name):
        assert logging.getLogRecordFactory() is before
        run_virtual(_cancels_one)
    assert hooks.observers == observers
    assert len(kept.records) == 3
    assert not hasattr(kept.records[0], "rescind_task")


def test_where_nobody_listens_at_a_level_nothing_is_made(log: logging.Logger, kept: Kept) -> None:
    """A record that would go nowhere is never formatted."""
    log.setLevel(logging.WARNING)
    made: list[str] = []

    class Counting(CancellationLog):
        def _say(self, level: int, *what: Any) -> None:
            made.append(logging.getLevelName(level))
            super()._say(level, *what)

    observer = Counting(log)
    hooks.add(observer)
    try:
        run_virtual(_cancels_one)
    finally:
        hooks.remove(observer)
    assert made == ["DEBUG", "INFO"]
    assert kept.records == []
