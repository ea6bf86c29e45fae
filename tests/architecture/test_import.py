"""What `import rescind` imports: each module is paid by every program, used or not."""

import subprocess
import sys

#: Beside `asyncio` and what that imports; which of them depends on the version and the form.
THEIRS = {"__future__", "_interpreters", "_xxsubinterpreters", "cython_runtime"}

OURS = {
    "": "_lazy _version combinators combinators.children combinators.timeout tasks tasks.current "
    "tasks.owned time _core _host",
    "_core.": "cell closing coroutine counts current deadline dropping ending engine errors "
    "executor fifo form frames grace handle hooks hostport into intofuture outcome "
    "phase poll port reason record region resources scope task timers waitlist watched",
    "_host.": "asyncio bridge current_task driven identity task_group ticks to_asyncio",
}

#: Of the compiled form alone.
COMPILED = {"rescind._core._native", "rescind._core.vigil", "rescind._host._stock"}

PROGRAM = """
import asyncio, sys
known = set(sys.modules)
import rescind
print(*sorted(set(sys.modules) - known))
"""


def test_an_import_brings_nothing_that_not_every_program_needs() -> None:
    """No `dataclasses` above all, and nothing of ours that is for some: those are imported later.

    A module that has to come in addition is added to the list, and to the time of each start.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    found = {name for name in done.stdout.split() if not name.startswith("_cython_")}
    ours = {f"rescind.{at}{name}" for at, names in OURS.items() for name in names.split()}
    assert set() == found - THEIRS - ours - COMPILED - {"rescind"}
