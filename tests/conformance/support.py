"""What the conformance tests share: a leaf set by hand, and a runtime turned by hand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rescind import Runtime, yield_now
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Pending, Waker


class Boom(Exception):
    """What a body raises."""


class CleanupBoom(Exception):
    """What a cleanup raises."""


class Flag(Future[Any]):
    """A hand-written leaf: parked until `set` or `fail`; it counts its polls and drops."""

    def __init__(self) -> None:
        self.waker: Waker | None = None
        self.polls = 0
        self.drops = 0
        self._result: tuple[Any, BaseException | None] | None = None

    def poll(self, cx: Context) -> Any | Pending:
        self.polls += 1
        if self._result is None:
            self.waker = cx.waker
            return PENDING
        self.waker = None
        value, error = self._result
        if error is not None:
            raise error
        return value

    def drop(self) -> None:
        self.drops += 1
        self.waker = None

    def set(self, value: Any = None) -> None:
        """Have the output, and wake whoever waits."""
        self._finish(value, None)

    def fail(self, error: BaseException) -> None:
        """Raise instead of having an output."""
        self._finish(None, error)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        self._result = (value, error)
        self.nudge()

    def nudge(self) -> None:
        """Wake without having an output: a spurious wake-up."""
        if self.waker is not None:
            self.waker.wake()


class ByHand:
    """A manual runtime that is turned by hand; it must be left empty."""

    def __init__(self, **options: Any) -> None:
        self.host = ManualHost()
        self.runtime = Runtime(host=self.host, **options)
        self.executor = self.runtime.executor
        self.executor.thread = threading.get_ident()  # it is this thread's from the beginning

    def turn(self, times: int = 1) -> None:
        """Run what is ready, the given number of times."""
        for _ in range(times):
            self.executor.turn()

    def settle(self) -> None:
        """Run until nothing is ready any more; no time passes."""
        while self.executor._ready or self.executor._deferred or self.executor._inbox:
            self.executor.turn()

    def pass_time(self, seconds: float) -> None:
        """Let virtual time pass, and run what becomes ready meanwhile."""

        async def wait() -> None:
            from rescind import sleep

            await sleep(seconds)

        self.runtime.block_on(wait())
        self.settle()

    def steps_of(self, times: int = 1) -> int:
        """Turn, and return how many steps that took."""
        before = self.runtime.statistics().steps
        self.turn(times)
        return self.runtime.statistics().steps - before


@contextmanager
def by_hand(**options: Any) -> Iterator[ByHand]:
    """Give a manual runtime to be turned by hand, and shut it down."""
    made = ByHand(**options)
    with made.runtime:
        yield made


async def settle(times: int = 4) -> None:
    """Let every other task run until it parks."""
    for _ in range(times):
        await yield_now()


class Logged(logging.Handler):
    """The messages of rescind's logger while it is installed."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def take(self) -> list[str]:
        """Return the messages so far, and forget them."""
        messages, self.messages = self.messages, []
        return messages


@contextmanager
def logged() -> Iterator[Logged]:
    """Collect what rescind logs instead of printing it."""
    logger = logging.getLogger("rescind")
    handler = Logged()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
