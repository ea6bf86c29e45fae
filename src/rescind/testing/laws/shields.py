"""Shields: P16 to P27.

Where a law wraps a program, its gates have names (``o``, ``i``) that no generated program uses.
"""

from __future__ import annotations

from typing import Any

import rescind
from rescind._core.outcome import Completed
from rescind.testing.laws.equiv import same
from rescind.testing.laws.law import law
from rescind.testing.laws.program import (
    Both,
    Cancel,
    Catch,
    Group,
    Masked,
    Never,
    OnCancel,
    Open,
    Pause,
    Program,
    Race,
    SelfCancel,
    Seq,
    Shield,
    Sleep,
    SpawnJoin,
    Value,
    nodes,
    seq,
)
from rescind.testing.laws.stage import Injection, Setting, Stage, play
from rescind.testing.virtual import run_virtual

__all__: list[str] = []

#: A park without a clock, and one for whoever must not wait for others.
_PARK = Pause()


@law(16)
def opened_shield_is_nothing(x: Program, on: Setting) -> None:
    """shield(g: g.open(x)) ≃ x."""
    same(Masked(Open(x, "o"), "o"), x, on)


@law(17)
def shield_twice_is_once(x: Program, on: Setting) -> None:
    """shield(shield(x)) ≃ shield(x)."""
    same(Shield(Shield(x)), Shield(x), on)
    same(Masked(Masked(x, "i"), "o"), Masked(x, "o"), on)


@law(18)
def a_gate_undoes_its_own_shield(x: Program, on: Setting) -> None:
    """A gate opens only its own shield; both open = x; twice = once; elsewhere it opens nothing."""
    same(Masked(Masked(Open(x, "o"), "i"), "o"), Masked(x, "o"), on)
    both = Open(Open(x, "o"), "i")
    same(Masked(Masked(both, "i"), "o"), x, on)
    same(Masked(Masked(Open(Open(x, "i"), "o"), "i"), "o"), x, on)
    same(Masked(Open(Open(x, "o"), "o"), "o"), Masked(Open(x, "o"), "o"), on)
    same(Masked(SpawnJoin(Open(x, "o")), "o"), Masked(SpawnJoin(x), "o"), on)
    same(Masked(Race(Open(x, "o"), Never()), "o"), Masked(Race(x, Never()), "o"), on)


@law(19)
def a_pending_cancel_is_delivered_at_the_gate(x: Program, f: Program) -> None:
    """shield(g: self_cancel(); on_cancel(g.open(x), f)): x is not run, f runs once."""
    run = play(Masked(Seq(SelfCancel("r"), OnCancel(Open(x, "o"), f)), "o"))
    assert len(run.machine.finalizers) == 1, "something of x was run"
    assert run.machine.finalizers[0].begun == run.machine.finalizers[0].ended == 1
    assert run.ended[:3] == ("canceled", "EXPLICIT", "r")
    alone = play(f)
    own = [entry.what for entry in run.trace[2:]]
    assert own == [entry.what for entry in alone.trace], "x was run"


@law(20)
def in_a_shield_nothing_is_canceled(x: Program, f: Program, on: Setting) -> None:
    """In a shield, for x that opens no gate, on_cancel(x, f) ≃ x: f never runs."""
    if _cancels_itself(x):
        return
    same(Shield(OnCancel(x, f)), Shield(x), on)
    same(Masked(OnCancel(x, f), "o"), Masked(x, "o"), on)


@law(21)
def on_cancel_may_cross_the_boundary(x: Program, f: Program, on: Setting) -> None:
    """Moving on_cancel across the boundary of a shield changes nothing."""
    if _cancels_itself(x):
        return
    same(Shield(OnCancel(x, f)), OnCancel(Shield(x), f), on)


def _cancels_itself(x: Program) -> bool:
    """Can it end as canceled though nobody cancels it: through a gate, or as a child that did?"""
    return any(isinstance(one, Open) for one in nodes(x))


@law(22, x={"without": ("SelfCancel", "tasks", "shared", "Open")})
def all_of_a_shield_runs(x: Program, struck: Setting) -> None:
    """Canceled during shield(x): all of x runs; the await sees its value, no next park does."""
    body = seq(Catch(Shield(x), Value(0)), Value(98), _PARK, Value(99))
    step = struck.injections[0].step
    run = play(body, Setting(struck.choices, (Injection(0, step, "after", "r"),)))
    undisturbed = play(body, Setting(struck.choices))
    if not run.struck or undisturbed.stuck:
        return
    shield_ends = [one.what for one in undisturbed.trace].index("value 98")
    whole = [one.what for one in undisturbed.trace[: shield_ends + 1]]
    seen = [one.what for one in run.trace]
    assert seen[: len(whole)] == whole, f"not all of it ran: {seen}"
    assert "value 99" not in seen, "it went on beyond the next park"
    assert run.ended[:3] == ("canceled", "EXPLICIT", "r")


@law(23)
def children_do_not_inherit_a_shield(x: Program) -> None:
    """Children in a shield can be canceled by their parent, and do not get its pending cancel."""
    alone = play(x)
    body = Masked(Seq(SelfCancel("r"), SpawnJoin(x)), "o")
    run = play(body)
    if not alone.stuck and not any(isinstance(one, Open) for one in nodes(x)):
        assert [one.what for one in run.trace[2:]] == [one.what for one in alone.trace]
    lost = play(Masked(Seq(SelfCancel("r"), Race(Never(), Sleep(1))), "o"))
    assert lost.ended[0] == "completed" and lost.at == 1, "the loser was not canceled"
    assert "never: canceled" in [one.what for one in lost.trace]
    both = play(Masked(Seq(SelfCancel("r"), Both(Sleep(1), Sleep(2))), "o"))
    assert both.ended[0] == "completed" and both.at == 2


@law(24)
def others_can_be_canceled_from_inside_a_shield() -> None:
    """Cancelling another task works from inside a shield."""

    async def main() -> str | None:
        other = rescind.spawn(rescind.never())
        with rescind.shielded():
            outcome = await other.cancel("from inside")
        return outcome.reason.message if isinstance(outcome, rescind.Canceled) else None

    assert run_virtual(main) == Completed("from inside")


@law(25)
def in_a_shielded_root_nothing_is_due(x: Program, quiet: Setting) -> None:
    """If all of the task is a shield, shield(x) ≃ x, and self_cancel() ≃ noop."""
    if not any(isinstance(one, Open) for one in nodes(x)):
        same(Shield(Shield(x)), Shield(x), quiet)
        # In order of arrival: the request makes a step of its own, which choices would count, and
        # with which other tasks may come before or after.
        with_cancel = play(Shield(Seq(SelfCancel("r"), x)))
        without = play(Shield(x))
        if not any(isinstance(one, Group | SpawnJoin | Cancel) for one in nodes(x)):
            assert with_cancel.ended == without.ended or without.stuck
            whats = [one.what for one in without.trace]
            assert [one.what for one in with_cancel.trace[2:]] == whats


@law(26, x={"without": ("tasks", "SelfCancel", "Never", "shared")})
def a_shield_ends_with_its_block(x: Program, on: Setting) -> None:
    """The shield is taken away on every way out of its block: the next park delivers."""
    quiet = Setting(on.choices)
    for shield in (Masked(x, "o"), Shield(x)):
        run = play(seq(Catch(shield, Value(0)), SelfCancel("r"), Value(99)), quiet)
        if "self_cancel r" in [one.what for one in run.trace]:
            assert run.ended[:3] == ("canceled", "EXPLICIT", "r"), run.ended
            assert "value 99" not in [one.what for one in run.trace]


@law(27)
def the_request_can_be_read_inside(at: float) -> None:
    """cancel_requested() tells the truth for the whole shielded period, inside and outside."""
    seen: list[tuple[float, str | None]] = []

    async def main() -> None:
        with rescind.shielded():
            for _ in range(8):
                await rescind.sleep(0.5)
                reason: Any = rescind.cancel_requested()
                seen.append((rescind.now(), None if reason is None else reason.message))

    with Stage() as stage:
        task = stage.spawn(main())
        stage.call_at(at, lambda: _cancel(task))
        stage.finish()
        assert task.request is not None
    assert seen == [(n / 2, "r" if n / 2 > at else None) for n in range(1, 9)]


def _cancel(task: rescind.Task[Any]) -> None:
    task.cancel("r")
