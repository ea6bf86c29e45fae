"""The kit finds what is broken, in the way that breaks it, and leaves no server behind."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.ecosystem import servers
from tests.ecosystem.kit import WAYS, Scenario, cancel_at_every_yield, note_reports


@contextlib.asynccontextmanager
async def _slot(_port: int) -> AsyncIterator[Any]:
    yield SimpleNamespace(free=1)


async def _check(at: Any) -> None:
    assert at.free == 1, "the slot is lost"


async def _careful(at: Any) -> None:
    at.free -= 1
    try:
        await asyncio.sleep(0.001)
    finally:
        at.free += 1


async def _careless(at: Any) -> None:
    await asyncio.sleep(0.001)
    at.free -= 1
    await asyncio.sleep(0.001)
    at.free += 1


async def _awaits_in_cleanup(at: Any) -> None:
    at.free -= 1
    try:
        await asyncio.sleep(0.001)
    finally:
        await asyncio.sleep(0.001)
        at.free += 1


async def _replaces(_at: Any) -> None:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        raise ValueError("something else") from None


async def _warns(_at: Any) -> None:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        warnings.warn("left open", ResourceWarning, stacklevel=1)
        raise


async def _reports(_at: Any) -> None:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        asyncio.get_running_loop().call_exception_handler({"message": "lost"})
        raise


def _bad(use: Callable[[Any], Any], way: str) -> list[int]:
    scenario = Scenario("a slot", (), _slot, use, _check)
    points = cancel_at_every_yield(scenario, way)
    assert [point.number for point in points] == list(range(1, len(points) + 1))
    return [point.number for point in points if point.problems]


@pytest.mark.parametrize("way", WAYS)
def test_a_use_that_cleans_up_at_once_survives_every_way(way: str) -> None:
    """The kit finds nothing where there is nothing."""
    assert _bad(_careful, way) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_slot_that_is_lost_is_found_in_every_way(way: str) -> None:
    """At the second suspension, and not at the first."""
    assert _bad(_careless, way) == [2]


def test_cleanup_that_awaits_tells_the_ways_apart() -> None:
    """What cancels again, or closes, cuts it off; what cancels once does not."""
    found = {way: bool(_bad(_awaits_in_cleanup, way)) for way in WAYS}

    assert found == {
        "asyncio": True,  # at the second suspension, which is the cleanup's own
        "asyncio, twice": True,
        "anyio": True,
        "close": True,
        "rescind": True,
        "rescind, a branch": True,
        "asyncio, twice, a race": True,
        "anyio, a race": True,
    }
    first = {way: 1 in _bad(_awaits_in_cleanup, way) for way in WAYS}
    assert first == {
        "asyncio": False,
        "asyncio, twice": True,
        "anyio": True,
        "close": True,
        "rescind": False,
        "rescind, a branch": False,
        "asyncio, twice, a race": False,
        "anyio, a race": False,
    }


@pytest.mark.parametrize("use", [_replaces, _warns, _reports])
@pytest.mark.parametrize("way", ["asyncio", "rescind", "rescind, a branch"])
def test_what_is_raised_warned_or_reported_is_found(use: Callable[[Any], Any], way: str) -> None:
    """Even if the resource is as good as new."""
    assert _bad(use, way) == [1]


@pytest.mark.parametrize("server", [servers.redis, servers.postgres])
def test_servers_end_with_their_block(server: Callable[[], AbstractContextManager[int]]) -> None:
    """Nobody listens on the port any more."""
    try:
        with server() as port, socket.create_connection(("127.0.0.1", port)):
            pass
    except servers.NotHereError as exc:
        pytest.skip(str(exc))

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_servers_end_with_the_interpreter(name: str) -> None:
    """One whose block was never left is ended and waited for all the same, and nothing warns."""
    program = f"""
from tests.ecosystem import servers
block = servers.kept(servers.{name})
try:
    print(block.__enter__())
except servers.NotHereError as exc:
    print(exc)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    if not done.stdout.strip().isdigit():
        pytest.skip(done.stdout.strip())

    assert (done.stderr, done.returncode) == ("", 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(done.stdout)))


def test_what_grpc_has_for_a_closed_loop_is_no_fault_of_the_next() -> None:
    """Anything else that a loop reports is, also of grpc's, also of closed loops."""
    late = {
        "message": "Exception in callback PollerCompletionQueue._handle_events(<uvloop.Loop>)",
        "exception": RuntimeError("Event loop is closed"),
    }
    reported: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        note_reports(reported)
        loop.call_exception_handler(late)
        loop.call_exception_handler({**late, "message": "in ours"})
        loop.call_exception_handler({**late, "exception": RuntimeError("other")})
        loop.call_exception_handler({"message": "no exception"})

    asyncio.run(main())
    assert [
        "reported: in ours RuntimeError('Event loop is closed')",
        f"reported: {late['message']} RuntimeError('other')",
        "reported: no exception None",
    ] == reported
