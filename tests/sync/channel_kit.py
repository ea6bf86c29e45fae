"""What the tests of the channels share: polls by hand, and values that do not behave."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rescind._core.outcome import Completed, Error
from rescind.lowlevel import PENDING, Future, Pending, Waker
from rescind.testing import CountingWaker, context, poll_once


class Polled:
    """A future that is polled by hand, with a waker that counts."""

    def __init__(self, future: Future[Any]) -> None:
        self.future = future
        self.waker = CountingWaker()

    @property
    def wakes(self) -> int:
        """How often it was woken."""
        return self.waker.wakes

    def poll(self) -> Any:
        """Poll; return the value, the exception, or `PENDING`."""
        return ended(poll_once(self.future, context(self.waker)))

    def drop(self) -> None:
        """Drop it."""
        self.future.drop()


def ended(outcome: Any) -> Any:
    """Return what an outcome holds, or `PENDING`."""
    match outcome:
        case Completed(value):
            return value
        case Error(exception):
            return exception
    assert isinstance(outcome, Pending)
    return outcome


def parked(future: Future[Any]) -> Polled:
    """Poll a future once; it has to wait."""
    polled = Polled(future)
    assert polled.poll() is PENDING
    return polled


def now(future: Future[Any]) -> Any:
    """Poll a future once; return what it has at once."""
    got = Polled(future).poll()
    assert got is not PENDING
    return got


class BadWaker(Waker):
    """A waker that raises."""

    def wake(self) -> None:
        raise ValueError("this waker is broken")


class NoEquals:
    """A value that cannot be compared, nor asked whether it is true."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("values are not compared")

    def __bool__(self) -> bool:
        raise AssertionError("values are not asked whether they are true")


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect what rescind logs, with the exception's type and text."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            exc = record.exc_info[1] if record.exc_info else None
            messages.append(f"{record.getMessage()} [{exc!r}]")

    messages: list[str] = []
    handler = Collect()
    logger = logging.getLogger("rescind")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
