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
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from tests.ecosystem import kit, servers  # noqa: E402  # found by the path above
from tests.ecosystem.kit import WAYS, Point, Scenario, cancel_at_every_yield  # noqa: E402
from tests.ecosystem.scenarios import SCENARIOS  # noqa: E402

PAGE = ROOT / "docs" / "cancel-safety.md"
#: Whoever loses something waits for it so long, in seconds, and there are many.
kit.PATIENCE = 3.0
#: How often a scenario is run whose library is at fault itself, now and then: it races.
REPEATED = 60
#: What is canceled at each suspension, where that explains the figures of such a scenario.
STEPS = {"asyncpg: transaction": ("BEGIN", "INSERT", "second INSERT", "COMMIT")}
HEAD = """\
# How libraries survive cancellation

*Written by `make cancel-safety`, which measures it; do not edit.*

Each line is one use of a library against a real server on the loopback. It is run once for each
place where it suspends, canceled there, with everything opened anew. *Bad* is a run after which
the client, pool or connection is not as good as new (a slot is lost, a transaction is left open,
the answer is another request's), or in which something was reported: a warning, an error that
nobody took, an error in the cleanup. The cells are *bad runs / runs*. Where the library races
against a server or a thread, everything is run {repeated} times, and the cells are *bad runs in
percent* and the number of runs, which is not the same everywhere: how often it suspends is a part
of the race.

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
- **asyncpg: transaction** is a connection of one's own. A `BEGIN` or `COMMIT` that is canceled may
  have taken effect on the server or not, and asyncpg then forgets that there is a transaction. That
  is a race with the server, whoever cancels: {asyncio} for asyncio, {rescind} for rescind. It falls
  a little differently, as the second table shows. A statement that has ended when the cancellation
  comes is not canceled any more (R7), and the next one is. After `BEGIN` that is an `INSERT`, which
  does no harm; after the second `INSERT` it is `COMMIT`. asyncio raises at the statement that has
  ended, and its result is lost. A pool resets its connections, so use one, or call
  `connection.reset()` after a cancellation.
- **close** is what rescind does when the grace has run out, and not before. No library survives it
  everywhere, because cleanup that awaits cannot run. What the coroutine awaits is canceled first,
  in the same step. To let a tick of the loop pass in between was tried: it makes 2 of some 120 runs
  good, and a drop would no longer be done when it returns.
"""


class Cell:
    """What one way of canceling does to one scenario."""

    def __init__(self, points: list[Point], *, racing: bool) -> None:
        self.racing = racing
        self.runs = Counter(point.number for point in points)
        self.bad = Counter(point.number for point in points if point.problems)

    def __str__(self) -> str:
        bad, runs = self.bad.total(), self.runs.total()
        text = f"{self.percent()} of {runs}" if self.racing else f"{bad}/{runs}"
        return f"**{text}**" if bad else text

    def percent(self, number: int | None = None) -> str:
        """Return the share of bad runs, at one of the suspensions or at all of them."""
        bad = self.bad.total() if number is None else self.bad[number]
        runs = self.runs.total() if number is None else self.runs[number]
        return f"{100 * bad / max(runs, 1):.0f} %"


def measured(scenario: Scenario, port: int) -> dict[str, Cell]:
    """Measure one line of the table."""
    racing = scenario.known is not None
    cells: dict[str, Cell] = {}
    for way in WAYS:
        points: list[Point] = []
        for _ in range(REPEATED if racing else 1):
            points += cancel_at_every_yield(scenario, way, port=port)
        cells[way] = Cell(points, racing=racing)
        for point in points:
            if point.problems:
                print(f"{scenario.name} | {way} | {point}"[:300], file=sys.stderr)
    return cells


def table(first: str, columns: Iterable[str], rows: Iterable[tuple[str, list[str]]]) -> str:
    """Lay a table out."""
    columns = [first, *columns]
    lines = [columns, ["---"] * len(columns), *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(cells)} |".replace(" --- ", "---") for cells in lines) + "\n"


def page(found: dict[str, dict[str, Cell]], named: str, left: list[str]) -> str:
    """Write the page from what was measured."""
    text = HEAD.format(repeated=REPEATED)
    text += table(
        "use",
        WAYS,
        [(name, [str(cell) for cell in cells.values()]) for name, cells in found.items()],
    )
    for name, steps in STEPS.items():
        if name in found:
            numbers = range(1, len(steps) + 1)
            text += f"\n**{name}**, by what was canceled: bad runs in percent.\n\n"
            text += table(
                "way",
                steps,
                [
                    (way, [cell.percent(number) for number in numbers])
                    for way, cell in found[name].items()
                ],
            )
    text += f"\n{named}\n"
    racing = found.get("asyncpg: transaction")
    if racing is not None:
        text += WHY.format(asyncio=racing["asyncio"].percent(), rescind=racing["rescind"].percent())
    if left:
        text += "\nNot measured:\n\n" + "\n".join(left) + "\n"
    return text


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
    found: dict[str, dict[str, Cell]] = {}
    left: list[str] = []
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
                why = f"{missing} is not installed" if missing is not None else port
                left.append(f"- {scenario.name}: {why}")
                continue
            found[scenario.name] = measured(scenario, port)
            cells = ", ".join(f"{way}: {cell}" for way, cell in found[scenario.name].items())
            print(f"{scenario.name}: {cells}", file=sys.stderr)
    text = page(found, versions([each for each in chosen if each.name in found]), left)
    if words or "--print" in arguments:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
