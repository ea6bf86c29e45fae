"""What needs no server: files, processes, threads, queues, and sockets."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.ecosystem import kit
from tests.ecosystem.kit import Scenario

__all__ = ["SCENARIOS"]


@contextlib.asynccontextmanager
async def _nothing(_port: int) -> AsyncIterator[Any]:
    yield SimpleNamespace()


# -------------------------------------------------------------------------------------- aiofiles


@contextlib.asynccontextmanager
async def _directory(_port: int) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


async def _aiofiles_use(home: Path) -> None:
    import aiofiles

    async with aiofiles.open(home / "used", "w") as file:
        await file.write("text")
    async with aiofiles.open(home / "used") as file:
        assert await file.read() == "text"


async def _aiofiles_check(home: Path) -> None:
    await _aiofiles_use(home)


# ----------------------------------------------------------------------------------------- anyio


@contextlib.asynccontextmanager
async def _anyio_echo(_port: int) -> AsyncIterator[Any]:
    import anyio

    async def echo(stream: Any) -> None:
        with contextlib.suppress(anyio.BrokenResourceError):  # its client may be gone
            async with stream:
                async for chunk in stream:
                    await stream.send(chunk)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        yield SimpleNamespace(port=port)
        group.cancel_scope.cancel()


async def _anyio_socket(at: Any) -> None:
    import anyio

    async with await anyio.connect_tcp("127.0.0.1", at.port) as stream:
        for word in (b"one", b"two"):
            await stream.send(word)
            with anyio.fail_after(kit.PATIENCE / 2):
                assert await stream.receive() == word


async def _anyio_group(at: Any) -> None:
    import anyio

    at.running = 0

    async def child(*, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
        at.running += 1
        try:
            await anyio.lowlevel.checkpoint()
            task_status.started()
            await anyio.sleep(0.001)
        finally:
            at.running -= 1

    async with anyio.create_task_group() as group:
        await group.start(child)
        group.start_soon(child)
        with anyio.move_on_after(0.002):
            await anyio.sleep(5)
    with anyio.CancelScope(shield=True):
        await anyio.sleep(0.001)


async def _anyio_group_check(at: Any) -> None:
    assert at.running == 0, "a child is left running"
    await _anyio_group(at)


@contextlib.asynccontextmanager
async def _limiter(_port: int) -> AsyncIterator[Any]:
    import anyio

    yield SimpleNamespace(limiter=anyio.CapacityLimiter(1), lock=anyio.Lock())


async def _anyio_threads(at: Any) -> None:
    from anyio import from_thread, to_thread

    async def back(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async with at.lock:
        assert await to_thread.run_sync(lambda: 1, limiter=at.limiter) == 1
        assert await to_thread.run_sync(lambda: from_thread.run(back, 2), limiter=at.limiter) == 2


async def _anyio_threads_check(at: Any) -> None:
    assert at.limiter.borrowed_tokens == 0, "a token is lost"
    assert not at.lock.locked(), "the lock is held"
    await _anyio_threads(at)


# --------------------------------------------------------------------------------------- asyncio


@contextlib.asynccontextmanager
async def _asyncio_echo(_port: int) -> AsyncIterator[Any]:
    open_connections: set[asyncio.StreamWriter] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.add(writer)
        try:
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            open_connections.discard(writer)

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield SimpleNamespace(port=server.sockets[0].getsockname()[1], open=open_connections)
    finally:
        server.close()
        await server.wait_closed()


async def _asyncio_streams(at: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    try:
        for word in (b"one\n", b"two\n"):
            writer.write(word)
            await writer.drain()
            async with asyncio.timeout(kit.PATIENCE / 2):
                assert await reader.readline() == word
    finally:
        writer.close()
        await writer.wait_closed()


async def _asyncio_streams_check(at: Any) -> None:
    await _asyncio_streams(at)
    async with asyncio.timeout(kit.PATIENCE / 2):
        while at.open:
            await asyncio.sleep(0)  # the other side has to notice


async def _subprocess(_at: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-c", "import sys; sys.stdout.write(sys.stdin.read())"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await process.communicate(b"text")
        assert out == b"text"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # as its finalizer would


async def _subprocess_check(at: Any) -> None:
    await _subprocess(at)


@contextlib.asynccontextmanager
async def _primitives(_port: int) -> AsyncIterator[Any]:
    yield SimpleNamespace(
        queue=asyncio.Queue(1),
        lock=asyncio.Lock(),
        semaphore=asyncio.Semaphore(1),
        changed=asyncio.Condition(),
    )


async def _asyncio_primitives(at: Any) -> None:
    async def produce() -> None:
        for number in range(3):
            await at.queue.put(number)

    async with at.lock, at.semaphore, asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(3):
            await asyncio.wait_for(at.queue.get(), kit.PATIENCE / 2)
    await asyncio.gather(asyncio.sleep(0), asyncio.shield(asyncio.sleep(0)))
    async with at.changed:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await at.changed.wait()


async def _asyncio_primitives_check(at: Any) -> None:
    assert not at.lock.locked()
    assert not at.semaphore.locked()
    assert not at.changed.locked()
    while not at.queue.empty():
        at.queue.get_nowait()
    await _asyncio_primitives(at)


async def _asyncio_threads(_at: Any) -> None:
    assert await asyncio.to_thread(lambda: 1) == 1
    assert await asyncio.get_running_loop().run_in_executor(None, lambda: 2) == 2


SCENARIOS = (
    Scenario(
        "aiofiles: write, read",
        ("aiofiles",),
        _directory,
        _aiofiles_use,
        _aiofiles_check,
        shared=False,
        # A thread opens and closes the file. Canceled meanwhile, its result is thrown away:
        # https://github.com/Tinche/aiofiles/issues/165
        known="warned: unclosed file",
    ),
    Scenario("anyio: sockets", ("anyio",), _anyio_echo, _anyio_socket, _anyio_socket),
    Scenario("anyio: groups, scopes", ("anyio",), _nothing, _anyio_group, _anyio_group_check),
    Scenario("anyio: threads, locks", ("anyio",), _limiter, _anyio_threads, _anyio_threads_check),
    Scenario(
        "asyncio: streams", ("asyncio",), _asyncio_echo, _asyncio_streams, _asyncio_streams_check
    ),
    Scenario("asyncio: subprocess", ("asyncio",), _nothing, _subprocess, _subprocess_check),
    Scenario(
        "asyncio: queue, locks, group",
        ("asyncio",),
        _primitives,
        _asyncio_primitives,
        _asyncio_primitives_check,
        shared=False,  # of a queue for one producer and one consumer
    ),
    Scenario("asyncio: threads", ("asyncio",), _nothing, _asyncio_threads, _asyncio_threads),
)
