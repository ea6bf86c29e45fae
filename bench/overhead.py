"""What looking on costs: `python -m bench.overhead`; docs/observability.md has its figures.

*What it is.* Subjects of `bench.subjects`, run on rescind alone: with nobody listening, with the
warnings that are on by default, and with a recorder, in memory and to a file. All of it is in one
process; in each round every way has its turn, the next round begins with another, and what is told
is the median of the ratios within the rounds (docs/design/0050).

*What hooks cost while nobody listens* is too little to be timed. Here it is bounded: what happens
in an operation is counted, by an observer that hears everything; each is a test of one attribute;
and that test is timed, in Python, which is more than it takes when compiled. With ``--off`` it is
counted exactly, beside a core that is built without hooks (`bench.hookless`).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from timeit import repeat
from typing import Any, Final

import rescind
from bench import hookless
from bench.subject import Subject, Watch
from bench.subjects import all_subjects, body_of
from rescind._core.form import compiled
from rescind._core.hooks import EVENTS
from rescind.lowlevel import Observer, hooks
from rescind.trace import Recorder

__all__ = ["CASES", "WAYS", "Guards", "Row", "guards_of", "main", "measure"]

#: Subjects and sizes: a switch alone in its turn, and in company; a task; its cancellation.
CASES: Final = (
    ("switch", 1),
    ("switch", 1_000),
    ("spawn_join", 1_000),
    ("spawn_cancel_join", 1_000),
    ("timeout", 1_000),
    ("mutex", 1_000),
)
#: The way that others are compared with: the first.
WAYS: Final = ("off", "warnings", "recording", "to a file")

_TESTS: Final = 100


@dataclass(frozen=True)
class Row:
    """What was measured of a subject.

    Args:
        subject: its name.
        size: of it.
        nanoseconds: of CPU time for an operation while nobody listens, the median.
        ratios: by way: the median, and half of the range.
    """

    subject: str
    size: int
    nanoseconds: float
    ratios: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Guards:
    """What hooks cost while nobody listens, at most.

    Args:
        events: how many places of the core with a hook an operation passes.
        nanoseconds: what the test of one attribute takes, in Python.
    """

    events: float
    nanoseconds: float


@contextmanager
def _way(name: str, folder: str) -> Generator[bool]:
    """During the block, look on in this way; gives whether there are to be warnings."""
    around: AbstractContextManager[Any] = nullcontext()
    if name == "recording":
        around = Recorder()
    elif name == "to a file":
        around = Recorder(Path(folder) / "trace.jsonl")
    with around:
        yield name == "warnings"


def _sample(subject: Subject, size: int, seconds: float, warn: bool) -> tuple[float, int]:
    """Return the CPU time of the work, in nanoseconds, and the number of operations."""
    body = body_of(subject, "rescind")
    assert body is not None
    work: Callable[..., Any] = body
    watch = Watch()
    ops = 0

    async def repeated() -> None:
        nonlocal ops
        while not ops or watch.cpu < seconds:
            ops += await work(watch, size, *subject.args)

    rescind.run(repeated, handle_signals=False, warn=warn)
    return watch.cpu * 1e9, ops


def measure(name: str, size: int, *, rounds: int, seconds: float) -> Row:
    """Run a subject in each way, in turns."""
    subject = next(one for one in all_subjects() if one.name == name)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    with TemporaryDirectory() as folder:
        for number in range(-1, rounds):  # the first one warms up
            start = number % len(WAYS)
            for way in (*WAYS[start:], *WAYS[:start]):
                with _way(way, folder) as warn:
                    spent, ops = _sample(subject, size, seconds, warn)
                if number >= 0:
                    times[way].append(spent / ops)
    off = times[WAYS[0]]
    ratios: dict[str, tuple[float, float]] = {}
    for way in WAYS[1:]:
        found = [one / base for one, base in zip(times[way], off, strict=True)]
        ratios[way] = median(found), (max(found) - min(found)) / 2
    return Row(name, size, median(off), ratios)


def guards_of(name: str, size: int) -> Guards:
    """Count what happens in an operation, and time the test of an attribute."""
    happened: Counter[str] = Counter()

    def count(event: str) -> Callable[..., None]:
        def heard(_self: Observer, *_what: object) -> None:
            happened[event] += 1

        return heard

    everything = type("Everything", (Observer,), {event: count(event) for event in EVENTS})
    subject = next(one for one in all_subjects() if one.name == name)
    listener = everything()
    hooks.add(listener)
    try:
        _, ops = _sample(subject, size, 0.01, warn=False)
    finally:
        hooks.remove(listener)
    test = "if hooks.polled is not None: pass\n" * _TESTS
    times = repeat(test, globals={"hooks": hooks}, number=1_000)
    return Guards(sum(happened.values()) / ops, min(times) * 1e9 / 1_000 / _TESTS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="samples of each; default: 9")
    parser.add_argument(
        "--seconds", type=float, default=0.05, help="a sample takes so long; default: 0.05"
    )
    parser.add_argument(
        "--off",
        action="store_true",
        help="count instead what hooks cost while nobody listens; builds a core without them",
    )
    options = parser.parse_args(arguments)
    if options.off:
        return hookless.main()
    form = "compiled" if compiled else "interpreted"
    print(f"rescind {rescind.__version__}, {form}, Python {sys.version.split()[0]}")
    head = f"{'':26}{'off, ns':>10}"
    print(head + "".join(f"{way:>18}" for way in WAYS[1:]))
    for name, size in CASES:
        row = measure(name, size, rounds=options.rounds, seconds=options.seconds)
        ratios = (f"{ratio:.2f} ± {spread:.2f}" for ratio, spread in row.ratios.values())
        line = f"{name} × {size:,}"
        text = f"{line:26}{row.nanoseconds:10,.0f}" + "".join(f"{one:>18}" for one in ratios)
        print(text, flush=True)
        guards = guards_of(name, size)
        share = guards.events * guards.nanoseconds / row.nanoseconds
        print(
            f"{'':10}hooks while nobody listens: {guards.events:.1f} tests of "
            f"{guards.nanoseconds:.0f} ns in Python, at most {share:.1%}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
