"""The last rungs of the grace ladder: drop a future, and abandon what resists (R10).

*Invariants.*
 G1  An overrun is warned of and recorded before the drop, with the await at which the cleanup hung.
 G2  Whatever the drop raises is returned, each failure once; nothing is lost (R15).
 G3  An abandoned coroutine is warned of and kept once, through however many cells it hung.

*Threads.* The executor's thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from .errors import Abandoned
from .frames import strip
from .waiting import place_of

if TYPE_CHECKING:
    from .executor import Executor
    from .poll import Future
    from .reason import CancelReason

__all__ = ["drop_overdue", "failures_of"]

_log = logging.getLogger("rescind")


def drop_overdue(
    future: Future[Any],
    executor: Executor | None,
    name: str,
    reason: CancelReason,
    overran: bool,
) -> tuple[tuple[BaseException, ...], bool]:
    """Drop a canceled future.

    Args:
        future: what is dropped.
        executor: keeps the records; None if the future was polled by hand.
        name: how to call the future in messages.
        reason: why it was canceled.
        overran: had its cleanup had time, so that this is an overrun (G1)?

    Returns:
        What the drop raised, in order (G2); and whether a coroutine was abandoned (G3).
    """
    place = place_of(future) if overran else ""
    if overran:
        _log.warning(
            "the cleanup of %s overran its grace and is dropped; it was stuck at %s. Canceled: %s",
            name,
            place,
            reason,
            extra={"overrun": True},
        )
    failures: list[BaseException] = []
    try:
        future.drop()
    except BaseException as exc:
        strip(exc)
        failures = failures_of(exc)
    abandoned = False
    for failure in failures:
        if isinstance(failure, Abandoned):
            abandoned = True
            if executor is None or executor.keep_abandoned(failure):
                _log.warning("%s", failure)
    if overran and executor is not None:
        executor.note_overrun(name, reason, place, abandoned)
    return tuple(failures), abandoned


def failures_of(exc: BaseException) -> list[BaseException]:
    """Return what a drop raised, one by one: a group that a drop made is taken apart."""
    if isinstance(exc, BaseExceptionGroup) and "while a future was dropped" in exc.message:
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return [error for inner in group.exceptions for error in failures_of(inner)]
    return [exc]
