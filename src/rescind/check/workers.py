"""Who makes the runs: this process, or several that are forked from it.

*What it is.* `Here` makes each run when it is asked for. `Workers` makes those that are announced
ahead of time, in processes; the records are handed out by plan, so that whoever asks in the same
order gets the same answers, whatever the number of processes.

*Invariants.*
 W1  A worker that dies, or says nothing for too long, costs its own run alone: that one gets a
     record with an error, and the worker a successor.
 W2  After `close` no process is left.

*What it is not.* For systems without ``fork``: a scenario may be any function, of a test or of a
prompt, which another interpreter could not import.

*Threads.* The sweep's.
"""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any, NamedTuple

from rescind._core.errors import UsageError
from rescind.check.points import RunPlan
from rescind.check.record import Record

__all__ = ["Here", "Order", "Workers"]


class Order(NamedTuple):
    """A run to be made.

    Attributes:
        plan: the plan.
        limit: seconds after which a part of it counts as hung; None: the scenario's own timeout.
        patient: is it given more time to come to rest?
    """

    plan: RunPlan
    limit: float | None
    patient: bool = False


Make = Callable[[Order], Record]


class Here:
    """Makes each run in this process."""

    def __init__(self, make: Make) -> None:
        self.get = make

    def announce(self, orders: Iterable[Order]) -> None:
        """Nothing is made ahead of time."""

    def close(self) -> None:
        """Nothing is kept."""


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection
    order: Order
    until: float


class Workers:
    """Makes runs in ``count`` processes.

    Args:
        make: makes one; called in the processes.
        count: how many.
        patience: seconds after which a run that has not ended is given up with its process.
    """

    def __init__(self, make: Make, count: int, patience: float) -> None:
        if "fork" not in multiprocessing.get_all_start_methods():
            raise UsageError("several processes need a system that can fork; use processes=1")
        self._make = make
        self._count = count
        self._patience = patience
        self._context = multiprocessing.get_context("fork")
        self._waiting: list[Order] = []
        self._busy: list[_Worker] = []
        self._idle: list[tuple[BaseProcess, Connection]] = []
        self._made: dict[Order, Record] = {}

    def announce(self, orders: Iterable[Order]) -> None:
        """Begin to make what will be asked for."""
        known = {*self._waiting, *(worker.order for worker in self._busy), *self._made}
        self._waiting += [order for order in orders if order not in known]
        self._hand_out()

    def get(self, order: Order) -> Record:
        """Return the record of a run, when it has been made."""
        if order in self._waiting:
            self._waiting.remove(order)
        elif order in self._made:
            return self._made.pop(order)
        if all(worker.order != order for worker in self._busy):
            self._waiting.insert(0, order)
        while order not in self._made:
            self._hand_out()
            self._collect()
        return self._made.pop(order)

    def close(self) -> None:
        """End the processes."""
        for process, pipe in [*self._idle, *((one.process, one.pipe) for one in self._busy)]:
            _end(process, pipe)
        self._idle.clear()
        self._busy.clear()

    def _hand_out(self) -> None:
        while self._waiting and len(self._busy) < self._count:
            process, pipe = self._idle.pop() if self._idle else self._fork()
            order = self._waiting.pop(0)
            try:
                pipe.send(order)
            except OSError:
                pass  # it has died; that is seen when it is waited for
            self._busy.append(_Worker(process, pipe, order, monotonic() + self._patience))

    def _collect(self) -> None:
        """Wait until at least one run is made, or given up."""
        first = min(worker.until for worker in self._busy)
        ready = wait([worker.pipe for worker in self._busy], max(0.0, first - monotonic()))
        for worker in tuple(self._busy):
            if worker.pipe in ready:
                self._busy.remove(worker)
                self._made[worker.order] = self._receive(worker)
            elif monotonic() > worker.until:
                self._busy.remove(worker)
                _end(worker.process, worker.pipe)
                self._made[worker.order] = _lost(
                    worker.order,
                    f"it did not end within {self._patience:g} s and does not let the loop run",
                )

    def _receive(self, worker: _Worker) -> Record:
        try:
            record: Record | str = worker.pipe.recv()
        except (EOFError, OSError):
            _end(worker.process, worker.pipe)
            code = worker.process.exitcode
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            return _lost(worker.order, f"the process that made the run ended with {how}")
        self._idle.append((worker.process, worker.pipe))
        return _lost(worker.order, record) if isinstance(record, str) else record

    def _fork(self) -> tuple[BaseProcess, Connection]:
        ours, theirs = self._context.Pipe()
        others = [pipe for _, pipe in self._idle] + [worker.pipe for worker in self._busy]
        process = self._context.Process(
            target=_work, args=(theirs, self._make, [ours, *others]), daemon=True
        )
        with warnings.catch_warnings():
            # That this process has threads is no harm: a worker uses none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return process, ours


def _work(pipe: Connection, make: Make, others: list[Connection]) -> None:
    """Make runs until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted is the sweep
    for other in others:
        other.close()
    while True:
        try:
            order: Order = pipe.recv()
        except (EOFError, OSError):
            return
        answer: Any
        try:
            answer = make(order)
        except Exception as exc:
            answer = f"the checker failed: {exc!r}"
        try:
            pipe.send(answer)
        except (OSError, EOFError):
            return
        except Exception as exc:
            pipe.send(f"what was noted cannot be handed on: {exc!r}")


def _end(process: BaseProcess, pipe: Connection) -> None:
    pipe.close()
    process.join(0.2)
    if process.is_alive():
        process.kill()
    process.join()


def _lost(order: Order, why: str) -> Record:
    return Record(order.plan, error=why)
