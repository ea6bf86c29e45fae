"""The subjects, one module each: a new one needs a line in `MODULES`.

A module has ``SUBJECTS``, and a function ``on_FAMILY`` for each family of peers that has such a
thing; or ``on_nursery``, for trio and anyio, or ``on_any``, which get what the family offers. Peers
are imported within these functions: only one of them is in a process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from bench.subject import Body, Subject, Watch
from bench.subjects.kit import FAMILIES
from bench.subjects.nurseries import NURSERIES

__all__ = ["MODULES", "all_subjects", "body_of"]

MODULES: Final = (
    "switch",
    "spawn_join",
    "spawn_cancel_join",
    "race",
    "timeout",
    "cancel",
    "join",
    "deadline",
    "timers",
    "sync",
    "rwlock",
    "telling",
    "channel",
    "future_set",
    "tree",
    "interop",
    "echo",
    "http",
    "served",
    "memory",
    "process",
    "floor",
    "least",
)


@cache
def _modules() -> dict[str, ModuleType]:
    """Return the module of each subject, by the subject's name."""
    modules: dict[str, ModuleType] = {}
    for name in MODULES:
        module = import_module(f"bench.subjects.{name}")
        modules.update((subject.name, module) for subject in module.SUBJECTS)
    return modules


def all_subjects() -> tuple[Subject, ...]:
    """Return all subjects, in the order of the results."""
    return tuple(
        subject for module in dict.fromkeys(_modules().values()) for subject in module.SUBJECTS
    )


def body_of(subject: Subject, family: str) -> Body | None:
    """Return what does the subject's work in a family; None: it has no such thing."""
    module = _modules()[subject.name]
    own: Body | None = getattr(module, f"on_{family}", None)
    if own is not None:
        return own
    common: Body
    kit: Callable[[], object]
    if family in NURSERIES and hasattr(module, "on_nursery"):
        common, kit = module.on_nursery, NURSERIES[family]
    elif family in FAMILIES and hasattr(module, "on_any"):
        common, kit = module.on_any, FAMILIES[family]
    else:
        return None

    async def body(watch: Watch, n: int, *args: Any) -> int:
        return await common(watch, n, *args, kit())

    return body
