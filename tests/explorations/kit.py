"""What the explorations share."""

from collections.abc import Callable, Coroutine
from typing import Any

from rescind.testing import Bounds, Exploration, explore

#: Real seconds: more than a loaded machine needs. How many runs there are says what a check costs.
PLENTY = 50.0


def holds(
    main: Callable[[], Coroutine[Any, Any, Any]],
    *,
    changes: int = 2,
    runs: int = 1500,
    injections: int = 2,
    **options: Any,
) -> Exploration:
    """Explore, and fail unless the verdict is pass; return the report."""
    bounds = Bounds(changes=changes, injections=injections, runs=runs)
    return explore(main, bounds=bounds, budget=PLENTY, **options).check()
