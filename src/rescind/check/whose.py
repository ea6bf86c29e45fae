"""Whose code runs: the path of the task that runs now, or that has asked for this callback.

*What it is.* One context variable, which `probe` sets at each step of a task, and what its value
says: callbacks, timers and readers have it from whoever asked for them.

*Threads.* Any; a call in another thread belongs to who made it, if it was made with the context.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from rescind.check.points import ROOT

__all__ = ["PATH", "BySetup", "is_of_scenario", "named"]

PATH: ContextVar[str] = ContextVar("rescind_check_path", default="loop")
"""The path of the task; ``loop`` where nobody is known."""

_SCENARIOS: Final = frozenset({ROOT, "crowd", "follow-up", "loop"})


class BySetup(str):
    """The name of something that is the doing of what setup has started: a server, say.

    That serves the scenario, which was canceled, and may rightly take its time, and complain.
    """

    __slots__ = ()


def is_of_scenario(path: str) -> bool:
    """Is a task the scenario's, or a copy's, or of one that it has made; and not of setup's?"""
    return path.partition("/")[0] in _SCENARIOS


def named(text: str, path: str) -> str:
    """Return ``text`` as the name of something that the task at ``path`` has done."""
    return text if is_of_scenario(path) else BySetup(text)
