"""Callbacks that fail, and error logs."""

from __future__ import annotations

import asyncio
import logging

from rescind.check import Env
from tests.check.detectors.kit import found

NAME = "noise"


LOG = logging.getLogger(__name__)


async def logs_an_error(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        LOG.error("the connection is broken")
        raise


async def fails_in_a_callback(env: Env) -> None:
    env.open = True

    def used() -> None:
        assert env.open, "used after it was closed"

    asyncio.get_running_loop().call_later(0.5, used)
    try:
        await asyncio.sleep(1)
    finally:
        env.open = False


async def logs_what_it_does(env: Env) -> None:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        LOG.info("the request was canceled")
        raise


def test_catches_an_error_in_the_log() -> None:
    """The library noticed, and told only its log."""
    finding = found(NAME, logs_an_error)[0]
    assert "the connection is broken" in finding.symptom.seen


def test_catches_a_callback_that_fails() -> None:
    """The loop's exception handler is told."""
    assert any("used after" in one.symptom.seen for one in found(NAME, fails_in_a_callback))


def test_passes_what_is_logged_as_usual() -> None:
    """Only errors are heard."""
    assert not found(NAME, logs_what_it_does)
