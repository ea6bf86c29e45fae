"""Schedules per second: each program passes, is as long as the page says, and has its line."""

import pytest

from bench import schedules

SIZES = {"ready": (5, 6, 89), "yielding": (4, 11, 581), "locking": (4, 10, 893)}


@pytest.mark.parametrize("name", schedules.PROGRAMS)
def test_a_program_is_explored_and_timed(name: str) -> None:
    """Its tasks and steps are counted in the plain run, and the rate is of all runs."""
    rate = schedules.measure(schedules.PROGRAMS[name], rounds=1, seconds=0.0)
    assert SIZES[name] == (rate.tasks, rate.steps, rate.runs)
    assert rate.each_second > 0


def test_a_line_is_printed_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """The form comes first, then the programs."""
    assert schedules.main(["--rounds", "1", "--seconds", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("rescind ")
    assert list(schedules.PROGRAMS) == [line.split()[0] for line in lines[1:]]
