"""The 48 uses of README.md: what a stock task returns, our tasks and branches return as well."""

import asyncio
import contextvars
import gc
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rescind
from tests.ecosystem.battery import BATTERY, Use
from tests.ecosystem.kit import note_reports

PATIENCE = 60.0
#: How long what a use has left may take to end by itself, in seconds.
SETTLING = 2.0

#: What does not even work in a stock task: the use, the first Python and the loop, and why.
NOT_IN_A_STOCK_TASK: dict[tuple[str, tuple[int, int], str], str] = {
    ("asyncio: eager tasks", (3, 13), "uvloop"): (
        "uvloop 0.23 hands `create_task` an argument that CPython 3.13.0 refuses for eager tasks"
    ),
}

_branch: contextvars.ContextVar[str] = contextvars.ContextVar("_branch")

Main = Callable[[], Any]


@pytest.fixture(params=BATTERY, ids=lambda use: use.name)
def use(request: pytest.FixtureRequest) -> Use:
    """Each use whose library is installed."""
    chosen: Use = request.param
    missing = chosen.missing()
    if missing is not None:
        pytest.skip(f"{missing} is not installed")
    if sys.version_info < chosen.since:
        pytest.skip(f"from Python {chosen.since[0]}.{chosen.since[1]} on")
    return chosen


@pytest.fixture
def port(request: pytest.FixtureRequest, use: Use) -> int:
    """Return the port of the server that the use needs."""
    if use.server is None:
        return 0
    found: int = request.getfixturevalue(f"{use.server}_port")
    return found


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return made

    def debugging() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = PATIENCE  # on a loaded machine everything is slow
        return loop

    return debugging if name == "asyncio-debug" else asyncio.new_event_loop


def _run(
    loop: str, run: Callable[[Callable[[], asyncio.AbstractEventLoop], Main], Any], main: Main
) -> Any:
    """Run it; what the loop reports to nobody in particular fails, and so does a task it leaves."""
    reported: list[str] = []

    async def watched() -> Any:
        note_reports(reported)
        before = asyncio.all_tasks()
        async with asyncio.timeout(PATIENCE):
            result = await main()
        left = asyncio.all_tasks() - before
        if left:  # grpc's are told of the end by a thread
            await asyncio.wait(left, timeout=SETTLING)
        left = asyncio.all_tasks() - before
        assert not left, left
        return result

    result = run(_loop_factory(loop), watched)
    gc.collect()  # what is in cycles may have something to report, too
    assert reported == []
    return result


def _stock(factory: Callable[[], asyncio.AbstractEventLoop], main: Main) -> Any:
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def _ours(factory: Callable[[], asyncio.AbstractEventLoop], main: Main) -> Any:
    return rescind.run(main, host=factory)


def _reason_not_to(use: Use, loop: str) -> str | None:
    return next(
        (
            reason
            for (name, since, where), reason in NOT_IN_A_STOCK_TASK.items()
            if (name, where) == (use.name, loop) and sys.version_info >= since
        ),
        None,
    )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_in_a_stock_task_it_returns_what_is_expected(use: Use, port: int, loop: str) -> None:
    """The control: what is asked of our tasks is what asyncio's own do."""

    async def main() -> Any:
        return await use.run(port)

    if _reason_not_to(use, loop) is not None:
        with warnings.catch_warnings(action="ignore"):
            with pytest.raises(Exception):  # noqa: PT011  # whatever it is: it does not work there
                _run(loop, _stock, main)
            gc.collect()  # coroutines that were never awaited
    else:
        assert _run(loop, _stock, main) == use.expected


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_in_one_of_our_tasks_it_returns_the_same(use: Use, port: int, loop: str) -> None:
    """With one identity from beginning to end."""
    reason = _reason_not_to(use, loop)
    if reason is not None:
        pytest.skip(f"not in a stock task either: {reason}")

    async def main() -> Any:
        me = asyncio.current_task()
        result = await use.run(port)
        assert asyncio.current_task() is me
        return result

    assert _run(loop, _ours, main) == use.expected


@pytest.mark.parametrize("loop", ["asyncio", "asyncio-debug", "uvloop"])
def test_in_branches_of_one_task_each_returns_the_same(use: Use, port: int, loop: str) -> None:
    """Two at a time, each as a task of its own, with its own context variables."""
    reason = _reason_not_to(use, loop)
    if reason is not None:
        pytest.skip(f"not in a stock task either: {reason}")

    async def branch(name: str) -> Any:
        _branch.set(name)
        me = asyncio.current_task()
        result = await use.run(port)
        assert asyncio.current_task() is me
        return result, _branch.get(), id(me)

    async def late() -> Any:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(PATIENCE)
        except TimeoutError:
            return "timed out", None, id(asyncio.current_task())

    async def main() -> Any:
        ended = await rescind.join(branch("first"), branch("second"), late())
        identities = {id(asyncio.current_task()), *(identity for *_, identity in ended)}
        return [one[:2] for one in ended], len(identities), _branch.get("none")

    expected = [(use.expected, "first"), (use.expected, "second"), ("timed out", None)]
    assert _run(loop, _ours, main) == (expected, 4, "none")


def test_the_table_lists_every_use() -> None:
    """Numbers, names and functions in README.md are those of the battery: 20, 14 and 14."""
    page = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \| `(.+?)` \|", page, re.MULTILINE)

    assert rows == [
        (str(number), use.name, f"{use.run.__module__.rpartition('.')[2]}.{use.run.__name__}")
        for number, use in enumerate(BATTERY, 1)
    ]
    assert Counter(use.run.__module__.rpartition(".")[2] for use in BATTERY) == {
        "stdlib": 20,
        "anyio_uses": 14,
        "libraries": 14,
    }
