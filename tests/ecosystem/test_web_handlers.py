"""Our futures in what a web framework awaits: endpoints, middleware, streams, sockets, and after.

Everything here is run by tasks that uvicorn, Starlette and anyio make; they know nothing of us.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import sync
from rescind.blocking import spawn_blocking
from tests.ecosystem.web import Web

for _needed in ("httpx", "uvicorn", "starlette", "fastapi", "websockets"):
    pytest.importorskip(_needed)


# -- what is awaited -------------------------------------------------------------------------------


async def quick(value: str) -> str:
    """Give a value, soon."""
    await rescind.sleep(0.001)
    return value


async def slow() -> str:
    """Hang; when canceled, clean up for some time."""
    try:
        await rescind.never()
    finally:
        await asyncio.sleep(0)
        await rescind.sleep(0.001)


async def _race() -> Any:
    return await rescind.race(slow(), quick("won"))


async def _race_ok() -> Any:
    return await rescind.race_ok(_fails(), quick("won"))


async def _fails() -> str:
    raise OSError("refused")


async def _join() -> Any:
    return list(await rescind.join(quick("one"), quick("two"), asyncio.sleep(0, "three")))


async def _timeout() -> Any:
    try:
        return await rescind.timeout(slow(), 0.002)
    except rescind.TimedOut:
        return await rescind.timeout(quick("after it"), 10)


async def _deadline() -> Any:
    async def limited() -> str:
        try:
            async with rescind.deadline(0.002):
                await slow()
        except TimeoutError:
            return "timed out"
        return "not"

    return await rescind.race(limited())


async def _mutex() -> Any:
    lock, order = sync.Mutex(), list[int]()

    async def one(number: int) -> None:
        async with lock:
            await asyncio.sleep(0)
            order.append(number)

    await rescind.join(*map(one, range(3)))
    async with lock:
        return order


async def _semaphore() -> Any:
    limit = sync.Semaphore(1)
    async with limit:
        try:
            await rescind.timeout(limit.acquire(), 0.001)
        except TimeoutError:
            return "full"
    return "not"


async def _channel() -> Any:
    sender, receiver = sync.channel[int](1)

    async def send() -> None:
        with sender:
            for number in range(3):
                await sender.send(number)

    async def receive() -> list[int]:
        return [number async for number in receiver]

    return (await rescind.join(send(), receive()))[1]


async def _event() -> Any:
    event = sync.Event()
    task = asyncio.get_running_loop().create_task(_wait(event))
    await asyncio.sleep(0)
    event.set()
    return await task


async def _wait(event: sync.Event) -> str:
    await event.wait()
    return "set"


async def _spawn() -> Any:
    return await rescind.spawn(quick("spawned"))


async def _cancel() -> Any:
    task = rescind.spawn(slow())
    await asyncio.sleep(0)
    outcome = await task.cancel("changed my mind")
    return [type(outcome).__name__, task.cancel_reasons[0].message]


async def _group() -> Any:
    async with rescind.task_group() as group:
        tasks = [group.spawn(quick(name)) for name in ("a", "b")]
    return [await task for task in tasks]


async def _asyncio_future() -> Any:
    futures = [rescind.to_asyncio_future(rescind.spawn(quick(name))) for name in ("a", "b")]
    return await asyncio.gather(*futures)


async def _select() -> Any:
    async with rescind.select(quick=quick("q"), never=slow()) as selected:
        async for name, outcome in selected:
            return [name, outcome.unwrap()]


async def _blocking() -> Any:
    return await rescind.race(spawn_blocking(str.upper, "thread"), rescind.never())


WORK: dict[str, tuple[Callable[[], Awaitable[Any]], Any]] = {
    "race": (_race, "won"),
    "race_ok": (_race_ok, "won"),
    "join": (_join, ["one", "two", "three"]),
    "timeout": (_timeout, "after it"),
    "deadline": (_deadline, "timed out"),
    "mutex": (_mutex, [0, 1, 2]),
    "semaphore": (_semaphore, "full"),
    "channel": (_channel, [0, 1, 2]),
    "event": (_event, "set"),
    "spawn": (_spawn, "spawned"),
    "cancel": (_cancel, ["Canceled", "changed my mind"]),
    "group": (_group, ["a", "b"]),
    "asyncio future": (_asyncio_future, ["a", "b"]),
    "select": (_select, ["quick", "q"]),
    "blocking": (_blocking, "THREAD"),
}
EXPECTED = {name: expected for name, (_, expected) in WORK.items()}


# -- where it is awaited ---------------------------------------------------------------------------


def _starlette(web: Web, *routes: Any, middleware: Any = ()) -> Any:
    from starlette.applications import Starlette

    return Starlette(routes=list(routes), middleware=list(middleware), lifespan=web.lifespan)


async def _ask(client: Any, name: str) -> Any:
    answer = await client.get("/work", params={"name": name})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _ask_all(client: Any) -> dict[str, Any]:
    """Ask for all at the same time."""
    answers = await asyncio.gather(*[_ask(client, name) for name in WORK])
    return dict(zip(WORK, answers, strict=True))


def _get(web: Web, endpoint: Callable[[Any], Any], **options: Any) -> Any:
    from starlette.routing import Route

    return _starlette(web, Route("/work", endpoint), **options)


def test_in_an_endpoint(web: Web) -> None:
    """A coroutine that Starlette awaits in uvicorn's task."""
    from starlette.responses import JSONResponse

    async def endpoint(request: Any) -> Any:
        return JSONResponse(await WORK[request.query_params["name"]][0]())

    async def main() -> dict[str, Any]:
        async with web.serve(_get(web, endpoint)) as served:
            one_by_one = {name: await _ask(served.client, name) for name in WORK}
            assert one_by_one == EXPECTED
            return await _ask_all(served.client)

    assert web.run(main) == EXPECTED


def test_in_middleware_and_behind_it(web: Web) -> None:
    """`BaseHTTPMiddleware` runs what is behind it in a task group of anyio's."""
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import JSONResponse

    inside: dict[str, Any] = {}

    class Doubles(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            mine = await WORK[request.query_params["name"]][0]()
            inside[request.query_params["name"]] = mine
            return await rescind.timeout(call_next(request), 10)

    async def endpoint(request: Any) -> Any:
        return JSONResponse(await WORK[request.query_params["name"]][0]())

    async def main() -> dict[str, Any]:
        app = _get(web, endpoint, middleware=[Middleware(Doubles), Middleware(Doubles)])
        async with web.serve(app) as served:
            return await _ask_all(served.client)

    assert (web.run(main), inside) == (EXPECTED, EXPECTED)


def test_in_a_stream(web: Web) -> None:
    """An async generator that Starlette reads in a task group of anyio's."""
    from starlette.responses import StreamingResponse

    async def endpoint(request: Any) -> Any:
        async def chunks() -> AsyncIterator[str]:
            yield " "
            yield json.dumps(await WORK[request.query_params["name"]][0]())

        return StreamingResponse(chunks())

    async def main() -> dict[str, Any]:
        async with web.serve(_get(web, endpoint)) as served:
            return await _ask_all(served.client)

    assert web.run(main) == EXPECTED


def test_in_a_background_task(web: Web) -> None:
    """After the response has been sent."""
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse

    results: dict[str, Any] = {}
    all_done = sync.Event()

    async def work(name: str) -> None:
        results[name] = await WORK[name][0]()
        if len(results) == len(WORK):
            all_done.set()

    async def endpoint(request: Any) -> Any:
        return PlainTextResponse("", background=BackgroundTask(work, request.query_params["name"]))

    async def main() -> dict[str, Any]:
        async with web.serve(_get(web, endpoint)) as served:
            for name in WORK:
                await served.client.get("/work", params={"name": name})
            await all_done.wait()
        return results

    assert web.run(main) == EXPECTED


def test_in_a_websocket(web: Web) -> None:
    """An endpoint that lives as long as its connection; what it awaits races with the client."""
    from starlette.routing import WebSocketRoute
    from websockets.asyncio.client import connect

    async def endpoint(socket: Any) -> None:
        await socket.accept()
        async for name in socket.iter_text():
            await socket.send_json(await WORK[name][0]())

    async def main() -> dict[str, Any]:
        async with web.serve(_starlette(web, WebSocketRoute("/", endpoint))) as served:
            host, port = served.address
            got = {}
            async with connect(f"ws://{host}:{port}/", proxy=None) as connection:
                for name in WORK:
                    await connection.send(name)
                    got[name] = json.loads(await connection.recv())
            return got

    assert web.run(main) == EXPECTED


def test_in_a_dependency_and_an_endpoint_of_fastapi(web: Web) -> None:
    """A dependency that yields holds something for as long as the request takes."""
    import fastapi

    app = fastapi.FastAPI(lifespan=web.lifespan)
    limit = sync.Semaphore(1)

    async def slot() -> AsyncIterator[str]:
        async with limit:
            yield await rescind.race(slow(), quick("slot"))

    @app.get("/work")
    async def endpoint(name: str, held: str = fastapi.Depends(slot)) -> Any:
        assert held == "slot"
        return await WORK[name][0]()

    async def main() -> dict[str, Any]:
        async with web.serve(app) as served:
            return await _ask_all(served.client)

    assert (web.run(main), limit.available) == (EXPECTED, 1)


def test_a_whole_application_under_one_timeout(web: Web) -> None:
    """An ASGI application is a coroutine: polled by us, it can have deadlines and shields."""
    import fastapi
    from starlette.responses import PlainTextResponse

    app = fastapi.FastAPI(lifespan=web.lifespan)
    gone: list[str] = []

    @app.get("/work")
    async def endpoint(name: str) -> Any:
        async with rescind.deadline(10):
            with rescind.shielded():
                return await WORK[name][0]()

    @app.get("/late")
    async def late() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation as exc:
            await asyncio.sleep(0)
            gone.append(exc.reason.chain()[-1].kind.value)
            raise

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        try:
            await rescind.timeout(app(scope, receive, send), 0.05 if "late" in scope["path"] else 9)
        except rescind.TimedOut as exc:
            await PlainTextResponse(str(exc), 504)(scope, receive, send)

    async def main() -> list[Any]:
        async with web.serve(limited) as served:
            answers = await asyncio.gather(*[served.client.get("/late") for _ in range(3)])
            work = await _ask_all(served.client)
            return [[(one.status_code, one.text) for one in answers], work]

    assert web.run(main) == [[(504, "timed out after 0.05 s")] * 3, EXPECTED]
    assert gone == ["deadline"] * 3


def test_tasks_of_the_runtime_outlive_the_request_that_began_them(web: Web) -> None:
    """Detached, joined by another request, canceled by a third; the errors are their joiners'."""
    import fastapi

    app = fastapi.FastAPI(lifespan=web.lifespan)
    jobs: dict[str, rescind.Task[str]] = {}

    async def job(kind: str) -> str:
        await rescind.sleep(0.001)
        if kind == "fails":
            raise ValueError("in the job")
        return await (quick(kind) if kind == "ends" else slow())

    @app.post("/jobs/{kind}")
    async def begin(kind: str) -> str:
        jobs[kind] = rescind.spawn(job(kind), name=f"job {kind}")
        if kind == "forgotten":
            jobs.pop(kind).detach()
        return "begun"

    @app.get("/jobs/{kind}")
    async def see(kind: str) -> str:
        return repr(await jobs[kind].join()).partition("(")[0]

    @app.delete("/jobs/{kind}")
    async def stop(kind: str) -> str:
        return type(await jobs[kind].cancel("not needed")).__name__

    async def main() -> list[Any]:
        async with web.serve(app) as served:
            for kind in ("ends", "fails", "hangs", "forgotten"):
                await served.client.post(f"/jobs/{kind}")
            assert web.runtime is not None
            got = [task.name for task in web.runtime.tasks() if task.name.startswith("job")]
            seen = [served.client.get(f"/jobs/{kind}") for kind in ("ends", "fails", "hangs")]
            stop_it = served.client.delete("/jobs/hangs")
            got += [answer.json() for answer in await asyncio.gather(*seen, stop_it)]
            if not web.attached:
                with contextlib.suppress(StopIteration):
                    next(t for t in web.runtime.tasks() if t.name == "job forgotten").cancel()
        return got

    got = web.run(main)
    assert got[-4:] == ["Completed", "Error", "Canceled", "Canceled"]
    assert {"job hangs", "job forgotten"} <= set(got[:-4])
    if web.attached:
        assert web.runtime is not None
        assert web.runtime.report is not None
        assert web.runtime.report.canceled == 1
