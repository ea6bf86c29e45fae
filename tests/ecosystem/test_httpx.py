"""httpx inside rescind tasks: a canceled request leaves the client's pool as it found it."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, Outcome

httpx = pytest.importorskip("httpx")

CONNECTIONS = 3
REQUESTS = 120


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Answer every request after a short while; yield the address."""
    connections: list[rescind.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await rescind.sleep(0.002)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    listening = await asyncio.start_server(
        lambda *streams: connections.append(rescind.spawn(serve(*streams))), "127.0.0.1", 0
    )
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        listening.close()
        for connection in connections:
            await connection.cancel()
        await listening.wait_closed()


def in_use(client: Any) -> list[Any]:
    """Return the connections that the pool believes to be in use, and the requests in its queue."""
    pool = client._transport._pool
    busy = [connection for connection in pool.connections if not connection.is_idle()]
    return [*busy, *pool._requests]


async def storm(seed: int) -> tuple[list[Any], Counter[type[Outcome[Any]]], list[int]]:
    """Cancel requests while others wait for one of the few connections; then ask once more."""
    choose = random.Random(seed)
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with (
        server() as url,
        httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client,
    ):
        tasks = [rescind.spawn(client.get(url)) for _ in range(REQUESTS)]
        while alive := [task for task in tasks if not task.done()]:
            first = alive[: 4 * CONNECTIONS]
            for task in choose.sample(first, min(len(first), choose.randint(0, 4))):
                task.cancel("not needed")
            await rescind.sleep(choose.random() * 0.004)
        left = in_use(client)
        # With a slot lost for good, one of these would wait for ever.
        after = await rescind.timeout(
            rescind.join(*(client.get(url) for _ in range(CONNECTIONS))), 60
        )
        return (
            left,
            Counter([type(await task.join()) for task in tasks]),
            [response.status_code for response in after],
        )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("seed", range(4))
def test_requests_canceled_in_a_full_pool_lose_no_connection(loop: str, seed: int) -> None:
    """However the cancellations fall, nothing stays in use; each request has completed or not."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")

    left, ends, after = rescind.run(storm, seed, host=loop)

    assert (left, set(ends), after) == ([], {Completed, Canceled}, [200] * CONNECTIONS)
