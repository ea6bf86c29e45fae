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
from bench.subjects.guards import Guard, asyncio_guard, rescind_guard
from bench.subjects.http import served

SUBJECTS: Final = (
    # Not in the smoke run: wrk knows no less than a second.
    Subject("served", "a request of wrk's", size=1, growth=(), smoke=0, args=("plain",)),
    Subject(
        "served_timeout",
        "the same, its work under a timeout",
        size=1,
        growth=(),
        smoke=0,
        args=("timeout",),
    ),
)


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    return await _served(watch, n, rescind_guard(kind))


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    async with asyncio_guard(kind) as guard:
        return await _served(watch, n, guard)


async def _served(watch: Watch, n: int, guard: Guard) -> int:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Unavailable("wrk is not installed")

    async def work() -> None:
        await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    async with served(guard, work) as url:
        command = [wrk, "-t1", "-c20", f"-d{n}s", url]
        with watch:
            text = await loop.run_in_executor(None, _output, command)
    found = re.search(r"(\d+) requests in", text)
    if found is None:
        raise RuntimeError(f"wrk said nothing of requests: {text!r}")
    return int(found[1])


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
