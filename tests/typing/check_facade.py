"""A type checker sees the names that are imported late, and no others."""

from collections.abc import Callable
from typing import assert_type

import rescind
from rescind import TaskGroup, run

assert_type(rescind.task_group(name="crawl"), TaskGroup)
runs: Callable[..., int] = run

rescind.no_such_name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
from rescind import no_such_thing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: E402, F401
