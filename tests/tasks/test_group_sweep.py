"""Groups canceled at every park, and random trees of groups: what holds for every one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rescind
from rescind import Canceled, Completed, Error, Outcome, Runtime, TaskGroup, task_group
from rescind.lowlevel import ManualHost
from tests.tasks.group_kit import Boom, CleanupBoom, World, run_group, settle

POLICIES = ("fail_fast", "collect", "supervise")


def _program(policy: Any, world: World) -> Any:
    """Make a program that parks in the body, in children, in a nested group, in the wait."""

    async def nested() -> None:
        async with task_group(policy=policy) as inner:
            inner.spawn(world.work("n1", 2, cleanup=0.25))
            inner.spawn(world.work("n2", 1, cleanup_fails=CleanupBoom()))
            await rescind.sleep(0.5)

    async def main() -> None:
        async with task_group(policy=policy, limit=3) as g:
            g.spawn(world.work("a", 3, cleanup=0.5))
            g.spawn(nested())
            g.spawn(world.work("b", 1))
            g.spawn(world.work("waits", 1))
            g.spawn(world.work("d", 99), daemon=True)
            await rescind.sleep(0.25)
            await rescind.shield(rescind.sleep(0.5))
        world.note("left")

    return main()


def _steps(policy: str) -> int:
    with Runtime(host=ManualHost()) as runtime:
        before = runtime.statistics().steps
        runtime.block_on(_program(policy, World()))
        return runtime.statistics().steps - before


def _canceled_at(step: int, policy: str, how: str, twice: bool) -> None:
    """Cancel the parent before that step of the runtime, and check what is left."""
    world = World()
    with Runtime(host=ManualHost(), grace=5) as runtime:
        task = runtime.spawn(_program(policy, world), name="main")
        runtime.executor.drain()
        grace: dict[str, Any] = {"grace": 0} if how == "drop" else {}
        host = runtime.host
        assert isinstance(host, ManualHost)
        with_turns = 0
        while not task.done() and with_turns < step:
            host.advance()
            with_turns += 1
        early = task.done()
        task.cancel("swept", **grace)
        if twice:
            task.cancel("again", **grace)
        runtime.block_on(task.join())
        outcome = task.outcome()
        assert [] == runtime.tasks()
        assert set() == world.alive
        if not early:
            assert isinstance(outcome, (Canceled, Completed))
            if isinstance(outcome, Canceled):
                assert "swept" == outcome.reason.message
                assert not any(line.endswith(" left") for line in world.trace)
        starts = sorted(line.split("+")[1] for line in world.trace if "+" in line)
        ends = sorted(line.split("-")[1] for line in world.trace if " -" in line)
        assert starts == ends


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("how", ["cancel", "drop"])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_parent_canceled_at_every_park(policy: str, how: str, twice: bool) -> None:
    """P52: no child is alive afterwards, each that began has ended, and nothing else has run."""
    for step in range(2 * _steps(policy)):
        _canceled_at(step, policy, how, twice)


# ------------------------------------------------------------------------------------- random trees

Tree = tuple[Any, ...]

seconds = st.integers(0, 4).map(lambda n: n / 2)
leaves = st.one_of(
    st.tuples(st.just("sleep"), seconds),
    st.tuples(st.just("raise"), seconds),
    st.tuples(st.just("cleanup"), seconds, seconds),
    st.tuples(st.just("cleanup fails"), seconds),
    st.tuples(st.just("absorb"), seconds),
    st.tuples(st.just("cancel group"), seconds),
    st.tuples(st.just("interrupt sibling"), seconds),
)


def _nodes(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.tuples(
            st.just("group"),
            st.sampled_from(POLICIES),
            st.sampled_from([None, 1, 2]),
            several,
            children,
            st.booleans(),
        ),
        st.tuples(st.sampled_from(["race", "join"]), several),
        st.tuples(st.sampled_from(["deadline", "timeout"]), seconds, children),
        st.tuples(st.sampled_from(["shield", "shielded", "finally"]), children),
    )


trees = st.recursive(leaves, _nodes, max_leaves=10)


@dataclass
class Programs:
    """What a generated program did."""

    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    raised: list[BaseException] = field(default_factory=list)
    left_alive: list[str] = field(default_factory=list)
    groups: list[TaskGroup] = field(default_factory=list)

    async def run(self, tree: Tree) -> Any:
        """Run the tree in a coroutine of its own, whose begin and end are noted."""
        number = len(self.begun)
        self.begun.append(number)
        try:
            return await self._body(tree)
        finally:
            self.ended.append(number)

    def _boom(self, kind: type[Exception]) -> Exception:
        error = kind(len(self.raised))
        self.raised.append(error)
        return error

    async def _body(self, tree: Tree) -> Any:
        kind = tree[0]
        if kind == "group":
            return await self._group(*tree[1:])
        if kind in ("race", "join"):
            combinator: Any = rescind.race if kind == "race" else rescind.join
            return await combinator(*(self.run(child) for child in tree[1]))
        if kind == "timeout":
            return await rescind.timeout(self.run(tree[2]), tree[1])
        if kind == "deadline":
            async with rescind.deadline(tree[1]):
                return await self.run(tree[2])
        if kind == "shield":
            return await rescind.shield(self.run(tree[1]))
        if kind == "shielded":
            with rescind.shielded():
                return await self.run(tree[1])
        if kind == "finally":
            try:
                await rescind.sleep(0.5)
            except rescind.Cancellation:
                await self.run(tree[1])
                raise
            return await self.run(tree[1])
        return await self._leaf(kind, *tree[1:])

    async def _leaf(self, kind: str, *times: float) -> None:
        try:
            await rescind.sleep(times[0])
            if kind == "raise":
                raise self._boom(Boom)
            if kind == "cancel group" and self.groups:
                self.groups[-1].cancel("by a leaf")
            if kind == "interrupt sibling" and self.groups and self.groups[-1].tasks:
                self.groups[-1].tasks[0].cancel("by a sibling")
            await rescind.sleep(0.5)
        except rescind.Cancellation:
            if kind == "cleanup":
                await rescind.sleep(times[1])
            if kind == "cleanup fails":
                raise self._boom(CleanupBoom) from None
            if kind != "absorb":
                raise

    async def _group(
        self, policy: Any, limit: int | None, children: tuple[Tree, ...], body: Tree, daemon: bool
    ) -> None:
        group = task_group(policy=policy, limit=limit)
        await run_group(self, group, children, body, daemon=daemon)


def _found(error: BaseException, found: set[int]) -> None:
    if id(error) in found:
        return
    found.add(id(error))
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            _found(inner, found)
    for also in (*getattr(error, "also", ()), *getattr(error, "__rescind_also__", ())):
        _found(also, found)
    for around in (error.__cause__, error.__context__):
        if around is not None:
            _found(around, found)


@settings(max_examples=400, deadline=None)
@given(
    tree=trees, at=st.integers(0, 8), grace=st.sampled_from([None, 0, 0.5, 30]), again=st.booleans()
)
def test_random_trees_leave_nothing_behind(
    tree: Tree, at: int, grace: float | None, again: bool
) -> None:
    """P52: on exit no descendant is alive; one end for each begin; the runtime is left empty."""
    programs = Programs()
    with Runtime(host=ManualHost(), grace=4) as runtime:

        async def main() -> Outcome[Any]:
            task = rescind.spawn(programs.run(tree))
            await rescind.sleep(at / 4)
            task.cancel("random", grace=grace)
            if again:
                await rescind.sleep(0.25)
                task.cancel("again")
            return await task.join()

        outcome = runtime.block_on(main())
        assert isinstance(outcome, (Completed, Error, Canceled))
        assert [] == runtime.tasks()
        assert 0 == runtime.statistics().timers

    assert [] == programs.left_alive
    assert sorted(programs.begun) == sorted(programs.ended)


groups_only = st.recursive(
    st.one_of(
        st.tuples(st.just("sleep"), seconds),
        st.tuples(st.just("raise"), seconds),
        st.tuples(st.just("cleanup"), seconds, seconds),
        st.tuples(st.just("cleanup fails"), seconds),
        st.tuples(st.just("cancel group"), seconds),
    ),
    lambda children: st.tuples(
        st.just("group"),
        st.sampled_from(["fail_fast", "collect"]),
        st.sampled_from([None, 1]),
        st.lists(children, min_size=1, max_size=3).map(tuple),
        children,
        st.booleans(),
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(tree=groups_only, at=st.integers(0, 8))
def test_every_error_of_a_random_tree_of_groups_comes_out(tree: Tree, at: int) -> None:
    """R15: whatever failed is in the outcome of the root: in its group, or in its ``also``."""
    programs = Programs()
    with Runtime(host=ManualHost()) as runtime:

        async def main() -> Outcome[Any]:
            task = rescind.spawn(programs.run(tree))
            await rescind.sleep(at / 4)
            task.cancel("random")
            return await task.join()

        outcome = runtime.block_on(main())

    found: set[int] = set()
    if isinstance(outcome, Error):
        _found(outcome.exception, found)
    for error in getattr(outcome, "also", ()):
        _found(error, found)
    assert [] == [error for error in programs.raised if id(error) not in found]


def test_a_group_is_left_empty_on_every_host(host: Any) -> None:
    """The same invariant on real loops, for a fixed tree."""
    programs = Programs()
    tree: Tree = (
        "group",
        "fail_fast",
        2,
        (
            (
                "group",
                "collect",
                None,
                (("sleep", 2.0), ("cleanup", 2.0, 0.0)),
                ("sleep", 0.0),
                True,
            ),
        ),
        ("race", (("group", "fail_fast", None, (("sleep", 2.0),), ("sleep", 0.0), False),)),
        False,
    )

    async def main() -> Outcome[Any]:
        task = rescind.spawn(programs.run(tree))
        await settle(8)
        return await task.cancel()

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert ([], sorted(programs.begun)) == (programs.left_alive, sorted(programs.ended))
