"""Show a run: as one page with plots, or as the section of docs/benchmarks.md.

    python -m bench.report                        # build/bench.json → build/bench.html
    python -m bench.report --markdown             # bench/results/ → docs/benchmarks.md

The page is one file that needs no network, no script and no other file.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files as resources
from pathlib import Path
from typing import Final

from bench.floors import GOALS, Floor, floors, goal_text, sentences, turns
from bench.growth import FLAT, growth_cells, growth_sentences, growths
from bench.peers import ROOT, baseline
from bench.plots import Dot, Line, dots, lines
from bench.results import Results
from bench.table import amount, notes, ran, ratio_text

__all__ = ["as_html", "as_markdown", "main", "section_replaced"]

RESULTS: Final = ROOT / "bench" / "results"
PAGE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: python -m bench.report --markdown -->", "<!-- end of the results -->"

#: The sections of the page: a heading, a sentence, and the subjects by their names' beginnings.
GROUPS: Final = (
    (
        "What a runtime does itself",
        "Native rows: no sockets, no library. The floor is what CPython takes for the parts alone.",
        ("switch", "spawn_join", "spawn_cancel_join", "race2", "timeout"),
    ),
    (
        "Canceling",
        "From the request until the cleanup has ended.",
        ("cancel_latency", "cancel_parked", "tree", "tree_join"),
    ),
    (
        "Waiting for several",
        "Children within one task, sets, timeouts and deadlines.",
        (
            *("race10", "join2", "join100", "join10000", "future_set", "timeout_ready"),
            *("timeout_parked", "timeout_fires", "deadline", "deadline_nested", "timers", "sleep"),
        ),
    ),
    (
        "Locks and channels",
        "Each library's own.",
        (
            *("mutex", "semaphore", "rwlock", "event", "notify", "oneshot", "ping_pong"),
            *("channel", "broadcast", "watch"),
        ),
    ),
    (
        "Sockets and HTTP",
        "asyncio's own streams and libraries: rescind drives the tasks, asyncio does the rest.",
        (
            *("asyncio_future", "echo", "echo_timeout", "echo_race", "http", "http_timeout"),
            *("http_race", "httpx", "served", "served_timeout"),
        ),
    ),
    ("Memory and starting", "", ("task_memory", "channel_memory", "import_time", "start_up")),
)


def as_html(results: Results, growth: Results | None = None) -> str:
    """Return the page of a run; with that of a run over several sizes, how costs grow."""
    style = resources("rescind._pages").joinpath("base.css").read_text(encoding="utf-8")
    style += (ROOT / "bench" / "page.css").read_text(encoding="utf-8")
    found = floors(results)
    body = [*_head(results), *_floor_section(results, found), *_groups(results, found)]
    if growth is not None:
        body += _growth(growth)
    remarks = " ".join(escape(line) for line in [*notes(results)])
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            "<title>rescind: benchmarks</title>",
            f"<style>\n{style}</style>",
            "</head>",
            "<body>",
            '<main class="wrap">',
            *body,
            "</main>",
            f'<footer class="wrap">{remarks}</footer>',
            "</body>",
            "</html>\n",
        ]
    )


def _head(results: Results) -> Iterator[str]:
    yield '<header class="hero"><h1>rescind beside its peers</h1>'
    yield (
        "<p>Each dot is what an operation takes, as a multiple of what it takes under asyncio: "
        "left of 1× is less. The wide bar is the range of the rounds; two peers whose bars touch "
        "are equal. All peers took turns in one run, so the ratios hold; the times are this "
        "machine’s.</p>"
    )
    facts = _facts(results)
    spans = "".join(f"<span>{name} <b>{escape(value)}</b></span>" for name, value in facts)
    yield f'<div class="facts">{spans}</div>'
    yield '<ul class="key">'
    for name in ran(results):
        peer = results.peers[name]
        version = escape(peer.get("version", ""))
        yield (
            f'<li class="p-{escape(name)}" title="{escape(peer["about"])}"><i></i>{escape(name)}'
            f"<small>{version}</small></li>"
        )
    yield "</ul></header>"


def _facts(results: Results) -> list[tuple[str, str]]:
    pythons = {peer["python"] for peer in results.peers.values() if "python" in peer}
    return [
        ("Python", ", ".join(sorted(pythons)) or "–"),
        (
            "processor",
            f"{results.machine.get('cpu', '–')}, {results.machine.get('cores', '–')} cores",
        ),
        ("rounds", str(results.options.get("rounds", "–"))),
        ("collector", str(results.options.get("gc", "–"))),
    ]


def _groups(results: Results, found: Sequence[Floor]) -> Iterator[str]:
    sizes = dict(results.cases())
    lowest = {each.subject: each.floor for each in found}
    named = {name for _, _, names in GROUPS for name in names}
    rest = tuple(name for name in sizes if name not in named and not name.startswith("floor_"))
    for heading, about, names in (*GROUPS, ("More", "", rest)):
        cards = [
            _card(results, name, sizes[name], lowest.get(name)) for name in names if name in sizes
        ]
        cards = [card for card in cards if card]
        if cards:
            yield f"<section><h2>{heading}</h2><p>{escape(about)}</p>"
            yield f'<div class="cards">{"".join(cards)}</div></section>'


def _card(results: Results, subject: str, size: int, floor: float | None) -> str:
    found = _dots(results, subject, size)
    base = results.row(subject, size, "asyncio")
    if found and floor is not None and base is not None:
        ratio = floor / statistics.median(base.values())
        found.append(Dot("floor", ratio, ratio, ratio, amount(floor, "time")))
    if not found:
        return ""
    text = escape(results.about.get(subject, ""))
    small = f"<small>× {size:,}</small>" if size > 1 else ""
    plot = dots(f"{subject}: {text}", found)
    return f'<article class="card"><h3>{subject}{small}</h3><p>{text}</p>{plot}</article>'


def _dots(results: Results, subject: str, size: int) -> list[Dot]:
    base = results.row(subject, size, "asyncio")
    found: list[Dot] = []
    for peer in ran(results):
        row = results.row(subject, size, peer)
        measured = None if row is None else row.measured()
        if row is None or base is None or measured is None or not measured.median:
            continue
        pairs = zip(row.values(), base.values(), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if theirs and mine > 0]
        if ratios:
            middle = statistics.median(ratios)
            figure = amount(measured.median, row.measure)
            found.append(Dot(peer, middle, min(ratios), max(ratios), figure))
    return found


def _growth(results: Results) -> Iterator[str]:
    yield "<section><h2>How costs grow</h2>"
    yield "<p>What an operation takes when so many take part. Flat is what is wanted.</p>"
    yield '<div class="cards">'
    for subject in dict.fromkeys(name for name, _ in results.cases()):
        sizes = [size for name, size in results.cases() if name == subject]
        found: list[Line] = []
        bytes_ = False
        for peer in ran(results):
            points: list[tuple[int, float]] = []
            for size in sizes:
                row = results.row(subject, size, peer)
                measured = None if row is None else row.measured()
                if row is not None and measured is not None and measured.median > 0:
                    points.append((size, measured.median))
                    bytes_ = row.measure == "bytes"
            if points:
                found.append(Line(peer, points))
        if len(sizes) > 1 and found:
            about = escape(results.about.get(subject, ""))
            unit, name = (1.0, "bytes") if bytes_ else (1e-6, "µs")
            plot = lines(f"{subject}: {about}", found, unit, name)
            yield f'<article class="card"><h3>{subject}</h3><p>{about}</p>{plot}</article>'
    yield "</div></section>"


# -- goals and floors -----------------------------------------------------------------------------

FLOOR_TEXT: Final = (
    "The floor is what CPython takes for the parts that the subject cannot do without (resuming "
    "and making coroutines, making objects, a deque, throwing, asking the system for I/O), driven "
    "from C, measured in the same run. No runtime for Python’s coroutines can be cheaper. Where "
    "the floor ÷ a peer is above the goal, the goal is out of reach: ✗✗."
)


def _floor_cells(found: Sequence[Floor]) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """Return the header, and rows of text with ``yes``, ``no``, ``never`` or nothing."""
    peers = [peer for peer in GOALS if any(peer in each.ratios for each in found)]
    header = ["", "per operation", "floor", *[goal_text(peer) for peer in peers]]
    header += [f"floor ÷ {peer}" for peer in peers]
    rows: list[list[tuple[str, str]]] = []
    for each in found:
        measured = each.row.measured()
        cells = [(each.subject, ""), (amount(measured.median if measured else 0.0, "time"), "")]
        cells.append((amount(each.floor, "time"), ""))
        for peer in peers:
            if peer in each.ratios:
                word = "yes" if each.meets(peer) else "no" if each.allows(peer) else "never"
                cells.append((ratio_text(each.ratios[peer]), word))
            else:
                cells.append(("–", ""))
        cells += [(ratio_text(each.alone.get(peer)), "") for peer in peers]
        rows.append(cells)
    return header, rows


def _floor_section(results: Results, found: Sequence[Floor]) -> Iterator[str]:
    if not found:
        return
    header, rows = _floor_cells(found)
    yield "<section><h2>Goals, and the floor</h2>"
    yield f"<p>{escape(FLOOR_TEXT)}</p>"
    cells = "".join(f"<th>{escape(text)}</th>" for text in header)
    yield f'<div class="table"><table><thead><tr>{cells}</tr></thead><tbody>'
    for (name, _), *rest in rows:
        line = "".join(f'<td class="{word}">{escape(text)}</td>' for text, word in rest)
        yield f"<tr><th>{escape(name)}</th>{line}</tr>"
    yield "</tbody></table></div>"
    for line in (turns(results), *sentences(found)):
        yield f"<p>{escape(line.replace('`', ''))}</p>"
    yield "</section>"


# -- the section of the documentation -------------------------------------------------------------

#: Whose ratios the tables of the documentation show.
_COLUMNS: Final = ("asyncio", "asyncio-eager", "uvloop", "trio", "anyio", "tokio")


def as_markdown(
    results: Results, growth: Results | None = None, uncollected: Results | None = None
) -> str:
    """Return the section: goals with their floors, every subject beside its peers, the growth.

    Args:
        results: of a run.
        growth: of one over several sizes; None: nothing is told of that.
        uncollected: of the same without the collector.
    """
    found = floors(results)
    facts = "; ".join(f"{name}: {value}" for name, value in _facts(results))
    text = [f"{facts[0].upper()}{facts[1:]}. {' '.join(notes(results))}".strip(), ""]
    if found:
        header, rows = _floor_cells(found)
        marks = {"yes": " ✓", "no": " ✗", "never": " ✗✗", "": ""}
        table = [[cell + marks[word] for cell, word in row] for row in rows]
        about = f"{FLOOR_TEXT} {turns(results)}".strip()
        text += ["### Goals, and the floor", "", about, "", *_table(header, table), ""]
        text += [f"- {line}" for line in sentences(found)]
        text.append("")
    text += ["### Every subject", "", *_subjects(results)]
    if growth is not None:
        text += ["", "### How costs grow", "", *_grown(growth, uncollected)]
    return "\n".join(text)


def _grown(results: Results, uncollected: Results | None) -> Iterator[str]:
    found = growths(results, uncollected)
    yield (
        "What an operation takes where so few and where so many take part, in runs of their own "
        f"(`bench/results/growth*.json`). At most {FLAT:g} × is the goal. The least in Python is "
        "the shortest scheduler that keeps the rules. What all grow by is the collector, which "
        "goes through everything that lives, and memory that no cache holds."
    )
    yield ""
    yield from _table(*growth_cells(found))
    yield ""
    for line in growth_sentences(found):
        yield f"- {line}"


def _subjects(results: Results) -> Iterator[str]:
    ours = baseline(set(ran(results)))
    columns = [name for name in _COLUMNS if name in ran(results)]
    pure = "rescind-pure" if ours == "rescind" and "rescind-pure" in ran(results) else None
    forms = [ours or "", *([pure] if pure else [])]
    yield (
        "What each costs as a multiple of rescind's cost: above 1, rescind is cheaper. The first "
        "column is rescind's own, with half the range of its rounds."
    )
    yield ""
    rows: list[list[str]] = []
    for subject, size in results.cases():
        row = results.row(subject, size, ours or "")
        measured = None if row is None else row.measured()
        if row is None or measured is None or subject.startswith("floor_"):
            continue
        cells = [f"`{subject}`", results.about.get(subject, "")]
        cells.append(f"{amount(measured.median, row.measure)} ± {100 * measured.spread():.0f} %")
        for peer in [*forms[1:], *columns]:
            other = results.row(subject, size, peer)
            ratio = None if other is None else results.ratio(other, row)
            cells.append(ratio_text(ratio))
        rows.append(cells)
    yield from _table(["", "an operation", forms[0], *forms[1:], *columns], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---' if i < 1 else '---:' for i in range(len(header)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def section_replaced(page: str, section: str) -> str:
    """Return a page with the section between its marks replaced.

    Raises:
        ValueError: it has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n{section}\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or the section."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, nargs="?", help="default: build/bench.json")
    parser.add_argument(
        "--growth",
        type=Path,
        help="default: bench-growth.json or growth.json beside the run, if there",
    )
    parser.add_argument("--out", type=Path, help="default: build/bench.html, or the page in docs/")
    parser.add_argument("--markdown", action="store_true", help="the section of docs/benchmarks.md")
    options = parser.parse_args(arguments)
    folder = RESULTS if options.markdown else ROOT / "build"
    run: Path = options.run or folder / "bench.json"
    if not run.exists():
        print(f"there is no {run}; make it with: make bench", file=sys.stderr)
        return 1
    results = Results.read(run)
    out: Path = options.out or (PAGE if options.markdown else folder / "bench.html")
    name = "growth.json" if options.markdown else "bench-growth.json"
    path: Path = options.growth or run.with_name(name)
    growth = Results.read(path) if path.exists() else None
    off = path.with_stem(f"{path.stem}-uncollected")
    uncollected = Results.read(off) if off.exists() else None
    if options.markdown:
        section = as_markdown(results, growth, uncollected)
        text = section_replaced(out.read_text(encoding="utf-8"), section)
    else:
        text = as_html(results, growth)
    out.write_text(text, encoding="utf-8")
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
