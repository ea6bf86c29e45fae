"""Processes that make runs: each run is answered, whatever happens to who makes it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rescind import UsageError
from rescind.check import Point, RunPlan
from rescind.check.record import Record
from rescind.check.workers import Here, Order, Workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

ORDERS = [Order(RunPlan(Point("root", (), number)), None) for number in range(6)]


def number_of(order: Order) -> int:
    """Return the number of an order."""
    assert order.plan.point is not None
    return order.plan.point.visit


def make(order: Order) -> Record:
    """Answer with the number, and who made it."""
    return Record(order.plan, callbacks=number_of(order), sockets=os.getpid())


@contextmanager
def workers(make: Callable[[Order], Any], count: int = 2, patience: float = 20.0) -> Iterator[Any]:
    """Make workers, and end them."""
    made = Workers(make, count, patience)
    try:
        yield made
    finally:
        made.close()
        assert multiprocessing.active_children() == []


def test_records_are_handed_out_by_what_is_asked_for() -> None:
    """In whatever order they are made, announced or not; by as many processes as wanted."""
    with workers(make) as some:
        some.announce(ORDERS[:4])
        some.announce(ORDERS[:4])
        made = [some.get(order) for order in (ORDERS[3], ORDERS[0], ORDERS[5], ORDERS[1])]
    assert [record.callbacks for record in made] == [3, 0, 5, 1]
    assert len({record.sockets for record in made} - {os.getpid()}) in (1, 2)


def test_a_run_that_is_asked_for_twice_is_made_twice() -> None:
    """To confirm what it found."""
    with workers(make) as some:
        assert [some.get(ORDERS[1]).callbacks for _ in range(3)] == [1, 1, 1]


def test_a_worker_that_exits_has_a_successor() -> None:
    """Its own run is told; the others are made."""

    def exits(order: Order) -> Record:
        if number_of(order) == 1:
            os._exit(7)
        return make(order)

    with workers(exits, 1) as some:
        some.announce(ORDERS[:3])
        records = [some.get(order) for order in ORDERS[:3]]
    assert [record.error for record in records] == [
        "",
        "the process that made the run ended with exit code 7",
        "",
    ]


def test_a_worker_that_does_not_answer_is_given_up() -> None:
    """A callback that never returns cannot be ended from within."""

    def blocks(order: Order) -> Record:
        if number_of(order) == 0:
            threading.Event().wait()
        return make(order)

    with workers(blocks, 1, patience=0.3) as some:
        assert "does not let the loop run" in some.get(ORDERS[0]).error
        assert some.get(ORDERS[1]).error == ""


def test_a_failure_of_the_checker_is_told() -> None:
    """And what cannot be handed on."""

    def fails(order: Order) -> Any:
        if number_of(order) == 0:
            raise ValueError("bug")
        return Record(order.plan, facts={"fact": lambda: None})

    with workers(fails, 1) as some:
        assert some.get(ORDERS[0]).error == "the checker failed: ValueError('bug')"
        assert "cannot be handed on" in some.get(ORDERS[1]).error


def test_a_worker_is_not_interrupted() -> None:
    """Who is interrupted is the sweep; a terminal sends the signal to all."""

    def interrupts(order: Order) -> Record:
        os.kill(os.getpid(), signal.SIGINT)
        return make(order)

    with workers(interrupts, 1) as some:
        assert some.get(ORDERS[2]).callbacks == 2


def test_a_system_that_cannot_fork_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(UsageError, match="use processes=1"):
        Workers(make, 2, 1.0)


def test_this_process_makes_each_run_when_it_is_asked_for() -> None:
    """Nothing ahead of time."""
    here = Here(make)
    here.announce(ORDERS)
    assert here.get(ORDERS[4]).sockets == os.getpid()
    here.close()
