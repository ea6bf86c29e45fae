"""What the tests of locks and signals share: parties moved by hand, and a sweep over all parks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from rescind import (
    Canceled,
    CancelKind,
    CancelReason,
    CancelRequest,
    Completed,
    Outcome,
    Runtime,
)
from rescind.lowlevel import PENDING, Context, Future, Pending, as_future
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once, run_virtual


class Party:
    """One who waits for something, moved by hand."""

    def __init__(self, fut: Awaitable[Any]) -> None:
        self.future = as_future(fut)
        self.waker = CountingWaker()
        self.cx = context(self.waker)

    @property
    def wakes(self) -> int:
        return self.waker.wakes

    def poll(self) -> Outcome[Any] | Pending:
        return poll_once(self.future, self.cx)

    def cancel(self) -> Outcome[Any] | Pending:
        return poll_cancel_once(self.future, self.cx)

    def drop(self) -> None:
        self.future.drop()


def parked(*futs: Awaitable[Any]) -> list[Party]:
    """Poll each once, in order; each has to park."""
    parties = [Party(fut) for fut in futs]
    assert [PENDING] * len(parties) == [party.poll() for party in parties]
    return parties


def wakes(parties: list[Party]) -> list[int]:
    """Return how often each was woken."""
    return [party.wakes for party in parties]


def value(outcome: Outcome[Any] | Pending) -> Any:
    """Return the value of an outcome that has one."""
    assert isinstance(outcome, Completed), outcome
    return outcome.value


def error(outcome: Outcome[Any] | Pending) -> BaseException:
    """Return the exception of an outcome that is one."""
    assert not isinstance(outcome, Pending | Completed | Canceled), outcome
    return outcome.exception


STRIKES = ("cancel parked", "cancel woken", "drop parked", "drop woken")


class Struck(Future[Any]):
    """Cancels or drops what it drives at its nth park, or just after the wake-up from that."""

    def __init__(self, fut: Awaitable[Any], how: str, at: int) -> None:
        self.inner = as_future(fut)
        self.how, self.at = how, at
        self.parks = 0
        self.struck = False

    def poll(self, cx: Context) -> Any:
        if self.struck:
            return self._cancel(cx)
        if self.how.endswith("woken") and self.parks == self.at:
            return self._strike(cx)
        result = self.inner.poll(cx)
        if result is PENDING:
            self.parks += 1
            if self.how.endswith("parked") and self.parks == self.at:
                return self._strike(cx)
        return result

    def drop(self) -> None:
        self.inner.drop()

    def _strike(self, cx: Context) -> Any:
        self.struck = True
        if self.how.startswith("drop"):
            self.inner.drop()
            return "dropped"
        return self._cancel(cx)

    def _cancel(self, cx: Context) -> Any:
        outcome = self.inner.poll_cancel(
            cx, CancelRequest(CancelReason(CancelKind.EXPLICIT, "struck"))
        )
        if isinstance(outcome, Pending):
            return PENDING
        return "canceled" if isinstance(outcome, Canceled) else outcome.unwrap()


Victim = Callable[[Coroutine[Any, Any, Any]], Future[Any]]


def sweep(scenario: Callable[[Victim], Coroutine[Any, Any, Any]]) -> int:
    """Run a scenario once for each park of its victim and each way to end it there.

    Args:
        scenario: an async function; it drives one of its coroutines through the function that it
            is given, and asserts that what the others do is not disturbed. A hang is a failure.

    Returns:
        How many parks were struck.
    """
    counted: list[Struck] = []

    def count(coro: Coroutine[Any, Any, Any]) -> Future[Any]:
        counted.append(Struck(coro, "never", 0))
        return counted[0]

    run_virtual(lambda: scenario(count)).unwrap()
    parks = counted[0].parks
    for how in STRIKES:
        for at in range(1, parks + 1):
            try:
                run_virtual(lambda: scenario(lambda coro: Struck(coro, how, at))).unwrap()  # noqa: B023
            except BaseException as exc:
                exc.add_note(f"{how} at {at} of {parks}")
                raise
    return parks


def in_threads(*mains: Callable[[], Coroutine[Any, Any, Any]], host: str = "rescind") -> list[Any]:
    """Run each async function in a runtime, or asyncio loop, of a thread of its own.

    Returns:
        Their values, in order. An exception of one is raised here.
    """
    values: list[Any] = [None] * len(mains)
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            if host == "asyncio":
                values[index] = asyncio.run(mains[index]())
            else:
                with Runtime() as runtime:
                    values[index] = runtime.block_on(mains[index]())
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(mains))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    return values
