"""Collects what a run has left, so that it says what it has to say, and frees what it holds.

*What it is.* A sweep keeps the collector off, so whatever a run makes is in the youngest generation
when it ends: to collect that one alone is sure, and costs what the run has made, not what the
process has. What survives is mostly the checker's own records; now and then all is looked at.

*Threads.* One run at a time.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from rescind.check.detectors.reach import forget
from rescind.check.points import Judge

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["collect", "collect_older"]

#: After so many runs what survived them is looked at too.
_EVERY = 64

_collected: WeakSet[Any] = WeakSet()
_runs = 0


def collect(run: Run) -> None:
    """Collect what ``run`` has left; once, whoever asks."""
    if run in _collected:
        return
    _collected.add(run)
    forget(run)
    if gc.isenabled():
        gc.collect()  # what the run has made may be in any generation
    else:
        # In a storm, survivors were counted before this.
        gc.collect(1 if run.plan.judge is Judge.STORM else 0)


def collect_older() -> None:
    """Collect what has become garbage after earlier runs were looked at, now and then."""
    global _runs
    _runs += 1
    if _runs % _EVERY == 0:
        gc.collect(1)
