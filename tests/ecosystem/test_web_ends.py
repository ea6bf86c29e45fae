"""How a request ends before its time: its client leaves, its server stops, its process is asked to.

What it awaited is canceled and has cleaned up, and what it had spawned is ended with the runtime.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import sync
from tests.ecosystem.servers import free_port
from tests.ecosystem.web import Served, Web

for _needed in ("httpx", "uvicorn", "starlette", "fastapi", "websockets"):
    pytest.importorskip(_needed)


class Trace(list[str]):
    """What the work in a request went through."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = sync.Semaphore(0, max=100)
        self.ended = sync.Semaphore(0, max=100)

    async def work(self, name: str) -> str:
        """Hang; when canceled, clean up in several steps, and say why."""
        try:
            self.begun.release()
            await rescind.never()
        except rescind.Cancellation as exc:
            for _ in range(3):
                await asyncio.sleep(0)
            await rescind.sleep(0.002)
            self.append(f"{name}: {exc.reason.chain()[-1].kind.value}")
            self.ended.release()
            raise
        return "not canceled"


async def gone(receive: Any) -> str:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return "the client has left"


@contextlib.asynccontextmanager
async def asking(served: Served, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Send a request; leave without having read the answer."""
    reader, writer = await asyncio.open_connection(*served.address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


# -- the client leaves -----------------------------------------------------------------------------


def test_client_that_leaves_ends_the_race_of_the_work_with_it(web: Web) -> None:
    """Uvicorn cancels no endpoint for it: who wants that races with ``http.disconnect``."""
    import fastapi

    app = fastapi.FastAPI(lifespan=web.lifespan)
    trace = Trace()

    @app.get("/")
    async def endpoint(request: fastapi.Request) -> str:
        job = rescind.spawn(trace.work("task"))
        won: str = await rescind.race(
            trace.work("branch"), rescind.join_or_cancel(job), gone(request.receive)
        )
        trace.append(won)
        return won

    async def main() -> None:
        async with web.serve(app) as served:
            async with asking(served, "/"):
                await trace.begun.acquire(2)
            await trace.ended.acquire(2)

    web.run(main)
    assert sorted(trace[:2]) == ["branch: race lost", "task: race lost"]
    assert trace[2:] == ["the client has left"]


@pytest.mark.parametrize("behind", [0, 2])
def test_client_that_leaves_ends_a_stream(web: Web, behind: int) -> None:
    """Starlette cancels it in anyio's way, again each tick; behind middleware, through groups."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    trace = Trace()

    class Passes(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    async def endpoint(_request: Any) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            await rescind.join(trace.work("one"), trace.work("two"))

        return StreamingResponse(chunks())

    app = Starlette(
        routes=[Route("/", endpoint)],
        middleware=[Middleware(Passes)] * behind,
        lifespan=web.lifespan,
    )

    async def main() -> None:
        async with web.serve(app) as served:
            async with asking(served, "/") as reader:
                await reader.readuntil(b"first")
                await trace.begun.acquire(2)
            await trace.ended.acquire(2)

    web.run(main)
    assert sorted(trace) == ["one: foreign", "two: foreign"]


def test_client_that_leaves_a_websocket_ends_what_races_with_it(web: Web) -> None:
    """The endpoint joins the client and the work; the exception of the one ends the other."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocketDisconnect
    from websockets.asyncio.client import connect

    trace = Trace()

    async def endpoint(socket: Any) -> None:
        await socket.accept()
        try:
            await rescind.join(socket.receive_text(), trace.work("pushes"))
        except WebSocketDisconnect:
            trace.append("left")

    app = Starlette(routes=[WebSocketRoute("/", endpoint)], lifespan=web.lifespan)

    async def main() -> None:
        async with web.serve(app) as served:
            async with connect(f"ws://127.0.0.1:{served.address[1]}/", proxy=None):
                await trace.begun.acquire()
            await trace.ended.acquire()

    web.run(main)
    assert trace == ["pushes: sibling failed", "left"]


# -- the server stops ------------------------------------------------------------------------------


def test_server_that_stops_ends_requests_and_then_tasks(web: Web) -> None:
    """After its patience uvicorn cancels the requests; leaving the lifespan ends the tasks."""
    import fastapi
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse, StreamingResponse

    app = fastapi.FastAPI(lifespan=web.lifespan)
    trace = Trace()

    @app.get("/endpoint")
    async def endpoint() -> str:
        rescind.spawn(trace.work("task"), name="left running")
        return await rescind.race(trace.work("endpoint"), rescind.never())

    @app.get("/stream")
    async def stream() -> Any:
        async def chunks() -> AsyncIterator[str]:
            yield await rescind.timeout(trace.work("stream"), 1000)

        return StreamingResponse(chunks())

    @app.get("/background")
    async def background() -> Any:
        return PlainTextResponse("later", background=BackgroundTask(_awaiting, trace))

    async def main() -> None:
        async with web.serve(app, timeout_graceful_shutdown=0.05) as served:
            async with contextlib.AsyncExitStack() as stack:
                for path in ("/endpoint", "/stream", "/background"):
                    await stack.enter_async_context(asking(served, path))
                await trace.begun.acquire(4)
                served.server.should_exit = True
                await served.task
        if not web.attached:
            for task in rescind.current_runtime().tasks():
                if task.name == "left running":
                    await task.cancel(rescind.CancelReason(rescind.CancelKind.SHUTDOWN))
        await trace.ended.acquire(4)

    told = "Exception in ASGI application"
    web.run(
        main,
        said=("Cancel 3 running task(s), timeout graceful shutdown exceeded", told, told, told),
    )
    assert sorted(trace) == [
        "background: foreign",
        "endpoint: foreign",
        "stream: foreign",
        "task: shutdown",
    ]
    if web.attached:
        assert web.runtime is not None
        assert web.runtime.report is not None
        assert (web.runtime.report.canceled, web.runtime.report.clean) == (1, True)


async def _awaiting(trace: Trace) -> None:
    await rescind.join(trace.work("background"))


# -- the process is asked to -----------------------------------------------------------------------

APP = """
import asyncio, contextlib
import fastapi
import rescind

async def work(name):
    print(name, "begins", flush=True)
    try:
        await rescind.never()
    except asyncio.CancelledError as exc:  # a Cancellation is one; asyncio's own is another
        await rescind.sleep(0.005)
        reason = getattr(exc, "reason", None)
        print(name, "ends:", reason.chain()[-1].kind.value if reason else "asyncio", flush=True)
        raise

@contextlib.asynccontextmanager
async def lifespan(app):
    async with rescind.Runtime.attach() as runtime:
        runtime.spawn(work("task"))
        yield
    print("report:", runtime.report.canceled, "canceled, clean:", runtime.report.clean, flush=True)

app = fastapi.FastAPI(lifespan=lifespan)

@app.get("/")
async def endpoint():
    return await rescind.race(work("request"), rescind.never())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to be sent")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_process_that_is_interrupted_cleans_up(loop: str, tmp_path: Path) -> None:
    """SIGINT while a request and a task run: both clean up, and the report is clean."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    (tmp_path / "app.py").write_text(APP)
    options = ["--port", str(free_port()), "--loop", loop, "--ws", "none"]
    options += ["--timeout-graceful-shutdown", "0"]
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "uvicorn", "app:app", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said = _until(process, "Uvicorn running on")
            with socket.create_connection(("127.0.0.1", int(options[1]))) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
                said += _until(process, "request begins")
                process.send_signal(signal.SIGINT)
                said += process.communicate(timeout=250)[0].splitlines()
        finally:
            process.kill()
    work = [line for line in said if line.startswith(("task", "request", "report"))]
    assert sorted(work) == [
        "report: 1 canceled, clean: True",
        "request begins",
        "request ends: foreign",
        "task begins",
        "task ends: shutdown",
    ]
    assert [line for line in said if "Warning" in line or "ValueError" in line] == []


SERVES = """
import sys
import fastapi
import rescind
import uvicorn

app = fastapi.FastAPI()

async def work(name):
    print(name, "begins", flush=True)
    try:
        await rescind.never()
    finally:
        print(name, "ends", flush=True)

@app.get("/")
async def endpoint():
    return await rescind.race(work("request"), rescind.never())

async def main():
    rescind.spawn(work("task"), name="task")
    config = uvicorn.Config(app, port=int(sys.argv[1]), ws="none", loop="none")
    try:
        await uvicorn.Server(config).serve()
    finally:
        print("main ends", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to be sent")
@pytest.mark.parametrize("options", [(), ("--uvloop",)], ids=["asyncio", "uvloop"])
def test_second_interrupt_ends_uvicorn_under_rescind_run(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """While it serves, uvicorn has the signals: the first makes it wait for its connections.

    The second makes it give up, and it sends itself both anew: rescind then drops main, at once.
    """
    if options:
        pytest.importorskip("uvloop")
    (tmp_path / "app.py").write_text(SERVES)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "rescind", "run", *options, "app.py", str(port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said = _until(process, "Uvicorn running on")
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
                said += _until(process, "request begins")
                process.send_signal(signal.SIGINT)
                said += _until(process, "CTRL+C to force quit")
                process.send_signal(signal.SIGINT)
            # From Python 3.12 on, uvicorn waits even then until its clients have left.
            said += process.communicate(timeout=250)[0].splitlines()
        finally:
            process.kill()
    ours = [line for line in said if line.startswith(("main", "request", "task"))]
    assert sorted(ours) == [
        "main ends",
        "request begins",
        "request ends",
        "task begins",
        "task ends",
    ]
    assert sum("again: stopping at once" in line for line in said) == 1
    assert [line for line in said if "Warning" in line or "has not ended" in line] == []
    assert process.returncode == 128 + signal.SIGINT


def _until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    """Read what the process says until a line with these words."""
    assert process.stdout is not None
    lines = [""]
    while words not in lines[-1]:
        line = process.stdout.readline()
        assert line, lines
        lines.append(line.rstrip())
    return lines
