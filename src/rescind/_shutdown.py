"""`ShutdownReport`: what the end of a runtime found (R24).

*Threads.* Data; any.
"""

from __future__ import annotations

from dataclasses import dataclass

from rescind._core.executor import Overrun
from rescind._core.reason import CancelReason

__all__ = ["ShutdownReport"]


@dataclass(frozen=True, slots=True)
class ShutdownReport:
    """What a shutdown found.

    Attributes:
        reason: why.
        canceled: how many tasks had to be canceled.
        overran: those whose cleanup did not end within its grace, in order.
        seconds: how long it took, on the host's clock.
    """

    reason: CancelReason
    canceled: int
    overran: tuple[Overrun, ...]
    seconds: float

    def __str__(self) -> str:
        lines = [f"{self.canceled} tasks canceled in {self.seconds:.3f} s ({self.reason.line()})"]
        lines += [
            f"  {late.task} overran its grace at {late.place}, after {late.seconds:.3f} s"
            + (", and was abandoned" if late.abandoned else "")
            for late in self.overran
        ]
        return "\n".join(lines)
