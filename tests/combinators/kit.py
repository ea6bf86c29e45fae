"""What tests of combinators share: probes, a clock moved by hand, a sweep over all parks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any

from rescind import (
    Canceled,
    CancelKind,
    CancelReason,
    CancelRequest,
    Completed,
    Error,
    Outcome,
    Runtime,
    sleep,
)
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Pending, Waker, as_future
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once


class Probe(Future[Any]):
    """A future that ends when it is told to, and counts what is done to it.

    Args:
        name: what it is called in the log.
        log: takes ``name.poll``, ``name.cancel`` and ``name.drop``, in their order.
        cleanup: does a cancellation wait until `clean` is called?
        drop_error: what its drop raises.
    """

    def __init__(
        self,
        name: str = "probe",
        log: list[str] | None = None,
        *,
        cleanup: bool = False,
        drop_error: BaseException | None = None,
    ) -> None:
        self.name = name
        self.log: list[str] = [] if log is None else log
        self.waker: Waker | None = None
        self.reasons: list[CancelReason] = []
        self._cleanup = cleanup
        self._drop_error = drop_error
        self._ended: Outcome[Any] | None = None
        self._cleaned: Outcome[Any] | None = None
        self.counts = {"poll": 0, "cancel": 0, "drop": 0}

    def poll(self, cx: Context) -> Any:
        self._note("poll")
        if self._ended is not None:
            return self._ended.unwrap()
        self.waker = cx.waker
        return PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[Any] | Pending:
        self._note("cancel")
        self.reasons.append(request.reason)
        if not self._cleanup or self._cleaned is not None:
            self._cleanup = False
            return self._cleaned or Canceled(request.reason)
        self.waker = cx.waker
        return PENDING

    def drop(self) -> None:
        self._note("drop")
        if self._drop_error is not None:
            raise self._drop_error

    def end(self, outcome: Outcome[Any]) -> None:
        """Let the next poll give this, and wake."""
        self._ended = outcome
        self.wake()

    def give(self, value: object) -> None:
        """Let the next poll return ``value``, and wake."""
        self.end(Completed(value))

    def clean(self, outcome: Outcome[Any] | None = None) -> None:
        """Let the next `poll_cancel` end, canceled unless told otherwise, and wake."""
        self._cleanup = outcome is not None
        self._cleaned = outcome
        self.wake()

    def wake(self) -> None:
        assert self.waker is not None
        self.waker.wake()

    @property
    def vector(self) -> tuple[int, int, int]:
        """How often it was polled, canceled, dropped."""
        return (self.counts["poll"], self.counts["cancel"], self.counts["drop"])

    def _note(self, what: str) -> None:
        self.counts[what] += 1
        self.log.append(f"{self.name}.{what}")

    def __repr__(self) -> str:
        return self.name


def cancels(log: list[str]) -> list[str]:
    """Return the entries that are no polls: whether a child is looked at once more is not said."""
    return [entry for entry in log if not entry.endswith(".poll")]


class Hand:
    """Polls one future by hand, with or without a clock, and counts the wakes of its owner."""

    def __init__(self, fut: Awaitable[Any], *, clock: bool = False) -> None:
        self.future = as_future(fut)
        self.waker = CountingWaker()
        self.host = ManualHost()
        executor = None
        if clock:
            self.runtime = Runtime(host=self.host)
            executor = self.runtime.executor
            executor.thread = get_ident()
        self.executor = executor
        self.cx = context(self.waker, executor=executor)

    def poll(self) -> Outcome[Any] | Pending:
        if self.executor is not None:
            self.executor.refill()
        return poll_once(self.future, self.cx)

    def cancel(self, request: CancelRequest | str = "by hand") -> Outcome[Any] | Pending:
        if isinstance(request, str):
            request = by_hand(request)
        return poll_cancel_once(self.future, self.cx, request)

    def drop(self) -> None:
        self.future.drop()

    @property
    def wakes(self) -> int:
        return self.waker.wakes

    @property
    def timers(self) -> int:
        assert self.executor is not None
        return self.executor.statistics().timers

    def jump(self) -> float:
        """Move the clock to the next timer, fire it, and return the time."""
        assert self.host.advance()
        return self.host.now()


BY_HAND = CancelReason(CancelKind.EXPLICIT, "by hand")


def by_hand(message: str = "by hand") -> CancelRequest:
    """Return a new request with a reason that compares equal each time."""
    return CancelRequest(CancelReason(CancelKind.EXPLICIT, message))


def fails_though_canceled(hand: Hand, fails: Probe, drained: Probe) -> None:
    """See that a failure is delivered with what else failed, though the parent is canceled then."""
    first, second = KeyError("first"), ValueError("second")
    fails.end(Error(first))
    hand.poll()
    request = by_hand()
    assert hand.cancel(request) is PENDING
    drained.clean(Canceled(BY_HAND, (second,)))
    assert Error(first, (second,)) == hand.cancel(request)


@dataclass
class Ledger:
    """What user code started and ended, in order."""

    events: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    @contextmanager
    def entry(self, name: str) -> Iterator[None]:
        """Note the begin and the end of a block, whatever way it is left."""
        self.events.append(f"+{name}")
        self.open.append(name)
        try:
            yield
        finally:
            self.open.remove(name)
            self.events.append(f"-{name}")

    async def work(
        self, name: str, seconds: float, value: object = None, *, cleanup: float | None = None
    ) -> Any:
        """Sleep, then return ``value``, or raise it if it is an exception; clean up for a while."""
        with self.entry(name):
            try:
                await sleep(seconds)
            finally:
                if cleanup is not None:
                    await sleep(cleanup)
            if isinstance(value, BaseException):
                raise value
            return value


@dataclass(frozen=True)
class Ended:
    """How a program ended in virtual time."""

    outcome: Outcome[Any]
    at: float


def virtual(
    main: Callable[[], Awaitable[Any]],
    *,
    grace: float | None = 30.0,
    cancel_at: float | None = None,
    cancel_grace: float | None = None,
) -> Ended:
    """Run ``main`` on the manual host, canceled at a time if told so; nothing may be left."""
    with Runtime(host=ManualHost(), grace=grace) as runtime:
        return drive(runtime, main(), cancel_at=cancel_at, cancel_grace=cancel_grace)


def drive(
    runtime: Runtime,
    program: Awaitable[Any],
    *,
    cancel_at: float | None = None,
    cancel_grace: float | None = None,
) -> Ended:
    """Run one program in this runtime, and look that no task and no timer is left."""
    task = runtime.spawn(program, name="main")
    ended_at: list[float] = []
    task.on_end(lambda _outcome: ended_at.append(runtime.now()))

    async def canceler() -> None:
        assert cancel_at is not None
        await sleep(cancel_at)
        if cancel_grace is None:
            task.cancel("outside")
        else:
            task.cancel("outside", grace=cancel_grace)
        await task.join()

    async def joiner() -> None:
        await task.join()

    runtime.block_on(canceler() if cancel_at is not None else joiner())
    outcome = task.outcome()
    assert outcome is not None
    assert leftovers(runtime) == NOTHING
    return Ended(outcome, ended_at[0])


NOTHING = {"tasks": [], "timers": 0, "ready": 0, "abandoned": 0}


def leftovers(runtime: Runtime) -> dict[str, object]:
    """Return what is still alive in a runtime."""
    statistics = runtime.statistics()
    return {
        "tasks": [repr(task) for task in runtime.tasks()],
        "timers": statistics.timers,
        "ready": statistics.ready,
        "abandoned": statistics.abandoned,
    }


class CancelAtPark(Future[Any]):
    """Polls a future, and asks its task to cancel at the k-th park.

    Args:
        fut: what is polled.
        park: at which park, counted from 1.
        woken: ask when the wake-up of that park has come, before the poll, instead of at the park.
        grace: of the request.
    """

    _native = True

    def __init__(
        self, fut: Awaitable[Any], park: int, *, woken: bool, grace: float | None = None
    ) -> None:
        self.inner = as_future(fut)
        self.parks = 0
        self.asked = False
        self._park = park
        self._woken = woken
        self._grace = grace

    def poll(self, cx: Context) -> Any:
        if self.asked:
            return PENDING  # the look before the cancellation: the inner future has its own
        if self._woken and self.parks == self._park:
            self._ask(cx)
            cx.waker.wake()
            return PENDING
        result = self.inner.poll(cx)
        if result is PENDING:
            self.parks += 1
            if not self._woken and self.parks == self._park:
                self._ask(cx)
        return result

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[Any] | Pending:
        return self.inner.poll_cancel(cx, request)

    def drop(self) -> None:
        self.inner.drop()

    def _ask(self, cx: Context) -> None:
        self.asked = True
        task: Any = cx.cell
        if self._grace is None:
            task.cancel("sweep")
        else:
            task.cancel("sweep", grace=self._grace)


@dataclass(frozen=True)
class Swept:
    """What happened when the program was canceled at one park."""

    park: int
    woken: bool
    outcome: Outcome[Any]
    ledger: Ledger


def sweep(
    program: Callable[[Ledger], Awaitable[Any]], *, grace: float | None = None
) -> list[Swept]:
    """Cancel ``program`` at each of its parks, and again at the wake-up of each.

    After each run, no task, timer or started piece of work may be left.
    """
    found: list[Swept] = []
    for woken in (False, True):
        park = 0
        while True:
            park += 1
            ledger = Ledger()
            with Runtime(host=ManualHost()) as runtime:
                canceling = CancelAtPark(program(ledger), park, woken=woken, grace=grace)
                ended = drive(runtime, canceling)
            assert (park, woken, ledger.open) == (park, woken, [])
            if not canceling.asked:
                break
            found.append(Swept(park, woken, ended.outcome, ledger))
    assert found, "the program never parks"
    return found


def kinds(found: list[Swept]) -> list[str]:
    """Return how each run of a sweep ended: the outcome's class, with the value if there is one."""
    return [
        f"Completed({swept.outcome.value!r})"
        if isinstance(swept.outcome, Completed)
        else type(swept.outcome).__name__
        for swept in found
    ]
