"""Measure rescind beside its peers: `python -m bench --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.peers import PEERS, TOKIO, Peer, Place, compiled_for
from bench.results import Results
from bench.rounds import Plan, measure
from bench.subject import Subject
from bench.subjects import all_subjects
from bench.table import block, notes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and keep the samples; 1: something failed."""
    options = _parser().parse_args(arguments)
    if options.list:
        _print_list()
        return 0
    plan = Plan(
        cases=[(subject, _sizes(subject, options)) for subject in _subjects(options)],
        peers=options.peers,
        rounds=1 if options.smoke else options.rounds,
        seconds=0.0 if options.smoke else options.seconds,
        collect=options.gc,
        patience=min(options.patience, 20.0) if options.smoke else options.patience,
    )
    compiled: Path = options.compiled or compiled_for(options.python)
    place = Place(options.python, compiled.resolve(), options.tokio.resolve())

    def seen(results: Results, subject: str, size: int) -> None:
        if not options.smoke:
            print(block(results, subject, size, options.clock), flush=True)
        if options.json is not None:  # as it comes: a run takes long, and may be ended
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(results.to_json(), encoding="utf-8")

    results = measure(plan, place, lambda line: print(line, file=sys.stderr), seen)
    if not options.smoke:
        print(*notes(results), sep="\n")
    failed = [row for row in results.rows if row.error is not None]
    for row in failed:
        print(f"failed: {row.subject} × {row.size}, {row.peer}: {row.error}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "subjects", nargs="*", type=_subject, help="what to measure; by default everything"
    )
    parser.add_argument(
        "--peers", type=_peers, default=PEERS, help="names with commas between; by default all"
    )
    parser.add_argument("--rounds", type=int, default=5, help="samples of each; default: 5")
    parser.add_argument(
        "--sizes", type=_numbers, help="with commas between, instead of each subject's own"
    )
    parser.add_argument("--growth", action="store_true", help="how cost grows: several sizes")
    parser.add_argument("--long", action="store_true", help="the same, with a million tasks too")
    parser.add_argument("--smoke", action="store_true", help="only see that everything works")
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.05,
        help="a sample repeats its work so long; default: 0.05",
    )
    parser.add_argument(
        "--gc",
        choices=("on", "off"),
        default="on",
        help="the collector while measuring; default: on",
    )
    parser.add_argument(
        "--clock",
        choices=("cpu", "wall"),
        help="what the table tells; default: as fits the subject",
    )
    parser.add_argument("--json", type=Path, help="keep the samples in this file")
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter; default: the one that runs this"
    )
    parser.add_argument(
        "--compiled",
        type=Path,
        help="has the compiled form of rescind; default: build/compiled/VERSION",
    )
    parser.add_argument("--tokio", type=Path, default=TOKIO, help="the Rust program")
    parser.add_argument(
        "--patience", type=float, default=120.0, help="seconds for one sample; default: 120"
    )
    parser.add_argument("--list", action="store_true", help="list subjects and peers")
    return parser


def _subjects(options: argparse.Namespace) -> Sequence[Subject]:
    subjects: Sequence[Subject] = options.subjects or all_subjects()
    if options.smoke:
        subjects = [subject for subject in subjects if subject.smoke]
    return subjects


def _sizes(subject: Subject, options: argparse.Namespace) -> Sequence[int]:
    sizes: Sequence[int]
    if options.smoke:
        sizes = (subject.smoke,)
    elif options.sizes:
        sizes = options.sizes
    elif options.growth or options.long:
        sizes = (*subject.growth, *(subject.long if options.long else ())) or (subject.size,)
    else:
        sizes = (subject.size,)
    return sizes


def _subject(name: str) -> Subject:
    subjects = {subject.name: subject for subject in all_subjects()}
    if name not in subjects:
        raise argparse.ArgumentTypeError(f"no subject {name!r}; there are {', '.join(subjects)}")
    return subjects[name]


def _peers(names: str) -> list[Peer]:
    peers = {peer.name: peer for peer in PEERS}
    unknown = [name for name in names.split(",") if name not in peers]
    if unknown:
        raise argparse.ArgumentTypeError(f"no peer {unknown[0]!r}; there are {', '.join(peers)}")
    return [peers[name] for name in names.split(",")]


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(","))


def _print_list() -> None:
    print("Subjects:")
    for subject in all_subjects():
        print(f"  {subject.name:20} {subject.about}")
    print("Peers:")
    for peer in PEERS:
        print(f"  {peer.name:20} {peer.about}")


if __name__ == "__main__":
    sys.exit(main())
