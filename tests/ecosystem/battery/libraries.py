"""Fourteen libraries, each used as its documentation says, with its own timeouts."""

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path
from typing import Any

from tests.ecosystem.battery.use import Use, battery, outcome
from tests.ecosystem.scenarios.databases import dsn

__all__ = ["USES"]

USES: list[Use] = []

SHORT = 0.01
LONG = 30.0


def use(name: str, expected: object, *needs: str, server: str | None = None) -> Any:
    """Put the use of one library into the battery."""
    return battery("", USES)(expected, name=name, needs=needs, server=server)


def _cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@use("async_timeout", ["TimeoutError", True, "in time", "outer", 0], "async_timeout")
async def async_timeout_(_port: int) -> list[Any]:
    from async_timeout import timeout, timeout_at

    now = asyncio.get_running_loop().time()

    async def late() -> None:
        async with timeout(0.001):
            await asyncio.sleep(LONG)

    seen: list[Any] = [await outcome(late())]
    try:
        async with timeout_at(now - 1) as scope:
            await asyncio.sleep(LONG)
    except TimeoutError:
        seen.append(scope.expired if isinstance(scope.expired, bool) else scope.expired())
    async with timeout(LONG):
        seen.append(await asyncio.sleep(0, "in time"))
    try:
        async with timeout(0.001):
            try:
                async with timeout(LONG):
                    await asyncio.sleep(LONG)
            except TimeoutError:
                seen.append("inner")
    except TimeoutError:
        seen.append("outer")
    return [*seen, _cancelling()]


@use("aiohttp", ["/quick", "TimeoutError", "echo", "/quick", "TimeoutError", 0], "aiohttp")
async def aiohttp_(_port: int) -> list[Any]:
    import aiohttp
    from aiohttp import web

    async def quick(request: Any) -> Any:
        async with asyncio.timeout(LONG):
            await asyncio.sleep(0)
        return web.Response(text=request.path)

    async def never(_request: Any) -> Any:
        await asyncio.sleep(LONG)

    async def echo(request: Any) -> Any:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            await answer.send_str(message.data)
        return answer

    app = web.Application()
    app.router.add_get("/quick", quick)
    app.router.add_get("/never", never)
    app.router.add_get("/echo", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    connector = aiohttp.TCPConnector(limit=1)
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}", connector=connector) as session:

            async def text(path: str, total: float = LONG) -> str:
                timeout = aiohttp.ClientTimeout(total=total)
                async with session.get(path, timeout=timeout) as response:
                    found: str = await response.text()
                    return found

            seen: list[Any] = [await text("/quick"), await outcome(text("/never", SHORT))]
            async with session.ws_connect("/echo") as socket_:
                await socket_.send_str("echo")
                seen.append(await socket_.receive_str())
            seen.append(await text("/quick"))
            seen.append(await outcome(asyncio.wait_for(text("/never"), SHORT)))
    finally:
        await runner.cleanup()
    return [*seen, _cancelling()]


@use("httpx", ["/one", "ReadTimeout", "PoolTimeout", ["/a", "/b", "/c"], 1, 0], "httpx")
async def httpx_(_port: int) -> list[Any]:
    import httpx

    held = asyncio.Event()
    serving: set[Any] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                if path == b"/never":
                    await held.wait()
                    break
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n"
                writer.write(head.encode() + path)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    limits = httpx.Limits(max_connections=1)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with httpx.AsyncClient(
            base_url=f"http://{host}:{port}", limits=limits, timeout=LONG, trust_env=False
        ) as client:
            seen: list[Any] = [(await client.get("/one")).text]
            seen.append(await outcome(client.get("/never", timeout=SHORT)))
            async with client.stream("GET", "/held"):
                seen.append(await outcome(client.get("/two", timeout=SHORT)))
            answers = await asyncio.gather(*[client.get(path) for path in ("/a", "/b", "/c")])
            seen.append([answer.text for answer in answers])
            used = len(client._transport._pool.connections)
        held.set()
        await asyncio.wait(serving)
    return [*seen, used, _cancelling()]


@use(
    "redis",
    [b"value", [b"value", True], "news", None, None, b"value", 0],
    "redis",
    server="redis",
)
async def redis_(port: int) -> list[Any]:
    import redis.asyncio as redis

    name = f"key {id(asyncio.current_task())}"
    async with redis.Redis(host="127.0.0.1", port=port, max_connections=2) as client:
        await client.set(name, "value")
        seen: list[Any] = [await client.get(name)]
        async with client.pipeline(transaction=True) as pipe:
            seen.append(await pipe.get(name).set(name, "value").execute())
        async with client.pubsub() as channel:
            await channel.subscribe(name)
            assert (await channel.get_message(timeout=LONG))["type"] == "subscribe"
            await client.publish(name, "news")
            message = await channel.get_message(timeout=LONG)
            seen.append(message["data"].decode())
            seen.append(await channel.get_message(timeout=SHORT))
        seen.append(await client.blpop([f"no {name}"], timeout=SHORT))
        seen.append(await client.get(name))
    return [*seen, _cancelling()]


@use(
    "asyncpg",
    [42, [1, 2], 0, "TimeoutError", "news", [1, 1, 1], False, 0],
    "asyncpg",
    server="postgres",
)
async def asyncpg_(port: int) -> list[Any]:
    import asyncpg

    connection = await asyncpg.connect(dsn(port), timeout=LONG)
    try:
        seen: list[Any] = [await connection.fetchval("SELECT 42")]
        await connection.execute("CREATE TEMPORARY TABLE used (number integer)")
        async with connection.transaction():
            await connection.executemany("INSERT INTO used VALUES ($1)", [(1,), (2,)])
            cursor = connection.cursor("SELECT number FROM used ORDER BY number")
            seen.append([row["number"] async for row in cursor])
        with contextlib.suppress(ValueError):
            async with connection.transaction():
                await connection.execute("DELETE FROM used")
                raise ValueError
        seen.append(2 - await connection.fetchval("SELECT count(*) FROM used"))
        seen.append(await outcome(connection.execute("SELECT pg_sleep(30)", timeout=SHORT)))
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        channel = f"channel_{id(connection)}"
        await connection.add_listener(channel, lambda *found: heard.set_result(found[3]))
        await connection.execute(f"NOTIFY {channel}, 'news'")
        seen.append(await asyncio.wait_for(heard, LONG))
    finally:
        await connection.close(timeout=LONG)
    async with asyncpg.create_pool(dsn(port), min_size=1, max_size=1) as pool:
        values = await asyncio.gather(*[pool.fetchval("SELECT 1") for _ in range(3)])
        async with pool.acquire(timeout=LONG) as pooled:
            seen += [values, pooled.is_in_transaction()]
    return [*seen, _cancelling()]


@use(
    "psycopg",
    [42, [1, 2], 2, "TimeoutError", "IDLE", [1, 1, 1], "PoolTimeout", 0],
    "psycopg",
    "psycopg_pool",
    server="postgres",
)
async def psycopg_(port: int) -> list[Any]:
    import psycopg
    import psycopg_pool

    async with await psycopg.AsyncConnection.connect(dsn(port), autocommit=True) as connection:
        cursor = await connection.execute("SELECT 42")
        found = await cursor.fetchone()
        assert found is not None
        seen: list[Any] = [found[0]]
        await connection.execute("CREATE TEMPORARY TABLE used (number integer)")
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany("INSERT INTO used VALUES (%s)", [(1,), (2,)])
            await cursor.execute("SELECT number FROM used ORDER BY number")
            seen.append([row[0] async for row in cursor])
        with contextlib.suppress(ValueError):
            async with connection.transaction():
                await connection.execute("DELETE FROM used")
                raise ValueError
        cursor = await connection.execute("SELECT count(*) FROM used")
        found = await cursor.fetchone()
        assert found is not None
        seen.append(found[0])
        sleeping = connection.execute("SELECT pg_sleep(30)")
        seen.append(await outcome(asyncio.wait_for(sleeping, SHORT)))
        seen.append(connection.info.transaction_status.name)
    async with psycopg_pool.AsyncConnectionPool(
        dsn(port), min_size=1, max_size=1, timeout=LONG, open=False
    ) as pool:

        async def one() -> int:
            async with pool.connection() as pooled:
                row = await (await pooled.execute("SELECT 1")).fetchone()
                assert row is not None
                return int(row[0])

        async def waiting() -> None:
            async with pool.connection(timeout=SHORT):
                pass

        seen.append(list(await asyncio.gather(one(), one(), one())))
        async with pool.connection():
            seen.append(await outcome(waiting()))
    return [*seen, _cancelling()]


@use("websockets", ["hello", ["0", "1", "2"], "TimeoutError", "answer", 0], "websockets")
async def websockets_(_port: int) -> list[Any]:
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve

    async def handler(socket_: Any) -> None:
        async for message in socket_:
            if message == "count":
                for number in range(3):
                    await socket_.send(str(number))
            elif message != "nothing":
                await socket_.send(message)

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as client:
            await client.send("hello")
            seen: list[Any] = [await client.recv()]
            await client.send("count")
            seen.append([await client.recv() for _ in range(3)])
            await client.send("nothing")
            seen.append(await outcome(asyncio.wait_for(client.recv(), SHORT)))
            await client.send("answer")
            seen.append(await client.recv())
            await (await client.ping())
    return [*seen, _cancelling()]


async def _sqlalchemy(url: str) -> list[Any]:
    from sqlalchemy import pool
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from sqlalchemy.sql import delete, select

    class Base(DeclarativeBase):
        pass

    class Used(Base):
        __tablename__ = "used"
        __table_args__ = ({"prefixes": ["TEMPORARY"]},)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    engine = create_async_engine(
        url, poolclass=pool.AsyncAdaptedQueuePool, pool_size=1, max_overflow=0, pool_timeout=LONG
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session, session.begin():
            session.add_all([Used(number=1), Used(number=2)])
        async with AsyncSession(engine) as session:
            found = await session.stream_scalars(select(Used.number).order_by(Used.number))
            seen: list[Any] = [[number async for number in found]]
        with contextlib.suppress(ValueError):
            async with AsyncSession(engine) as session, session.begin():
                await session.execute(delete(Used))
                raise ValueError

        async def count() -> int:
            async with AsyncSession(engine) as session:
                return len((await session.scalars(select(Used))).all())

        seen.append(await asyncio.gather(count(), count()))
        seen.append(engine.pool.checkedout())  # type: ignore[attr-defined]
    finally:
        await engine.dispose()
    return [*seen, _cancelling()]


@use("SQLAlchemy: aiosqlite", [[1, 2], [2, 2], 0, 0], "sqlalchemy", "aiosqlite", "greenlet")
async def sqlalchemy_aiosqlite(_port: int) -> list[Any]:
    return await _sqlalchemy("sqlite+aiosqlite://")


@use(
    "SQLAlchemy: asyncpg",
    [[1, 2], [2, 2], 0, 0],
    *("sqlalchemy", "asyncpg", "greenlet"),
    server="postgres",
)
async def sqlalchemy_asyncpg(port: int) -> list[Any]:
    return await _sqlalchemy(f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres")


@use("aiofiles", ["text", ["one\n", "two\n"], ["file"], "FileNotFoundError"], "aiofiles")
async def aiofiles_(_port: int) -> list[Any]:
    import aiofiles
    import aiofiles.os

    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "file"
        async with aiofiles.open(file, "w") as writing:
            await writing.write("text")
        async with aiofiles.open(file) as reading:
            text = await reading.read()
        async with aiofiles.open(file, "w") as writing:
            await writing.writelines(["one\n", "two\n"])
        async with aiofiles.open(file) as reading:
            lines = [line async for line in reading]
        names = await aiofiles.os.listdir(name)
        missing = await outcome(aiofiles.os.stat(Path(name) / "missing"))
    return [text, lines, names, missing]


@use("grpc.aio", [b"hello", [b"0", b"1"], b"2 items", "AioRpcError", "OK", 0], "grpc")
async def grpc_(_port: int) -> list[Any]:
    import grpc

    async def echo(request: bytes, _context: object) -> bytes:
        if request == b"never":
            await asyncio.sleep(LONG)
        return request

    async def count(_request: bytes, _context: object) -> Any:
        for number in range(2):
            await asyncio.sleep(0)
            yield b"%d" % number

    async def gather(requests: Any, _context: object) -> bytes:
        return b"%d items" % len([item async for item in requests])

    async def items() -> Any:
        yield b"first"
        yield b"second"

    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Gather": grpc.stream_unary_rpc_method_handler(gather),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/t.T/Echo")
            seen: list[Any] = [await call(b"hello")]
            seen.append([item async for item in channel.unary_stream("/t.T/Count")(b"")])
            seen.append(await channel.stream_unary("/t.T/Gather")(items()))
            seen.append(await outcome(call(b"never", timeout=SHORT)))
            again = call(b"again")
            await again
            seen.append((await again.code()).name)
    finally:
        await server.stop(None)
    return [*seen, _cancelling()]


@use(
    "uvicorn and Starlette",
    [["started"], "/sync", "/async", b"012", "ReadTimeout", ["started", "stopped"], 0],
    *("uvicorn", "starlette", "httpx"),
)
async def uvicorn_(_port: int) -> list[Any]:
    import httpx
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    log: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> Any:
        log.append("started")
        yield
        log.append("stopped")

    def in_thread(request: Any) -> Any:
        return PlainTextResponse(request.url.path)

    async def on_loop(request: Any) -> Any:
        await asyncio.sleep(0)
        return PlainTextResponse(request.url.path)

    async def stream(_request: Any) -> Any:
        async def chunks() -> Any:
            for number in range(3):
                await asyncio.sleep(0)
                yield str(number)

        return StreamingResponse(chunks())

    async def never(_request: Any) -> Any:
        await asyncio.sleep(0.1)
        return PlainTextResponse("late")

    routes = [Route("/sync", in_thread), Route("/async", on_loop)]
    routes += [Route("/stream", stream), Route("/never", never)]
    app = Starlette(routes=routes, lifespan=lifespan)
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    with listening:

        async def ask() -> list[Any]:
            async with httpx.AsyncClient(
                base_url=f"http://{host}:{port}", trust_env=False, timeout=LONG
            ) as client:
                seen: list[Any] = [(await client.get(path)).text for path in ("/sync", "/async")]
                seen.append((await client.get("/stream")).content)
                seen.append(await outcome(client.get("/never", timeout=SHORT)))
                seen.insert(0, list(log))
            server.should_exit = True
            return seen

        client = asyncio.create_task(ask())
        await server._serve([listening])  # inside this task; `serve` takes the signals, too
    return [*await client, log, _cancelling()]


@use(
    "aiotools",
    [[0, 1, 2], ["shielded", "canceled after it"], "canceled", "won", True, ["a", "b"], 0],
    "aiotools",
)
async def aiotools_(_port: int) -> list[Any]:
    import aiotools

    me: Any = asyncio.current_task()
    done: list[int] = []

    async def child(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    async with aiotools.TaskScope() as scope:
        for number in range(3):
            scope.create_task(child(number))
    seen: list[str] = []

    asyncio.get_running_loop().call_soon(lambda: me.cancel())  # noqa: PLW0108  # it is replaced
    try:
        with aiotools.ShieldScope():
            await asyncio.sleep(0.001)
            seen.append("shielded")
    except asyncio.CancelledError:
        seen.append("canceled after it")
    while me.cancelling():
        me.uncancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # before Python 3.13, what was asked of it is still pending
    sleeping = asyncio.create_task(asyncio.sleep(LONG))
    await asyncio.sleep(0)
    await aiotools.cancel_and_wait(sleeping)
    ended = "canceled" if sleeping.cancelled() else "not canceled"

    async def quick() -> str:
        await asyncio.sleep(0)
        return "won"

    won, _ = await aiotools.race([asyncio.sleep(LONG), quick()])
    async with aiotools.move_on_after(0.001):
        await asyncio.sleep(LONG)
    # Its timeout leaves the request that it made.
    restored = me.uncancel() == 0 and me.cancel == type(me).cancel.__get__(me)
    both = await aiotools.gather_safe([asyncio.sleep(0, "a"), asyncio.sleep(0, "b")])
    return [done, seen, ended, won, restored, both, _cancelling()]


@use(
    "quattro",
    [True, "TimeoutError", [0, 1], "ValueError", (1, "two"), ["deferred"], 0],
    "quattro",
)
async def quattro_(_port: int) -> list[Any]:
    import quattro

    with quattro.move_on_after(0.001) as moved:
        await asyncio.sleep(LONG)

    async def late() -> None:
        with quattro.fail_after(0.001):
            await asyncio.sleep(LONG)

    ended = await outcome(late())
    done: list[int] = []

    async def child(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    async with quattro.TaskGroup() as group:
        for number in range(2):
            group.create_task(child(number))
        group.create_background_task(asyncio.sleep(LONG))

    async def failing() -> None:
        raise ValueError

    found = "none"
    try:
        async with quattro.TaskGroup() as group:
            group.create_task(failing())
            await asyncio.sleep(LONG)
    except* ValueError as errors:
        found = type(errors.exceptions[0]).__name__
    log: list[str] = []

    @contextlib.contextmanager
    def resource() -> Any:
        yield
        log.append("deferred")

    @quattro.defer.enable
    async def deferring() -> None:
        quattro.defer.enter_context(resource())
        assert log == []

    await deferring()
    both = await quattro.gather(asyncio.sleep(0, 1), asyncio.sleep(0, "two"))
    return [moved.cancelled_caught, ended, sorted(done), found, tuple(both), log, _cancelling()]
