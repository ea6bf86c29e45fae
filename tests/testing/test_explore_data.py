"""Data of the program are drawn, and shrunk together with the run."""

from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st

import rescind
from rescind.testing import Bounds, explore, replay


async def overtakes(delays: list[int]) -> None:
    """Fails if a later task is done before an earlier one."""
    done: list[int] = []

    async def work(index: int, delay: int) -> None:
        await rescind.sleep(delay)
        done.append(index)

    async with rescind.task_group() as g:
        for index, delay in enumerate(delays):
            g.spawn(work(index, delay))
    assert done == sorted(done)


_DELAYS = st.lists(st.integers(0, 9), max_size=5)
_ORDERS = Bounds(injections=0)


def search(main: Any, program: Any, **options: Any) -> Any:
    """Explore with enough time."""
    return explore(main, program=program, budget=50.0, **options)


def test_the_smallest_data_and_the_smallest_run_are_shown() -> None:
    """Two tasks without delays fail already, in one change of order: no more is needed."""
    report = search(overtakes, _DELAYS, bounds=_ORDERS)

    assert "fail" == report.verdict
    assert [0, 0] == report.data
    assert 1 == len(report.changes)
    assert "with the data [0, 0]" in str(report)
    assert f"; {report.examples} examples" in str(report)


def test_the_token_replays_with_the_data() -> None:
    """The program with its data bound is the program of the token."""
    report = search(overtakes, _DELAYS, bounds=_ORDERS)

    assert report.run.trace == replay(partial(overtakes, report.data), report.token).trace


def test_the_class_of_the_failure_is_kept_while_data_shrink() -> None:
    """P77: a smaller example that fails otherwise is not taken for the same."""

    async def main(number: int) -> None:
        if number > 5:
            raise LookupError
        if number > 0:
            raise OSError

    report = search(main, st.integers(0, 1000), seed=1)

    assert report.failure.sign.startswith("LookupError")
    assert 6 == report.data


def test_a_pass_is_one_for_every_example() -> None:
    """The report is that of the example that came least far, with the totals of all."""

    async def main(count: int) -> None:
        for _ in range(count):
            await rescind.yield_now()

    report = search(main, st.integers(0, 3), bounds=Bounds(changes=1), examples=10)

    assert ("pass", 1) == (report.verdict, report.within)
    assert report.examples >= 4
    assert report.runs >= 2 * report.examples


def test_an_example_that_is_not_resolved_is_told() -> None:
    """One unresolved example makes the whole unresolved, and is named."""

    async def main(count: int) -> None:
        for _ in range(count):
            await rescind.yield_now()

    report = search(main, st.integers(0, 3), bounds=Bounds(runs=3), examples=10)

    assert "unresolved" == report.verdict
    assert report.data > 0


def test_regressions_need_one_program() -> None:
    """A file of tokens and drawn data exclude one another."""
    with pytest.raises(ValueError, match="not together with program="):
        explore(overtakes, program=_DELAYS, regressions="x")
