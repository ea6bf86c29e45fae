"""What is more than in the clean run: how it is counted, and how it is said."""

from __future__ import annotations

import pytest

from rescind.check import Judge, Mode, RunPlan
from rescind.check.detectors import DETECTORS, Detector
from rescind.check.detectors.compare import More, more_than
from rescind.check.record import Record
from tests.check.detectors.test_tasks_left import NAME as TASKS_LEFT

COUNTING = [
    pytest.param(one, id=one.name)
    for one in DETECTORS
    if issubclass(one, More) or one.name in (TASKS_LEFT, "alive at end")
]
SAID = {
    "tasks left": ("1 task still runs", "3 tasks still run"),
    "alive at end": (
        "1 task was still running when the scenario had ended",
        "3 tasks were still running when the scenario had ended",
    ),
    "resources left": (
        "1 resource is left after teardown",
        "3 resources are left after teardown",
    ),
    "threads left": ("1 thread goes on", "3 threads go on"),
    "processes left": ("1 child process is left", "3 child processes are left"),
    "generators left": (
        "1 async generator was never closed",
        "3 async generators were never closed",
    ),
    "never awaited": ("a coroutine is never awaited", "3 coroutines are never awaited"),
    "timers left": ("1 timer is still set", "3 timers are still set"),
    "watched left": (
        "1 more reader or writer is watched",
        "3 more readers or writers are watched",
    ),
}


def record(detector: type[Detector], *names: str) -> Record:
    """Return the record of a run that noted these names."""
    made = Record(RunPlan(mode=Mode.ASYNCIO, judge=Judge.LOOK))
    made.threads = list(names)
    made.facts[detector.name] = (
        list(names) if issubclass(detector, More) else [(name, "its start") for name in names]
    )
    return made


@pytest.mark.parametrize("detector", COUNTING)
def test_says_one_as_one_and_several_with_their_number(detector: type[Detector]) -> None:
    """As a person would write it."""
    clean = record(detector, "a")
    (one,) = detector.judge(record(detector, "a", "b"), clean)
    (more,) = detector.judge(record(detector, "a", "b", "b", "c"), clean)
    assert (one.sentence, more.sentence) == SAID.get(detector.name, (more.sentence,) * 2)
    assert "b" in one.seen
    assert one.remedy


@pytest.mark.parametrize("detector", COUNTING)
def test_says_nothing_of_what_the_clean_run_has_too(detector: type[Detector]) -> None:
    """As often."""
    assert not list(detector.judge(record(detector, "a", "b"), record(detector, "b", "a", "a")))


def test_counts_how_often_a_name_is_there() -> None:
    """Two of a kind are one more than one."""
    assert more_than(["a", "a", "b"], ["a", "c"]) == ["a", "b"]
