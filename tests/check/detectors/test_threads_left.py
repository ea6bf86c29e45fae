"""Threads that go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from rescind.check import Env, Judge
from tests.check.detectors.kit import found

NAME = "threads left"


started: list[tuple[threading.Thread, threading.Event]] = []


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    while started:
        thread, over = started.pop()
        over.set()
        thread.join()


def start() -> tuple[threading.Thread, threading.Event]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="poller", daemon=True)
    thread.start()
    started.append((thread, over))
    return thread, over


async def leaves_it(env: Env) -> None:
    thread, over = start()
    await asyncio.sleep(0.01)
    over.set()
    thread.join()


async def ends_it(env: Env) -> None:
    thread, over = start()
    try:
        await asyncio.sleep(0.01)
    finally:
        over.set()
        thread.join()


def test_catches_a_thread_that_nobody_ends() -> None:
    """It is named."""
    finding = found(NAME, leaves_it, judges=(Judge.LOOK,))[0]
    assert finding.symptom.seen == "poller"


def test_passes_a_thread_that_is_ended() -> None:
    """It was joined."""
    assert not found(NAME, ends_it, judges=(Judge.LOOK,))
