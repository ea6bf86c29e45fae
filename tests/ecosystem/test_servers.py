"""Web servers inside our tasks, and our futures inside their handlers, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rescind
from tests.ecosystem.kit import Loop

httpx = pytest.importorskip("httpx")


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    """Run the test on each kind of loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    found: Loop = request.param
    return found


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[Any]:
    """Serve an ASGI application in a task of ours; yield a client."""
    uvicorn = pytest.importorskip("uvicorn")
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="on", log_level="error", ws="none", timeout_keep_alive=3600)
    )
    with listening:
        task = rescind.spawn(server.serve(sockets=[listening]), name="uvicorn")
        try:
            async with httpx.AsyncClient(
                base_url=f"http://{host}:{port}", trust_env=False
            ) as client:
                yield client
        finally:
            server.should_exit = True
            await task


def test_fastapi_serves_inside_a_task(loop: Loop) -> None:
    """Its handlers are asyncio's tasks: they race, and have deadlines; clients are our branches."""
    fastapi = pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    app = fastapi.FastAPI()
    trace: list[str] = []

    @app.get("/hedged/{number}")
    async def hedged(number: int) -> dict[str, object]:
        async def slow() -> str:
            try:
                await rescind.sleep(30)
            finally:
                await asyncio.sleep(0)
                trace.append("slow is gone")
            return "slow"

        async def fast() -> str:
            await rescind.sleep(0.001)
            return "fast"

        return {"number": number, "won": await rescind.race(slow(), fast())}

    @app.get("/late")
    async def late() -> str:
        try:
            await rescind.timeout(rescind.never(), 0.001)
        except rescind.TimedOut:
            return "timed out"
        return "not"

    @app.get("/blocking")
    def blocking() -> str:  # in a thread of anyio's
        return "from a thread"

    async def main() -> list[object]:
        async with served(app) as client:
            answers = await rescind.join(
                client.get("/hedged/1"), client.get("/hedged/2"), client.get("/late")
            )
            last = await client.get("/blocking")
            return [answer.json() for answer in (*answers, last)]

    assert rescind.run(main, host=loop) == [
        {"number": 1, "won": "fast"},
        {"number": 2, "won": "fast"},
        "timed out",
        "from a thread",
    ]
    assert trace == ["slow is gone"] * 2


def test_a_client_that_leaves_ends_what_the_handler_awaits(loop: Loop) -> None:
    """Starlette cancels the stream; our future in it cleans up, awaits included."""
    starlette = pytest.importorskip("starlette.applications")
    pytest.importorskip("uvicorn")
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def main() -> list[str]:
        trace: list[str] = []
        ended = asyncio.Event()

        async def cleaning_up() -> None:
            try:
                await rescind.never()
            except rescind.Cancellation as exc:
                reason = exc.reason
                while reason.cause is not None:
                    reason = reason.cause
                trace.append(reason.kind.value)
                raise
            finally:
                for _ in range(3):
                    await asyncio.sleep(0)
                trace.append("clean")
                ended.set()

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            await rescind.join(cleaning_up(), rescind.never())

        async def stream(_request: Any) -> Any:
            return StreamingResponse(chunks())

        app = starlette.Starlette(routes=[Route("/", stream)])
        async with served(app) as client:
            async with client.stream("GET", "/") as response:
                async for chunk in response.aiter_raw():
                    trace.append(chunk.decode())
                    break
            await rescind.timeout(ended.wait(), 60)
        return trace

    assert rescind.run(main, host=loop) == ["first", "foreign", "clean"]


def test_aiohttp_serves_inside_a_task(loop: Loop) -> None:
    """Its server, its client, and timeouts of both in branches of one task."""
    aiohttp = pytest.importorskip("aiohttp")
    from aiohttp import web

    async def main() -> list[object]:
        async def quick(request: Any) -> Any:
            return web.Response(text=await rescind.race(_word(request), rescind.never()))

        async def never(_request: Any) -> Any:
            await rescind.never()

        app = web.Application()
        app.router.add_get("/quick/{word}", quick)
        app.router.add_get("/never", never)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:

                async def text(path: str, total: float) -> str:
                    timeout = aiohttp.ClientTimeout(total=total)
                    try:
                        async with session.get(path, timeout=timeout) as response:
                            found: str = await response.text()
                            return found
                    except TimeoutError:
                        return "timed out"

                return list(
                    await rescind.join(
                        *(text("/quick/one", 5), text("/never", 0.05), text("/quick/two", 5))
                    )
                )
        finally:
            await runner.cleanup()

    assert rescind.run(main, host=loop) == ["one", "timed out", "two"]


async def _word(request: Any) -> str:
    await asyncio.sleep(0)
    word: str = request.match_info["word"]
    return word
