"""What `import rescind` imports: each module is paid by every program, used or not."""

import subprocess
import sys

#: Beside `asyncio` and what that imports; which of them depends on the version and the form.
THEIRS = {"__future__", "gc", "_interpreters", "_xxsubinterpreters", "cython_runtime"}

#: By package; what is imported is the part of each program's start that is ours.
OURS = {
    "": "_lazy _core",
    "_core.": "cell closing coroutine current dependent dropping ending errors "
    "form frames grace hooks intofuture outcome "
    "phase poll reason record region scope site straight task uncopied waitlist watched",
}

#: What a program needs beside that to run a coroutine in which nothing of ours is used.
TO_RUN = {
    "": "_host _lifetime _report _shutdown _warn runtime",
    "_core.": "counts engine executor fifo into port resources timers vigil",
    "_host.": "asyncio choice current_task ending identity signals task_group ticks",
    "_warn.": "collecting settings watch",
}

#: Of the compiled form alone.
COMPILED = {"rescind._core._native", "rescind._core.engine", "rescind._core.vigil"}
COMPILED |= {"rescind._core.port", "rescind._host._loop", "rescind._host._stock"}

IMPORT = """
import asyncio, sys
known = set(sys.modules)
import rescind
print(*sorted(set(sys.modules) - known))
"""

RUN = """
import asyncio, sys
async def main(): pass
asyncio.run(main())
known = set(sys.modules)
import rescind
rescind.run(main())
print(*sorted(set(sys.modules) - known))
"""


def _brought(program: str) -> set[str]:
    """Return the modules that a program prints, without those that are not ours to choose."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = {name for name in done.stdout.split() if not name.startswith("_cython_")}
    return found - THEIRS - COMPILED - {"rescind"}


def _named(*lists: dict[str, str]) -> set[str]:
    return {
        f"rescind.{at}{name}"
        for names in lists
        for at, listed in names.items()
        for name in listed.split()
    } - COMPILED


def test_an_import_brings_nothing_that_not_every_program_needs() -> None:
    """No `dataclasses` above all, and nothing of ours that is for some: those are imported later.

    A module that has to come in addition is added to the list, and to the time of each start.
    """
    assert _named(OURS) >= _brought(IMPORT)


def test_a_run_brings_nothing_that_is_for_what_goes_wrong() -> None:
    """Reports, words of warnings, other hosts: who needs them imports them."""
    assert _named(OURS, TO_RUN) >= _brought(RUN)
