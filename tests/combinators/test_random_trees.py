"""Random trees of combinators, canceled at random times: what holds for every one of them."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rescind import (
    Canceled,
    Completed,
    Error,
    Outcome,
    TimedOut,
    bracket,
    finalize,
    join,
    outcomes,
    race,
    race_ok,
    shield,
    sleep,
    timeout,
)
from tests.combinators.kit import Ended, virtual

#: A tree: the word for what it is, its number, and then its own parameters and children.
Tree = tuple[Any, ...]

seconds = st.integers(0, 6).map(lambda n: n / 2)
leaves = st.one_of(
    st.tuples(st.just("sleep"), seconds),
    st.tuples(st.just("raise"), seconds),
    st.tuples(st.just("cleanup"), seconds, seconds),
)


def _nodes(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.tuples(st.sampled_from(["race", "race_ok", "join", "outcomes"]), several),
        st.tuples(st.just("timeout"), seconds, children),
        st.tuples(st.sampled_from(["shield", "finalize", "bracket", "seq"]), children),
    )


trees = st.recursive(leaves, _nodes, max_leaves=8)


class Boom(Exception):
    """What programs raise."""


@dataclass
class World:
    """What a program did."""

    trace: list[str] = field(default_factory=list)
    open: dict[int, int] = field(default_factory=dict)
    finalizers: list[tuple[int, int]] = field(default_factory=list)
    made: int = 0

    def number(self) -> int:
        self.made += 1
        return self.made

    async def run(self, tree: Tree) -> Any:
        """Run the tree in a coroutine of its own, whose begin and end are noted."""
        me = self.number()
        self.trace.append(f"+{me} {tree[0]}")
        self.open[me] = 1
        try:
            return await self._body(tree)
        finally:
            del self.open[me]
            self.trace.append(f"-{me}")

    async def _body(self, tree: Tree) -> Any:
        kind = tree[0]
        if kind == "sleep":
            return await sleep(tree[1])
        if kind == "raise":
            await sleep(tree[1])
            raise Boom
        if kind == "cleanup":
            try:
                await sleep(tree[1])
            finally:
                await sleep(tree[2])
            return None
        if kind == "timeout":
            return await timeout(self.run(tree[2]), tree[1])
        if kind == "seq":
            await self.run(tree[1])
            return await self.run(("sleep", 1))
        if kind == "shield":
            return await shield(self.run(tree[1]))
        if kind == "finalize":
            return await finalize(self.run(tree[1]), self._finalizer())
        if kind == "bracket":
            return await self._bracket(tree[1])
        combinator: Any = {"race": race, "race_ok": race_ok, "join": join, "outcomes": outcomes}
        return await combinator[kind](*(self.run(child) for child in tree[1]))

    def _finalizer(self) -> Any:
        index = len(self.finalizers)
        self.finalizers.append((0, 0))

        async def finalizer(_outcome: Outcome[Any]) -> None:
            begun, ended = self.finalizers[index]
            self.finalizers[index] = (begun + 1, ended)
            await sleep(0.5)
            self.finalizers[index] = (begun + 1, ended + 1)

        return finalizer

    async def _bracket(self, child: Tree) -> Any:
        release = self._finalizer()

        async def acquire() -> None:
            await sleep(0.5)

        return await bracket(acquire, lambda _resource: self.run(child), release)


def play(tree: Tree, cancel_at: float | None) -> tuple[World, Ended]:
    """Run a tree in virtual time; `virtual` looks that no task and no timer is left."""
    world = World()
    return world, virtual(lambda: world.run(tree), grace=None, cancel_at=cancel_at)


cancel_times = st.one_of(st.none(), st.integers(0, 24).map(lambda n: n / 4 + 0.125), seconds)


@settings(max_examples=300, deadline=None)
@given(tree=trees, cancel_at=cancel_times)
def test_every_tree_ends_what_it_began(tree: Tree, cancel_at: float | None) -> None:
    """Everything started has ended, each finalizer ran once and to its end (P8, P31, P35, P52)."""
    world, ended = play(tree, cancel_at)
    assert {} == world.open
    assert [(1, 1)] * len(world.finalizers) == world.finalizers
    assert sum(entry[0] == "+" for entry in world.trace) == sum(
        entry[0] == "-" for entry in world.trace
    )
    assert isinstance(ended.outcome, (Completed, Error, Canceled))


@settings(max_examples=150, deadline=None)
@given(tree=trees, cancel_at=cancel_times)
def test_every_tree_does_the_same_again(tree: Tree, cancel_at: float | None) -> None:
    """Run twice: the same trace, the same kind of end, at the same virtual time (P74)."""
    first, second = play(tree, cancel_at), play(tree, cancel_at)
    assert (first[0].trace, _kind(first[1]), first[1].at) == (
        second[0].trace,
        _kind(second[1]),
        second[1].at,
    )


@settings(max_examples=150, deadline=None)
@given(tree=trees, cancel_at=seconds)
def test_cancel_after_the_end_changes_nothing(tree: Tree, cancel_at: float) -> None:
    """Canceled when it has ended already: the run is as if nobody had asked (R16, P13)."""
    plain_world, plain = play(tree, None)
    world, ended = play(tree, plain.at + cancel_at + 0.125)
    assert (plain_world.trace, _kind(plain), plain.at) == (world.trace, _kind(ended), ended.at)


@settings(max_examples=150, deadline=None)
@given(tree=trees)
def test_infinite_timeout_and_shield_are_the_tree(tree: Tree) -> None:
    """timeout(x, inf) ends as x does, at the same time (P61); so does shield(x) (P25)."""
    _, plain = play(tree, None)
    _, timed = play(("timeout", float("inf"), tree), None)
    _, shielded = play(("shield", tree), None)
    assert [(_kind(plain), plain.at)] * 2 == [
        (_kind(timed), timed.at),
        (_kind(shielded), shielded.at),
    ]


@settings(max_examples=100, deadline=None)
@given(tree=trees, outer=seconds, inner=seconds)
def test_nested_timeouts_are_never_later_than_the_smaller_one(
    tree: Tree, outer: float, inner: float
) -> None:
    """timeout(a, timeout(b, x)) begins to end as timeout(min(a, b), x) does (P61)."""
    nested_world, nested = play(("timeout", outer, ("timeout", inner, tree)), None)
    single_world, single = play(("timeout", min(outer, inner), tree), None)
    assert _boundary(nested) == _boundary(single)
    assert {} == nested_world.open == single_world.open


def _kind(ended: Ended) -> str:
    outcome = ended.outcome
    if isinstance(outcome, Error):
        return f"Error {type(outcome.exception).__name__}"
    return type(outcome).__name__


def _boundary(ended: Ended) -> tuple[bool, float]:
    exception = getattr(ended.outcome, "exception", None)
    return type(exception) is TimedOut, ended.at
