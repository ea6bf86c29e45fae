"""What the explorations share."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import rescind
from rescind import Completed
from rescind.testing import Bounds, Exploration, Run, explore
from rescind.testing.lab.judge import Invariant

#: Real seconds: more than a loaded machine needs. How many runs there are says what a check costs.
PLENTY = 50.0


def holds(
    main: Callable[[], Coroutine[Any, Any, Any]],
    *,
    changes: int = 2,
    runs: int = 1500,
    injections: int = 2,
    invariants: Sequence[Invariant] = (),
    **options: Any,
) -> Exploration:
    """Explore, and fail unless the verdict is pass; return the report."""
    bounds = Bounds(changes=changes, injections=injections, runs=runs)
    return explore(
        main, bounds=bounds, budget=PLENTY, invariants=[main_completes, *invariants], **options
    ).check()


async def hangs(ended_at: list[float]) -> None:
    """Never end, nor does the cleanup; note when that is dropped."""
    try:
        await rescind.never()
    finally:
        try:
            await rescind.never()
        finally:
            ended_at.append(rescind.now())


def main_completes(run: Run[Any]) -> bool:
    """Main has come to its end, with all that it asserts, unless something was injected."""
    return bool(run.struck) or isinstance(run.outcome, Completed)
