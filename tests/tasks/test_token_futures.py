"""The futures of a token: `wait`, `guard`, `run_until_canceled`; by hand, then over every host."""

import asyncio
import gc
import threading
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancellationToken,
    CancelReason,
    Completed,
    Error,
    Outcome,
    PolledAfterCompletion,
    Runtime,
    TaskCanceled,
    TokenStatistics,
)
from rescind.lowlevel import PENDING, ManualHost
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once
from tests.combinators.kit import Hand, Ledger, Probe, kinds, sweep
from tests.conftest import HostFactory

NOBODY = TokenStatistics(children=0, waiters=0, callbacks=0)
MANY = 10_000
VALUE_OUTCOME = "Completed(Completed(value='value'))"


class Boom(Exception):
    """What a body raises."""


def canceled(message: str = "stop") -> CancellationToken:
    """Make a token that is canceled already."""
    token = CancellationToken()
    token.cancel(message)
    return token


# -- wait, by hand -----------------------------------------------------------------------------


def test_wait_parks_until_the_token_is_canceled_and_gives_the_reason() -> None:
    """One wake, then the reason; polled again, it says that it has ended."""
    token = CancellationToken()
    hand = Hand(token.wait())

    assert hand.poll() is PENDING
    assert (token.statistics().waiters, hand.wakes) == (1, 0)
    token.cancel("why")
    assert (token.statistics(), hand.wakes) == (NOBODY, 1)
    assert hand.poll() == Completed(token.reason)
    with pytest.raises(PolledAfterCompletion):
        hand.future.poll(context())


def test_wait_on_a_canceled_token_is_ready_at_once() -> None:
    """It never stands in the token's books."""
    token = canceled()

    assert poll_once(token.wait()) == Completed(token.reason)
    assert token.statistics() == NOBODY


def test_wait_wakes_only_the_latest_waker() -> None:
    """R1: a second poll replaces the waker, and takes no second place."""
    token = CancellationToken()
    first, second = CountingWaker(), CountingWaker()
    waiting = token.wait()
    waiting.poll(context(first))
    waiting.poll(context(second))

    assert token.statistics().waiters == 1
    token.cancel()
    assert (first.wakes, second.wakes) == (0, 1)


def test_waiters_are_woken_in_order_of_arrival_and_one_that_left_is_not() -> None:
    """A drop leaves; another, and a drop after the end, are no-ops."""
    token = CancellationToken()
    hands = [Hand(token.wait()) for _ in range(3)]
    for hand in hands:
        hand.poll()

    hands[1].drop()
    hands[1].drop()
    assert token.statistics().waiters == 2
    token.cancel()
    hands[0].drop()

    assert [hand.wakes for hand in hands] == [1, 0, 1]


def test_a_wait_that_is_canceled_leaves_the_token() -> None:
    """Ten thousand of them leave nothing behind."""
    token = CancellationToken()
    for _ in range(MANY):
        waiting = token.wait()
        assert poll_once(waiting) is PENDING
        assert isinstance(poll_cancel_once(waiting), Canceled)

    assert token.statistics() == NOBODY


def test_a_wait_that_was_not_polled_leaves_nothing() -> None:
    """It is lazy."""
    token = CancellationToken()
    waiting = token.wait()
    assert token.statistics() == NOBODY
    waiting.drop()


# -- guard, by hand ----------------------------------------------------------------------------


def test_guard_hands_the_value_through_and_leaves_the_token() -> None:
    """The future is polled when it was woken, once for each wake."""
    token, probe = CancellationToken(), Probe()
    hand = Hand(token.guard(probe))

    assert hand.poll() is PENDING
    assert (probe.vector, token.statistics().waiters) == ((1, 0, 0), 1)
    assert hand.poll() is PENDING
    assert (probe.vector, token.statistics().waiters) == ((1, 0, 0), 1)
    probe.give(3)
    assert hand.wakes == 1
    assert hand.poll() == Completed(3)
    assert (probe.vector, token.statistics()) == ((2, 0, 0), NOBODY)
    with pytest.raises(PolledAfterCompletion):
        hand.future.poll(context())


def test_guard_hands_an_error_through() -> None:
    """The exception itself."""
    token, probe, boom = CancellationToken(), Probe(), Boom()
    hand = Hand(token.guard(probe))
    hand.poll()

    probe.end(Error(boom))

    assert hand.poll() == Error(boom)
    assert token.statistics() == NOBODY


@pytest.mark.parametrize("ready", [False, True])
def test_guard_with_a_canceled_token_never_polls(ready: bool) -> None:
    """It is dropped, even if it would be ready at once."""
    token, probe = canceled(), Probe()
    if ready:
        probe._ended = Completed(1)
    hand = Hand(token.guard(probe))

    outcome = hand.poll()

    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, TaskCanceled)
    assert outcome.exception.reason is token.reason
    assert (probe.vector, token.statistics()) == ((0, 0, 1), NOBODY)
    with pytest.raises(PolledAfterCompletion):
        hand.future.poll(context())


def test_guard_is_lazy() -> None:
    """What is canceled after the guard was made, but before its first poll, is not begun."""
    token, probe = CancellationToken(), Probe()
    hand = Hand(token.guard(probe))

    token.cancel()

    assert isinstance(hand.poll(), Error)
    assert probe.vector == (0, 0, 1)


def test_guard_cancels_and_drains_and_then_raises_the_tokens_reason() -> None:
    """The future is asked for a reason that follows from the token's; its cleanup is waited for."""
    token, probe = CancellationToken(), Probe(cleanup=True)
    hand = Hand(token.guard(probe))
    hand.poll()

    token.cancel("why")
    assert hand.wakes == 1
    assert hand.poll() is PENDING
    (following,) = probe.reasons
    assert (following.kind, following.cause) == (CancelKind.PARENT, token.reason)
    assert hand.poll() is PENDING
    probe.clean()
    outcome = hand.poll()

    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, TaskCanceled)
    assert outcome.exception.reason is token.reason


def test_a_value_that_the_future_has_wins_over_the_token() -> None:
    """R16: woken first or second, a tie goes to the value; it is not even asked to cancel."""
    for value_first in (True, False):
        token, probe = CancellationToken(), Probe()
        hand = Hand(token.guard(probe))
        hand.poll()

        if value_first:
            probe.give(1)
            token.cancel()
        else:
            token.cancel()
            probe.give(1)

        assert hand.poll() == Completed(1)
        assert probe.vector == (2, 0, 0)


class Native(Probe):
    """A future of the kind that nobody watches, and that gives its value to a poll alone."""

    _native = True


def test_a_value_wins_over_the_token_although_the_budget_is_spent() -> None:
    """Without budget the future is not stepped; then the token waits, too."""
    token, probe = CancellationToken(), Native()
    hand = Hand(token.guard(probe), clock=True)
    hand.poll()
    probe.give(1)
    token.cancel()
    assert hand.executor is not None

    hand.executor.budget = 0
    assert hand.future.poll(hand.cx) is PENDING
    assert hand.poll() == Completed(1)
    assert probe.vector == (2, 0, 0)


def test_a_token_is_not_forgotten_although_the_budget_is_spent() -> None:
    """A future that nobody woke has no value: it is asked at once, and stepped when it can be."""
    token, probe = CancellationToken(), Native()
    hand = Hand(token.guard(probe), clock=True)
    hand.poll()
    token.cancel()
    assert hand.executor is not None

    assert hand.wakes == 1

    hand.executor.budget = 0
    assert hand.future.poll(hand.cx) is PENDING
    assert probe.vector == (1, 0, 0)
    assert hand.wakes > 1
    assert isinstance(hand.poll(), Error)
    assert probe.vector == (1, 1, 0)


def test_a_future_that_spends_every_budget_is_canceled_all_the_same() -> None:
    """A hot loop parks when its budget is spent, and finds the token then."""

    async def hot() -> None:
        while True:
            await rescind.ready(None)

    async def main() -> CancelReason | None:
        token = CancellationToken()
        task = rescind.spawn(token.guard(hot()))
        await rescind.yield_now()
        token.cancel()
        outcome = await task.join()
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, TaskCanceled)
        return outcome.exception.reason

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) is not None


def test_a_value_that_comes_while_it_is_canceled_is_delivered() -> None:
    """R7: nothing is lost; nor is an error."""
    boom = Boom()
    for outcome in (Completed(1), Error(boom)):
        token, probe = CancellationToken(), Probe(cleanup=True)
        hand = Hand(token.guard(probe))
        hand.poll()
        token.cancel()
        assert hand.poll() is PENDING
        probe.clean(outcome)
        assert hand.poll() == outcome


def test_errors_of_the_cleanup_are_kept_with_the_exception() -> None:
    """As notes, and in the `also` of the outcome (R15)."""
    boom = Boom("in cleanup")
    token, probe = CancellationToken(), Probe(cleanup=True)
    hand = Hand(token.guard(probe))
    hand.poll()
    token.cancel()
    hand.poll()
    probe.clean(Canceled(CancelReason(), (boom,)))

    outcome = hand.poll()

    assert isinstance(outcome, Error)
    assert outcome.also == (boom,)
    assert outcome.exception.__notes__ == ["while cleaning up: Boom('in cleanup')"]


def test_my_own_cancellation_is_passed_on_and_ends_in_canceled() -> None:
    """R17: the token is left at once; what I am told is my own reason."""
    token, probe = CancellationToken(), Probe(cleanup=True)
    hand = Hand(token.guard(probe))
    hand.poll()

    assert hand.cancel("mine") is PENDING
    assert token.statistics() == NOBODY
    token.cancel("too late")
    probe.clean()
    outcome = hand.cancel("mine")

    assert isinstance(outcome, Canceled)
    assert outcome.reason.message == "mine"
    assert len(probe.reasons) == probe.counts["cancel"]
    assert {reason.cause.message for reason in probe.reasons if reason.cause} == {"mine"}


def test_my_own_cancellation_while_the_tokens_is_drained_wins() -> None:
    """One cleanup, under the token's request; its end is my cancellation."""
    token, probe = CancellationToken(), Probe(cleanup=True)
    hand = Hand(token.guard(probe))
    hand.poll()
    token.cancel("the token")
    assert hand.poll() is PENDING
    assert hand.cancel("mine") is PENDING
    probe.clean()
    outcome = hand.cancel("mine")

    assert isinstance(outcome, Canceled)
    assert outcome.reason.message == "mine"
    assert {reason.cause for reason in probe.reasons} == {token.reason}


def test_a_value_wins_over_my_own_cancellation() -> None:
    """R7: it is delivered, whoever asked first."""
    for by_token in (False, True):
        token, probe = CancellationToken(), Probe(cleanup=True)
        hand = Hand(token.guard(probe))
        hand.poll()
        if by_token:
            token.cancel()
            hand.poll()
        assert hand.cancel() is PENDING
        probe.clean(Completed(1))
        assert hand.cancel() == Completed(1)


def test_a_guard_that_is_canceled_before_its_first_poll_polls_nothing() -> None:
    """R5."""
    token, probe = CancellationToken(), Probe()
    hand = Hand(token.guard(probe))

    assert isinstance(hand.cancel(), Canceled)
    assert probe.vector == (0, 0, 1)


def test_a_dropped_guard_drops_the_future_and_leaves_the_token() -> None:
    """Before the first poll, and parked."""
    for polls in (0, 1):
        token, probe = CancellationToken(), Probe()
        hand = Hand(token.guard(probe))
        for _ in range(polls):
            hand.poll()
        hand.drop()
        assert (probe.vector, token.statistics()) == ((polls, 0, 1), NOBODY)


def test_a_guard_that_is_canceled_leaves_the_token() -> None:
    """Ten thousand of them leave nothing behind."""
    token = CancellationToken()
    for _ in range(MANY):
        hand = Hand(token.guard(rescind.never()))
        hand.poll()
        hand.cancel()

    assert token.statistics() == NOBODY


def test_what_canceled_itself_is_told_with_its_own_reason() -> None:
    """Not with the token's, which has none."""
    token, probe = CancellationToken(), Probe()
    hand = Hand(token.guard(probe))
    hand.poll()
    probe.end(Error(asyncio.CancelledError("by itself")))

    outcome = hand.poll()

    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, TaskCanceled)
    assert outcome.exception.reason.kind is CancelKind.FOREIGN


def test_bad_arguments_are_refused_and_nothing_leaks() -> None:
    """A coroutine that came with a bad grace is closed."""

    async def body() -> None: ...

    token = CancellationToken()
    for method in (token.guard, token.run_until_canceled):
        with pytest.raises(TypeError, match="expected an awaitable"):
            method(3)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="grace must be"):
            method(body(), grace=-1)
        with pytest.raises(TypeError, match="grace must be"):
            method(body(), grace="1")  # type: ignore[arg-type]
    gc.collect()


def test_a_future_given_with_a_bad_grace_is_dropped() -> None:
    """It was taken over, and is used by nobody."""
    token = CancellationToken()
    probes = [Probe(), Probe()]

    for method, probe in zip((token.guard, token.run_until_canceled), probes, strict=True):
        with pytest.raises(ValueError, match="grace must be"):
            method(probe, grace=-1)

    assert [probe.vector for probe in probes] == [(0, 0, 1)] * 2


# -- run_until_canceled, by hand ---------------------------------------------------------------


def test_run_until_canceled_gives_every_outcome_as_a_value() -> None:
    """A value, an error, the token's cancellation with its reason and the cleanup's errors."""
    boom = Boom()
    found: list[object] = []
    for outcome in (Completed(1), Error(boom)):
        probe = Probe()
        hand = Hand(CancellationToken().run_until_canceled(probe))
        hand.poll()
        probe.end(outcome)
        found.append(hand.poll())
    token, probe = CancellationToken(), Probe(cleanup=True)
    hand = Hand(token.run_until_canceled(probe))
    hand.poll()
    token.cancel("why")
    hand.poll()
    probe.clean(Canceled(CancelReason(), (boom,)))
    last = hand.poll()

    assert found == [Completed(Completed(1)), Completed(Error(boom))]
    assert token.reason is not None
    assert last == Completed(Canceled(token.reason, (boom,)))
    assert token.statistics() == NOBODY


def test_run_until_canceled_with_a_canceled_token_never_polls() -> None:
    """Not even if it would be ready."""
    token, probe = canceled(), Probe()

    assert token.reason is not None
    assert Hand(token.run_until_canceled(probe)).poll() == Completed(Canceled(token.reason))
    assert probe.vector == (0, 0, 1)


def test_my_own_cancellation_of_run_until_canceled_is_no_value() -> None:
    """R17: I am canceled; but what the future had is delivered (R7)."""
    for cleaned in (None, Completed(1)):
        token, probe = CancellationToken(), Probe(cleanup=True)
        hand = Hand(token.run_until_canceled(probe))
        hand.poll()
        hand.cancel("mine")
        probe.clean(cleaned)
        outcome = hand.cancel("mine")
        if cleaned is None:
            assert isinstance(outcome, Canceled)
            assert outcome.reason.message == "mine"
        else:
            assert outcome == Completed(cleaned)


@pytest.mark.parametrize("parks", [False, True])
def test_a_body_that_cancels_its_own_token_is_canceled_where_it_parks(parks: bool) -> None:
    """At once, in the same poll; if it ends without parking, its value wins (R16)."""
    trace: list[str] = []
    token = CancellationToken()

    async def body() -> str:
        token.cancel("by itself")
        trace.append("goes on")
        if parks:
            await rescind.yield_now()
            trace.append("not here")
        return "value"

    outcome = Hand(token.guard(body()), clock=True).poll()

    assert trace == ["goes on"]
    if parks:
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, TaskCanceled)
        assert outcome.exception.reason.message == "by itself"
    else:
        assert outcome == Completed("value")
    assert token.statistics() == NOBODY


# -- in tasks, over every host -----------------------------------------------------------------


def test_a_token_stops_tasks_that_guard_and_tasks_that_wait(host: HostFactory) -> None:
    """Each cleans up, awaiting; the guards raise TaskCanceled, the waits give the reason."""
    trace: list[str] = []

    async def work(name: str) -> None:
        try:
            await rescind.sleep(3600)
        except Cancellation as exc:
            trace.append(f"{name}: {exc.reason.kind.name}")
            await rescind.sleep(0.001)
            trace.append(f"{name}: clean")
            raise

    async def main() -> list[Outcome[Any]]:
        token = CancellationToken()
        tasks: list[rescind.Task[Any]] = [
            rescind.spawn(token.guard(work("a"))),
            rescind.spawn(token.child().guard(work("b"))),
            rescind.spawn(token.wait()),
        ]
        await rescind.sleep(0.001)
        token.cancel("closing time")
        outcomes = [await task.join() for task in tasks]
        assert token.statistics() == NOBODY
        return outcomes

    with host() as runtime:
        guarded, through_child, waited = runtime.block_on(main())

    assert isinstance(guarded, Error)
    assert isinstance(guarded.exception, TaskCanceled)
    assert guarded.exception.reason.message == "closing time"
    assert isinstance(through_child, Error)
    assert isinstance(through_child.exception, TaskCanceled)
    assert through_child.exception.reason.cause == guarded.exception.reason
    assert waited == Completed(guarded.exception.reason)
    assert sorted(trace) == ["a: PARENT", "a: clean", "b: PARENT", "b: clean"]


def test_a_thread_cancels_tasks(host: HostFactory) -> None:
    """The wake-up reaches the runtime's thread; the cleanup runs there."""
    where: list[bool] = []

    async def work() -> None:
        try:
            await rescind.never()
        finally:
            where.append(threading.get_ident() == home)

    async def main() -> Outcome[None]:
        task = rescind.spawn(token.guard(work()))
        await rescind.yield_now()
        thread = threading.Thread(target=token.cancel, args=("from a thread",))
        thread.start()
        while not task.done():
            await rescind.sleep(0)
        thread.join()
        return await task.join()

    home = threading.get_ident()
    token = CancellationToken()
    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, TaskCanceled)
    assert outcome.exception.reason.message == "from a thread"
    assert where == [True]


def test_the_grace_of_a_guard_bounds_its_cleanup() -> None:
    """R10: a cleanup that is stuck is dropped, with a warning, and the guard ends."""

    async def stuck() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.never()

    async def main() -> float:
        token = CancellationToken()
        task = rescind.spawn(token.guard(stuck(), grace=2))
        await rescind.yield_now()
        token.cancel()
        outcome = await task.join()
        assert isinstance(outcome, Error)
        assert isinstance(outcome.exception, TaskCanceled)
        return rescind.now()

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == 2.0
        assert len(runtime.executor.overruns) == 1


def test_a_guard_inside_combinators_concerns_its_branch_alone() -> None:
    """In a join's `outcomes` and a race: the sibling goes on."""

    async def main() -> tuple[Any, Any]:
        token = CancellationToken()
        rescind.spawn(later(token))
        both = await rescind.outcomes(token.guard(rescind.never()), after(2, "sibling"))
        first = await rescind.race(token.run_until_canceled(rescind.never()), rescind.sleep(1))
        return both, first

    async def later(token: CancellationToken) -> None:
        await rescind.sleep(1)
        token.cancel()

    async def after(seconds: float, value: str) -> str:
        await rescind.sleep(seconds)
        return value

    with Runtime(host=ManualHost()) as runtime:
        (guarded, sibling), first = runtime.block_on(main())

    assert isinstance(guarded, Error)
    assert sibling == Completed("sibling")
    assert isinstance(first, Canceled)


@pytest.mark.parametrize("method", ["guard", "run_until_canceled"])
def test_a_guarded_program_is_canceled_cleanly_at_every_park(method: str) -> None:
    """Cancellation: that of the future, wherever it is parked; nothing is left behind."""
    tokens: list[CancellationToken] = []

    async def program(ledger: Ledger) -> object:
        token = CancellationToken()
        tokens.append(token)
        return await getattr(token, method)(ledger.work("inner", 1, "value", cleanup=0.5))

    found = sweep(program)

    assert {"Canceled"} == set(kinds([swept for swept in found if not swept.woken]))
    assert set(kinds(found)) <= {"Canceled", "Completed('value')", VALUE_OUTCOME}
    assert {token.statistics() for token in tokens} == {NOBODY}


def test_waiting_is_canceled_cleanly_at_every_park() -> None:
    """Cancellation: safe."""
    tokens: list[CancellationToken] = []

    async def program(ledger: Ledger) -> object:
        token = CancellationToken()
        tokens.append(token)
        return await rescind.race(token.wait(), ledger.work("other", 1, "value"))

    found = sweep(program)

    assert kinds(found)[0] == "Canceled"
    assert set(kinds(found)) <= {"Canceled", "Completed('value')"}
    assert {token.statistics() for token in tokens} == {NOBODY}


def test_a_program_whose_token_is_canceled_meanwhile_is_canceled_cleanly_at_every_park() -> None:
    """Both cancellations at once: the task's own is told."""
    tokens: list[CancellationToken] = []

    async def program(ledger: Ledger) -> object:
        with CancellationToken.after(1) as token:
            tokens.append(token)
            return await token.guard(ledger.work("inner", 2, "value", cleanup=0.5))

    found = sweep(program)

    assert {type(swept.outcome).__name__ for swept in found} <= {"Canceled", "Error"}
    assert {token.statistics() for token in tokens} == {NOBODY}


# -- in plain asyncio --------------------------------------------------------------------------


def test_tokens_work_in_plain_asyncio_tasks() -> None:
    """R31: wait, guard and deadlines without any runtime; a thread may cancel."""

    async def work(trace: list[str]) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            trace.append("clean")

    async def main() -> list[object]:
        trace: list[str] = []
        token = CancellationToken()
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(as_coroutine(token.guard(work(trace)))),
            asyncio.create_task(as_coroutine(token.wait())),
            asyncio.create_task(as_coroutine(token.run_until_canceled(asyncio.sleep(0, "value")))),
        ]
        await asyncio.sleep(0.001)
        thread = threading.Thread(target=token.cancel, args=("from a thread",))
        thread.start()
        found: list[object] = [*await asyncio.gather(*tasks, return_exceptions=True)]
        thread.join()
        assert token.statistics() == NOBODY
        with pytest.raises(TaskCanceled) as caught:
            await CancellationToken.after(0.001).guard(rescind.never())
        return [*found, caught.value.reason.kind, trace]

    async def as_coroutine(future: Any) -> Any:
        return await future

    guarded, waited, completed, kind, trace = asyncio.run(main())

    assert isinstance(guarded, TaskCanceled)
    assert waited == guarded.reason
    assert guarded.reason.message == "from a thread"
    assert (completed, kind, trace) == (Completed("value"), CancelKind.DEADLINE, ["clean"])


def test_asyncios_own_cancellation_of_a_guard_is_asyncios() -> None:
    """It ends in CancelledError, and the token is left."""

    async def main() -> tuple[bool, TokenStatistics]:
        token = CancellationToken()
        task = asyncio.ensure_future(wrapped(token))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled(), token.statistics()

    async def wrapped(token: CancellationToken) -> None:
        await token.guard(asyncio.sleep(3600))

    assert asyncio.run(main()) == (True, NOBODY)
