"""HTTP from outside: wrk loads an aiohttp server in the peer's loop, for a second a sample.

What counts is the server's own time, so that wrk's is not in it; by ``--clock wall`` it is a second
divided by the requests that were answered. In ``served_timeout`` the handler works under a timeout.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from typing import Final

from bench.drivers import Unavailable
from bench.subject import Subject, Watch
from bench.subjects.echo import Guard, Work, plain

SUBJECTS: Final = (
    # Not in the smoke run: wrk knows no less than a second.
    Subject("served", "a request of wrk's", size=1, growth=(), smoke=0, args=(False,)),
    Subject(
        "served_timeout",
        "the same, its work under a timeout",
        size=1,
        growth=(),
        smoke=0,
        args=(True,),
    ),
)

PATIENCE: Final = 5.0


async def on_rescind(watch: Watch, n: int, timed: bool) -> int:
    import rescind

    async def timeout(work: Work) -> None:
        await rescind.timeout(work(), PATIENCE)

    return await _served(watch, n, timeout if timed else plain)


async def on_asyncio(watch: Watch, n: int, timed: bool) -> int:
    async def timeout(work: Work) -> None:
        async with asyncio.timeout(PATIENCE):
            await work()

    return await _served(watch, n, timeout if timed else plain)


async def _served(watch: Watch, n: int, guard: Guard) -> int:
    from aiohttp import web

    wrk = shutil.which("wrk")
    if wrk is None:
        raise Unavailable("wrk is not installed")

    async def work() -> None:
        await asyncio.sleep(0)

    async def handle(_request: web.Request) -> web.Response:
        await guard(work)
        return web.Response(body=b"ok")

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    command = [wrk, "-t1", "-c20", f"-d{n}s", url]
    loop = asyncio.get_running_loop()
    with watch:
        text = await loop.run_in_executor(None, _output, command)
    await runner.cleanup()
    found = re.search(r"(\d+) requests in", text)
    if found is None:
        raise RuntimeError(f"wrk said nothing of requests: {text!r}")
    return int(found[1])


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
