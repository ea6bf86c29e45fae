"""HTTP: ten clients of a session make n requests in all.

``http``: aiohttp's client and aiohttp's server, both in the peer's loop; with a timeout around each
request, and with each raced with a signal to stop. ``httpx``: httpx against a server that knows no
more than the end of a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from bench.subject import Subject, Watch
from bench.subjects.guards import Guard, Work, asyncio_guard, plain, rescind_guard
from bench.subjects.kit import Kit, kit_of

SUBJECTS: Final = (
    Subject("http", "a request, aiohttp to aiohttp", size=500, growth=(), args=("plain",)),
    Subject(
        "http_timeout", "the same, each with a timeout", size=500, growth=(), args=("timeout",)
    ),
    Subject(
        "http_race",
        "the same, each raced with a signal to stop",
        size=500,
        growth=(),
        args=("race",),
    ),
    Subject("httpx", "a request by httpx", size=200, growth=(), args=("httpx",)),
)

CLIENTS: Final = 10
RESPONSE: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    if kind == "httpx":
        return await _httpx_on_asyncio(watch, n, kit_of("rescind"))
    return await _aiohttp(watch, n, kit_of("rescind"), rescind_guard(kind))


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    if kind == "httpx":
        return await _httpx_on_asyncio(watch, n, kit_of("asyncio"))
    async with asyncio_guard(kind) as guard:
        return await _aiohttp(watch, n, kit_of("asyncio"), guard)


async def on_anyio(watch: Watch, n: int, kind: str) -> int:
    from bench.drivers import Unavailable

    if kind != "httpx":
        raise Unavailable("aiohttp is asyncio's")
    return await _httpx_on_asyncio(watch, n, kit_of("anyio"))


async def on_trio(watch: Watch, n: int, kind: str) -> int:
    import trio

    from bench.drivers import Unavailable

    if kind != "httpx":
        raise Unavailable("aiohttp is asyncio's")

    async def serve(stream: trio.SocketStream) -> None:
        read = b""
        while data := await stream.receive_some():
            read += data
            while b"\r\n\r\n" in read:
                read = read.partition(b"\r\n\r\n")[2]
                await stream.send_all(RESPONSE)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    ops = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        port: int = listener.socket.getsockname()[1]
        ops = await _httpx(watch, n, kit_of("trio"), port)
        nursery.cancel_scope.cancel()
    return ops


async def _aiohttp(watch: Watch, n: int, kit: Kit, guard: Guard) -> int:
    from aiohttp import ClientSession, ClientTimeout

    async with served(plain) as url, ClientSession(timeout=ClientTimeout(None)) as session:

        async def request() -> None:
            async with session.get(url) as response:
                await response.read()

        return await _clients(watch, n, kit, guard, request)


@asynccontextmanager
async def served(guard: Guard, work: Work | None = None) -> AsyncGenerator[str, None]:
    """Serve by aiohttp; give the URL, at which ``work`` is done under a guard before the answer."""
    from aiohttp import web

    async def handle(_request: web.Request) -> web.Response:
        if work is not None:
            await guard(work)
        return web.Response(body=b"ok")

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _httpx_on_asyncio(watch: Watch, n: int, kit: Kit) -> int:
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(RESPONSE)
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    ops = await _httpx(watch, n, kit, server.sockets[0].getsockname()[1])
    for task in tasks:  # on rloop 0.5 nobody tells them that the client has closed
        task.cancel()
    await asyncio.wait(tasks)
    server.close()
    return ops


async def _httpx(watch: Watch, n: int, kit: Kit, port: int) -> int:
    from httpx import AsyncClient

    url = f"http://127.0.0.1:{port}/"
    async with AsyncClient(trust_env=False) as client:

        async def request() -> None:
            response = await client.get(url)
            response.read()

        return await _clients(watch, n, kit, plain, request)


async def _clients(watch: Watch, n: int, kit: Kit, guard: Guard, request: Work) -> int:
    each = -(-n // CLIENTS)

    async def client() -> None:
        for _ in range(each):
            await guard(request)

    await request()  # so that what is done once has been done
    with watch:
        async with kit.group() as start:
            for _ in range(CLIENTS):
                start(client)
    return each * CLIENTS
