"""Scopes and trees: P52 to P57."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import rescind
from rescind._core.outcome import Canceled, Completed, Error
from rescind.testing.laws.interpret import Boom, Machine
from rescind.testing.laws.law import ANY_KIND, law
from rescind.testing.laws.program import (
    Group,
    Program,
)
from rescind.testing.laws.stage import Play, Setting, Stage, play, told
from rescind.testing.virtual import run_virtual

__all__: list[str] = []

_NO_STRAYS = {"without": ("SpawnJoin", "Cancel")}


def _whats(run: Play) -> list[str]:
    return [entry.what for entry in run.trace]


@law(52, x=_NO_STRAYS, y=_NO_STRAYS, z={**_NO_STRAYS, "size": 3}, on=ANY_KIND)
def nobody_is_alive_after_a_scope(x: Program, y: Program, z: Program, on: Setting) -> None:
    """On scope exit no descendant is alive, for every way out: value, error, cancel, break."""
    left: list[list[Program]] = []

    async def leave(world: Machine, how: str) -> None:
        for _ in range(2):
            async with rescind.task_group() as group:
                group.spawn(world.run(x))
                group.spawn(world.run(Group(y, z)))
                if how == "break":
                    await rescind.yield_now()
                    break
                if how == "raise":
                    await rescind.sleep(0.5)
                    raise Boom("raise")

    async def main(world: Machine) -> None:
        for how in ("value", "break", "raise"):
            try:
                await leave(world, how)
            except Exception:
                pass
            finally:
                left.append(list(world.open.values()))

    run = play(main, on)
    assert run.hung or all(one == [] for one in left), left


@law(53)
def marks_come_before_callbacks(at: float) -> None:
    """When the first callback of a cancellation runs, every unshielded descendant is marked.

    Whatever was canceled, and also if it is the callback of the one that is farthest out; and no
    descendant is marked that a shield is around.
    """
    for way, cut in _WAYS.items():
        tree = _Tree()
        with Stage() as stage:
            task = stage.spawn(cut(tree.grown(3), at))
            if way == "task":
                stage.call_at(at, lambda: _cancel(task))  # noqa: B023 - it is called in this round
            stage.finish()
        assert len(tree.tasks) == 14 and len(tree.kept) == 7 and len(tree.marked) == 15, way
        assert all(tree.marked[0]), f"by {way}, at the first callback: {tree.marked[0]}"
        assert not any(tree.shielded), f"by {way}, in spite of a shield: {tree.shielded}"


class _Tree:
    """Groups in groups, each of which waits in its block too, and has a shielded one beside it.

    Attributes:
        tasks: the descendants that no shield is around.
        kept: those that are in a group in a shield.
        marked: for each callback, which of ``tasks`` were marked when it began.
        shielded: which of ``kept`` were marked at the first callback.
    """

    def __init__(self) -> None:
        self.tasks: list[rescind.Task[Any]] = []
        self.kept: list[rescind.Task[Any]] = []
        self.marked: list[list[bool]] = []
        self.shielded: list[bool] = []

    def _callback(self, _outcome: Any) -> None:
        if not self.marked:
            self.shielded = [bool(task.cancel_reasons) for task in self.kept]
        self.marked.append([bool(task.cancel_reasons) for task in self.tasks])

    async def _keeps(self) -> None:
        with rescind.shielded():
            async with rescind.task_group() as group:
                self.kept.append(group.spawn(rescind.sleep(99)))

    async def grown(self, depth: int) -> None:
        if not depth:
            await rescind.on_cancel(rescind.never(), self._callback)
        async with rescind.task_group() as group:
            for _ in range(2):
                self.tasks.append(group.spawn(self.grown(depth - 1)))
            group.spawn(self._keeps())
            await rescind.on_cancel(rescind.never(), self._callback)


async def _by_deadline(tree: Coroutine[Any, Any, None], at: float) -> None:
    async with rescind.deadline(at):
        await tree


async def _by_group(tree: Coroutine[Any, Any, None], at: float) -> None:
    async with rescind.task_group() as group:
        group.spawn(tree)
        await rescind.sleep(at)
        group.cancel("r")


#: By what a tree is canceled after so many seconds.
_WAYS: dict[str, Callable[[Coroutine[Any, Any, None], float], Awaitable[Any]]] = {
    "task": lambda tree, _at: tree,
    "timeout": rescind.timeout,
    "deadline": _by_deadline,
    "group": _by_group,
    "token": lambda tree, at: rescind.CancellationToken.after(at).guard(tree),
    "race": lambda tree, at: rescind.race(tree, rescind.sleep(at)),
}


def _cancel(task: rescind.Task[Any]) -> None:
    task.cancel("r")


@law(54, x=_NO_STRAYS)
def a_cancel_goes_down_and_an_error_up(x: Program, at: float) -> None:
    """Siblings and parent are untouched by a Canceled child; an Error child cancels the scope."""
    alone = play(x)

    async def main(world: Machine) -> Any:
        async with rescind.task_group() as group:
            sibling = group.spawn(world.run(x))
            child = group.spawn(rescind.never())
            await rescind.sleep(at)
            await child.cancel("child")
        return sibling.outcome()

    run = play(main)
    if alone.ended[0] == "completed" and not alone.stuck:
        assert isinstance(run.outcome, Completed), f"a canceled child failed it: {run.outcome}"
        assert told(run.outcome.value) == alone.ended and _whats(run) == _whats(alone)

    first = Boom("first")

    async def fails() -> None:
        await rescind.sleep(at)
        raise first

    async def late() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(1)
            raise Boom("late")

    async def failing() -> None:
        async with rescind.task_group() as group:
            group.spawn(rescind.never())
            group.spawn(late())
            group.spawn(fails())

    ended = run_virtual(failing)
    assert isinstance(ended, Error)
    group: Any = ended.exception
    assert type(group) is ExceptionGroup
    assert group.exceptions[0] is first, "the first error is not the primary cause"


@law(55)
def spawning_late(x: Program) -> None:
    """After a cancel: a child Canceled unentered; after close: it raises; no task is left."""
    with Stage() as stage:
        world = Machine()

        async def main() -> Any:
            async with rescind.task_group() as group:
                group.cancel("stop")
                child = group.spawn(world.run(x))
                with rescind.shielded():
                    born = await child.join()
            coroutine = world.run(x)
            try:
                group.spawn(coroutine)
            except rescind.UsageError:
                return born
            raise AssertionError("the closed group took a child")

        task = stage.spawn(main())
        stage.finish()
        outcome = task.outcome()
        assert stage.tasks() == []
    assert isinstance(outcome, Completed), outcome
    assert isinstance(outcome.value, Canceled)
    assert world.trace == [] and world.open == {}, "its body was entered"


@law(56, x=_NO_STRAYS)
def daemons_end_with_the_others(x: Program, quiet: Setting) -> None:
    """Daemons are canceled exactly when only daemons remain, and awaited."""
    canceled_at: list[float] = []
    others_alive: list[bool] = []

    async def main(world: Machine) -> None:
        child: rescind.Task[Any] | None = None

        started: list[None] = []

        async def daemon() -> None:
            started.append(None)
            try:
                await rescind.never()
            except rescind.Cancellation:
                canceled_at.append(rescind.now())
                others_alive.append(child is not None and not child.done())
                await rescind.sleep(1)
                canceled_at.append(rescind.now())
                raise

        async with rescind.task_group(policy="collect") as group:
            group.spawn(daemon(), daemon=True)
            while not started:
                await rescind.yield_now()
            child = group.spawn(world.run(x))
        canceled_at.append(rescind.now())

    run = play(main, quiet)
    alone = play(x, quiet)
    if not run.stuck and alone.ended[0] != "canceled":
        assert canceled_at[:1] == [alone.at], f"at {canceled_at}, not at {alone.at}"
        assert canceled_at[1:2] == [alone.at + 1] and run.at == alone.at + 1, "not awaited"
        assert others_alive == [False]


@law(57, x={"without": (*_NO_STRAYS["without"], "Never", "shared")})
def what_is_spawned_elsewhere_survives(x: Program, at: float) -> None:
    """A task of an outer group survives the scope that spawned it, and ends before its group."""
    log: list[str] = []

    async def main(world: Machine) -> None:
        async def lasts() -> None:
            await rescind.sleep(9)
            await world.run(x)
            log.append("ended")

        async with rescind.task_group(policy="collect") as named:

            async def origin() -> None:
                async with rescind.task_group() as inner:
                    named.spawn(lasts())
                    inner.spawn(rescind.never())
                    await rescind.never()

            task = rescind.spawn(origin())
            await rescind.sleep(at)
            await task.cancel("origin")
            log.append("origin ended")
        log.append("its group ended")

    run = play(main)
    if not run.stuck:
        ended = ["ended"] if play(x).ended[0] == "completed" else []
        assert log[:2] == (["origin ended", *ended] if ended else ["origin ended", *log[1:2]]), log
        assert "its group ended" not in log[:1]
