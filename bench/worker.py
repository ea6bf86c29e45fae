"""The process of one peer: it is told what to run, and answers with the time it took.

*What it is.* The far end of `bench.process`. It stays alive for the whole run, so that rounds can
change between peers without starting anything. First it says who it is; then, for each line
``SUBJECT SIZE SECONDS GC`` on its input, one line of JSON: ``ops``, ``wall``, ``cpu``, ``amount``;
or ``skip`` with a reason, or ``error``. The Rust program speaks the same.

*Invariants.*
 K1  A subject is run once, small, before it is measured for the first time.
 K2  The collector runs before each sample, so that none pays for another sample's garbage; during
     the sample it is on, as in a user's program, unless the line says ``off``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from time import perf_counter
from typing import Any

from bench.drivers import Driver, Unavailable, driver_of
from bench.peers import PEERS, Peer
from bench.subject import Body, Subject, Watch
from bench.subjects import all_subjects, body_of

__all__ = ["main"]

#: Up to which size a subject is warmed up.
WARM = 200


def main() -> int:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    peer = next(peer for peer in PEERS if peer.name == sys.argv[1])
    try:
        driver = driver_of(peer)
    except Unavailable as error:
        print(json.dumps({"skip": str(error)}), file=answers)
        return 0
    python = ".".join(map(str, sys.version_info[:3]))
    print(json.dumps({"version": driver.version, "python": python}), file=answers)
    work = Work(peer, driver)
    for line in sys.stdin:
        print(json.dumps(work.answer(line)), file=answers)
    return 0


class Work:
    """What the process of a peer can be asked for."""

    def __init__(self, peer: Peer, driver: Driver) -> None:
        self._peer = peer
        self._driver = driver
        self._subjects = {subject.name: subject for subject in all_subjects()}
        self._warm: set[str] = set()

    def answer(self, line: str) -> dict[str, Any]:
        """Do what a line asks for, and return the answer."""
        name, size, seconds, collect = line.split()
        subject = self._subjects[name]
        body = body_of(subject, self._peer.family)
        if body is None:
            return {"skip": f"{self._peer.name} has no such thing"}
        try:
            return self._sample(subject, body, int(size), float(seconds), collect)
        except (Unavailable, ModuleNotFoundError) as error:
            return {"skip": str(error)}
        except BaseException as error:  # curio's timeouts are no Exceptions
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"[:500]}

    def _sample(
        self, subject: Subject, body: Body, size: int, seconds: float, collect: str
    ) -> dict[str, Any]:
        if subject.name not in self._warm:
            self._warm.add(subject.name)
            self._run(subject, body, min(size, WARM), 0.0)  # (K1)
        gc.collect()  # (K2)
        if collect == "off":
            gc.disable()
        try:
            watch, ops = self._run(subject, body, size, seconds)
        finally:
            gc.enable()
        return {"ops": ops, "wall": watch.wall, "cpu": watch.cpu, "amount": watch.amount}

    def _run(self, subject: Subject, body: Body, size: int, seconds: float) -> tuple[Watch, int]:
        watch = Watch()
        ops = 0

        async def repeat() -> None:
            nonlocal ops
            end = perf_counter() + 4 * seconds  # where most of the time is not measured
            while True:
                ops += await body(watch, size, *subject.args)
                if watch.wall >= seconds or perf_counter() >= end:
                    return

        self._driver.run(repeat)
        return watch, ops


if __name__ == "__main__":
    sys.exit(main())
