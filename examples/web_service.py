"""A web service whose requests have a deadline, and whose database reads are hedged.

`rescind run examples/web_service.py`, or `python examples/web_service.py`; it needs fastapi,
uvicorn, aiosqlite and httpx.

FastAPI and uvicorn run it as they run any service, on asyncio's own loop and in its own tasks. What
rescind adds stands in four places:

* `Limits`, a middleware: a request that takes too long is answered with 504, one whose client has
  gone is ended. Whatever it was doing is canceled, and has cleaned up, before it is over.
* `Service.read`: if the near replica does not answer soon, the far one is asked as well. The first
  answer wins, and the other query is stopped in the database.
* `Replica.connection`: a canceled query gives its connection back, fit for the next one.
* `lifespan`: a runtime for as long as the service runs. Its tasks outlive the requests; when the
  service ends they are canceled, and have the time to save what they hold.

The program serves it in a thread, is its client, and shows what the service saw.
"""

import asyncio
import contextlib
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import fastapi
import httpx
import uvicorn
from starlette.responses import JSONResponse

import rescind
from rescind import sync

REQUEST_DEADLINE = 1.0  # seconds
HEDGE = 0.05  # seconds before the far replica is asked, too
CONNECTIONS = 3  # in each replica's pool
ITEMS = 12

#: Reads an item, and is as slow as the replica that is asked: a row of `steps` takes 5 ms.
QUERY = """
    WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps WHERE n < ?)
    SELECT name, (SELECT count(pause()) FROM steps) FROM items WHERE id = ?
"""
STEP = 0.005

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


# -- each request: a deadline, and a client that may leave ----------------------------------------


class Limits:
    """ASGI middleware: ends a request at its deadline, or when its client has gone.

    What is to go on after the answer is spawned, as `Service.view` is.
    """

    def __init__(self, app: Any, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sender, receiver = sync.channel[Message](1)

        async def client_gone() -> None:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                await sender.send(message)  # a part of the body: for the application

        try:
            answered = self.app(scope, receiver.recv, send)
            await rescind.timeout(rescind.race(answered, client_gone()), self.seconds)
        except rescind.TimedOut as error:
            await JSONResponse({"detail": str(error)}, 504)(scope, receive, send)


# -- the database ----------------------------------------------------------------------------------


@dataclass
class Replica:
    """A database with a pool of connections, and what it saw."""

    name: str
    lag: Callable[[int], float]  # item -> seconds that it takes to read it
    idle: list[aiosqlite.Connection] = field(default_factory=list[aiosqlite.Connection])
    slots: sync.Semaphore = field(default_factory=lambda: sync.Semaphore(CONNECTIONS))
    answered: int = 0
    stopped: int = 0

    @contextlib.asynccontextmanager
    async def opened(self, path: Path) -> AsyncGenerator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(CONNECTIONS):
                connection = await stack.enter_async_context(aiosqlite.connect(path))
                pause: Callable[..., object] = partial(time.sleep, STEP)
                await connection.create_function("pause", 0, pause)  # pyright: ignore[reportUnknownMemberType]
                self.idle.append(connection)
            yield

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[aiosqlite.Connection]:
        """Lend a connection; whoever is canceled gives it back when its query has ended."""
        async with self.slots:
            connection = self.idle.pop()
            try:
                yield connection
            except asyncio.CancelledError:  # a rescind.Cancellation is one
                # The rollback waits in the connection's thread, behind the query.
                await rescind.race(connection.rollback(), interrupting(connection))
                self.stopped += 1
                raise
            finally:
                self.idle.append(connection)

    async def item(self, number: int) -> dict[str, str]:
        steps = max(1, round(self.lag(number) / STEP))
        async with self.connection() as connection:
            rows = list(await connection.execute_fetchall(QUERY, (steps, number)))
        self.answered += 1
        return {"name": rows[0][0], "from": self.name}


async def interrupting(connection: aiosqlite.Connection) -> None:
    """Interrupt what runs, again and again: the query may not have begun yet."""
    async for _ in rescind.interval(STEP):
        await connection.interrupt()


# -- the service -----------------------------------------------------------------------------------


async def after(seconds: float, read: Callable[[int], Awaitable[Any]], number: int) -> Any:
    await rescind.sleep(seconds)
    return await read(number)


class Service:
    """The application, and what it works with."""

    def __init__(self) -> None:
        # The near one is fast, but stalls on every third item; nobody has the last one soon.
        self.near = Replica("near", lambda item: 30 if item % 3 == 0 or item == ITEMS else 0.01)
        self.far = Replica("far", lambda item: 30 if item == ITEMS else 0.06)
        self.seen: sync.Sender[int] | None = None  # there while it runs
        self.views: Counter[int] = Counter()
        self.saved: dict[int, int] = {}
        self.shutdown: rescind.ShutdownReport | None = None
        app = fastapi.FastAPI(lifespan=self.lifespan)
        app.get("/items/{number}")(self.read)
        app.get("/pools")(self.pools)
        self.app = Limits(app, REQUEST_DEADLINE)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: fastapi.FastAPI) -> AsyncGenerator[None]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "items.db")
            async with (
                aiosqlite.connect(path) as primary,
                self.near.opened(path),
                self.far.opened(path),
                rescind.Runtime.attach(name="web service") as runtime,
            ):
                await primary.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name, views)")
                rows = [(number, f"item {number}", 0) for number in range(ITEMS + 1)]
                await primary.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
                await primary.commit()
                self.seen, seen = sync.unbounded[int]()
                runtime.spawn(self.count(seen, primary), name="count views")
                yield
        self.shutdown = runtime.report

    async def read(self, number: int) -> dict[str, str]:
        """Ask the near replica, and the far one too if that takes long; the first answer wins."""
        item: dict[str, str] = await rescind.race_ok(
            self.near.item(number), after(HEDGE, self.far.item, number)
        )
        assert self.seen is not None
        self.seen.send_nowait(number)
        return item

    async def pools(self) -> dict[str, dict[str, int]]:
        return {
            one.name: {"idle": len(one.idle), "answered": one.answered, "stopped": one.stopped}
            for one in (self.near, self.far)
        }

    async def count(self, seen: sync.Receiver[int], primary: aiosqlite.Connection) -> None:
        """Count views, until the service ends; then save them: cleanup may await."""
        try:
            async for number in seen:
                self.views[number] += 1
        finally:
            rows = [(views, number) for number, views in self.views.items()]
            await primary.executemany("UPDATE items SET views = ? WHERE id = ?", rows)
            await primary.commit()
            saved = await primary.execute_fetchall("SELECT id, views FROM items WHERE views > 0")
            self.saved = {row[0]: row[1] for row in saved}


# -- a client --------------------------------------------------------------------------------------


@dataclass
class Report:
    """What the client and the service saw."""

    service: Service
    items: list[httpx.Response] = field(default_factory=list[httpx.Response])
    late: httpx.Response | None = None
    left: rescind.Outcome[httpx.Response] | None = None
    pools: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """Serve in a thread with a loop of its own, as `uvicorn module:app` would in a process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        config = uvicorn.Config(app, log_level="warning", lifespan="on", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            await rescind.shield(asyncio.to_thread(thread.join))


async def at_rest(client: httpx.AsyncClient) -> dict[str, dict[str, int]]:
    """Wait until every connection is back in its pool; return what the service says then."""
    async for _ in rescind.interval(0.01):
        pools: dict[str, dict[str, int]] = (await client.get("/pools")).json()
        if all(pool["idle"] == CONNECTIONS for pool in pools.values()):
            return pools
    raise AssertionError


async def collect() -> Report:
    report = Report(Service())
    async with served(report.service.app) as url:
        async with httpx.AsyncClient(base_url=url, timeout=None, trust_env=False) as client:
            report.items += await rescind.join(*(client.get(f"/items/{n}") for n in range(ITEMS)))
            report.late = await client.get(f"/items/{ITEMS}")
            # A client that loses patience closes its connection: the service need not go on.
            impatient = rescind.timeout(client.get(f"/items/{ITEMS}"), REQUEST_DEADLINE / 4)
            (report.left,) = await rescind.outcomes(impatient)
            report.pools = await rescind.timeout(at_rest(client), 10)
    return report


async def main() -> None:
    report = await collect()
    by = Counter(response.json().get("from") for response in report.items)
    print(
        f"{len(report.items)} items: {by['near']} from the near replica, {by['far']} from the far"
    )
    assert report.late is not None
    print(f"the deadline: {report.late.status_code} {report.late.json()['detail']}")
    if isinstance(report.left, rescind.Error):
        print(f"the client that left: {report.left.exception}; the service has let go of it")
    for name, pool in report.pools.items():
        words = f"{pool['answered']} answers, {pool['stopped']} queries stopped"
        print(f"pool {name}: {words}, {pool['idle']} of {CONNECTIONS} connections idle")
    print(f"views saved at the end: {sum(report.service.saved.values())}")
    shutdown = report.service.shutdown
    assert shutdown is not None
    print(f"the service's runtime: {shutdown.canceled} task canceled, all clean: {shutdown.clean}")


if __name__ == "__main__":
    rescind.run(main)
