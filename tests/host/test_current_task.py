"""How the current task is set on each version of Python, and who is registered with asyncio."""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind._host import current_task
from rescind._host.current_task import register, swap_for, unregister


class LikePython314:
    """Keeps the current task as CPython 3.14 does: one for each thread, of the running loop."""

    def __init__(self) -> None:
        self.current: Any = None

    def swap(self, loop: Any, task: Any) -> Any:
        """Refuse another loop than the one that runs, in CPython's words."""
        if asyncio._get_running_loop() is not loop:
            raise RuntimeError(f"loop {loop!r} is not the running loop")
        previous, self.current = self.current, task
        return previous


@pytest.fixture
def loop() -> Any:
    """A loop that does not run."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_swap_returns_the_one_before_and_sets_the_other(loop: asyncio.AbstractEventLoop) -> None:
    """As asyncio itself sees it, here, on this version."""
    swap = swap_for(loop)
    seen: list[Any] = []

    async def main() -> None:
        mine = asyncio.current_task()
        other = object()
        seen.append(swap(other) is mine)
        seen.append(asyncio.current_task() is other)
        seen.append(swap(None) is other)
        seen.append(asyncio.current_task() is None)
        seen.append(swap(mine) is None)
        seen.append(asyncio.current_task() is mine)

    loop.run_until_complete(main())

    assert seen == [True] * 6


def test_where_there_is_no_function_the_dictionary_is_used(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.11 has none; what is entered is taken out again."""
    current: dict[Any, Any] = {}
    monkeypatch.setattr(asyncio.tasks, "_current_tasks", current, raising=False)
    swap = swap_for(loop, function=None)

    assert [swap("one"), dict(current), swap("two"), swap(None), current] == [
        None,
        {loop: "one"},
        "one",
        "two",
        {},
    ]


def test_on_314_the_running_loop_has_the_swap_and_any_other_is_left_alone(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A coroutine that is closed when no loop runs can ask for no current task: none is set."""
    thread = LikePython314()
    swap = swap_for(loop, function=thread.swap, thread_keeps=True)
    seen: list[Any] = [swap("closed off the loop"), thread.current]

    async def main() -> None:
        seen.extend([swap("one"), thread.current, swap(None), thread.current])

    loop.run_until_complete(main())

    assert seen == [None, None, None, "one", "one", None]


def test_a_runtime_works_with_the_swap_of_314(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, canceled, dropped by its runtime's end and by the collector: nothing is refused."""
    thread = LikePython314()
    really = swap_for
    both: list[Callable[..., Any]] = []

    def as_in_314(loop: asyncio.AbstractEventLoop) -> Any:
        real = really(loop)
        fake = really(loop, function=thread.swap, thread_keeps=True)

        def swap(identity: Any) -> Any:
            fake(identity)
            return real(identity)

        both.append(swap)
        return swap

    monkeypatch.setattr("rescind._host.asyncio.swap_for", as_in_314)
    seen: list[str] = []

    async def cleaning_up(name: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append(name)

    with rescind.Runtime() as runtime:
        tasks = [runtime.spawn(cleaning_up(name)) for name in ("canceled", "left")]

        async def main() -> int:
            await asyncio.sleep(0)
            await tasks[0].cancel()
            return await rescind.race(asyncio.sleep(0, 1), cleaning_up("lost"))

        assert runtime.block_on(main()) == 1
        tasks.clear()
        gc.collect()

    assert both
    assert sorted(seen) == ["canceled", "left", "lost"]
    assert thread.current is None


@pytest.mark.parametrize("directly", [True, False], ids=["directly", "by asyncio's functions"])
def test_asyncio_knows_what_is_registered_weakly(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, directly: bool
) -> None:
    """What nobody else holds is gone, and so is what was unregistered."""
    if not directly:
        monkeypatch.setattr(current_task, "_ENTRIES", None)
    elif sys.version_info < (3, 14):
        assert current_task._ENTRIES is not None

    class Like:
        def get_loop(self) -> Any:
            return loop

        def done(self) -> bool:
            return False

    one, two = Like(), Like()
    entry = register(one)
    register(two)
    both = asyncio.all_tasks(loop)
    unregister(entry)
    left = asyncio.all_tasks(loop)
    kept = (both == {one, two}, left == {two})
    del entry, two, both, left
    gc.collect()

    assert (*kept, asyncio.all_tasks(loop)) == (True, True, set())


def test_everything_that_differs_between_versions_is_in_one_module() -> None:
    """No other module of the package names the private functions of asyncio's tasks."""
    from pathlib import Path

    home = Path(current_task.__file__).parents[1]
    private = ("_swap_current_task", "_current_tasks", "_register_task", "_enter_task")
    named = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(name in line for name in private)
    }

    # The checker has its own loop, and tasks of asyncio's in it.
    assert {name for name in named if not name.startswith("check/")} == {"_host/current_task.py"}
