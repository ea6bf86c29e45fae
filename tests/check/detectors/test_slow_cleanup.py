"""Cleanup that takes long."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rescind import UsageError
from rescind.check import Env, Judge, Mode, Options, Scenario, sweep
from rescind.check.detectors.cleanup import cleanup_within
from rescind.check.replay import replay
from tests.check.detectors.kit import found

NAME = "slow cleanup"


async def takes_a_minute(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(60)


async def takes_a_second(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(1)


def test_catches_a_minute() -> None:
    """It is a hint, in seconds of the loop's clock."""
    finding = found(NAME, takes_a_minute)[0]
    assert finding.severity == "hint"
    assert finding.symptom.seen.startswith("it took 60")


def test_passes_a_second() -> None:
    """That is usual."""
    assert not found(NAME, takes_a_second)


def test_is_a_fault_where_a_bound_was_promised() -> None:
    """Then more than that is a verdict."""
    within = cleanup_within(0.5)
    assert found(NAME, takes_a_second, detectors=(within,))[0].severity == "verdict"
    assert not found(NAME, takes_a_second, detectors=(cleanup_within(2),))


def test_a_bound_is_promised_in_the_call() -> None:
    """In a sweep, and in the replay of what it found."""
    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK,))
    assert sweep(takes_a_second, options=options).verdict == "clean"
    assert sweep(takes_a_second, cleanup_within=2, options=options).verdict == "clean"
    report = sweep(takes_a_second, cleanup_within=0.5, options=options)
    assert [one.detector for one in report.verdicts[:1]] == [NAME]
    bounded = Scenario(takes_a_second, cleanup_within=0.5)
    assert replay(bounded, report.confirmed[0].plan).broken
    assert not replay(replace(bounded, cleanup_within=None), report.confirmed[0].plan).broken


@pytest.mark.parametrize("bound", [-1, float("nan")])
def test_a_bound_that_is_none_is_refused(bound: float) -> None:
    """It has to be a number of seconds."""
    with pytest.raises(UsageError, match="cleanup_within must be a number of seconds, 0 or more"):
        sweep(takes_a_second, cleanup_within=bound)
