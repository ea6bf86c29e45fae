"""`shield`, `shielded` and gates: hold a cancellation back, as far as combinators are concerned."""

from typing import Any

import pytest

from rescind import (
    Canceled,
    Completed,
    Error,
    cancel_requested,
    join,
    never,
    on_cancel,
    race,
    self_cancel,
    shield,
    shielded,
    sleep,
    spawn,
)
from rescind.lowlevel import PENDING
from tests.combinators.kit import Ended, Hand, Ledger, Probe, by_hand, kinds, sweep, virtual


def test_shield_polls_on_under_a_request() -> None:
    """Canceled: the inner future is polled on, never canceled, and its value delivered (R12)."""
    probe = Probe()
    hand = Hand(shield(probe))
    request = by_hand()
    answers = [hand.poll(), hand.cancel(request), hand.cancel(request)]
    probe.give(1)
    answers.append(hand.cancel(request))
    assert [PENDING, PENDING, PENDING, Completed(1)] == answers
    assert (4, 0, 0) == probe.vector


def test_shield_that_was_never_polled_still_runs() -> None:
    """Canceled before its first poll: the inner future runs all the same (R12)."""
    probe = Probe()
    hand = Hand(shield(probe))
    assert hand.cancel() is PENDING
    boom = KeyError("boom")
    probe.end(Error(boom))
    assert (Error(boom), (2, 0, 0)) == (hand.cancel(), probe.vector)


def test_shield_is_dropped_at_the_end_of_the_grace() -> None:
    """The grace bounds a shield too: dropped at 1 + 4 (R10)."""
    ledger = Ledger()
    ended = virtual(lambda: shield(ledger.work("a", 99)), cancel_at=1, cancel_grace=4)
    assert (5.0, Canceled, ["+a", "-a"]) == (ended.at, type(ended.outcome), ledger.events)


@pytest.mark.parametrize("nested", [1, 2, 3])
def test_value_of_a_shield_is_seen_by_its_statement_only(nested: int) -> None:
    """Canceled inside: all of it runs, the value arrives, the next park raises (P17, P22)."""
    log: list[Any] = []

    async def main() -> None:
        future: Any = Ledger().work("a", 3, "value")
        for _ in range(nested):
            future = shield(future)
        log.append(await future)
        await sleep(1)
        log.append("unreachable")

    ended = virtual(main, cancel_at=1)
    assert (3.0, Canceled, ["value"]) == (ended.at, type(ended.outcome), log)


def test_exception_of_a_shield_arrives_and_the_next_park_raises() -> None:
    """Canceled inside, it raises: the exception is handled, then the cancellation comes (P22)."""
    log: list[str] = []

    async def main() -> None:
        try:
            await shield(Ledger().work("a", 3, KeyError("boom")))
        except KeyError:
            log.append("handled")
        await sleep(1)

    ended = virtual(main, cancel_at=1)
    assert (3.0, Canceled, ["handled"]) == (ended.at, type(ended.outcome), log)


def test_open_gate_is_as_no_shield() -> None:
    """shield(g: g.open(x)) is x: canceled at 1, cleaned up, ended at 3 (P16)."""
    ledger = Ledger()

    async def main() -> None:
        with shielded() as gate:
            await gate.open(ledger.work("a", 9, cleanup=2))

    ended = virtual(main, cancel_at=1)
    assert (3.0, Canceled, ["+a", "-a"]) == (ended.at, type(ended.outcome), ledger.events)


@pytest.mark.parametrize(
    ("opened", "at"), [("none", 9.0), ("outer", 9.0), ("inner", 9.0), ("both", 1.0), ("twice", 9.0)]
)
def test_gate_undoes_only_its_own_shield(opened: str, at: float) -> None:
    """Two shields: only both gates let the cancellation in; one gate twice is once (P18)."""

    async def main() -> None:
        with shielded() as outer, shielded() as inner:
            work: Any = Ledger().work("a", 9)
            if opened == "outer":
                await outer.open(work)
            elif opened == "inner":
                await inner.open(work)
            elif opened == "both":
                await inner.open(outer.open(work))
            elif opened == "twice":
                await inner.open(inner.open(work))
            else:
                await work

    assert at == virtual(main, cancel_at=1).at


def test_gate_in_another_coroutine_changes_nothing() -> None:
    """A gate used by a task other than the shield's does not shield or open anything (P18)."""

    async def main() -> float:
        with shielded() as gate:

            async def other() -> None:
                with shielded():
                    await gate.open(sleep(3))

            task = spawn(other())
            await sleep(1)
            task.cancel()
            await task.join()
        from rescind import now

        return now()

    assert Ended(Completed(3.0), 3.0) == virtual(main)


def test_self_cancel_then_open_gate_never_starts_the_future() -> None:
    """self_cancel in a shield, then gate.open(x): x never runs, its on_cancel does, once (P19)."""
    log: list[str] = []

    async def x() -> None:
        log.append("x")

    async def main() -> None:
        with shielded() as gate:
            await self_cancel("stop")
            log.append("after self_cancel")
            await on_cancel(gate.open(x()), lambda _outcome: log.append("finalizer"))
        log.append("unreachable")

    assert (Canceled, ["after self_cancel"], 1) == (
        type(virtual(main).outcome),
        log[:1],
        len(log[1:]),
    )
    assert ["finalizer"] == log[1:]


def test_gate_in_a_child_of_a_combinator_opens_nothing() -> None:
    """A race with an opened child, the request pending: it runs on as if unopened (P18)."""

    async def main() -> None:
        with shielded() as gate:
            await sleep(2)
            await race(gate.open(sleep(3)), sleep(9))

    assert 5.0 == virtual(main, cancel_at=1).at


def test_on_cancel_in_a_shield_never_runs() -> None:
    """In a shield on_cancel(x, f) is x: f never runs (P20)."""
    log: list[str] = []

    async def main() -> None:
        with shielded():
            await on_cancel(sleep(3), lambda _outcome: log.append("finalizer"))
        log.append("left")
        await sleep(1)

    ended = virtual(main, cancel_at=1)
    assert (3.0, Canceled, ["left"]) == (ended.at, type(ended.outcome), log)


def test_children_raced_in_a_shield_do_not_see_the_parents_request() -> None:
    """The race in a shield goes on, drains its loser, and only then the request comes (P23)."""
    ledger = Ledger()

    async def main() -> None:
        with shielded():
            ledger.events.append(
                await race(ledger.work("a", 3, "a"), ledger.work("b", 9, cleanup=1))
            )
        await sleep(1)

    ended = virtual(main, cancel_at=1)
    assert (4.0, ["+a", "+b", "-a", "-b", "a"]) == (ended.at, ledger.events)


def test_canceling_another_task_works_from_inside_a_shield() -> None:
    """A shield protects its own coroutine only (P24)."""

    async def main() -> Any:
        task = spawn(never())
        with shielded():
            return type(await task.cancel("from a shield"))

    assert Completed(Canceled) == virtual(main).outcome


@pytest.mark.parametrize("end", ["value", "error", "break"])
def test_shield_is_gone_however_its_block_is_left(end: str) -> None:
    """After the block, the next park is canceled at once (P26)."""

    async def main() -> None:
        for _ in range(1):
            try:
                with shielded():
                    await sleep(2)
                    if end == "error":
                        raise KeyError
                    if end == "break":
                        break
            except KeyError:
                pass
        await sleep(9)

    assert 2.0 == virtual(main, cancel_at=1).at


def test_cancel_requested_tells_the_truth_in_a_shield() -> None:
    """Held back, but told (R12, P27)."""
    seen: list[bool] = []

    async def main() -> None:
        with shielded():
            seen.append(cancel_requested() is not None)
            await sleep(2)
            seen.append(cancel_requested() is not None)

    virtual(main, cancel_at=1)
    assert [False, True] == seen


def test_shield_in_one_child_holds_only_that_child() -> None:
    """Of two children one is shielded: the other is canceled at 1, this one ends at 5 (R12)."""
    ledger = Ledger()
    ended = virtual(
        lambda: join(shield(ledger.work("a", 5)), ledger.work("b", 9, cleanup=1)), cancel_at=1
    )
    assert (5.0, ["+a", "+b", "-b", "-a"]) == (ended.at, ledger.events)


def test_shielded_work_canceled_at_every_park_is_complete() -> None:
    """Wherever it is canceled, the shielded part is done, and its value is seen (P22)."""

    async def main(ledger: Ledger) -> None:
        ledger.events.append(await shield(ledger.work("a", 1, "a", cleanup=1)))
        await ledger.work("b", 1)

    found = sweep(main)
    assert [["+a", "-a", "a"]] * len(found) == [swept.ledger.events[:3] for swept in found]
    assert ["Canceled"] * 3 + ["Canceled"] * 2 + ["Completed(None)"] == kinds(found)
