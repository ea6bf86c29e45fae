"""The first step of a cancellation in one piece does what the driver's own methods do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import pytest

import rescind
from rescind._core import straight
from rescind._core.coroutine import CoroutineFuture
from rescind._core.form import compiled
from rescind._core.poll import PENDING, Context, Future, Pending

pytestmark = pytest.mark.skipif(compiled, reason="the compiled form has one way alone")

Log = list[object]
Body = Callable[[Log], Awaitable[object]]


class Leaf(Future[str]):
    """One of rescind's own, for what is looked at here: it does as it is told."""

    __slots__ = ("_taken", "failure", "log", "polls", "ready")
    _native = True

    def __init__(self, log: Log, *, ready: int = 0, failure: BaseException | None = None) -> None:
        self._taken = False
        self.log = log
        self.polls = 0
        self.ready = ready
        self.failure = failure

    def poll(self, cx: Context) -> str | Pending:
        self.polls += 1
        self.log.append(f"poll {self.polls}")
        if self.polls == self.ready:
            if self.failure is not None:
                raise self.failure
            return "value"
        return PENDING

    def drop(self) -> None:
        self.log.append("drop")
        if self.failure is not None:
            raise self.failure


async def passes(log: Log) -> None:
    """It lets the cancellation pass."""
    await Leaf(log)


async def cleans_up(log: Log) -> None:
    """Its cleanup awaits."""
    try:
        await Leaf(log)
    finally:
        log.append(rescind.cancel_requested())
        await rescind.yield_now()
        log.append(asyncio.current_task() is not None)
        log.append(await Leaf(log, ready=1))


async def absorbs(log: Log) -> str:
    """It returns a value all the same."""
    try:
        await Leaf(log)
    except rescind.Cancellation as exc:
        log.append(exc.reason.message)
    return "absorbed"


async def fails(log: Log) -> None:
    """Its cleanup raises."""
    try:
        await Leaf(log)
    finally:
        raise KeyError("cleanup")


async def has_its_value(log: Log) -> None:
    """Its leaf has its value when it is polled once more."""
    log.append(await Leaf(log, ready=2))
    await Leaf(log)


async def has_its_error(log: Log) -> None:
    """Its leaf raises when it is polled once more."""
    try:
        await Leaf(log, ready=2, failure=KeyError("leaf"))
    except KeyError as exc:
        log.append(repr(exc))
    await Leaf(log)


async def cannot_be_dropped(log: Log) -> None:
    """Its leaf raises when it is dropped."""
    try:
        await Leaf(log, failure=ValueError("drop"))
    except ValueError as exc:
        log.append(repr(exc))
    await Leaf(log)


async def yields_nonsense(log: Log) -> None:
    """Its cleanup awaits what cannot be awaited."""
    try:
        await Leaf(log)
    finally:
        try:
            await Nonsense()
        except TypeError:
            log.append("TypeError")


class Nonsense:
    def __await__(self) -> Any:
        yield "nonsense"


async def under_a_shield(log: Log) -> None:
    """It has opened a scope."""
    async with rescind.shield():
        await rescind.yield_now()
        await Leaf(log, ready=2)
    await Leaf(log)


async def is_asked_by_asyncio_too(log: Log) -> None:
    """It is asked by asyncio while its leaf is polled once more."""

    class Asking(Leaf):
        __slots__ = ()

        def poll(self, cx: Context) -> str | Pending:
            if self.polls == 1:
                task: Any = asyncio.current_task()
                task.cancel("asyncio")
            return super().poll(cx)

    try:
        await Asking(log)
    except asyncio.CancelledError as exc:
        log.append((type(exc).__name__, exc.args if exc.args == ("asyncio",) else ()))
    await Leaf(log)


async def uses_its_budget_up(log: Log) -> None:
    """Its cleanup has no end in one step."""
    try:
        await Leaf(log)
    finally:
        for _ in range(300):
            await rescind.ready(None)
        log.append("done")


BODIES: tuple[Body, ...] = (
    passes,
    cleans_up,
    absorbs,
    fails,
    has_its_value,
    has_its_error,
    cannot_be_dropped,
    yields_nonsense,
    under_a_shield,
    is_asked_by_asyncio_too,
    uses_its_budget_up,
)


def played(body: Body) -> Log:
    """Cancel the body where it is parked; return what it noted, and what it came to."""
    log: Log = []

    async def main() -> None:
        task: rescind.Task[object] = rescind.spawn(body(log))
        await rescind.yield_now()
        task.cancel("no more")
        outcome: Any = await task.join()
        words = [type(outcome).__name__, task.absorbed, repr(getattr(outcome, "value", None))]
        words += [outcome.reason.message] if isinstance(outcome, rescind.Canceled) else []
        log.extend([*words, repr(getattr(outcome, "also", ()))])

    rescind.run(main())
    return [one.message if isinstance(one, rescind.CancelReason) else one for one in log]


@pytest.mark.parametrize("body", BODIES, ids=[body.__name__ for body in BODIES])
def test_both_ways_do_the_same(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is polled, dropped, raised and returned, in the same order."""
    steps: Log = []
    own = straight._cancel_leaf

    def noted(*args: Any) -> Any:
        steps.append(args)
        return own(*args)

    monkeypatch.setattr(straight, "_cancel_leaf", noted)
    at_once = played(body)
    assert bool(steps) == (body is not under_a_shield)
    monkeypatch.setattr(CoroutineFuture, "poll_cancel", CoroutineFuture._poll_cancel)
    assert at_once == played(body)


def test_a_kept_cancellation_has_no_frames_of_rescind() -> None:
    """Who keeps the exception keeps its own frames alone, and nothing that ours held."""
    kept: list[BaseException] = []

    async def keeps() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation as exc:
            kept.append(exc)
            raise

    async def main() -> None:
        task = rescind.spawn(keeps())
        await rescind.yield_now()
        task.cancel()
        await task.join()

    rescind.run(main())
    tb: TracebackType | None = kept[0].__traceback__
    assert tb is not None
    assert tb.tb_frame.f_code is keeps.__code__
    assert tb.tb_frame.f_back is None or not tb.tb_frame.f_back.f_locals


def test_who_holds_a_cancellation_is_seen() -> None:
    """What counts as nobody's is what a local variable alone refers to."""
    one = BaseException()
    assert sys.getrefcount(one) == straight._ALONE
    kept = [one]
    assert sys.getrefcount(one) != straight._ALONE
    del kept
