"""`Detector`: looks during a run, and compares what it noted with the clean run.

*Threads.* `Detector` objects belong to one run; `judge` is pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from rescind.check.record import Record, Symptom
    from rescind.check.run import Run

__all__ = ["Detector"]


class Detector:
    """One thing that can be found.

    A run calls `begin`, `set_up`, `ended`, `settled`, `asked` and `fact`, in this order; what
    `fact` returns is kept in the record, and must be picklable. The record is all that `judge` sees
    of a run.

    Attributes:
        name: as it is called in reports and options; its page is below this in the docs.
        severity: a verdict is a fault; a hint explains others, and never fails a check by itself.
        explains: is it told only of runs in which something else broke?
    """

    name: ClassVar[str]
    severity: ClassVar[Literal["verdict", "hint"]] = "verdict"
    explains: ClassVar[bool] = False

    def begin(self, run: Run) -> None:
        """Start to listen; called before setup."""

    def set_up(self, run: Run) -> None:
        """Look at what there is before the scenario; called after setup."""

    def ended(self, run: Run) -> None:
        """Look at the moment when the canceled scenario has ended; in a storm, each time."""

    def settled(self, run: Run) -> None:
        """Look at what is left; called after the judge's part, before invariants and teardown."""

    def asked(self, run: Run) -> None:
        """Ask the program something; called when all detectors have looked, before invariants."""

    def fact(self, run: Run) -> Any:
        """Return what was noted; called when the loop is closed."""
        return None

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        """Compare a run with the clean run of the same judge and mode; return what broke."""
        raise NotImplementedError
