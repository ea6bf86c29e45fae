"""HTTP, WebSocket and gRPC clients, each with a small server of its own beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from tests.ecosystem import kit
from tests.ecosystem.kit import Scenario

__all__ = ["SCENARIOS", "web"]


@contextlib.asynccontextmanager
async def web() -> AsyncIterator[str]:
    """Answer each HTTP request with its path; yield the address. asyncio alone serves."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                await asyncio.sleep(0)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n"
                writer.write(head.encode() + path)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        while tasks:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await server.wait_closed()


# ---------------------------------------------------------------------------------------- httpx


@contextlib.asynccontextmanager
async def _httpx(_port: int) -> AsyncIterator[Any]:
    import httpx

    limits = httpx.Limits(max_connections=1)
    async with (
        web() as url,
        httpx.AsyncClient(
            verify=False,  # loads no certificates, which takes longer than all else
            limits=limits,
            timeout=kit.PATIENCE / 2,
            trust_env=False,
            base_url=url,
        ) as client,
    ):
        yield client


async def _httpx_get(client: Any) -> str:
    text: str = (await client.get("/used")).text
    return text


async def _httpx_twice(client: Any) -> None:
    assert await _httpx_get(client) == "/used"
    async with client.stream("GET", "/streamed") as response:
        async for line in response.aiter_lines():
            assert line == "/streamed"


async def _httpx_check(client: Any) -> None:
    pool = client._transport._pool
    assert [c for c in pool.connections if not c.is_idle()] == [], "a slot is lost"
    assert (await client.get("/check")).text == "/check"


# --------------------------------------------------------------------------------------- aiohttp


@contextlib.asynccontextmanager
async def _aiohttp(_port: int) -> AsyncIterator[Any]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=1)
    timeout = aiohttp.ClientTimeout(total=kit.PATIENCE / 2)
    async with (
        web() as url,
        aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session,
    ):
        yield session


async def _aiohttp_get(session: Any) -> None:
    async with session.get("/used") as response:
        assert await response.text() == "/used"


async def _aiohttp_check(session: Any) -> None:
    assert len(session.connector._acquired) == 0, "a slot is lost"
    async with session.get("/check") as response:
        assert await response.text() == "/check"


@contextlib.asynccontextmanager
async def _aiohttp_both(_port: int) -> AsyncIterator[Any]:
    import aiohttp
    from aiohttp import web as aiohttp_web

    async def echo(request: Any) -> Any:
        socket = aiohttp_web.WebSocketResponse()
        with contextlib.suppress(ConnectionError):  # its client may be gone
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data)
        return socket

    async def hello(request: Any) -> Any:
        return aiohttp_web.Response(text=request.path)

    app = aiohttp_web.Application()
    app.router.add_get("/socket", echo)
    app.router.add_get("/check", hello)
    runner = aiohttp_web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = aiohttp_web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(
            f"http://{host}:{port}", connector=aiohttp.TCPConnector(limit=1)
        ) as session:
            yield session
    finally:
        await runner.cleanup()


async def _aiohttp_socket(session: Any) -> None:
    async with session.ws_connect("/socket") as socket:
        for word in ("one", "two"):
            await socket.send_str(word)
            assert await socket.receive_str() == word


# ------------------------------------------------------------------------------------ websockets


@contextlib.asynccontextmanager
async def _websockets(_port: int) -> AsyncIterator[Any]:
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed

    async def echo(socket: Any) -> None:
        with contextlib.suppress(ConnectionClosed):  # its client may be gone
            async for message in socket:
                await socket.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as socket:
            yield SimpleNamespace(socket=socket, sent=0, port=port)


async def _websockets_use(at: Any) -> None:
    at.sent += 1
    await at.socket.send(f"used {at.sent}")
    await at.socket.recv()


async def _websockets_check(at: Any) -> None:
    await at.socket.send("check")
    answers = [await at.socket.recv()]
    # A canceled `recv` took nothing, so its message is still there.
    if answers[0] != "check":
        answers.append(await at.socket.recv())
    assert answers[-1] == "check", answers


async def _websockets_connect(at: Any) -> None:
    from websockets.asyncio.client import connect

    async with connect(f"ws://127.0.0.1:{at.port}") as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"


# --------------------------------------------------------------------------------------- grpc.aio


@contextlib.asynccontextmanager
async def _grpc(_port: int) -> AsyncIterator[Any]:
    import grpc

    async def echo(request: bytes, _context: object) -> bytes:
        return request

    async def count(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    server = grpc.aio.server()
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def _grpc_use(channel: Any) -> None:
    assert await channel.unary_unary("/test.Test/Echo")(b"used") == b"used"
    got = [item async for item in channel.unary_stream("/test.Test/Count")(b"")]
    assert got == [b"0", b"1", b"2"]


async def _grpc_check(channel: Any) -> None:
    assert await channel.unary_unary("/test.Test/Echo")(b"check") == b"check"


SCENARIOS = (
    Scenario("httpx: GET, one connection", ("httpx",), _httpx, _httpx_get, _httpx_check),
    Scenario("httpx: GET, then a stream", ("httpx",), _httpx, _httpx_twice, _httpx_check),
    Scenario("aiohttp: GET, one connection", ("aiohttp",), _aiohttp, _aiohttp_get, _aiohttp_check),
    Scenario("aiohttp: WebSocket", ("aiohttp",), _aiohttp_both, _aiohttp_socket, _aiohttp_check),
    Scenario(
        "websockets: send, receive",
        ("websockets",),
        _websockets,
        _websockets_use,
        _websockets_check,
        shared=False,
    ),
    Scenario(
        "websockets: connect",
        ("websockets",),
        _websockets,
        _websockets_connect,
        _websockets_check,
    ),
    Scenario("grpc.aio: call, stream", ("grpc",), _grpc, _grpc_use, _grpc_check),
)
