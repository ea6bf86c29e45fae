#!/usr/bin/env python3
"""Measure how libraries survive each way of being canceled, and write docs/cancel-safety.md.

    cancel_safety.py [--print] [WORD]    WORD: only the scenarios with it in their names, printed

Runs the scenarios of tests/ecosystem, each canceled at each of its suspensions in each way. A
scenario whose library or server is missing is left out, and said to be.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from tests.ecosystem import servers  # noqa: E402  # found by the path above
from tests.ecosystem.kit import WAYS, Point, Scenario, cancel_at_every_yield  # noqa: E402
from tests.ecosystem.scenarios import SCENARIOS  # noqa: E402

PAGE = ROOT / "docs" / "cancel-safety.md"
#: How often a scenario is run whose library is at fault itself, now and then: it races.
REPEATED = 30
HEAD = """\
# How libraries survive cancellation

*Written by `make cancel-safety`, which measures it; do not edit.*

Each line is one use of a library against a real server on the loopback. It is run once for each
place where it suspends, canceled there, with everything opened anew. *Bad* is a run after which
the client, pool or connection is not as good as new (a slot is lost, a transaction is left open,
the answer is another request's), or in which something was reported: a warning, an error that
nobody took, an error in the cleanup. The cells are *bad runs / runs*. Where the library races
against a server or a thread, everything is run thirty times.

| column | who cancels |
|---|---|
| asyncio | `asyncio.Task.cancel()`, once |
| asyncio, twice | the same, and once more at the next suspension, as two nested timeouts do |
| anyio | an `anyio.CancelScope`, which cancels again each tick |
| close | nobody awaits the cleanup: rescind with `grace=0`, which closes the coroutine |
| rescind | `rescind.Task.cancel()` |
| rescind, a branch | a `rescind.race` that another branch has won |
| asyncio, twice, a race | as asyncio twice, but the use is awaited through `rescind.race(…)` |
| anyio, a race | as anyio, but the use is awaited through `rescind.race(…)` |

The last two are programs that asyncio runs, without a runtime of rescind: a combinator around a
call drains it, however often it is canceled.

"""
WHY = """
## What is left

- **aiofiles** opens and closes files in a thread. Canceled meanwhile, the thread's result is
  thrown away by asyncio, and the file is closed by the garbage collector. No way of canceling can
  change that.
- **asyncpg: transaction** is a connection of one's own. `BEGIN` or `COMMIT` may have taken effect
  on the server when it is canceled, and asyncpg then forgets that there is a transaction. That is a
  race with the server, for asyncio too. A pool resets its connections, so use one, or call
  `connection.reset()` after a cancellation.
- **close** is what rescind does when the grace has run out, and not before. No library survives it
  everywhere, because cleanup that awaits cannot run.
"""


def row(scenario: Scenario, port: int) -> str:
    """Measure one line of the table."""
    cells: list[str] = []
    for way in WAYS:
        points: list[Point] = []
        for _ in range(1 if scenario.known is None else REPEATED):
            points += cancel_at_every_yield(scenario, way, port=port)
        bad = [point for point in points if point.problems]
        cell = f"{len(bad)}/{len(points)}"
        cells.append(f"**{cell}**" if bad else cell)
        for point in bad:
            print(f"{scenario.name} | {way} | {point}"[:300], file=sys.stderr)
    return f"| {scenario.name} | {' | '.join(cells)} |"


def versions(scenarios: list[Scenario]) -> str:
    """Name the releases that were measured."""
    names = {name.replace("grpc", "grpcio") for each in scenarios for name in each.needs}
    found: list[str] = []
    for name in sorted(names | {"httpcore"}):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name.replace('_', '-')} {version(name)}")
    return f"CPython {platform.python_version()}; {', '.join(found)}."


def main(arguments: list[str]) -> int:
    """Measure, and write or print the page."""
    words = [word for word in arguments if not word.startswith("-")]
    logging.disable()
    chosen = [each for each in SCENARIOS if not words or any(word in each.name for word in words)]
    rows: list[str] = []
    left: list[str] = []
    measured: list[Scenario] = []
    with contextlib.ExitStack() as stack:
        ports: dict[str | None, int | str] = {None: 0}
        for name, server in (("redis", servers.redis), ("postgres", servers.postgres)):
            try:
                ports[name] = stack.enter_context(server())
            except servers.NotHereError as exc:
                ports[name] = str(exc)
        for scenario in chosen:
            port = ports[scenario.server]
            missing = scenario.missing()
            if missing is not None or isinstance(port, str):
                left.append(f"- {scenario.name}: {missing or port} is not installed")
                continue
            rows.append(row(scenario, port))
            measured.append(scenario)
            print(rows[-1], file=sys.stderr)
    head = ["| use | " + " | ".join(WAYS) + " |", "|---" * (len(WAYS) + 1) + "|"]
    text = HEAD + "\n".join([*head, *rows]) + f"\n\n{versions(measured)}\n" + WHY
    if left:
        text += "\nNot measured:\n\n" + "\n".join(left) + "\n"
    if words or "--print" in arguments:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
