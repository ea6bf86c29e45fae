"""A web application served by a real uvicorn, under asyncio and inside a task of ours.

*What it is.* `Web` runs a test's program on a loop, either as asyncio's own task, where the
application attaches a runtime for its lifespan, or inside a task of ours, where it has one. Nothing
may be left when it ends: no task of either kind, no error of the loop, no line in uvicorn's log.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import rescind
from tests.ecosystem.kit import Loop, note_reports

__all__ = ["DRIVERS", "Served", "Web"]

DRIVERS = [
    f"{driver}-{loop}" for driver in ("attached", "inside") for loop in ("asyncio", "uvloop")
]
#: How long anything may take, in seconds.
PATIENCE = 60.0


@dataclass
class Served:
    """A server that runs.

    Attributes:
        server: uvicorn's.
        task: that which serves: asyncio's, or one of ours.
        client: an httpx client.
        address: host and port.
    """

    server: Any
    task: Any
    client: Any
    address: tuple[str, int]

    async def end(self) -> None:
        """Stop serving, as uvicorn does at a SIGINT; return when it has."""
        self.server.should_exit = True
        await self.task


@dataclass
class Web:
    """One driver on one loop.

    Attributes:
        attached: is the server asyncio's task, and the runtime attached in the lifespan?
        loop: the kind of loop.
        runtime: that of the lifespan, the latest.
        reported: what the loop was told of, and what is left.
    """

    attached: bool
    loop: Loop
    runtime: rescind.Runtime | None = None
    reported: list[str] = field(default_factory=list[str])

    def run(self, main: Callable[[], Awaitable[Any]], *, said: tuple[str, ...] = ()) -> Any:
        """Run the program; fail if anything was reported but what is ``said``, or is left."""
        log = _Log(self.reported)
        logging.getLogger("uvicorn.error").addHandler(log)
        logging.getLogger("rescind").addHandler(log)
        try:
            if self.attached:
                factory = None
                if self.loop == "uvloop":
                    import uvloop

                    factory = uvloop.new_event_loop
                with asyncio.Runner(loop_factory=factory) as runner:
                    result = runner.run(self._watched(main))
            else:
                result = rescind.run(self._watched, main, host=self.loop)
        finally:
            logging.getLogger("uvicorn.error").removeHandler(log)
            logging.getLogger("rescind").removeHandler(log)
        assert self.reported == [f"logged: {line}" for line in said]
        return result

    async def _watched(self, main: Callable[[], Awaitable[Any]]) -> Any:
        note_reports(self.reported)
        async with asyncio.timeout(PATIENCE):
            result = await main()
        for _ in range(3):
            await asyncio.sleep(0)  # transports that were closed say so
        left: list[object] = [*(asyncio.all_tasks() - {asyncio.current_task()})]
        if self.attached:
            assert self.runtime is not None
            left += self.runtime.tasks()
        else:
            left += [task for task in rescind.current_runtime().tasks() if task.name != "main"]
        self.reported += [f"left: {one!r}" for one in left]
        return result

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Attach a runtime, as an application does."""
        if not self.attached:
            self.runtime = rescind.current_runtime()
            yield
            return
        async with rescind.Runtime.attach(name="lifespan") as runtime:
            self.runtime = runtime
            yield

    @contextlib.asynccontextmanager
    async def serve(self, app: Any, **options: Any) -> AsyncIterator[Served]:
        """Serve on a free port until the block is left."""
        import httpx
        import uvicorn

        listening = socket.create_server(("127.0.0.1", 0))
        host, port = listening.getsockname()
        # A connection that was idle for seconds is one that a client may just be about to use.
        usual = {"ws": "websockets-sansio", "timeout_keep_alive": 3600}
        config = uvicorn.Config(app, lifespan="on", log_config=None, **{**usual, **options})
        server = uvicorn.Server(config)
        with listening:
            serving = server.serve(sockets=[listening])
            task: Any
            if self.attached:
                task = asyncio.get_running_loop().create_task(serving)
            else:
                task = rescind.spawn(serving, name="uvicorn")
            try:
                async with httpx.AsyncClient(
                    base_url=f"http://{host}:{port}", trust_env=False, timeout=PATIENCE
                ) as client:
                    yield Served(server, task, client, (host, port))
            finally:
                server.should_exit = True
                await task


class _Log(logging.Handler):
    """Note what is logged as a warning, or worse."""

    def __init__(self, reported: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.reported = reported

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self.reported.append(f"logged: {record.getMessage().strip()}")
