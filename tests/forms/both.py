"""Plays programs in whatever form the core has here, and writes down all that can be told of it.

*What it is.* A program of its own (``python -m tests.forms.both``): it reads pickled runs from its
standard input, and writes a line of JSON for each. `test_differential` runs it once per form.

*What it is not.* A judge. What differs from process to process, addresses, is left out here; the
rest is compared byte by byte.
"""

import json
import logging
import os
import pickle
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rescind
from rescind import Canceled, Completed, Error
from rescind._core.current import local
from rescind._core.form import compiled
from rescind._core.reason import CancelReason
from rescind.lowlevel import ManualHost
from rescind.runtime import Runtime
from rescind.testing.laws import Machine, Play, Setting, play
from rescind.testing.laws.program import Program
from rescind.testing.laws.virtual_loop import virtual_loop
from rescind.trace import Recorder, dump_data

HOSTS: dict[str, Callable[[], Any]] = {"manual": ManualHost, "asyncio": lambda: virtual_loop}

#: Where the package is.
FILES = str(Path(rescind.__file__).parents[1]) + os.sep

#: What an exception that is raised at an await passes through.
PARKS = re.compile(r'File "rescind/_core/(poll\.py|_native\.pyx)"')

#: When a program that still runs is canceled, as one that hangs: in virtual seconds.
HORIZON = 1000.0


@dataclass(frozen=True)
class Run:
    """What is played: in the lab with its setting, on the hosts canceled from a task beside it.

    Attributes:
        program: a tree of nodes.
        setting: the order of tasks in the lab, and the cancellations there.
        grace: for cleanups, in seconds; None: unbounded; 0: what is canceled is dropped.
        yields: on a host, when the task beside it has yielded so often, the program is canceled;
            None: it is not.
    """

    program: Program
    setting: Setting
    grace: float | None
    yields: int | None


def told(value: Any) -> Any:
    """Return an outcome, or what is in one, as data: words, places, ids, times, tracebacks."""
    if isinstance(value, Completed):
        return ["completed", told(value.value)]  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(value, Error):
        return ["error", told(value.exception), [told(one) for one in value.also]]
    if isinstance(value, Canceled):
        also = [told(one) for one in value.also]
        return ["canceled", told(value.reason), also, value.dropped, value.abandoned]
    if isinstance(value, CancelReason):
        return [str(value), repr(value)]
    if isinstance(value, BaseException):
        return words("".join(traceback.format_exception(value)))
    if isinstance(value, tuple | list):
        items: Any = value  # pyright: ignore[reportUnknownVariableType]
        return [told(one) for one in items]
    return repr(value)


def words(shown: str) -> list[str]:
    """Return the lines of a text with tracebacks, but for what differs on purpose.

    Compiled code has neither source nor columns, names its files as they are on the path, and has
    no generator in an await (PARKS).
    """
    lines: list[str] = []
    own = False
    for line in shown.replace(FILES, "").splitlines():
        if "  File " in line:
            own = 'File "rescind/' in line
        if PARKS.search(line):
            continue
        source = own and "  File " not in line and line.startswith("    ")
        if source or not set(line) - set(" |^~"):
            continue
        lines.append(line)
    return lines


def of_machine(world: Machine) -> dict[str, Any]:
    """Return what a world has noted."""
    return {
        "trace": [[one.what, one.task, one.step, one.sheltered] for one in world.trace],
        "finalizers": [[one.begun, one.ended, told(one.saw)] for one in world.finalizers],
        "raised": told(world.raised),
        "open": [repr(one) for one in world.open.values()],
        "items": [world.sent, world.received, world.undelivered],
        "primitives": [repr(world.mutex), repr(world.semaphore), repr(world.sender)],
    }


def of_play(seen: Play) -> dict[str, Any]:
    """Return how a run in the lab went."""
    return {
        "outcome": told(seen.outcome),
        "at": repr(seen.at),
        "stuck": [seen.stuck, seen.hung],
        "left": seen.left,
        "choices": seen.choices,
        "struck": [[repr(one), number] for one, number in seen.struck],
        "reasons": told(seen.reasons),
        "machine": of_machine(seen.machine),
    }


@contextmanager
def recorded(now: Callable[[], float]) -> Iterator[dict[str, Any]]:
    """Record the block: every event with its time, the story of it, and what was logged."""
    found: dict[str, Any] = {}
    lines: list[list[str]] = []
    written = logging.Formatter("%(levelname)s %(message)s")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(words(written.format(record)))  # type: ignore[method-assign]
    log = logging.getLogger("rescind")
    log.addHandler(handler)
    log.propagate = False
    recorder = Recorder(clock=lambda: int(now() * 1e9))
    try:
        with recorder:
            yield found
    finally:
        log.removeHandler(handler)
        log.propagate = True
    trace = recorder.trace()
    tokens: dict[int, int] = {}
    events = [list(event) for event in trace.events]
    for event in events:
        if event[1] == "token_canceled":
            event[2] = tokens.setdefault(event[2], len(tokens))  # for its address
    found["events"] = events
    found["logged"] = lines


def in_lab(run: Run) -> dict[str, Any]:
    """Play it in the lab."""

    def now() -> float:
        return 0.0 if local.executor is None else local.executor.now()

    with recorded(now) as found:
        seen = play(run.program, run.setting, grace=run.grace)
    found.update(of_play(seen))
    return found


async def _main(world: Machine, run: Run) -> list[Any]:
    """Run the program, cancel it if that is wanted, and if it hangs; say how it went."""
    task = rescind.spawn(world.run(run.program), name="program")
    if run.yields is not None:
        for _ in range(run.yields):
            await rescind.yield_now()
        task.cancel("r")
    seen: list[Any] = [dump_data(), str(task.explain())]
    for _ in range(2):  # what hangs may hang in its cleanup too
        try:
            await rescind.timeout(task.join(), HORIZON)
            break
        except rescind.TimedOut as exc:
            request = task.cancel("stuck")
            seen += [dump_data(), str(task.explain()), told(exc), told(request.reason)]
    return [told(task.outcome()), told(task.cancel_reasons), repr(task), seen]


def on_host(make: Callable[[], Any], run: Run) -> dict[str, Any]:
    """Play it on a host whose time is virtual."""
    world = Machine()
    with (
        Runtime(host=make(), name="it", grace=run.grace) as runtime,
        recorded(runtime.now) as found,
    ):
        found["main"] = runtime.block_on(_main(world, run))
        found["at"] = repr(runtime.now())
        try:
            found["report"] = repr(runtime.shutdown("the run is over"))
        except rescind.Deadlock as exc:  # what hangs in its cleanup is dropped
            found["report"] = [str(exc), repr(runtime.shutdown(grace=0))]
        found["statistics"] = repr(runtime.statistics())
    found["machine"] = of_machine(world)
    return found


def main() -> None:
    """Play what comes in."""
    runs: list[Run] = pickle.load(sys.stdin.buffer)
    print(json.dumps({"compiled": compiled}))
    for run in runs:
        seen = {"lab": in_lab(run)}
        seen |= {name: on_host(make, run) for name, make in HOSTS.items()}
        print(re.sub("0x[0-9a-f]+", "0x…", json.dumps(seen, ensure_ascii=False)))


if __name__ == "__main__":
    main()
