"""Hooks: what observers are told, by whom it was done, and that they do no harm."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelReason, Completed, Outcome
from rescind.lowlevel import CancelRequest, CoroutineFuture, Observer, actor, hooks
from rescind.sync import Event
from rescind.testing import run_virtual


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Add the observer for the length of the block."""
    hooks.add(observer)
    try:
        yield
    finally:
        hooks.remove(observer)


def _name(cell: Any) -> str:
    if cell is None:
        return "nobody"
    name = getattr(cell, "name", None) or repr(cell.future)
    return str(name).partition(" <")[0]


class Everything(Observer):
    """Writes down all that happens."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def note(self, event: str, cell: Any, more: object = "") -> None:
        """Write one line: who did what to whom."""
        self.events.append(f"{_name(actor())}: {event} {_name(cell)} {more}".rstrip())

    def spawned(self, cell: Any) -> None:
        """Note it."""
        self.note("spawned", cell)

    def woken(self, cell: Any) -> None:
        """Note it."""
        self.note("woken", cell)

    def polled(self, cell: Any) -> None:
        """Note it."""
        self.note("polled", cell, cell.phase.name)

    def parked(self, cell: Any) -> None:
        """Note it."""
        self.note("parked", cell, cell.phase.name)

    def requested(self, cell: Any, reason: CancelReason) -> None:
        """Note it."""
        self.note("requested", cell, reason.kind.name)

    def delivered(self, stack: Any, request: CancelRequest) -> None:
        """Note it."""
        assert isinstance(stack, CoroutineFuture)
        self.events.append(f"delivered in {stack!r}: {request.reason.kind.name}")

    def overran(self, overrun: Any) -> None:
        """Note it."""
        self.events.append(f"overran: {overrun.task}")

    def abandoned(self, error: Any) -> None:
        """Note it."""
        self.events.append(f"abandoned: {type(error).__name__}")

    def ended(self, cell: Any, outcome: Outcome[Any]) -> None:
        """Note it."""
        assert cell.future is not None
        self.note("ended", cell, type(outcome).__name__)

    def group_opened(self, group: Any) -> None:
        """Note it."""
        self.events.append(f"opened {group.name}")

    def group_canceled(self, group: Any, reason: CancelReason) -> None:
        """Note it."""
        self.events.append(f"canceled {group.name}: {reason.kind.name}")

    def group_closed(self, group: Any) -> None:
        """Note it."""
        self.events.append(f"closed {group.name}")

    def token_canceled(self, token: Any, reason: CancelReason) -> None:
        """Note it."""
        self.events.append(f"token: {reason.kind.name} {reason.message}")


def _coroutine(function: Any, inner: str | None = None) -> str:
    """Return how the coroutine of a function is shown, or that of a function inside it."""
    return f"<coroutine {function.__qualname__}{f'.<locals>.{inner}' if inner else ''}>"


def _seen(main: Any) -> list[str]:
    observer = Everything()
    with observed(observer):
        run_virtual(main)
    others = (" main", " join of")  # the first task, and whoever runs it to its end
    return [event for event in observer.events if not any(other in event for other in others)]


def test_the_life_of_a_task_is_told_in_order() -> None:
    """It is made, polled, parks, is woken by the one that sets the event, and ends."""

    async def main() -> None:
        event = Event()

        async def waits() -> int:
            await event.wait()
            return 1

        task = rescind.spawn(waits(), name="waiter")
        await rescind.sleep(1)
        event.set()
        await task

    assert _seen(main) == [
        "main: spawned waiter",
        "waiter: polled waiter RUNNING",
        "waiter: parked waiter PARKED",
        "main: woken waiter",
        "waiter: polled waiter RUNNING",
        "waiter: ended waiter Completed",
    ]


def test_a_cancellation_is_told_from_request_to_end() -> None:
    """Who asked, where it was raised, that the cleanup parked, and how it ended."""

    async def main() -> None:
        async def waits() -> None:
            try:
                await rescind.never()
            finally:
                await rescind.sleep(1)

        task = rescind.spawn(waits(), name="waiter")
        await rescind.sleep(1)
        await task.cancel("enough")

    events = _seen(main)
    assert events[3:] == [
        "main: requested waiter EXPLICIT",
        "waiter: polled waiter CANCELING",
        f"delivered in {_coroutine(main, 'waits')}: EXPLICIT",
        "waiter: parked waiter CLEANING",
        "nobody: woken waiter",
        "waiter: polled waiter CANCELING",
        "waiter: ended waiter Canceled",
    ]


def test_children_are_told_of_like_tasks() -> None:
    """A race's loser is asked by the parent, and ends."""

    async def main() -> None:
        await rescind.race(rescind.sleep(1), rescind.sleep(5))

    events = _seen(main)
    assert "main: spawned child 0 sleep(1)" in events
    assert "nobody: woken child 0 sleep(1)" in events
    assert "main: requested child 1 sleep(5) RACE_LOST" in events
    assert events[-1] == "main: ended child 1 sleep(5) Canceled"


def test_a_deadline_inside_is_told_as_delivered() -> None:
    """It is no request of the task's, but it is raised in it."""

    async def main() -> None:
        with contextlib.suppress(TimeoutError):
            async with rescind.deadline(1):
                await rescind.never()

    observer = Everything()
    with observed(observer):
        run_virtual(main)
    told = [event for event in observer.events if "DEADLINE" in event]
    assert told == [f"delivered in {_coroutine(main)}: DEADLINE"]


def test_groups_are_told_of() -> None:
    """Opened, canceled once, closed."""

    async def main() -> None:
        async with rescind.task_group(name="workers") as group:
            group.spawn(rescind.never())
            group.cancel("enough")
            group.cancel("indeed")

    events = [event for event in _seen(main) if event.endswith(("workers", "EXPLICIT"))]
    assert events == ["opened workers", "canceled workers: EXPLICIT", "closed workers"]


def test_tokens_are_told_of_those_that_follow_too() -> None:
    """Outside of the tokens' lock, so that the observer may look at them."""
    token = rescind.CancellationToken()
    child = token.child()

    class Looks(Everything):
        def token_canceled(self, token: Any, reason: CancelReason) -> None:
            assert token.canceled
            super().token_canceled(token, reason)

    observer = Looks()
    with observed(observer):
        token.cancel("enough")
        token.cancel("again")
    assert observer.events == ["token: EXPLICIT enough", "token: PARENT None"]
    assert child.canceled


def test_overruns_and_the_abandoned_are_told_of() -> None:
    """A cleanup that takes too long, and resists being closed."""

    async def main() -> None:
        async def resists() -> None:
            while True:
                try:
                    await rescind.never()
                except BaseException:
                    continue

        task = rescind.spawn(resists(), name="rock")
        await rescind.sleep(1)
        await task.cancel("enough", grace=1)

    observer = Everything()
    with observed(observer):
        run_virtual(main)
    told = [one for one in observer.events if one.startswith(("overran", "abandoned"))]
    assert told == ["abandoned: Abandoned", "overran: rock"]


def test_one_that_raises_is_taken_off_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The program notices nothing; the log says who and where."""

    class Broken(Observer):
        def spawned(self, cell: Any) -> None:
            raise RuntimeError("broken observer")

    broken, good = Broken(), Everything()
    with observed(broken), observed(good), caplog.at_level(logging.ERROR, "rescind"):

        async def main() -> int:
            return await rescind.spawn(rescind.ready(1))

        assert run_virtual(main) == Completed(1)
        assert hooks.observers == (good,)
    assert caplog.text.count("RuntimeError: broken observer") == 1
    assert "is told nothing more" in caplog.text
    assert "nobody: spawned main" in good.events


def test_interrupts_are_let_through() -> None:
    """Ctrl-C within an observer is no fault of it."""

    class Interrupted(Observer):
        def spawned(self, cell: Any) -> None:
            raise KeyboardInterrupt

    observer = Interrupted()
    with observed(observer):
        coro = _nothing()
        with pytest.raises(KeyboardInterrupt):
            run_virtual(coro)
        coro.close()
        assert hooks.observers == (observer,)


async def _nothing() -> None: ...


def test_without_observers_no_event_has_a_listener() -> None:
    """Only what is overridden is called, and nothing is left when the last one goes."""

    class Ends(Observer):
        def ended(self, cell: Any, outcome: Outcome[Any]) -> None:
            assert not isinstance(outcome, Canceled)

    observer = Ends()
    hooks.add(observer)
    hooks.add(observer)
    assert hooks.observers == (observer,)
    assert hooks.ended is not None
    assert hooks.polled is hooks.woken is None
    hooks.remove(observer)
    hooks.remove(observer)
    assert hooks.ended is None


def test_what_is_no_observer_is_refused() -> None:
    """A class instead of an instance, too."""
    with pytest.raises(TypeError, match="is no Observer; derive"):
        hooks.add(Everything)  # type: ignore[arg-type]
