"""Descriptors that are still open."""

from __future__ import annotations

import asyncio
import os

import pytest

from rescind.check import Env, Judge
from rescind.check.detectors import garbage
from tests.check.detectors.kit import found

NAME = "resources left"


async def leaves_it_open(env: Env) -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    env.fds = [*getattr(env, "fds", []), fd]
    await asyncio.sleep(1)
    os.close(fd)
    env.fds.remove(fd)


async def closes_it(env: Env) -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        await asyncio.sleep(1)
    finally:
        os.close(fd)


def test_catches_a_file_that_stays_open() -> None:
    """It is named."""
    opened: list[int] = []

    async def scenario(env: Env) -> None:
        try:
            await leaves_it_open(env)
        finally:
            opened.extend(env.fds)

    try:
        finding = found(NAME, scenario, judges=(Judge.LOOK,))[0]
    finally:
        for fd in opened:
            os.close(fd)
    assert finding.symptom.seen == os.devnull


def test_passes_a_file_that_is_closed() -> None:
    """None is open."""
    assert not found(NAME, closes_it)


@pytest.mark.parametrize("runs", [60, 61, 62, 63])
def test_passes_what_only_a_failed_task_of_setup_still_holds(
    runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No detector holds such a task, and with it what it failed with, when it is asked.

    Also where older objects are collected meanwhile, as they are every 64 runs.
    """
    monkeypatch.setattr(garbage, "_runs", runs)

    async def serve(env: Env) -> None:
        _opened = open(os.devnull)  # noqa: ASYNC230, SIM115 - what its traceback holds is the point
        await env.canceled.wait()
        raise ValueError("lost its client")

    async def setup(env: Env) -> None:
        env.canceled = asyncio.Event()
        env.server = asyncio.get_running_loop().create_task(serve(env))

    async def teardown(env: Env) -> None:
        env.canceled.set()
        await asyncio.wait([env.server])

    async def use(env: Env) -> None:
        await asyncio.sleep(1)

    assert not found(NAME, use, setup=setup, teardown=teardown, judges=(Judge.LOOK,))
