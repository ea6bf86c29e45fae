"""Hypothesis strategies: programs, small finalizers, orders, cancellations from outside.

Hypothesis is imported here alone, by the functions: what only uses laws on data of its own does
not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rescind._core.errors import UsageError
from rescind.testing.lab.injection import Kind
from rescind.testing.laws import program as ast
from rescind.testing.laws.program import Program
from rescind.testing.laws.stage import PLAIN, Injection, Setting

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["fin", "hypothesis_or_error", "inj", "prog", "sched", "settings"]


def hypothesis_or_error() -> Any:
    """Return the module `hypothesis`; say what to install if it is not there."""
    try:
        import hypothesis
    except ImportError as exc:
        raise UsageError(
            "rescind.testing.laws looks for counter-examples with hypothesis, which is not "
            "installed; run: pip install 'rescind[laws]'"
        ) from exc
    return hypothesis


def _strategies() -> Any:
    hypothesis_or_error()
    import hypothesis.strategies as st

    return st


#: Halves, so that ties happen often.
_SECONDS = (0, 0.5, 1, 1.5, 2, 3)
_WORDS = ("a", "b")

#: What may be left out of programs, by the name of the node.
_BRANCHING = ("Race", "Both", "Outcomes")
_TASKS = ("Group", "SpawnJoin", "Cancel")
_SHIELDS = ("Shield", "Masked", "Open", "Bracket")
_SHARED = ("Locked", "Permitted", "Send", "Receive")


def leaves(without: tuple[str, ...] = ()) -> SearchStrategy[Program]:
    """Return a strategy for programs of one node."""
    st = _strategies()
    known = {
        "Value": st.builds(ast.Value, st.integers(0, 3)),
        "Pause": st.just(ast.Pause()),
        "Sleep": st.builds(ast.Sleep, st.sampled_from(_SECONDS)),
        "Fail": st.builds(ast.Fail, st.sampled_from(_WORDS)),
        "SelfCancel": st.builds(ast.SelfCancel, st.sampled_from(_WORDS)),
        "Send": st.builds(ast.Send, st.integers(0, 3)),
        "Receive": st.just(ast.Receive()),
        "Never": st.just(ast.Never()),
    }
    # What may park for ever is rarer, or most programs would.
    blocks = ("SelfCancel", "Send", "Receive", "Never")
    ends = [one for name, one in known.items() if name not in without and name not in blocks]
    rest = [one for name, one in known.items() if name not in without and name in blocks]
    found: SearchStrategy[Program] = st.one_of(ends * 3 + rest)
    return found


def prog(
    *, size: int = 8, without: tuple[str, ...] = (), finalizers: int = 2
) -> SearchStrategy[Program]:
    """Return a strategy for programs.

    Args:
        size: about how many leaves they have.
        without: names of nodes that they do not have, or of kinds of such: ``branching``,
            ``tasks``, ``shields``, ``shared``. Their finalizers have none of these either.
        finalizers: about how many leaves a finalizer has; 0: no finalizers.
    """
    st = _strategies()
    kinds = {"branching": _BRANCHING, "tasks": _TASKS, "shields": _SHIELDS, "shared": _SHARED}
    left_out = tuple(name for one in without for name in kinds.get(one, (one,)))
    seconds = st.sampled_from(_SECONDS)
    ends: Any = fin(size=finalizers, without=without) if finalizers else None

    def grow(inner: SearchStrategy[Program]) -> SearchStrategy[Program]:
        known = {
            "Seq": st.builds(ast.Seq, inner, inner),
            "Catch": st.builds(ast.Catch, inner, inner),
            "Race": st.builds(ast.Race, inner, inner),
            "Both": st.builds(ast.Both, inner, inner),
            "Outcomes": st.builds(ast.Outcomes, inner, inner),
            "Timeout": st.builds(ast.Timeout, seconds, inner),
            "Guard": st.builds(ast.Guard, seconds, inner),
            "Shield": st.builds(ast.Shield, inner),
            "Masked": st.builds(ast.Masked, inner),
            "Open": st.builds(ast.Open, inner),
            "Locked": st.builds(ast.Locked, inner),
            "Permitted": st.builds(ast.Permitted, inner),
            "CatchCancel": st.builds(ast.CatchCancel, inner),
            "SpawnJoin": st.builds(ast.SpawnJoin, inner),
            "Group": st.builds(ast.Group, inner, inner),
            "Cancel": st.builds(ast.Cancel, seconds, inner),
        }
        if ends is not None:
            known["OnCancel"] = st.builds(ast.OnCancel, inner, ends)
            known["Finalize"] = st.builds(ast.Finalize, inner, ends)
            known["Bracket"] = st.builds(ast.Bracket, ends, inner, ends)
        found: SearchStrategy[Program] = st.one_of(
            [one for name, one in known.items() if name not in left_out]
        )
        return found

    made: SearchStrategy[Program] = st.recursive(leaves(left_out), grow, max_leaves=size)
    return made


def fin(*, size: int = 3, without: tuple[str, ...] = ()) -> SearchStrategy[Program]:
    """Return a strategy for finalizers: small, and sure to end.

    Args:
        size: about how many leaves they have.
        without: what else they do not have; see `prog`.
    """
    left_out = ("Never", "SelfCancel", "tasks", "shared", "Guard", *without)
    return prog(size=size, without=left_out, finalizers=0)


def sched(*, length: int = 12) -> SearchStrategy[tuple[int, ...]]:
    """Return a strategy for orders: which of the ready tasks is next."""
    st = _strategies()
    made: SearchStrategy[tuple[int, ...]] = st.lists(st.integers(0, 3), max_size=length).map(tuple)
    return made


def inj(
    *, most: int = 2, tasks: int = 3, kinds: tuple[Kind, ...] = (Kind.TASK,)
) -> SearchStrategy[tuple[Injection, ...]]:
    """Return a strategy for cancellations from outside, at least one, the earliest first.

    Args:
        most: how many.
        tasks: of the first so many tasks.
        kinds: what is canceled: the task, or what else the lab can inject.
    """
    st = _strategies()
    one = st.builds(
        Injection,
        st.integers(0, tasks - 1),
        st.integers(1, 8),
        st.sampled_from(["after", "before"]),
        st.sampled_from(["x", "y"]),
        kind=st.sampled_from(kinds),
    )
    made: SearchStrategy[tuple[Injection, ...]] = st.lists(one, min_size=1, max_size=most).map(
        tuple
    )
    return made


def settings(
    *, injected: bool | None = None, tasks: int = 3, kinds: tuple[Kind, ...] = (Kind.TASK,)
) -> SearchStrategy[Setting]:
    """Return a strategy for settings: without, with, or with and without cancellations.

    Args:
        injected: with cancellations, without, or, if None, either.
        tasks: of the first so many tasks.
        kinds: what is canceled: the task, or what else the lab can inject.
    """
    st = _strategies()
    none = st.just(PLAIN.injections)
    some = inj(tasks=tasks, kinds=kinds)
    injections = {None: st.one_of(none, some), True: some, False: none}
    made: SearchStrategy[Setting] = st.builds(Setting, sched(), injections[injected])
    return made
