"""Which loop a scenario is run on: asyncio's own, or uvloop's.

*Threads.* Any.
"""

from __future__ import annotations

from importlib.util import find_spec

from rescind._core.errors import UsageError
from rescind.check.loop import CheckLoop
from rescind.check.looping import RunLoop
from rescind.check.scenario import Scenario

__all__ = ["loop_of"]


def loop_of(scenario: Scenario) -> RunLoop:
    """Return a new loop for one run.

    Raises:
        UsageError: there is no such loop; the message says what to do.
    """
    if scenario.loop == "asyncio":
        return CheckLoop()
    if scenario.loop != "uvloop":
        raise UsageError(f"loop must be 'asyncio' or 'uvloop', not {scenario.loop!r}")
    if find_spec("uvloop") is None:
        raise UsageError("loop='uvloop' needs uvloop: pip install 'rescind[uvloop]'")
    from rescind.check.on_uvloop import UvLoop  # which imports uvloop

    return UvLoop()
