"""Runs programs one after the other in one process, in one way, and says what each has printed.

``python -m tests.programs.batch WAY PROGRAM...``; what it prints is a list, as JSON.
"""

import asyncio
import contextlib
import gc
import io
import json
import runpy
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

import rescind
from rescind.cli.app import main as command

__all__ = ["WAYS"]


def _by_python(path: str) -> object:
    return runpy.run_path(path, run_name="__main__")


def _by_rescind_run(path: str) -> object:
    return command(["run", path])


def _by_run(path: str) -> object:
    return rescind.run(runpy.run_path(path)["main"]())


def _by_run_on_uvloop(path: str) -> object:
    return rescind.run(runpy.run_path(path)["main"](), host="uvloop")


def _by_asyncio_on_uvloop(path: str) -> object:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(runpy.run_path(path)["main"]())


WAYS: Final[dict[str, Callable[[str], object]]] = {
    "python": _by_python,
    "rescind run": _by_rescind_run,
    "rescind.run": _by_run,
    "rescind.run on uvloop": _by_run_on_uvloop,
    "asyncio on uvloop": _by_asyncio_on_uvloop,
}


def run(path: str, way: Callable[[str], object]) -> dict[str, Any]:
    """Run one program; return what it has printed, and how it ended."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys_path = sys.argv[:], sys.path[:]  # as a program sees them, they are its own
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            ended = way(path)
        except BaseException:
            ended = traceback.format_exc()
        gc.collect()
    sys.argv[:], sys.path[:] = argv, sys_path
    failed = ended if isinstance(ended, str) or ended == 1 else None
    return {"out": out.getvalue(), "err": err.getvalue(), "failed": failed}


if __name__ == "__main__":
    chosen, programs = WAYS[sys.argv[1]], sys.argv[2:]
    print(json.dumps([run(path, chosen) for path in programs]))
