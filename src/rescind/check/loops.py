"""Which loop a scenario is run on: asyncio's own, or uvloop's.

*Threads.* Any.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from rescind._core.errors import UsageError
from rescind.check.loop import CheckLoop
from rescind.check.looping import RunLoop
from rescind.check.scenario import Scenario

__all__ = ["LOOPS", "check_loop", "loop_of"]

LOOPS: Final = ("asyncio", "uvloop")


def check_loop(name: str) -> None:
    """Refuse a loop that there is not.

    Raises:
        UsageError: the message says what to do.
    """
    if name not in LOOPS:
        raise UsageError(f"loop must be 'asyncio' or 'uvloop', not {name!r}")
    if name == "uvloop" and find_spec("uvloop") is None:
        raise UsageError("loop='uvloop' needs uvloop: pip install 'rescind[uvloop]'")


def loop_of(scenario: Scenario) -> RunLoop:
    """Return a new loop for one run."""
    if scenario.loop == "asyncio":
        return CheckLoop()
    check_loop(scenario.loop)
    from rescind.check.on_uvloop import UvLoop  # which imports uvloop

    return UvLoop()
