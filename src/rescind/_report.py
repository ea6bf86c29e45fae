"""`ShutdownReport`: what the end of a runtime found, as data and as an answer (R24).

*What it is.* Who overran, where they were stuck, who was only held up by those, what failed while
cleaning up, and what had not ended when the runtime stopped waiting. It holds no task and no
frame; it can be pickled, and made into JSON.

*Threads.* Data; any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rescind._core.frames import shortened
from rescind._core.record import Record, fill

if TYPE_CHECKING:
    from rescind._core.leftover import Leftover
    from rescind._core.overrun import Overrun
    from rescind._core.reason import CancelReason
    from rescind._failure import CleanupError

__all__ = ["ShutdownReport"]

#: How many entries of a kind are shown; the rest is counted.
_SHOWN = 20


class ShutdownReport(Record):
    """What a shutdown found.

    Attributes:
        reason: why.
        canceled: how many tasks had to be canceled.
        overran: the cleanups that did not end within their grace, in the order of their drop;
            none of those that only waited for another task that overran.
        seconds: how long it took, on the host's clock.
        held_up: those that only waited for such tasks, and were dropped with them.
        errors: what was raised while cleaning up, in order.
        leftovers: threads, processes and the like that had not ended.
        dropped: how many tasks were dropped, be it that they overran or that they had no grace.
        abandoned: how many went on even then.
        earlier: the latest overruns from before the shutdown.
    """

    __slots__ = (
        "abandoned",
        "canceled",
        "dropped",
        "earlier",
        "errors",
        "held_up",
        "leftovers",
        "overran",
        "reason",
        "seconds",
    )
    __match_args__ = (
        "reason",
        "canceled",
        "overran",
        "seconds",
        "held_up",
        "errors",
        "leftovers",
        "dropped",
        "abandoned",
        "earlier",
    )

    reason: CancelReason
    canceled: int
    overran: tuple[Overrun, ...]
    seconds: float
    held_up: tuple[Overrun, ...]
    errors: tuple[CleanupError, ...]
    leftovers: tuple[Leftover, ...]
    dropped: int
    abandoned: int
    earlier: tuple[Overrun, ...]

    def __init__(  # noqa: PLR0917
        self,
        reason: CancelReason,
        canceled: int,
        overran: tuple[Overrun, ...],
        seconds: float,
        held_up: tuple[Overrun, ...] = (),
        errors: tuple[CleanupError, ...] = (),
        leftovers: tuple[Leftover, ...] = (),
        dropped: int = 0,
        abandoned: int = 0,
        earlier: tuple[Overrun, ...] = (),
    ) -> None:
        fill(
            self,
            reason,
            canceled,
            overran,
            seconds,
            held_up,
            errors,
            leftovers,
            dropped,
            abandoned,
            earlier,
        )

    @property
    def clean(self) -> bool:
        """Did everything end in time, and without an error?"""
        return not (self.overran or self.held_up or self.errors or self.leftovers)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        return {
            "reason": [link.line() for link in self.reason.chain()],
            "seconds": self.seconds,
            "clean": self.clean,
            "canceled": self.canceled,
            "dropped": self.dropped,
            "abandoned": self.abandoned,
            "overran": [late.as_dict() for late in self.overran],
            "held_up": [late.as_dict() for late in self.held_up],
            "errors": [error.as_dict() for error in self.errors],
            "leftovers": [
                {"resource": left.resource, "name": left.name, "place": left.place}
                for left in self.leftovers
            ],
            "earlier": [late.as_dict() for late in self.earlier],
        }

    def __str__(self) -> str:
        tasks = "1 task" if self.canceled == 1 else f"{self.canceled} tasks"
        lines = [f"{tasks} canceled in {self.seconds:.3f} s ({self.reason.line()})"]
        lines += self._overran()
        if self.held_up:
            names = _listed(late.label for late in self.held_up)
            lines.append(f"  held up by those, and dropped with them: {names}")
        lines += _capped(
            [f"  {e.label} failed while cleaning up: {e.error}{_at(e.place)}" for e in self.errors]
        )
        lines += _capped([f"  still there: {left}" for left in self.leftovers])
        return "\n".join(lines)

    def _overran(self) -> list[str]:
        """Return the lines on who overran; those that were stuck in the same way share theirs."""
        groups: dict[tuple[object, ...], list[Overrun]] = {}
        for late in self.overran:
            key = (late.stack, late.what, late.abandoned, late.within, late.reason.kind)
            groups.setdefault(key, []).append(late)
        entries: list[str] = []
        for alike in groups.values():
            first = alike[0]
            more = "" if len(alike) == 1 else f" (and {len(alike) - 1} more like it)"
            end = "was dropped"
            if first.abandoned:
                end = "was dropped, went on even then, and is abandoned"
            entry = (
                f"  {first.label}{more} had not ended {first.seconds:.3f} s after it was canceled, "
                f"and {end}"
            )
            if first.what:
                entry += f"\n    it still waited for {first.what}"
            entry += "".join(
                f"\n    at {shortened(str(site))} in {site.function}" for site in first.stack
            )
            if first.reason != self.reason:
                entry += f"\n    canceled before that: {first.reason.line()}"
            entries.append(entry)
        return _capped(entries)


def _at(place: str | None) -> str:
    return "" if place is None else f", at {shortened(place)}"


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = "" if len(known) <= _SHOWN else f", and {len(known) - _SHOWN} more"
    return ", ".join(known[:_SHOWN]) + more


def _capped(entries: Sequence[str]) -> list[str]:
    if len(entries) <= _SHOWN:
        return list(entries)
    return [*entries[:_SHOWN], f"  … and {len(entries) - _SHOWN} more"]
