"""What is reached from a scenario, what is a primitive there, and who is to blame for a swallow."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections import deque
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from rescind.check import Judge, RunPlan, Scenario
from rescind.check.detectors.listening import listen, what_was_heard
from rescind.check.detectors.primitives import rest_of
from rescind.check.detectors.reach import walk
from rescind.check.detectors.resources import ResourcesLeft
from rescind.check.run import Run


def test_the_nearest_way_names_an_object() -> None:
    """What two ways lead to is named by the shorter one."""
    inner = SimpleNamespace()
    root = SimpleNamespace(deep=SimpleNamespace(inner=inner), near=inner)
    paths = {path for path, found in walk([("env", root, 8)]) if found is inner}
    assert paths == {"env.near"}


def test_a_root_comes_before_those_behind_it() -> None:
    """What the env leads to is named after the env, however near it is to another root."""
    inner = SimpleNamespace()
    roots: list[tuple[str, object, int]] = [
        ("env", SimpleNamespace(a=SimpleNamespace(b=inner)), 8),
        ("frame.x", inner, 4),
    ]
    assert [path for path, found in walk(roots) if found is inner] == ["env.a.b"]


def test_a_walk_in_a_circle_ends() -> None:
    """Each object is looked at once."""
    one = SimpleNamespace()
    one.self = one
    assert [path for path, _ in walk([("env", one, 8)])] == ["env"]


def test_slots_are_looked_into() -> None:
    """Those of base classes, too."""

    class Base:
        __slots__ = ("lock",)

    class Derived(Base):
        __slots__ = ()

    derived = Derived()
    derived.lock = asyncio.Lock()
    assert [path for path, _ in walk([("env", derived, 8)])][:2] == ["env", "env.lock"]


async def _primitives() -> list[tuple[Any, str]]:
    held = asyncio.Lock()
    await held.acquire()
    short = asyncio.Semaphore(2)
    await short.acquire()
    waited = asyncio.Event()
    waited._waiters.append(asyncio.get_running_loop().create_future())
    woken = asyncio.Event()
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(True)
    woken._waiters.append(done)
    return [
        (held, "is locked"),
        (short, "has 1 permits"),
        (waited, "has 1 waiting"),
        (woken, "is free"),
        (asyncio.Lock(), "is free"),
        (asyncio.Queue(), "is free"),
    ]


def test_a_primitive_is_told_in_words() -> None:
    """Who has been woken does not wait any more."""
    for found, told in asyncio.run(_primitives()):
        assert str(rest_of(found)) == told


def test_waiters_may_be_pairs_or_events() -> None:
    """As libraries keep them beside the task that waits."""
    loop = asyncio.new_event_loop()
    try:
        pair = SimpleNamespace(_waiters=deque([("task", loop.create_future())]))
        events = SimpleNamespace(_waiters=deque([asyncio.Event()]))
        assert [str(rest_of(one)) for one in (pair, events)] == ["has 1 waiting"] * 2
    finally:
        loop.close()


@pytest.mark.parametrize("found", [object(), [], {}, SimpleNamespace(waiting="long")])
def test_most_objects_are_no_primitives(found: object) -> None:
    """Neither the name of an attribute nor being a container is enough."""
    assert rest_of(found) is None


async def _nothing() -> None:
    await asyncio.sleep(0)


def test_listening_gives_back_what_it_took() -> None:
    """Also where nobody asks twice, and where several detectors listen."""
    run = Run(Scenario(_nothing), RunPlan(judge=Judge.LOOK))
    try:
        before = sys.unraisablehook
        listen(run)
        listen(run)
        assert sys.unraisablehook is not before
        assert what_was_heard(run) is what_was_heard(run)
        assert sys.unraisablehook is before
    finally:
        run.loop.close()


def test_what_is_in_a_cycle_is_heard_in_its_own_run() -> None:
    """With the collector off, the youngest generation is the run's."""
    enabled = gc.isenabled()
    gc.disable()
    run = Run(Scenario(_nothing), RunPlan(judge=Judge.LOOK))
    try:
        listen(run)
        cycle: list[Coroutine[Any, Any, None] | list[Any]] = [_nothing()]
        cycle.append(cycle)
        del cycle
        assert len(what_was_heard(run).unawaited) == 1
    finally:
        run.loop.close()
        if enabled:
            gc.enable()


def test_the_number_of_the_listing_itself_is_not_taken_for_open() -> None:
    """To list the descriptors takes one, and the program gets its number next."""
    run = Run(Scenario(_nothing), RunPlan(judge=Judge.LOOK))
    try:
        detector = ResourcesLeft()
        detector.begin(run)
        fd = os.open(os.devnull, os.O_RDONLY)
        try:
            assert detector.fact(run) == [os.devnull]
        finally:
            os.close(fd)
    finally:
        run.loop.close()
