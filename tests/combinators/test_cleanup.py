"""`on_cancel`, `finalize`, `catch_cancel`, `bracket`: cleanup that is part of the future."""

from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancelReason,
    Completed,
    Error,
    Outcome,
    bracket,
    cancel_requested,
    catch_cancel,
    checkpoint,
    deadline,
    finalize,
    join,
    never,
    on_cancel,
    race,
    ready,
    self_cancel,
    shield,
    shielded,
    sleep,
    timeout,
)
from rescind.lowlevel import PENDING, ManualHost
from tests.combinators.kit import (
    BY_HAND,
    CancelAtPark,
    Ended,
    Hand,
    Ledger,
    Probe,
    by_hand,
    drive,
    kinds,
    sweep,
    virtual,
)

KeptOutcomes = list[Outcome[Any]]


# -- on_cancel and finalize, by hand ---------------------------------------------------------------


def test_finalize_sees_the_value_and_passes_it_on() -> None:
    """The finalizer gets Completed(value), once; the value comes out (P29)."""
    seen: KeptOutcomes = []
    probe = Probe()
    hand = Hand(finalize(probe, seen.append))
    answers = [hand.poll()]
    probe.give(1)
    answers.append(hand.poll())
    assert ([PENDING, Completed(1)], [Completed(1)]) == (answers, seen)


def test_finalize_sees_the_exception_and_passes_it_on() -> None:
    """The finalizer gets Error(exc), once; the exception comes out (P29)."""
    seen: KeptOutcomes = []
    boom = KeyError("boom")
    probe = Probe()
    hand = Hand(finalize(probe, seen.append))
    hand.poll()
    probe.end(Error(boom))
    assert (Error(boom), [Error(boom)]) == (hand.poll(), seen)


@pytest.mark.parametrize("wrap", [finalize, on_cancel])
def test_finalizer_sees_the_cancellation_after_the_inner_cleanup(wrap: Any) -> None:
    """The inner future ends first, then the finalizer runs with Canceled (R8, P28)."""
    seen: KeptOutcomes = []
    probe = Probe(cleanup=True)
    hand = Hand(wrap(probe, seen.append))
    hand.poll()
    request = by_hand()
    assert hand.cancel(request) is PENDING
    before = list(seen)
    probe.clean()
    assert (Canceled(BY_HAND), [], [Canceled(BY_HAND)]) == (hand.cancel(request), before, seen)


@pytest.mark.parametrize("outcome", [Completed(1), Error(KeyError("boom"))])
def test_on_cancel_is_silent_on_any_other_end(outcome: Outcome[Any]) -> None:
    """On a value or an exception it is unregistered: the finalizer never runs (P28)."""
    seen: KeptOutcomes = []
    probe = Probe()
    hand = Hand(on_cancel(probe, seen.append))
    hand.poll()
    probe.end(outcome)
    assert (outcome, []) == (hand.poll(), seen)


@pytest.mark.parametrize("wrap", [finalize, on_cancel])
def test_finalizer_runs_if_canceled_before_the_first_poll(wrap: Any) -> None:
    """Canceled unpolled: nothing of the future runs, the finalizer does, once (P31, P42)."""
    seen: KeptOutcomes = []
    probe = Probe()
    hand = Hand(wrap(probe, seen.append))
    assert (Canceled(BY_HAND), [Canceled(BY_HAND)], 0) == (
        hand.cancel(),
        seen,
        probe.counts["poll"],
    )


@pytest.mark.parametrize("wrap", [finalize, on_cancel])
def test_finalizer_does_not_run_if_only_created_and_dropped(wrap: Any) -> None:
    """Neither polled nor canceled: the finalizer never runs (Z1)."""
    seen: KeptOutcomes = []
    hand = Hand(wrap(Probe(), seen.append))
    hand.drop()
    assert [] == seen


@pytest.mark.parametrize("wrap", [finalize, on_cancel])
def test_finalizer_runs_if_dropped_while_parked(wrap: Any) -> None:
    """Dropped while parked: the leaf first, then the finalizer, which sees that (R3, Z1)."""
    log: list[str] = []
    hand = Hand(wrap(Probe("a", log), lambda outcome: log.append(f"dropped={outcome.dropped}")))
    hand.poll()
    hand.drop()
    assert ["a.poll", "a.drop", "dropped=True"] == log


def test_finalizer_that_awaits_is_driven_to_its_end() -> None:
    """An async finalizer parks and is polled on its own wakes; then the value comes out."""
    gate = Probe("gate")
    inner = Probe("inner")

    async def finalizer(_outcome: Outcome[Any]) -> None:
        await gate

    hand = Hand(finalize(inner, finalizer))
    hand.poll()
    inner.give("value")
    answers = [hand.poll(), hand.poll()]
    gate.give(None)
    answers.append(hand.poll())
    assert [PENDING, PENDING, Completed("value")] == answers
    assert [(2, 0, 0), (3, 0, 0)] == [inner.vector, gate.vector]


def test_finalizer_is_shielded() -> None:
    """Canceled while the finalizer awaits: it runs to its end, the value is delivered (P32)."""
    gate, inner = Probe("gate"), Probe("inner")

    async def finalizer(_outcome: Outcome[Any]) -> None:
        await gate

    hand = Hand(finalize(inner, finalizer))
    hand.poll()
    inner.give("value")
    hand.poll()
    request = by_hand()
    assert hand.cancel(request) is PENDING
    gate.give(None)
    assert (Completed("value"), 0) == (hand.cancel(request), gate.counts["cancel"])


def test_finalizers_nest_inside_out_each_once() -> None:
    """Three on_cancel around one future: innermost first, each exactly once (P28)."""
    log: list[str] = []

    def note(name: str) -> Callable[[Outcome[Any]], None]:
        return lambda _outcome: log.append(name)

    hand = Hand(on_cancel(finalize(on_cancel(Probe(), note("1")), note("2")), note("3")))
    hand.poll()
    assert (Canceled(BY_HAND), ["1", "2", "3"]) == (hand.cancel(), log)


def test_raising_finalizers_stop_nobody_and_are_kept_in_also() -> None:
    """Two of three finalizers raise: all run, the outcome stays Canceled, both in also (P33)."""
    log: list[str] = []
    one, two = KeyError("one"), ValueError("two")

    def fail(exc: Exception) -> Callable[[Outcome[Any]], None]:
        def finalizer(_outcome: Outcome[Any]) -> None:
            log.append(str(exc))
            raise exc

        return finalizer

    hand = Hand(
        on_cancel(on_cancel(on_cancel(Probe(), fail(one)), lambda _o: log.append("ok")), fail(two))
    )
    hand.poll()
    assert Canceled(BY_HAND, (one, two)) == hand.cancel()
    assert ["'one'", "ok", "two"] == log


def test_finalizer_that_raises_after_a_value_is_the_error() -> None:
    """The future had a value: what the finalizer raised comes out, it is not lost (Z3)."""
    boom = KeyError("boom")

    async def finalizer(_outcome: Outcome[Any]) -> None:
        raise boom

    assert Error(boom) == Hand(finalize(ready(1), finalizer)).poll()


def test_finalizer_that_raises_after_an_exception_is_in_its_also() -> None:
    """The future had raised: its exception comes out, the finalizer's is with it (Z3, R15)."""
    boom, second = KeyError("boom"), ValueError("second")

    async def child() -> None:
        raise boom

    def finalizer(_outcome: Outcome[Any]) -> None:
        raise second

    assert Error(boom, (second,)) == Hand(finalize(child(), finalizer)).poll()
    assert ["its finalizer failed: ValueError('second')"] == boom.__notes__


def test_errors_of_the_inner_drop_and_of_the_finalizer_are_both_raised() -> None:
    """Dropped: the inner future's error and the finalizer's come out together (B4, Z3)."""
    one, two = KeyError("one"), ValueError("two")

    def finalizer(_outcome: Outcome[Any]) -> None:
        raise two

    hand = Hand(finalize(Probe(drop_error=one), finalizer))
    hand.poll()
    with pytest.raises(ExceptionGroup) as caught:
        hand.drop()
    assert (one, two) == caught.value.exceptions


# -- what a finalizer may do, in virtual time ------------------------------------------------------


@pytest.mark.parametrize("end", ["value", "canceled"])
def test_async_finalizer_may_use_everything(end: str) -> None:
    """sleep, race, join, timeout, deadline, shield, checkpoint, shielded work in it (R9, P41)."""
    log: list[str] = []

    async def finalizer(_outcome: Outcome[Any]) -> None:
        await checkpoint()
        log.append("checkpoint")
        await sleep(1)
        await race(sleep(1), sleep(9))
        await join(sleep(1), sleep(1))
        await timeout(sleep(1), 9)
        async with deadline(9):
            await sleep(1)
        await shield(sleep(1))
        with shielded() as gate:
            await gate.open(sleep(1))
        log.append("done")

    async def main() -> None:
        await finalize(never() if end == "canceled" else sleep(1), finalizer)

    ended = virtual(main, cancel_at=1 if end == "canceled" else None)
    assert (8.0, ["checkpoint", "done"]) == (ended.at, log)


@pytest.mark.parametrize("where", ["task", "coroutine", "race", "timeout"])
def test_checkpoint_in_a_finalizer_passes(where: str) -> None:
    """A checkpoint in a finalizer sees nothing to deliver, wherever the future is (Z2)."""
    log: list[str] = []

    async def finalizer(_outcome: Outcome[Any]) -> None:
        await checkpoint()
        log.append("passed")

    async def main() -> None:
        future = on_cancel(never(), finalizer)
        if where == "coroutine":
            await future
        elif where == "race":
            await race(future, never())
        else:
            await timeout(future, 99)

    ended = virtual(
        (lambda: on_cancel(never(), finalizer)) if where == "task" else main, cancel_at=1
    )
    assert (Canceled, 1.0, ["passed"]) == (type(ended.outcome), ended.at, log)


def test_cancel_requested_is_told_in_a_finalizer() -> None:
    """cancel_requested() tells the truth during the cleanup (R12)."""
    seen: list[Any] = []

    def finalizer(_outcome: Outcome[Any]) -> None:
        reason = cancel_requested()
        seen.append(None if reason is None else reason.message)

    async def main() -> None:
        await on_cancel(never(), finalizer)

    virtual(main, cancel_at=1)
    assert ["outside"] == seen


def test_hung_finalizer_is_bounded_by_the_grace() -> None:
    """A finalizer that never ends is dropped when the grace is over: request + 5 (P34)."""

    async def main() -> None:
        await on_cancel(never(), lambda _outcome: never())

    ended = virtual(main, cancel_at=1, cancel_grace=5)
    assert isinstance(ended.outcome, Canceled)
    assert (6.0, True) == (ended.at, ended.outcome.dropped)


def test_async_finalizer_goes_as_far_as_it_can_when_dropped() -> None:
    """Dropped with grace=0: the async finalizer runs up to its first park, and is dropped there."""
    log: list[str] = []

    async def finalizer(_outcome: Outcome[Any]) -> None:
        log.append("begun")
        await ready(None)
        log.append("ready")
        try:
            await sleep(1)
            log.append("unreachable")
        finally:
            log.append("closed")

    async def main() -> None:
        await finalize(never(), finalizer)

    ended = virtual(main, cancel_at=1, cancel_grace=0)
    assert isinstance(ended.outcome, Canceled)
    assert (["begun", "ready", "closed"], ()) == (log, ended.outcome.also)


# -- catch_cancel ----------------------------------------------------------------------------------


def test_catch_cancel_gives_value_and_error_as_outcomes() -> None:
    """It never raises for what the future did."""
    boom = KeyError("boom")

    async def child() -> None:
        raise boom

    assert [Completed(Completed(1)), Completed(Error(boom))] == [
        Hand(catch_cancel(ready(1))).poll(),
        Hand(catch_cancel(child())).poll(),
    ]


def test_catch_cancel_delivers_the_cancellation_as_an_outcome() -> None:
    """Canceled: the inner future is drained, its outcome delivered; the next park raises."""
    log: list[Any] = []

    async def main() -> None:
        outcome = await catch_cancel(Ledger().work("a", 9, cleanup=2))
        assert isinstance(outcome, Canceled)
        log.append((outcome.reason.message, rescind.now()))
        await sleep(1)
        log.append("unreachable")

    ended = virtual(main, cancel_at=1)
    assert (Canceled, 3.0, [("outside", 3.0)]) == (type(ended.outcome), ended.at, log)


def test_catch_cancel_of_an_unpolled_future() -> None:
    """Canceled before the first poll, the outcome is that nothing ran (R5)."""
    probe = Probe()
    assert (Completed(Canceled(BY_HAND)), 0) == (
        Hand(catch_cancel(probe)).cancel(),
        probe.counts["poll"],
    )


def test_catch_cancel_drops_the_inner_future() -> None:
    """Dropped: the inner future is dropped."""
    probe = Probe()
    hand = Hand(catch_cancel(probe))
    hand.poll()
    hand.drop()
    assert (1, 0, 1) == probe.vector


# -- bracket ---------------------------------------------------------------------------------------


class Resource:
    """Counts what is done with it, and how long each step takes."""

    def __init__(self, *, acquire: float = 1, use: float = 2, release: float = 1) -> None:
        self.log: list[str] = []
        self._times = (acquire, use, release)

    async def acquire(self) -> str:
        self.log.append("acquire")
        await sleep(self._times[0])
        self.log.append("acquired")
        return "resource"

    async def use(self, resource: str) -> str:
        self.log.append("use")
        await sleep(self._times[1])
        self.log.append("used")
        return f"used {resource}"

    async def release(self, resource: str) -> None:
        assert "resource" == resource
        self.log.append("release")
        await sleep(self._times[2])
        self.log.append("released")

    def future(self) -> Any:
        return bracket(self.acquire, self.use, self.release)


ALL = ["acquire", "acquired", "use", "used", "release", "released"]


def test_bracket_acquires_uses_releases() -> None:
    """The plain way: all six steps, the value of use (P35)."""
    resource = Resource()
    assert Ended(Completed("used resource"), 4.0) == virtual(resource.future)
    assert ALL == resource.log


@pytest.mark.parametrize(
    ("cancel_at", "at", "log"),
    [
        (0.5, 2.0, ["acquire", "acquired", "release", "released"]),  # acquire is shielded
        (2.0, 3.0, ["acquire", "acquired", "use", "release", "released"]),
        (3.5, 4.0, ALL),  # release is shielded
    ],
)
def test_bracket_canceled_in_each_part(cancel_at: float, at: float, log: list[str]) -> None:
    """In acquire: waited for, then released; in use: released; in release: waited for (P35)."""
    resource = Resource()
    ended = virtual(resource.future, cancel_at=cancel_at)
    assert (at, log) == (ended.at, resource.log)


def test_bracket_canceled_before_the_first_poll_acquires_nothing() -> None:
    """Nothing was acquired, nothing is released (P42)."""
    resource = Resource()
    assert (Canceled(BY_HAND), []) == (Hand(resource.future()).cancel(), resource.log)


def test_bracket_whose_acquire_fails_releases_nothing() -> None:
    """Acquire raised: there is nothing to release."""
    log: list[str] = []

    async def acquire() -> None:
        raise KeyError("acquire")

    hand = Hand(bracket(acquire, lambda _r: ready(1), lambda _r: log.append("release")))
    answer = hand.poll()
    assert ("'acquire'", []) == (str(getattr(answer, "exception", "")), log)


@pytest.mark.parametrize("fault", ["raises", "raises at the call", "is not awaitable"])
def test_bracket_releases_however_use_fails(fault: str) -> None:
    """Acquire has returned: release runs exactly once, whatever use does (P35)."""
    log: list[str] = []

    async def acquire() -> str:
        return "resource"

    async def raises(_resource: str) -> None:
        raise KeyError("use")

    def at_the_call(_resource: str) -> Any:
        raise KeyError("use")

    def not_awaitable(_resource: str) -> Any:
        return 5

    use = {"raises": raises, "raises at the call": at_the_call, "is not awaitable": not_awaitable}
    hand = Hand(bracket(acquire, use[fault], log.append))
    answer = hand.poll()
    assert (Error, ["resource"]) == (type(answer), log)


def test_bracket_dropped_between_acquire_and_use_releases() -> None:
    """The step's budget ends right after acquire, and the task is dropped there: released (P35)."""
    log: list[str] = []

    async def acquire() -> str:
        for _ in range(3):
            await ready(None)
        return "resource"

    async def use(_resource: str) -> None:
        log.append("use")
        await never()

    with rescind.Runtime(host=ManualHost(), budget=3) as runtime:
        future = CancelAtPark(bracket(acquire, use, log.append), 1, woken=False, grace=0)
        ended = drive(runtime, future)
    assert (Canceled, True, ["resource"]) == (type(ended.outcome), future.asked, log)


def test_brackets_release_in_reverse_order() -> None:
    """Nested resources are released last-in-first-out, also when the inner acquire fails (P36)."""
    log: list[str] = []

    def resource(name: str, use: Callable[[], Any], *, fail: bool = False) -> Any:
        async def acquire() -> str:
            if fail:
                raise KeyError(name)
            log.append(f"+{name}")
            return name

        return bracket(acquire, lambda _name: use(), lambda name: log.append(f"-{name}"))

    def nested(*, fail: bool) -> Any:
        return resource("a", lambda: resource("b", lambda: resource("c", never, fail=fail)))

    hand = Hand(nested(fail=False))
    hand.poll()
    hand.cancel()
    Hand(nested(fail=True)).poll()
    assert ["+a", "+b", "+c", "-c", "-b", "-a", "+a", "+b", "-b", "-a"] == log


# -- canceled at every park ------------------------------------------------------------------------


def test_finalizer_runs_exactly_once_wherever_it_is_canceled() -> None:
    """Canceled at each park of a future with an async finalizer: it runs once, to its end (P31)."""

    async def main(ledger: Ledger) -> str:
        async def finalizer(outcome: Outcome[Any]) -> None:
            await ledger.work("finalizer", 1)
            ledger.events.append(type(outcome).__name__)

        return await finalize(ledger.work("a", 1, "a", cleanup=1), finalizer)

    found = sweep(main)
    once = [
        (events.count("+finalizer"), events.count("-finalizer"), len(events))
        for events in (swept.ledger.events for swept in found)
    ]
    assert [(1, 1, 5)] * len(found) == once
    # Parks: the work, its cleanup, the finalizer. A value that is there is delivered (R7).
    assert [
        *["Canceled", "Canceled", "Completed('a')"],
        *["Canceled", "Completed('a')", "Completed('a')"],
    ] == kinds(found)


def test_bracket_canceled_at_every_park_releases_what_it_acquired() -> None:
    """Wherever it is canceled, acquire and release are complete, and use is at most begun (P35)."""
    logs: list[list[str]] = []

    def main(_ledger: Ledger) -> Any:
        resource = Resource()
        logs.append(resource.log)
        return resource.future()

    found = sweep(main)
    unused = ["acquire", "acquired", "release", "released"]
    half = ["acquire", "acquired", "use", "release", "released"]
    assert [unused, half, ALL, ALL, unused, ALL, ALL, ALL] == logs
    assert ["Canceled", "Canceled", "Completed('used resource')"] == kinds(found)[:3]


def test_self_cancel_in_a_future_runs_its_finalizer_once() -> None:
    """self_cancel() inside: nothing after it runs, the finalizer does, once (P10, P31)."""
    log: list[str] = []

    async def child() -> None:
        await self_cancel("enough")
        log.append("unreachable")

    async def main() -> None:
        await on_cancel(child(), lambda outcome: log.append(str(outcome.reason.message)))
        log.append("unreachable")

    ended = virtual(main)
    assert isinstance(ended.outcome, Canceled)
    assert (["enough"], CancelKind.EXPLICIT) == (log, ended.outcome.reason.kind)


def test_cancellation_raised_by_hand_counts_as_canceled() -> None:
    """A future that raises Cancellation by itself: on_cancel runs, and it passes on."""
    reason = CancelReason(CancelKind.EXPLICIT, "by itself")
    seen: KeptOutcomes = []

    async def child() -> None:
        raise Cancellation(reason)

    assert (Canceled(reason), [Canceled(reason)]) == (
        Hand(on_cancel(child(), seen.append)).poll(),
        seen,
    )
