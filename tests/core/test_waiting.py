"""What is said about a task that waits: in a dump, a deadlock, and on Ctrl-C."""

from collections.abc import Coroutine
from typing import Any

import pytest

import rescind
from rescind import Runtime
from rescind._core.frames import from_library, own_file
from rescind._core.waiting import describe_wait
from rescind.lowlevel import ManualHost

HERE = "tests/core/test_waiting.py"


async def sleeper(seconds: float = 5) -> None:
    """Park in a sleep."""
    await rescind.sleep(seconds)


def _line_of(function: Any, offset: int) -> str:
    return f"{HERE}:{function.__code__.co_firstlineno + offset}"


def _described(main: Coroutine[Any, Any, object], *, seconds: float = 0) -> list[str]:
    """Return the table of a runtime that has run main for a while, on its virtual clock."""
    host = ManualHost()
    with Runtime(host=host, grace=0) as runtime:
        runtime.spawn(main, name="main")
        runtime.block_on(rescind.sleep(seconds))
        return runtime.executor.describe_hang().splitlines()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(request.config.rootpath)


def test_task_is_told_with_its_await_and_the_users_place() -> None:
    """One line says who waits, for what, and at which line of the program's own code."""

    async def main() -> None:
        await sleeper()

    assert [f"  main  sleep(5)  at {_line_of(sleeper, 2)} in sleeper"] == _described(main())


def test_children_of_a_combinator_have_a_line_each() -> None:
    """A race is told with those of its children that have not ended, by place and name."""

    async def main() -> None:
        await rescind.join(rescind.ready(1), sleeper(7), rescind.sleep(9))

    name = main.__qualname__
    assert [
        f"  main                join of 3  at {_line_of(main, 1)} in {name}",
        f"    child 1: sleeper  sleep(7)   at {_line_of(sleeper, 2)} in sleeper",
        "    child 2           sleep(9)",
    ] == _described(main())


def test_wrappers_do_not_hide_the_place() -> None:
    """Inside a timeout and a shield it is the coroutine's own await that is told."""

    async def main() -> None:
        await rescind.timeout(rescind.shield(sleeper()), 60)

    assert [f"  main  sleep(5)  at {_line_of(sleeper, 2)} in sleeper"] == _described(main())


def test_cleanup_is_told_as_such() -> None:
    """A canceled task that still cleans up is told with the await of its cleanup."""

    async def main() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(100)

    host = ManualHost()
    with Runtime(host=host, grace=None) as runtime:
        task = runtime.spawn(main(), name="main")
        runtime.block_on(rescind.yield_now())
        task.cancel()
        runtime.block_on(rescind.yield_now())
        table = runtime.executor.describe_hang()
        line = describe_wait(task)
    place = f"at {_line_of(main, 4)} in {main.__qualname__}"
    assert f"  main  cleanup: sleep(100)  {place}" == table
    assert f"sleep(100), in its cleanup {place}" == line


def test_tasks_that_wait_alike_share_a_line_and_many_are_counted() -> None:
    """Equal waits are counted on one line; beyond twenty lines the rest is counted."""

    async def main() -> None:
        for number in range(1000):
            rescind.spawn(sleeper(), name=f"same-{number}")
        for number in range(30):
            rescind.spawn(sleeper(100 + number), name=f"other-{number}")
        await rescind.never()

    table = _described(main(), seconds=1)
    place = f"at {_line_of(sleeper, 2)} in sleeper"
    assert 21 == len(table)
    assert f"  same-0 (and 999 more)  sleep(5)    {place}" == table[1]
    assert f"  other-0                sleep(100)  {place}" == table[2]
    assert "  … and 12 lines more" == table[20]


def test_task_that_never_ran_or_has_ended_says_so() -> None:
    """Before the first poll there is no await, and after the end there is nothing."""
    with Runtime(host=ManualHost()) as runtime:
        task = runtime.spawn(sleeper(), name="main")
        assert "its first poll" == describe_wait(task)
        runtime.block_on(task)
    assert "nothing: it has ended" == describe_wait(task)


def test_library_frames_are_known() -> None:
    """The standard library, installed packages and rescind are libraries; this file is not."""
    import asyncio

    import rescind

    files = [asyncio.__file__, pytest.__file__, "<frozen importlib._bootstrap>", rescind.__file__]
    assert [True] * 4 == [from_library(file) for file in files]
    assert not from_library(__file__)


def test_files_of_compiled_code_are_ours() -> None:
    """It has no absolute names: its places in tracebacks are not taken for the program's."""
    assert own_file("rescind/_core/poll.py")
    assert from_library("rescind/_core/poll.py")
    assert not own_file("rescinder/poll.py")


def test_deadlock_has_the_table() -> None:
    """A hang on the manual host names each task and its await."""

    async def main() -> None:
        await rescind.never()

    with Runtime(host=ManualHost()) as runtime, pytest.raises(rescind.Deadlock) as caught:
        runtime.block_on(main())
    assert (
        "nothing can run any more, at 0 s; no timer is set\n"
        f"  main  never()  at {_line_of(main, 1)} in {main.__qualname__}"
    ) == str(caught.value)
