"""TCP echo: ten clients send 1 KiB to a server, which sends it back; n requests in all.

Both are in the peer's own loop. ``echo_timeout`` has a timeout around each request, ``echo_race``
races each with a signal to stop that never comes. rescind runs asyncio's streams, as asyncio does:
what differs is who drives the tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.guards import Guard, asyncio_guard, nursery_guard, rescind_guard
from bench.subjects.kit import Kit, kit_of
from bench.subjects.nurseries import NURSERIES

SUBJECTS: Final = (
    Subject("echo", "a request to a TCP server and back", growth=(), args=("plain",)),
    Subject("echo_timeout", "the same, each with a timeout", growth=(), args=("timeout",)),
    Subject("echo_race", "the same, each raced with a signal to stop", growth=(), args=("race",)),
)

CLIENTS: Final = 10
MESSAGE: Final = b"x" * 1024


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    import rescind

    servers: list[rescind.Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        servers.append(rescind.spawn(_serve(reader, writer)))

    ops = await _with_streams(watch, n, kit_of("rescind"), rescind_guard(kind), accept)
    for server in servers:
        await server
    return ops


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    servers: list[asyncio.Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        servers.append(asyncio.create_task(_serve(reader, writer)))

    async with asyncio_guard(kind) as guard:
        ops = await _with_streams(watch, n, kit_of("asyncio"), guard, accept)
        for server in servers:
            await server
    return ops


async def on_trio(watch: Watch, n: int, kind: str) -> int:
    import trio

    async def serve(stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(len(MESSAGE)):
            await stream.send_all(data)

    async def client(stream: trio.SocketStream, each: int) -> None:
        async def request() -> None:
            await stream.send_all(MESSAGE)
            left = len(MESSAGE)
            while left:
                left -= len(await stream.receive_some(left))

        for _ in range(each):
            await guard(request)

    guard = nursery_guard(kind, NURSERIES["trio"]())
    each = -(-n // CLIENTS)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as around:
        around.start_soon(trio.serve_listeners, serve, [listener])
        port: int = listener.socket.getsockname()[1]
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(CLIENTS)]
        with watch:
            async with trio.open_nursery() as nursery:
                for stream in streams:
                    nursery.start_soon(client, stream, each)
        for stream in streams:
            await stream.aclose()
        around.cancel_scope.cancel()
    return each * CLIENTS


async def on_anyio(watch: Watch, n: int, kind: str) -> int:
    import anyio
    from anyio.abc import SocketAttribute, SocketStream

    async def serve(stream: SocketStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.send(await stream.receive(len(MESSAGE)))
            except anyio.EndOfStream:
                pass

    async def client(stream: SocketStream, each: int) -> None:
        async def request() -> None:
            await stream.send(MESSAGE)
            left = len(MESSAGE)
            while left:
                left -= len(await stream.receive(left))

        for _ in range(each):
            await guard(request)

    guard = nursery_guard(kind, NURSERIES["anyio"]())
    each = -(-n // CLIENTS)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as around:
        around.start_soon(listener.serve, serve)
        streams = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(CLIENTS)]
        with watch:
            async with anyio.create_task_group() as group:
                for stream in streams:
                    group.start_soon(client, stream, each)
        for stream in streams:
            await stream.aclose()
        around.cancel_scope.cancel()
    return each * CLIENTS


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(await reader.readexactly(len(MESSAGE)))
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass
    writer.close()
    await writer.wait_closed()


async def _with_streams(
    watch: Watch,
    n: int,
    kit: Kit,
    guard: Guard,
    accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None],
) -> int:
    each = -(-n // CLIENTS)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def request() -> None:
            writer.write(MESSAGE)
            await reader.readexactly(len(MESSAGE))

        for _ in range(each):
            await guard(request)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
    with watch:
        async with kit.group() as start:
            for stream in streams:
                start(client, *stream)
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()
    server.close()
    return each * CLIENTS
