"""Task groups keep the type of each child's value, whether it is awaited or called."""

from typing import Any, assert_type

import rescind
from rescind import (
    Canceled,
    CancelReason,
    CancelRequest,
    Completed,
    Error,
    GroupPolicy,
    GroupStatistics,
    Supervise,
    Task,
    TaskGroup,
    task_group,
)


async def number() -> int:
    """Return a number."""
    return 1


class Mine(GroupPolicy):
    """A policy of one's own."""

    def cancels(self, task: Task[Any], exception: BaseException) -> bool:
        """Never."""
        return False


async def groups() -> None:
    """Spawn gives a task of the coroutine's type, or of the function's."""
    async with task_group(policy="collect", grace=None, limit=3, name="g", keep=9) as g:
        assert_type(g, TaskGroup)
        assert_type(g.spawn(number()), Task[int])
        assert_type(g.spawn(number, name="n", grace=1, owned=[], daemon=True), Task[int])
        assert_type(g.spawn(rescind.ready("text")), Task[str])
        assert_type(await g.spawn(number()), int)
        assert_type(g.cancel("why", grace=1.0), CancelRequest)
        assert_type(g.tasks, tuple[Task[Any], ...])
        assert_type(g.canceled, bool)
        assert_type(g.reason, CancelReason | None)
    assert_type(g.outcomes(), tuple[Completed[Any] | Error | Canceled, ...])
    assert_type(g.statistics(), GroupStatistics)
    assert_type(g.closed, bool)


async def policies() -> None:
    """A word, or an object."""
    async with task_group(policy=Supervise(restart="always", backoff=lambda n: 0.1 * n)):
        pass
    async with task_group(policy=Mine()):
        pass


async def after() -> int:
    """What a block binds is bound after it, although the block may absorb its own cancellation."""
    async with task_group() as g:
        task = g.spawn(number())
    return await task
