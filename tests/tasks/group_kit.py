"""What the tests of groups share: a world that notes what begins and ends, and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import rescind
from rescind import Cancellation, Outcome, Runtime, Task, TaskGroup
from rescind.lowlevel import ManualHost


class Boom(Exception):
    """What a body raises."""


class CleanupBoom(Exception):
    """What a cleanup raises."""


@dataclass
class World:
    """Notes, with the virtual time, what programs do."""

    trace: list[str] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{rescind.now():g} {what}")

    async def work(
        self,
        name: str,
        seconds: float = 1,
        *,
        fails: BaseException | None = None,
        cleanup: float = 0,
        cleanup_fails: BaseException | None = None,
    ) -> str:
        """Sleep, then return the name or fail; when canceled, clean up for a while first."""
        self.note(f"+{name}")
        self.alive.add(name)
        try:
            await rescind.sleep(seconds)
            if fails is not None:
                raise fails
            return name
        except Cancellation as canceled:
            self.note(f"!{name} {canceled.reason.kind.value}")
            if cleanup:
                await rescind.sleep(cleanup)
            if cleanup_fails is not None:
                raise cleanup_fails from None
            raise
        finally:
            self.alive.discard(name)
            self.note(f"-{name}")


def virtual(main: Callable[[], Awaitable[Any]], **options: Any) -> Outcome[Any]:
    """Run on the virtual clock; nothing may be left when main has ended."""
    with Runtime(host=ManualHost(), **options) as runtime:
        task = runtime.spawn(main(), name="main")
        runtime.block_on(task.join())
        outcome = task.outcome()
        assert outcome is not None
        assert [] == runtime.tasks()
        return outcome


def errors_of(outcome: Outcome[Any]) -> list[BaseException]:
    """Return the errors in the group that a task failed with, or an empty list."""
    exc = getattr(outcome, "exception", None)
    return list(exc.exceptions) if isinstance(exc, BaseExceptionGroup) else []


async def settle(times: int = 4) -> None:
    """Let every other task run until it parks."""
    for _ in range(times):
        await rescind.yield_now()


def kinds(task: Task[Any]) -> list[str]:
    """Return the kinds of the reasons for which a task was asked to cancel."""
    return [reason.kind.value for reason in task.cancel_reasons]


def spawn_all(g: TaskGroup, *futs: Awaitable[Any]) -> list[Task[Any]]:
    """Spawn each, named ``a``, ``b`` and so on."""
    return [g.spawn(fut, name="abcdefghij"[index]) for index, fut in enumerate(futs)]


async def run_group(
    world: Any, group: TaskGroup, children: Sequence[Any], body: Any, *, daemon: bool
) -> None:
    """Run a group of a generated program: the world knows how to run each part of it.

    Args:
        world: has ``groups``, those that are open; ``run``; and ``left_alive``, the names of
            children that had not ended when their group had.
        group: is opened here.
        children: what each task runs.
        body: what the block runs.
        daemon: is the first of the children one?
    """
    tasks: list[Task[Any]] = []
    try:
        async with group:
            world.groups.append(group)
            tasks += [
                group.spawn(world.run(child), daemon=daemon and index == 0)
                for index, child in enumerate(children)
            ]
            await world.run(body)
    finally:
        if group in world.groups:
            world.groups.remove(group)
        world.left_alive += [task.name for task in tasks if not task.done()]
