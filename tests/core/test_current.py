"""Which executor a thread runs: told there, nowhere else, and kept no longer than the thread."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from rescind._core.current import local
from rescind._core.executor import Executor
from rescind._host.manual import ManualHost


def _in_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_another_thread_runs_none() -> None:
    """What one thread runs is not what another one runs."""
    outer, local.executor = local.executor, Executor(ManualHost())
    seen: list[Executor | None] = []
    try:
        _in_thread(lambda: seen.append(local.executor))
    finally:
        local.executor = outer
    assert seen == [None]


def test_a_thread_that_ends_lets_go_of_what_it_was_attached_to() -> None:
    """A thread that ends without taking back what it runs does not keep it alive."""
    kept: list[weakref.ref[Executor]] = []

    def attach() -> None:
        local.executor = executor = Executor(ManualHost())
        kept.append(weakref.ref(executor))

    _in_thread(attach)
    assert kept[0]() is None


def test_what_a_turn_runs_is_put_back() -> None:
    """After a turn the thread runs what it ran before; in it, the executor of the turn."""
    outer, inner = Executor(ManualHost()), Executor(ManualHost())
    seen: list[Executor | None] = []
    inner.thread = threading.get_ident()
    inner.post(lambda: seen.append(local.executor))
    before, local.executor = local.executor, outer
    try:
        inner.turn()
        seen.append(local.executor)
    finally:
        local.executor = before
    assert seen == [inner, outer]
