"""Shields and gates inside one coroutine: what holds a cancellation back, and what lets it in."""

from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, Cancellation, Completed, UsageError
from rescind._core.gate import Gate
from rescind._core.scope import Mask
from rescind.lowlevel import PENDING, CoroutineFuture
from rescind.testing import context, poll_cancel_once
from tests.core.kit import Bench, Leaf, request


async def step(trace: list[str], name: str, seconds: float = 1) -> str:
    """Sleep, and note how that ended."""
    try:
        await rescind.sleep(seconds)
    except Cancellation:
        trace.append(f"{name} canceled at {rescind.now():g}")
        raise
    trace.append(f"{name} done at {rescind.now():g}")
    return name


def canceled_at(body: Callable[..., Any], at: float) -> list[str]:
    """Run a body that notes its steps, cancel it at this time, and return the notes."""
    trace: list[str] = []
    with Bench() as bench:
        task = bench.spawn(body(trace))
        bench.advance(at)
        task.cancel("stop")
        bench.advance(20)
        trace.append(type(task.outcome()).__name__)
    return trace


def test_shield_holds_the_request_back_and_the_next_park_delivers() -> None:
    """R12, C3: all of the block runs; leaving checks nothing; the park after it is canceled."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded():
            await step(trace, "a")
            await step(trace, "b")
        trace.append("left")
        await step(trace, "c")

    expected = ["a done at 1", "b done at 2", "left", "c canceled at 2", "Canceled"]
    assert expected == canceled_at(main, 0.5)


def test_leaving_the_last_shield_without_another_park_completes() -> None:
    """C3, R16: no park, no delivery: the value is the outcome."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded():
            await step(trace, "a")

    assert ["a done at 1", "Completed"] == canceled_at(main, 0.5)


def test_nested_shields_hold_until_the_outermost_is_left() -> None:
    """C1: each shield counts."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded():
            with rescind.shielded():
                await step(trace, "a")
            await step(trace, "b")
        await step(trace, "c")

    expected = ["a done at 1", "b done at 2", "c canceled at 2", "Canceled"]
    assert expected == canceled_at(main, 0.5)


def test_gate_lets_the_request_in_for_one_future() -> None:
    """R12: inside `gate.open` the cancellation is delivered; around it the shield holds."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as gate:
            await step(trace, "a")
            try:
                await gate.open(step(trace, "b"))
            finally:
                await step(trace, "c")

    expected = ["a done at 1", "b canceled at 1.5", "c done at 2.5", "Canceled"]
    assert expected == canceled_at(main, 1.5)


def test_waiting_request_is_delivered_on_entering_the_gate() -> None:
    """P19: the opened future then never starts."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as gate:
            await step(trace, "a")
            await gate.open(step(trace, "b"))

    assert ["a done at 1", "Canceled"] == canceled_at(main, 0.5)


def test_inner_gate_does_not_open_the_outer_shield() -> None:
    """P18: a gate undoes its own shield and no other."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded():
            with rescind.shielded() as inner:
                await inner.open(step(trace, "a"))
        await step(trace, "b")

    assert ["a done at 1", "b canceled at 1", "Canceled"] == canceled_at(main, 0.5)


def test_outer_gate_does_not_open_the_inner_shield() -> None:
    """P18: from inside another shield the outer gate is not enough."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as outer:
            with rescind.shielded():
                await outer.open(step(trace, "a"))
        await step(trace, "b")

    assert ["a done at 1", "b canceled at 1", "Canceled"] == canceled_at(main, 0.5)


@pytest.mark.parametrize("order", ["inner around outer", "outer around inner"])
def test_both_gates_together_open_both_shields(order: str) -> None:
    """P18: `i.open(o.open(x))` is x; the order of opening does not matter."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as outer:
            with rescind.shielded() as inner:
                first, second = (inner, outer) if order.startswith("inner") else (outer, inner)
                await first.open(second.open(step(trace, "a")))

    assert ["a canceled at 0.5", "Canceled"] == canceled_at(main, 0.5)


def test_opening_twice_is_opening_once() -> None:
    """P18: the second opening changes nothing."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as gate:
            await gate.open(gate.open(step(trace, "a")))

    assert ["a canceled at 0.5", "Canceled"] == canceled_at(main, 0.5)


def test_gate_of_another_coroutine_opens_nothing() -> None:
    """P18: used in another task, it is as if the future had not been opened."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as foreign:
            other = rescind.spawn(inside(trace, foreign))
            await rescind.sleep(0.5)
            other.cancel()
            await other.join()
            trace.append(f"joined at {rescind.now():g}")

    async def inside(trace: list[str], foreign: Gate) -> None:
        with rescind.shielded():
            await foreign.open(step(trace, "a"))
        await step(trace, "b")

    with Bench() as bench:
        trace: list[str] = []
        bench.spawn(main(trace))
        bench.advance(5)
    assert ["a done at 1", "b canceled at 1", "joined at 1"] == trace


def test_gate_after_its_block_is_an_open_door() -> None:
    """A gate that was left shields nothing, and opening it changes nothing."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded() as gate:
            pass
        await gate.open(step(trace, "a"))

    assert ["a canceled at 0.5", "Canceled"] == canceled_at(main, 0.5)


def test_opened_value_is_delivered_by_hand() -> None:
    """R7 through a gate: the future has its value when the request comes."""
    leaf = Leaf()

    async def main() -> object:
        with Gate() as gate:
            return await gate.open(leaf)

    fut = CoroutineFuture(main())
    assert PENDING is fut.poll(context())
    assert "gate.open(<leaf>)" == repr(fut.leaf)
    leaf.complete(4)
    assert Completed(4) == poll_cancel_once(fut)


def test_opened_future_is_dropped_with_its_coroutine() -> None:
    """F4: through the gate."""
    leaf = Leaf()

    async def main() -> None:
        with Gate() as gate:
            await gate.open(leaf)

    fut = CoroutineFuture(main())
    fut.poll(context())
    fut.drop()
    assert ["leaf: poll", "leaf: drop"] == leaf.trace


def test_shielded_leaf_is_polled_on_by_poll_cancel() -> None:
    """By hand: PENDING as long as the shield holds, the request kept for the next park."""
    trace: list[str] = []
    inside, after = Leaf("inside", trace), Leaf("after", trace)

    async def main() -> None:
        with Gate():
            await inside
        await after

    fut = CoroutineFuture(main())
    fut.poll(context())
    ask = request()
    assert [PENDING, PENDING] == [poll_cancel_once(fut, request=ask) for _ in range(2)]
    assert (False, True) == (fut.delivered(), fut.holds())
    inside.complete()
    assert Canceled(ask.reason) == poll_cancel_once(fut, request=ask)
    assert ["inside: poll"] * 4 + ["after: poll", "after: cancel", "after: drop"] == trace


def test_shield_is_restored_on_every_way_out() -> None:
    """P26: value, exception, `break`: the stack is empty afterwards."""
    depths: list[int] = []

    async def main() -> None:
        with Gate():
            depths.append(len(fut.scopes))
        with pytest.raises(ValueError, match="x"):
            with Gate():
                raise ValueError("x")
        for _ in range(3):
            with Gate():
                break
        depths.append(len(fut.scopes))

    fut = CoroutineFuture(main())
    fut.poll(context())
    assert [1, 0] == depths


def test_shields_left_out_of_order_leave_nothing_behind() -> None:
    """Whoever interleaves blocks by hand still ends with an empty stack."""
    depths: list[int] = []

    async def main() -> None:
        first, second = Gate(), Gate()
        first.__enter__()
        second.__enter__()
        for gate in (first, second, second):
            gate.__exit__(None, None, None)
            depths.append(len(fut.scopes))

    fut = CoroutineFuture(main())
    fut.poll(context())
    assert [1, 0, 0] == depths


def test_shield_entered_twice_is_refused() -> None:
    """One object, one block; the message says what to do."""
    caught: list[str] = []

    async def main() -> None:
        gate = Gate()
        with gate:
            pass
        with pytest.raises(UsageError) as exc:
            gate.__enter__()
        caught.append(str(exc.value))

    CoroutineFuture(main()).poll(context())
    expected = "this shield was already entered; call shielded() once for each 'with'"
    assert [expected] == caught


def test_shield_outside_every_coroutine_is_refused() -> None:
    """Nothing is there that could be shielded; leaving what was never entered is harmless."""
    gate = Gate()
    with pytest.raises(UsageError) as caught:
        gate.__enter__()
    gate.__exit__(None, None, None)
    assert (
        "shielded() needs to be entered inside a coroutine that rescind drives; run it with "
        "rescind.run(...), spawn(...) or a combinator"
    ) == str(caught.value)


def test_mask_without_a_gate_is_an_interface() -> None:
    """What opens a shield is the subclass's to say."""
    with pytest.raises(NotImplementedError):
        Mask().opened_by(None)


def test_children_of_a_race_do_not_inherit_the_shield_nor_get_the_request() -> None:
    """R12, P23: a shielded parent does not forward; its children run on until it is left."""

    async def main(trace: list[str]) -> None:
        with rescind.shielded():
            await rescind.join(step(trace, "a", 1), step(trace, "b", 2))
        await step(trace, "c")

    expected = ["a done at 1", "b done at 2", "c canceled at 2", "Canceled"]
    assert expected == canceled_at(main, 0.5)
