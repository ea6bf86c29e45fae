"""Child processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "processes left"


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system does not say which")

started: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def ended() -> object:
    yield
    while started:
        child = started.pop()
        child.kill()
        child.wait()


async def leaves_it(env: Env) -> None:
    child = subprocess.Popen(["sleep", "60"])
    started.append(child)
    await asyncio.sleep(1)
    child.kill()
    child.wait()


async def forgets_to_wait(env: Env) -> None:
    child = subprocess.Popen(["sleep", "60"])
    started.append(child)
    try:
        await asyncio.sleep(1)
        child.kill()
        child.wait()
    except asyncio.CancelledError:
        child.kill()
        while child.pid and _state(child.pid) != "Z":
            pass
        raise


async def ends_it(env: Env) -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        await asyncio.sleep(1)
    finally:
        child.kill()
        child.wait()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_catches_a_child_that_runs_on() -> None:
    """It is named."""
    finding = found(NAME, leaves_it, judges=(Judge.LOOK,))[0]
    assert finding.severity == "verdict"
    assert finding.symptom.seen == "sleep"


def test_catches_a_zombie() -> None:
    """It has ended, and nobody has waited for it."""
    assert found(NAME, forgets_to_wait, judges=(Judge.LOOK,))[0].symptom.seen == "sleep (a zombie)"


def test_passes_a_child_that_was_waited_for() -> None:
    """Nothing is left of it."""
    assert not found(NAME, ends_it, judges=(Judge.LOOK,))
