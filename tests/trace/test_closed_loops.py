"""Executors of closed loops: nothing that lists what runs tells of them."""

import asyncio
from collections.abc import Iterator
from threading import get_ident
from typing import Any

import pytest

import rescind
from rescind import UsageError
from rescind._core import current
from rescind._core.current import live_executors
from rescind._core.executor import Executor
from rescind._host.asyncio import AsyncioHost
from rescind._host.manual import ManualHost
from rescind.lowlevel import as_future
from rescind.top.picture import running_executors
from rescind.trace import dump_data, explain


@pytest.fixture
def executor() -> Iterator[Executor]:
    """Make an executor with a task that waits for ever, on a loop that is closed at the end."""
    loop = asyncio.new_event_loop()
    made = Executor(AsyncioHost(loop, owned=False), name="of a loop")
    made.thread = get_ident()
    made.spawn(as_future(rescind.never()), name="forgotten")
    made.turn()
    try:
        yield made
    finally:
        loop.close()


def _names() -> list[list[str]]:
    dumped: list[dict[str, Any]] = dump_data()["runtimes"]
    return [
        [one.name for one in live_executors()],
        [one["name"] for one in dumped],
        [one.name for one in running_executors()],
    ]


def test_closed_loop_takes_its_executor_out_of_every_list(executor: Executor) -> None:
    """It is kept for as long as somebody refers to it, but nothing on it will ever end."""
    before = ["of a loop" in names for names in _names()]
    loop: asyncio.AbstractEventLoop = executor.host.loop  # type: ignore[attr-defined]
    loop.close()
    assert [True, True, True] == before
    assert [False, False, False] == ["of a loop" in names for names in _names()]


def test_task_of_a_closed_loop_is_not_found_by_its_number(executor: Executor) -> None:
    """It has not ended, and never will: there is nothing to explain."""
    [number] = executor.tasks
    found = explain(number)
    loop: asyncio.AbstractEventLoop = executor.host.loop  # type: ignore[attr-defined]
    loop.close()
    assert "forgotten" in str(found)
    with pytest.raises(UsageError, match="there is no task with the id"):
        explain(number)


def test_closed_manual_host_takes_its_executor_out() -> None:
    """What is asked for is the host's to tell, not a loop's."""
    host = ManualHost()
    executor = Executor(host, name="by hand")
    before = executor in live_executors()
    host.close()
    assert [True, False] == [before, executor in live_executors()]


def test_list_is_made_anew_when_another_thread_makes_an_executor_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A set that changes while it is copied says so; the answer is complete all the same."""
    executor = Executor(ManualHost(), name="by hand")
    looks: list[int] = []

    class Changing:
        def __iter__(self) -> Iterator[Executor]:
            looks.append(1)
            if len(looks) == 1:
                raise RuntimeError("Set changed size during iteration")
            return iter([executor])

    monkeypatch.setattr(current, "executors", Changing())
    assert [executor] == live_executors()
    assert 2 == len(looks)
