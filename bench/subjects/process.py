"""A process: what importing adds to `import asyncio`, and a whole program that does nothing.

``import_time`` is what ``-X importtime`` says of the package, the least of five; of asyncio itself,
what it says of that. ``start_up`` starts an interpreter that runs an empty async function. Both
find their modules compiled to bytecode, in a cache of the benchmark's own.
"""

from __future__ import annotations

import atexit
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from time import perf_counter
from typing import Final

from bench.subject import Subject, Watch

SUBJECTS: Final = (
    Subject(
        "import_time",
        "an import, beside asyncio's",
        size=1,
        growth=(),
        smoke=1,
        args=("import",),
        clock="wall",
    ),
    Subject(
        "start_up",
        "a program that does nothing",
        size=1,
        growth=(),
        smoke=1,
        args=("run",),
        clock="wall",
    ),
)

#: Imports of which the shortest counts: whatever else the machine does makes them longer.
IMPORTS: Final = 5

_EMPTY: Final = "async def main(): pass\n"
_PROGRAMS: Final = {
    "rescind": f"import rescind\n{_EMPTY}rescind.run(main)",
    "asyncio": f"import asyncio\n{_EMPTY}asyncio.run(main())",
    "uvloop": f"import uvloop\n{_EMPTY}uvloop.run(main())",
    "rloop": "import asyncio, rloop\n"
    f"{_EMPTY}with asyncio.Runner(loop_factory=rloop.new_event_loop) as r: r.run(main())",
    "trio": f"import trio\n{_EMPTY}trio.run(main)",
    "anyio": f"import anyio\n{_EMPTY}anyio.run(main)",
    "curio": f"import curio\n{_EMPTY}curio.run(main)",
}


async def on_rescind(watch: Watch, n: int, kind: str) -> int:
    return _measure(watch, n, kind, "rescind")


async def on_asyncio(watch: Watch, n: int, kind: str) -> int:
    import asyncio

    package = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    return _measure(watch, n, kind, package)


async def on_trio(watch: Watch, n: int, kind: str) -> int:
    return _measure(watch, n, kind, "trio")


async def on_anyio(watch: Watch, n: int, kind: str) -> int:
    return _measure(watch, n, kind, "anyio")


async def on_curio(watch: Watch, n: int, kind: str) -> int:
    return _measure(watch, n, kind, "curio")


def _measure(watch: Watch, n: int, kind: str, package: str) -> int:
    for _ in range(n):
        if kind == "import":
            seconds = min(_imported(package) for _ in range(IMPORTS))
            watch.add(seconds, seconds)
        else:
            command, environment = [sys.executable, "-c", _PROGRAMS[package]], _environment()
            before = _children()
            at = perf_counter()
            subprocess.run(command, check=True, env=environment)
            watch.add(perf_counter() - at, _children() - before)
    return n


def _imported(package: str) -> float:
    program = "import asyncio" if package == "asyncio" else f"import asyncio, {package}"
    command = [sys.executable, "-X", "importtime", "-c", program]
    environment = _environment()
    said = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stderr
    times = re.findall(rf"^import time: +\d+ \| +(\d+) \| {package}$", said, re.MULTILINE)
    return int(times[-1]) * 1e-6


@cache
def _environment() -> dict[str, str]:
    """Return one in which bytecode is kept; the first run, which is not measured, writes it."""
    kept = tempfile.mkdtemp(prefix="bench-bytecode-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": kept}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
