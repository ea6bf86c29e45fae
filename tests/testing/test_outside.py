"""What keeps the lab's world shut, on one thread alone."""

import threading
import time
from collections.abc import Callable
from typing import Any

from rescind.testing.lab.outside import instead


class _World:
    @staticmethod
    def ask() -> str:
        return "the world"


def _on_a_thread(function: Callable[[], Any]) -> Any:
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(function()))
    thread.start()
    thread.join()
    return seen[0]


def test_replaced_function_is_so_on_its_own_thread_alone() -> None:
    """Another thread sleeps, asks and starts threads as ever; so does this one afterwards."""
    original = time.sleep
    with instead(_World, "ask", lambda: "the lab"):
        here, there = _World.ask(), _on_a_thread(lambda: _World.ask())  # noqa: PLW0108 - looked up there
        with instead(_World, "ask", lambda: "the lab in the lab"):
            within = _World.ask()
        again = _World.ask()
    assert ["the lab", "the world", "the lab in the lab", "the lab"] == [here, there, within, again]
    assert "the world" == _World.ask()
    assert original is time.sleep


def test_blocks_of_two_threads_may_end_in_any_order() -> None:
    """The one that ends first leaves the other's as it is, and the last leaves nothing behind."""
    original = _World.ask
    entered, leave = threading.Event(), threading.Event()
    seen: list[str] = []

    def other() -> None:
        with instead(_World, "ask", lambda: "the other lab"):
            entered.set()
            leave.wait(60)
            seen.append(_World.ask())

    thread = threading.Thread(target=other)
    with instead(_World, "ask", lambda: "the lab"):
        thread.start()
        entered.wait(60)
        seen.append(_World.ask())
    seen.append(_World.ask())
    leave.set()
    thread.join()

    assert ["the lab", "the world", "the other lab"] == seen
    assert original is _World.ask
