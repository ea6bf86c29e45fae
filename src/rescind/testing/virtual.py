"""`run_virtual`: run a program in virtual time, deterministically."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from rescind._core.errors import Deadlock
from rescind._core.outcome import Outcome
from rescind._host.manual import ManualHost
from rescind.runtime import Runtime

__all__ = ["run_virtual"]

T = TypeVar("T")


def run_virtual(
    main: Callable[[], Coroutine[Any, Any, T]] | Awaitable[T], *, grace: float | None = 30.0
) -> Outcome[T]:
    """Run ``main`` on the manual host and return its outcome; sleeping takes no time.

    Args:
        main: an async function without arguments, or anything that can be awaited.
        grace: see `rescind.Runtime`.

    Raises:
        Deadlock: nothing can run any more; the message says what each task waits for.

    Example:
        >>> import rescind, rescind.testing
        >>> async def main():
        ...     await rescind.sleep(3600)
        ...     return rescind.now()
        >>> rescind.testing.run_virtual(main)
        Completed(value=3600.0)
    """
    with Runtime(host=ManualHost(), grace=grace) as runtime:
        task = runtime.spawn(main() if callable(main) else main, name="main")
        try:
            runtime.block_on(task.join())
        except Deadlock:
            # What hangs may hang in its cleanup too: it is dropped, so that only this is reported.
            runtime.shutdown("deadlock", grace=0)
            raise
        outcome = task.outcome()
        assert outcome is not None
        return outcome
