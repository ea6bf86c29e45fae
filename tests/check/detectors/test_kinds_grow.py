"""Kinds of objects that become more."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

import pytest

from rescind.check import Env, Judge, Mode, Options, sweep
from tests.check.detectors.kit import found

NAME = "kinds grow"


class Thing:
    """Knows all of its kind."""

    every: ClassVar[list[Thing]] = []


async def setup(env: Env) -> None:
    Thing.every.clear()


async def forgets(env: Env) -> None:
    Thing.every.append(Thing())
    await asyncio.sleep(1)
    Thing.every.pop()


async def takes_out(env: Env) -> None:
    Thing.every.append(Thing())
    try:
        await asyncio.sleep(1)
    finally:
        Thing.every.pop()


def test_catches_objects_that_no_way_leads_to_from_the_env() -> None:
    """It is a hint, and says who holds them."""
    finding = found(NAME, forgets, setup=setup, judges=(Judge.STORM,))[0]
    assert finding.severity == "hint"
    assert finding.symptom.seen == (
        "12 tests.check.detectors.test_kinds_grow.Thing, held by list < dict['every'] < class Thing"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_says_who_holds_them_in_other_processes_too() -> None:
    """They have to know what survives a storm in which nothing is canceled."""
    judges = (Judge.FOLLOW_UP, Judge.STORM)  # workers are at work when the second is learned of
    told: list[list[str]] = []
    for processes in (1, 2):
        options = Options((Mode.ASYNCIO,), judges, confirm=0, processes=processes)
        findings = sweep(forgets, setup=setup, options=options).findings
        told.append([one.symptom.seen for one in findings if one.detector == NAME])
    assert told[0] == told[1]
    assert "held by" in told[0][0]


def test_passes_objects_that_are_let_go() -> None:
    """None of them survives."""
    assert not found(NAME, takes_out, setup=setup, judges=(Judge.STORM,))


async def leaves_tasks(env: Env) -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(forever())
    Thing.every.append(task)  # type: ignore[arg-type]  # somebody has to hold it
    await asyncio.sleep(1)
    task.cancel()
    Thing.every.pop()


def test_names_what_is_the_programs_own_alone() -> None:
    """Neither how asyncio knows its tasks, nor how the checker does."""
    finding = found(NAME, leaves_tasks, setup=setup, judges=(Judge.STORM,))[0]
    kinds = {part.split(",")[0].split()[1] for part in finding.symptom.seen.split("; ")}
    assert kinds == {"asyncio.locks.Event", "collections.deque"}
    assert "rescind" not in finding.symptom.seen
