"""Random trees of everything that runs, waits and cancels: what holds for every one of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancellationToken,
    CancelReason,
    Error,
    FutureSet,
    Outcome,
    Runtime,
    Task,
    TaskGroup,
    sleep,
    task_group,
    timeout,
)
from rescind.blocking import spawn_blocking
from rescind.lowlevel import ManualHost
from rescind.sync import Mutex, Semaphore, channel
from tests.tasks.group_kit import run_group

#: A tree: the word for what it is, and then its own parameters and children.
Tree = tuple[Any, ...]


class Boom(Exception):
    """What a program raises."""


seconds = st.integers(0, 4).map(lambda n: n / 2)
leaves = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "sleep",
                "raise",
                "cleanup fails",
                "absorb",
                "send",
                "receive",
                "semaphore",
                "mutex",
                "cancel group",
                "cancel sibling",
                "cancel token",
                "blocking",
            ]
        ),
        seconds,
    ),
    st.tuples(st.just("cleanup"), seconds, seconds),
)


def _nodes(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.tuples(
            st.just("group"),
            st.sampled_from(["fail_fast", "collect", "supervise"]),
            st.sampled_from([None, 1, 2]),
            several,
            children,
            st.booleans(),
        ),
        st.tuples(st.sampled_from(["race", "join", "set", "select", "concurrently"]), several),
        st.tuples(st.sampled_from(["deadline", "timeout", "abort"]), seconds, children),
        st.tuples(
            st.sampled_from(
                ["shield", "shielded", "finally", "guard", "join_or_cancel", "seq", "generator"]
            ),
            children,
        ),
    )


trees = st.recursive(leaves, _nodes, max_leaves=9)


@dataclass
class World:
    """What a generated program uses, and did."""

    begun: list[int] = field(default_factory=list[int])
    ended: list[int] = field(default_factory=list[int])
    raised: list[BaseException] = field(default_factory=list[BaseException])
    reasons: list[CancelReason] = field(default_factory=list[CancelReason])
    left_alive: list[str] = field(default_factory=list[str])
    spawned: list[Task[Any]] = field(default_factory=list[Task[Any]])
    groups: list[TaskGroup] = field(default_factory=list[TaskGroup])
    tokens: list[CancellationToken] = field(default_factory=list[CancellationToken])
    semaphore: Semaphore = field(default_factory=lambda: Semaphore(2))
    mutex: Mutex = field(default_factory=Mutex)
    values: int = 0
    sent: list[int] = field(default_factory=list[int])
    received: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        # What cannot be handed over comes back.
        self.undelivered: list[int] = []
        self.sender, self.receiver = channel[int](1, on_undelivered=self.undelivered.append)

    async def run(self, tree: Tree) -> Any:
        """Run the tree in a coroutine of its own, whose begin and end are noted."""
        number = len(self.begun)
        self.begun.append(number)
        try:
            return await self._body(tree)
        except Cancellation as canceled:
            self.reasons.append(canceled.reason)
            raise
        finally:
            self.ended.append(number)

    def _boom(self) -> Boom:
        error = Boom(len(self.raised))
        self.raised.append(error)
        return error

    async def _body(self, tree: Tree) -> Any:
        kind = tree[0]
        node: Callable[..., Awaitable[Any]] | None = getattr(self, f"_{kind}", None)
        if node is not None:
            return await node(*tree[1:])
        return await self._leaf(kind, *tree[1:])

    # -- leaves -----------------------------------------------------------------------------------

    async def _leaf(self, kind: str, *times: float) -> None:
        try:
            await sleep(times[0])
            if kind == "raise":
                raise self._boom()
            if kind == "cancel group" and self.groups:
                self.groups[-1].cancel("by a leaf")
            if kind == "cancel sibling" and self.groups and self.groups[-1].tasks:
                self.groups[-1].tasks[0].cancel("by a sibling")
            if kind == "cancel token" and self.tokens:
                self.tokens[-1].cancel("by a leaf")
            await sleep(0.5)
        except Cancellation:
            if kind == "cleanup":
                await sleep(times[1])
            if kind == "cleanup fails":
                raise self._boom() from None
            if kind != "absorb":
                raise

    async def _send(self, before: float) -> None:
        await sleep(before)
        value = self.values = self.values + 1
        try:
            await timeout(self.sender.send(value), 1)
        except rescind.TimedOut:
            return
        self.sent.append(value)

    async def _receive(self, before: float) -> None:
        await sleep(before)
        try:
            self.received.append(await timeout(self.receiver.recv(), 1))
        except rescind.TimedOut:
            return

    async def _semaphore(self, held: float) -> None:
        async with self.semaphore:
            await sleep(held)

    async def _mutex(self, held: float) -> None:
        async with self.mutex:
            await sleep(held)

    async def _blocking(self, _seconds: float) -> None:
        await rescind.join_or_cancel(spawn_blocking(int))

    # -- nodes ------------------------------------------------------------------------------------

    def _all(self, children: tuple[Tree, ...]) -> list[Awaitable[Any]]:
        return [self.run(child) for child in children]

    async def _race(self, children: tuple[Tree, ...]) -> None:
        await rescind.race(*self._all(children))

    async def _join(self, children: tuple[Tree, ...]) -> None:
        await rescind.join(*self._all(children))

    async def _set(self, children: tuple[Tree, ...]) -> None:
        async with FutureSet[int, Any](limit=2) as s:
            for child in self._all(children):
                s.add(child)
            await self._fetch(s)

    async def _select(self, children: tuple[Tree, ...]) -> None:
        async with rescind.select(*self._all(children)) as s:
            await self._fetch(s)

    async def _fetch(self, s: FutureSet[Any, Any]) -> None:
        async for _, outcome in s:
            if isinstance(outcome, Error):
                raise outcome.exception
            if isinstance(outcome, Canceled) and outcome.also:
                raise BaseExceptionGroup("also", outcome.also)
            await sleep(0.25)

    async def _concurrently(self, children: tuple[Tree, ...]) -> None:
        async with rescind.concurrently(self.run, children, limit=2) as results:
            async for _ in results:
                await sleep(0.25)

    async def _generator(self, child: Tree) -> None:
        async def values() -> AsyncGenerator[int, None]:
            async with task_group() as g:
                g.spawn(self.run(child))
                yield 1
                yield 2

        generator = values()
        try:
            async for _ in generator:
                await sleep(0.25)
                break
        finally:
            await generator.aclose()

    async def _timeout(self, at: float, child: Tree) -> None:
        await timeout(self.run(child), at)

    async def _deadline(self, at: float, child: Tree) -> None:
        async with rescind.deadline(at):
            await self.run(child)

    async def _abort(self, at: float, child: Tree) -> None:
        future, handle = rescind.abortable(self.run(child))
        async with task_group() as g:

            async def abort() -> None:
                await sleep(at)
                handle.abort("by a task")

            g.spawn(abort(), daemon=True)
            await future

    async def _guard(self, child: Tree) -> None:
        token = CancellationToken()
        self.tokens.append(token)
        try:
            await token.guard(self.run(child))
        finally:
            self.tokens.remove(token)

    async def _join_or_cancel(self, child: Tree) -> None:
        task = rescind.spawn(self.run(child))
        self.spawned.append(task)
        await rescind.join_or_cancel(task)

    async def _shield(self, child: Tree) -> None:
        await rescind.shield(self.run(child))

    async def _shielded(self, child: Tree) -> None:
        with rescind.shielded():
            await self.run(child)

    async def _finally(self, child: Tree) -> None:
        try:
            await sleep(0.5)
        except Cancellation:
            await self.run(child)
            raise
        await self.run(child)

    async def _seq(self, child: Tree) -> None:
        await self.run(child)
        await sleep(0.5)

    async def _group(
        self, policy: Any, limit: int | None, children: tuple[Tree, ...], body: Tree, daemon: bool
    ) -> None:
        group = task_group(policy=policy, limit=limit)
        await run_group(self, group, children, body, daemon=daemon)


class Log(logging.Handler):
    """What was logged, since nobody could be told."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


def _collect(error: BaseException | None, found: set[int]) -> None:
    if error is None or id(error) in found:
        return
    found.add(id(error))
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            _collect(inner, found)
    for also in (*getattr(error, "also", ()), *getattr(error, "__rescind_also__", ())):
        _collect(also, found)
    _collect(error.__cause__, found)
    _collect(error.__context__, found)


def _lost(world: World, outcome: Outcome[Any] | None, log: Log) -> list[BaseException]:
    """Return what was raised, and is neither in the outcome nor in the log (R15)."""
    found: set[int] = set()
    # What a task kept that nobody joined any more is in its own outcome.
    for one in (outcome, *(task.outcome() for task in world.spawned)):
        for error in (*getattr(one, "also", ()), getattr(one, "exception", None)):
            _collect(error, found)
    for error in log.errors:
        _collect(error, found)
    return [error for error in world.raised if id(error) not in found]


def play(
    tree: Tree, at: float, how: str, again: str | None, grace: float | None
) -> tuple[World, Task[Any], Log, Runtime]:
    """Run the tree, end it at a time in a way, and perhaps in another a moment later."""
    log = Log()
    logger = logging.getLogger("rescind")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(log)
    runtime = Runtime(host=ManualHost(), grace=grace)
    try:
        world = World()
        task = runtime.spawn(world.run(tree), name="tree")
        for index, word in enumerate((how, again)):
            if word is not None:
                runtime.block_on(sleep(0.125 * index + at * (1 - index)))
                _end(runtime, task, word)
        if "shutdown" not in (how, again):
            runtime.block_on(task.join())
        runtime.shutdown()
        task.outcome()  # it is seen: no need to log it
        return world, task, log, runtime
    finally:
        runtime.shutdown()
        logger.removeHandler(log)
        logger.propagate = propagate


def _end(runtime: Runtime, task: Task[Any], how: str) -> None:
    if how == "cancel":
        task.cancel("random")
    elif how == "drop":
        task.cancel("random", grace=0)
    elif how == "interrupt":
        with_interrupt = partial(_interrupt, runtime)
        try:
            runtime.block_on(with_interrupt())
        except KeyboardInterrupt:
            pass
        task.cancel("random")


async def _interrupt(runtime: Runtime) -> None:
    async with task_group() as g:
        g.spawn(rescind.never())
        await rescind.yield_now()
        raise KeyboardInterrupt


ways = st.sampled_from(["cancel", "drop", "shutdown", "interrupt"])


@settings(max_examples=400, deadline=None)
@given(
    tree=trees,
    at=st.integers(0, 12).map(lambda n: n / 4),
    how=ways,
    again=st.one_of(st.none(), ways),
    grace=st.sampled_from([None, 0.0, 0.5, 30.0]),
)
def test_random_trees_of_everything(
    tree: Tree, at: float, how: str, again: str | None, grace: float | None
) -> None:
    """P8, P15, P52, P71, P72, R14, R15: nothing is alive, lost, doubled, or without a reason."""
    world, task, log, runtime = play(tree, at, how, again, grace)

    assert task.done()
    assert ([], []) == (runtime.tasks(), world.left_alive)
    assert sorted(world.begun) == sorted(world.ended)
    statistics = runtime.statistics()
    assert (0, 0, 0) == (statistics.timers, statistics.ready, statistics.abandoned)
    # What was sent was received, came back, or is still there; each once (P15, P72).
    world.receiver.close()
    left: list[int] = []
    while (value := _next(world)) is not None:
        left.append(value)
    got = [*world.received, *left, *world.undelivered]
    assert len(got) == len(set(got))
    assert set(world.sent) <= set(got)
    # Permits are back (P71).
    assert (2, False) == (world.semaphore.available, world.mutex.locked())
    # Each cancellation leads back to whoever wanted it (R14).
    for reason in world.reasons:
        assert reason.chain()[-1].kind is not CancelKind.PARENT or reason.message
    # Every failure is somewhere (R15), unless it was in flight where a coroutine was closed.
    if {how, again} <= {"cancel", "shutdown", None} and grace in (None, 30.0):
        assert [] == _lost(world, task.outcome(), log)


def _next(world: World) -> int | None:
    try:
        return world.receiver.recv_nowait()
    except (rescind.WouldBlock, rescind.Closed):
        return None
