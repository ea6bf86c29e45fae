"""Tasks, joins and outcomes keep the type of the value."""

from typing import Any, Never, assert_type

import rescind
from rescind import (
    Canceled,
    CancellationHandle,
    CancelReason,
    CancelRequest,
    Completed,
    Error,
    Outcome,
    Runtime,
    Task,
)
from rescind.lowlevel import Future


async def number() -> int:
    """Return a number."""
    return 1


async def tasks() -> None:
    """Spawn gives a task of the coroutine's type; awaiting gives the value."""
    task = rescind.spawn(number(), name="n", grace=None, owned=[])
    assert_type(task, Task[int])
    assert_type(await task, int)
    assert_type(task.join(), Future[Completed[int] | Error | Canceled])
    assert_type(await task.join(), Completed[int] | Error | Canceled)
    assert_type(task.outcome(), Completed[int] | Error | Canceled | None)
    assert_type(task.cancel("why", grace=1.0), CancelRequest)
    assert_type(await task.cancel(), Outcome[Any])
    assert_type(task.cancellation_handle(), CancellationHandle)
    assert_type(task.cancel_reasons, tuple[CancelReason, ...])
    assert_type(await rescind.join_or_cancel(task), int)
    assert_type(rescind.spawn(rescind.ready("text")), Task[str])
    assert_type(rescind.cancel_requested(), CancelReason | None)


async def matching() -> str:
    """A match on an outcome narrows it, and is complete with its three cases."""
    outcome = await rescind.spawn(number()).join()
    match outcome:
        case Completed(value):
            assert_type(value, int)
            return "value"
        case Error(exception, also):
            assert_type(exception, BaseException)
            assert_type(also, tuple[BaseException, ...])
            return "error"
        case Canceled(reason):
            assert_type(reason, CancelReason)
            return "canceled"


def unwrapping(completed: Completed[int], error: Error, canceled: Canceled) -> None:
    """Only a completed outcome has a value."""
    assert_type(completed.unwrap(), int)

    def fails() -> Never:
        error.unwrap()

    def is_canceled() -> Never:
        canceled.unwrap()

    assert is_canceled is not fails


def runtimes(runtime: Runtime) -> None:
    """block_on, spawn and run give the value's type."""
    assert_type(runtime.block_on(number()), int)
    assert_type(runtime.spawn(number()), Task[int])
    assert_type(rescind.run(number), int)
    assert_type(rescind.run(number()), int)
    assert_type(runtime.tasks(), list[Task[Any]])
